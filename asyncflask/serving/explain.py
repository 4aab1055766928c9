"""Why an application could not be loaded, in a line for whoever wrote it: what was wrong, where, what to do."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path
from types import FrameType, TracebackType

INSTEAD_OF_FLASK = "import from 'asyncflask', or call 'asyncflask.install_as_flask()' before anything imports flask."
_LOADERS = ("asyncflask.cli", "asyncflask.serving", "importlib", "_frozen_importlib", "click.", "werkzeug.utils")


def why(error: BaseException) -> str:
    """Return why an application could not be loaded, in a line: for an import `advice`, else `summary`."""
    return advice(error) if isinstance(error, ImportError) else summary(error)


def summary(error: BaseException) -> str:
    """Return an error in one line, as the last one of its traceback, and where the application's own code is in it."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    place = place_of(error, installed=False)
    return (lines[0] if lines else type(error).__name__) + (f" ({place[0]}, line {place[1]})" if place else "")


def made_on_a_loop(factory: str) -> str:
    """Return what to say of a factory that is a coroutine function."""
    return (
        f"The factory {factory!r} is an 'async def' function, and there is no event loop yet that its application could"
        " stay on. Make it a 'def' function."
    )


def from_application(at: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame on that is not ours and not Python's import system's."""
    while at is not None and _loads(at.tb_frame):
        at = at.tb_next
    return at


def place_of(error: BaseException, installed: bool = True) -> tuple[str, int] | None:
    """Return the file and line that raised, of code that is neither ours nor Python's import system's.

    Args:
        error: what was raised.
        installed: whether it may be in what the application calls of Python's library and of installed packages.
    """
    found = None
    for frame, line in traceback.walk_tb(from_application(error.__traceback__)):
        file = frame.f_code.co_filename
        if _loads(frame) or _module(frame).partition(".")[0] == "asyncflask":
            continue
        if found is None or installed or not _is_installed(file):
            found = file, line
    return found


def _is_installed(file: str) -> bool:
    paths = sysconfig.get_paths()
    return file.startswith(("<frozen ", *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))))


def _loads(frame: FrameType) -> bool:
    return _module(frame).startswith(_LOADERS) or frame.f_code.co_name == "exec_module"  # of an import hook


def _module(frame: FrameType) -> str:
    names = frame.f_globals
    run = names.get("__spec__") if names.get("__name__") == "__main__" else None  # by python -m
    name: str = names.get("__name__", "") if run is None else run.name
    return name


def import_error(module: str, error: ImportError) -> str:
    """Return the text for an import that failed inside of `module`: the traceback, and what to do about it."""
    shown = error.with_traceback(from_application(error.__traceback__))
    trace = "".join(traceback.format_exception(shown, chain=False))
    # The first line is Flask's, which programs that start it may look for.
    return f"While importing {module!r}, an ImportError was raised:\n\n{trace}\n{advice(error)}"


def advice(error: ImportError) -> str:
    """Return where an import has failed, why, and what to do, in a line."""
    place = place_of(error)
    where = "{}:{}: ".format(*place) if place else ""
    text = str(error)
    if isinstance(error, ModuleNotFoundError) and error.name and text.startswith("No module named"):
        return f"{where}there is no module {error.name!r}. {_instead_of(error.name, place[0] if place else None)}"
    if "circular import" in text:
        return (
            f"{where}it imports from {error.name!r}, which is itself still being imported, and comes back here. Import"
            " inside the function that needs it, or move what both need to a third module."
        )
    if error.name and error.path and text.startswith("cannot import name"):
        return f"{where}{error.path} has no such name. Correct it, or look whether another version of it has the name."
    return f"{where}{type(error).__name__}: {text}"


def _instead_of(missing: str, file: str | None) -> str:
    top, _, rest = missing.partition(".")
    if top == "flask" and not rest:
        return "Flask is not installed, and asyncflask stands in for it: " + INSTEAD_OF_FLASK
    if file is not None and _is_beside(top, file):
        return f"There is one in the package of this file: import it with a dot, as in 'from .{missing} import ...'."
    if rest and top in sys.modules:
        return f"Correct the name, or look whether another version of {top!r} has it."
    return f"Correct the name, or install the package that has it, by '{sys.executable} -m pip install ...'."


def _is_beside(name: str, file: str) -> bool:
    folder = Path(file).parent
    is_package = (folder / "__init__.py").exists()
    return is_package and ((folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists())
