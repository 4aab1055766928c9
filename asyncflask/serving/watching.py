"""Which files a reloader watches.

Watched are the ``.py`` files in the folders of `sys.path`, the files that the application has loaded, and the extra
files. Not: virtual environments, node_modules, version control, caches, the standard library and what is installed.
"""

from __future__ import annotations

import fnmatch
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator

IGNORED = frozenset(
    "__pycache__ __pypackages__ .git .hg .svn .bzr .tox .nox .venv .direnv .eggs .idea .vscode .cache .pytest_cache"
    " .mypy_cache .ruff_cache .hypothesis .ipynb_checkpoints node_modules bower_components site-packages"
    " dist-packages".split()
)
_INSTALLED = {os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}


class Watched:
    """What is watched.

    Args:
        extra: more files, or folders whose ``.py`` files count too.
        exclude: patterns (`fnmatch`) of paths that do not count.
        loaded: files that the application was loaded from; `add_loaded` adds more.
    """

    def __init__(self, extra: Iterable[str] = (), exclude: Iterable[str] = (), loaded: Iterable[str] = ()) -> None:
        extra = [os.path.abspath(path) for path in extra]
        self.exclude: tuple[str, ...] = tuple(exclude)
        patterns = "|".join(fnmatch.translate(os.path.normcase(pattern)) for pattern in self.exclude)
        self._exclude: re.Pattern[str] | None = re.compile(patterns) if patterns else None
        self.files: set[str] = {path for path in extra if not os.path.isdir(path)}
        self.roots: list[str] = sorted(
            {os.path.abspath(path) for path in (*sys.path, *extra) if os.path.isdir(path or ".")}
            - {os.path.abspath(path) for path in _INSTALLED}
        )
        #: files of `sys.path` itself: zip files
        self.files |= {os.path.abspath(path) for path in sys.path if os.path.isfile(path)}
        self.loaded: set[str] = set()
        self.add_loaded(loaded)

    def add_loaded(self, paths: Iterable[str]) -> None:
        """Count files in that code was loaded from, unless they are installed."""
        self.loaded |= {path for path in map(os.path.abspath, paths) if path.endswith(".py") and not _installed(path)}

    def counts(self, path: str) -> bool:
        """Return whether a change of the file restarts the server."""
        if self._excluded(path):
            return False
        if path in self.files or path in self.loaded:
            return True
        return path.endswith(".py") and any(path.startswith(os.path.join(root, "")) for root in self.roots)

    def folders(self) -> Iterator[tuple[str, list[str]]]:
        """Walk the folders in which there may be files that count; with the names of all their files."""
        seen: set[str] = set()
        for root in self.roots:
            if not _installed(root):
                yield from walk(root, seen)

    def hot(self) -> set[str]:
        """Return the files to look at first: loaded ones, and the extra files."""
        return {path for path in self.files | self.loaded if self.counts(path)}

    def cold(self) -> list[str]:
        """Return all the others that count, as they are now."""
        hot = self.files | self.loaded
        code = (
            os.path.join(folder, name) for folder, names in self.folders() for name in names if name.endswith(".py")
        )
        return [path for path in code if path not in hot and not self._excluded(path)]

    def places(self) -> set[str]:
        """Return every folder that holds something to watch, or might tomorrow."""
        return {folder for folder, _ in self.folders()} | self.places_beside()

    def places_beside(self) -> set[str]:
        """Return the folders of loaded and of extra files."""
        beside = {os.path.dirname(path) for path in self.files | self.loaded}
        return {folder for folder in beside if os.path.isdir(folder)}

    def _excluded(self, path: str) -> bool:
        return self._exclude is not None and self._exclude.match(os.path.normcase(path)) is not None


def _installed(path: str) -> bool:
    path = os.path.realpath(path)
    return any(path == folder or path.startswith(folder + os.sep) for folder in _INSTALLED)


def walk(root: str, seen: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield `root` and the folders below it that may hold code, unless they are in `seen`, with the names of files."""
    has_python = {os.path.dirname(root): True}
    for folder, inside, names in os.walk(root):
        if folder in seen:
            inside.clear()
            continue
        seen.add(folder)
        mine = has_python[folder] = any(name.endswith(".py") for name in names)
        # Data may be large: where neither a folder nor its parent has code, nothing below is looked for.
        if folder != root and not mine and not has_python.get(os.path.dirname(folder), True):
            inside.clear()
            continue
        inside[:] = [name for name in inside if name not in IGNORED and not is_environment(os.path.join(folder, name))]
        yield folder, names


def is_environment(folder: str) -> bool:
    """A virtual environment says so itself (PEP 405); a root that is one is watched all the same."""
    return os.path.exists(os.path.join(folder, "pyvenv.cfg")) or folder in _INSTALLED
