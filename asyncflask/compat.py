"""asyncflask in Flask's place: one call, and code that imports ``flask`` runs on it unchanged."""

from __future__ import annotations

import importlib.util
import sys
import typing as t
import warnings
from pathlib import Path

if t.TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from importlib.metadata import Distribution, DistributionFinder
    from os import PathLike
    from types import ModuleType

OURS = __name__.partition(".")[0]
THEIRS = "flask"

FLASK_VERSION = "3.1.3"
"""The version of Flask whose API this is; what ``importlib.metadata.version("flask")`` answers."""


_EXCEPTIONS, _ROUTING = "werkzeug.exceptions", "werkzeug.routing"
_SIGNALS, _GLOBALS = f"{OURS}.signals", f"{OURS}.globals"

#: What Flask's modules happen to import, and others take from there though it is not Flask's: module -> name -> origin.
LENT: t.Mapping[str, t.Mapping[str, str]] = {
    "app": {
        "BadRequestKeyError": _EXCEPTIONS,
        "Headers": "werkzeug.datastructures",
        "InternalServerError": _EXCEPTIONS,
        "MapAdapter": _ROUTING,
        "RoutingException": _ROUTING,
        "Rule": _ROUTING,
        "appcontext_tearing_down": _SIGNALS,
        "current_app": _GLOBALS,
        "got_request_exception": _SIGNALS,
        "request_ctx": _GLOBALS,
        "request_finished": _SIGNALS,
        "request_started": _SIGNALS,
        "request_tearing_down": _SIGNALS,
        "send_from_directory": f"{OURS}.helpers",
    },
    "blueprints": {"current_app": _GLOBALS, "send_from_directory": f"{OURS}.helpers"},
    "cli": {"click": "", "current_app": _GLOBALS},
    "templating": {"request": _GLOBALS},
    "testing": {"Client": "werkzeug.test"},
    "wrappers": {"BadRequest": _EXCEPTIONS, "HTTPException": _EXCEPTIONS, "current_app": _GLOBALS},
}


def _lend(module: ModuleType) -> None:
    for name, origin in LENT.get(module.__name__.removeprefix(f"{OURS}."), {}).items():
        if name not in vars(module):
            found = importlib.import_module(origin or name)
            setattr(module, name, getattr(found, name) if origin else found)


def deprecated_version() -> str:
    """Return what ``flask.__version__`` is in Flask 3.1: old extensions compare it. Warns as Flask does.

    It is the version of Flask whose API this is; ``importlib.metadata.version("asyncflask")`` tells our own.
    """
    warnings.warn(
        f"'__version__' is {FLASK_VERSION}, the version of Flask whose API this is. Flask deprecates the attribute:"
        " look for the feature itself, or ask importlib.metadata.version() for 'flask' or 'asyncflask'.",
        DeprecationWarning,
        stacklevel=3,
    )
    return FLASK_VERSION


def install_as_flask() -> None:
    """Make ``import flask`` give asyncflask, and ``flask.X`` the very module ``asyncflask.X``.

    Call it before anything imports Flask; calling it again does no harm. ``importlib.metadata`` then knows a
    distribution "flask" of version 3.1.3, unless Flask is installed too.

    Raises RuntimeError if Flask itself has been imported already.
    """
    ours = importlib.import_module(OURS)
    _refuse_real_flask(ours)
    for name, module in list(sys.modules.items()):
        if name == OURS or name.startswith(f"{OURS}."):
            sys.modules[THEIRS + name.removeprefix(OURS)] = module
            _lend(module)
    if not any(isinstance(finder, FlaskModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, FlaskModules())
    if not any(isinstance(finder, FlaskMetadata) for finder in sys.meta_path):
        sys.meta_path.append(FlaskMetadata())  # last, so that an installed Flask answers for itself


def _refuse_real_flask(ours: ModuleType) -> None:
    for name, module in list(sys.modules.items()):
        if name == THEIRS or name.startswith(f"{THEIRS}."):
            counterpart = ours if name == THEIRS else sys.modules.get(OURS + name.removeprefix(THEIRS))
            if module is not None and module is not counterpart:
                raise RuntimeError(
                    f"{name!r} has been imported already, from {getattr(module, '__file__', None)}."
                    " Call asyncflask.install_as_flask() before anything imports flask."
                )


class FlaskModules:
    """A finder of ``sys.meta_path``, and the loader of what it finds: for ``flask.X`` the module ``asyncflask.X``.

    Without it, one that is imported first by its name in flask would become a second copy.
    """

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(self, name: str, path: t.Any = None, target: t.Any = None) -> ModuleSpec | None:
        """Return the spec of a module of ours by its name in flask; None for all else, also for ``flask.__main__``."""
        if not name.startswith(f"{THEIRS}.") or name.endswith(".__main__"):
            return None
        try:
            found = importlib.util.find_spec(OURS + name.removeprefix(THEIRS))
        except ModuleNotFoundError:  # in what is no package
            return None
        return None if found is None else importlib.util.spec_from_loader(name, t.cast(t.Any, self))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return our module, imported."""
        module = importlib.import_module(OURS + spec.name.removeprefix(THEIRS))
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module back its own spec, which the import has replaced; it has run already."""
        name = THEIRS + module.__name__.removeprefix(OURS)
        module.__spec__ = self._specs.pop(name, module.__spec__)
        _lend(module)


class FlaskMetadata:
    """A finder of ``sys.meta_path`` for the metadata of a distribution "flask"; it finds no modules."""

    def find_spec(self, *args: t.Any, **kwargs: t.Any) -> ModuleSpec | None:
        """Return None: the modules are in ``sys.modules``."""
        return None

    def find_distributions(self, context: DistributionFinder.Context | None = None) -> t.Iterator[Distribution]:
        """Yield the distribution if it is asked for by its name."""
        if context is not None and (context.name or "").lower() == THEIRS:
            yield _distribution()


def _distribution() -> Distribution:
    from importlib.metadata import Distribution  # slow to import, and seldom needed

    class FlaskDistribution(Distribution):
        """A name and a version."""

        def read_text(self, filename: str) -> str | None:
            """Return the text of a metadata file, None for one that is not there."""
            if filename == "METADATA":
                return f"Metadata-Version: 2.1\nName: Flask\nVersion: {FLASK_VERSION}\n"
            return None

        def locate_file(self, path: str | PathLike[str]) -> t.Any:
            """Return where `path`, relative to the folder of packages, lies."""
            return Path(__file__).parent.parent / path

    return FlaskDistribution()
