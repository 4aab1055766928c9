"""The application's settings: a dict that knows how to fill itself, and attributes that are really settings.

Who wins: whatever is loaded last. Within the environment a variable ``ASYNCFLASK_X`` wins over ``FLASK_X``, which is
honoured so that a deployment of Flask keeps working. (Flask docs: Configuration Handling.)
"""

from __future__ import annotations

import errno
import json
import os
import typing as t
from types import ModuleType

from werkzeug.utils import import_string

from .versions import WatchedDict

if t.TYPE_CHECKING:
    from .sansio.app import App

T = t.TypeVar("T")
FilePath = str | os.PathLike[str]

OUR_SETTINGS: t.Final[dict[str, t.Any]] = {
    # the media types that errors are offered in, the preferred one first; None: Flask's HTML pages
    "ERROR_MIMETYPES": None,
    # whether `def` handlers run in threads, and in how many; requests that may wait for one of them
    "THREADED": True,
    "THREADS": 40,
    "THREAD_QUEUE_LIMIT": 10_000,
    # origins of pages that may open websockets (None: all), threads for `def` handlers of these, and messages that are
    # kept for a handler that is busy
    "WEBSOCKET_ORIGINS": None,
    "WEBSOCKET_THREADS": 100,
    "WEBSOCKET_QUEUE": 16,
    "MAX_WEBSOCKET_MESSAGE": 16 * 1024 * 1024,  # bytes
    # seconds that a view may take, that a client may take to send a body, and to take the next piece of an answer
    "REQUEST_TIMEOUT": None,
    "BODY_TIMEOUT": None,
    "RESPONSE_TIMEOUT": 60.0,
    # seconds, when the server stops: for streams to end, before it begins to stop, for background tasks to end
    "STREAM_SHUTDOWN_TIMEOUT": 10.0,
    "SHUTDOWN_DELAY": 0.0,
    "BACKGROUND_TASK_SHUTDOWN_TIMEOUT": 5.0,
}
"""The settings that Flask has not, with their defaults."""

_ABSENT = frozenset({errno.ENOENT, errno.EISDIR})


def env_setting(name: str) -> str | None:
    """Return the environment's value for the framework's own setting `name`, such as ``"DEBUG"`` or ``"APP"``.

    ``ASYNCFLASK_<name>`` wins unless it is missing or empty; then comes ``FLASK_<name>``; None if neither is set.
    """
    return os.environ.get(f"ASYNCFLASK_{name}") or os.environ.get(f"FLASK_{name}")


class ConfigAttribute(t.Generic[T]):
    """An attribute of the application that is stored in its config.

    Args:
        name: the key in ``app.config``.
        get_converter: applied to the stored value on every read.
    """

    def __init__(self, name: str, get_converter: t.Callable[[t.Any], T] | None = None) -> None:
        self.get_converter = get_converter
        self.__name__ = name

    @t.overload
    def __get__(self, obj: None, owner: None) -> t.Self: ...
    @t.overload
    def __get__(self, obj: App, owner: type[App]) -> T: ...

    def __get__(self, obj: App | None, owner: type[App] | None = None) -> T | t.Self:
        if obj is None:
            return self
        stored = obj.config[self.__name__]
        return t.cast(T, stored) if self.get_converter is None else self.get_converter(stored)

    def __set__(self, obj: App, value: t.Any) -> None:
        obj.config[self.__name__] = value


class Config(WatchedDict[str, t.Any]):
    """A dict of settings with loaders for objects, files and the environment.

    Objects, Python files, data files and mappings contribute only names in upper case, so that helpers in them stay
    out; values are not changed in any way.

    Args:
        root_path: folder that relative file names start from; the application passes its own root path.
        defaults: settings to start with.

    Every change bumps `version`, which the application makes its own: what it has worked out ahead is then remade.
    """

    def __init__(self, root_path: FilePath, defaults: dict[str, t.Any] | None = None) -> None:
        super().__init__(items=defaults)
        self.root_path = root_path

    def from_object(self, obj: object | str) -> None:
        """Take the upper-case attributes of an object, usually a module or a class.

        Args:
            obj: the object, or the dotted import name of one. A class is not instantiated, so its properties are not
                evaluated; a dict has no attributes, use `from_mapping` for it.

        Raises:
            ImportError: there is no such import name.
        """
        source = import_string(obj) if isinstance(obj, str) else obj
        # One by one, here and below: a subclass may check or convert in __setitem__.
        for name in filter(str.isupper, dir(source)):
            self[name] = getattr(source, name)

    def from_mapping(self, mapping: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> bool:
        """Take the upper-case items of a mapping (or of pairs) and of the keyword arguments, which win. Return True."""
        merged = {**dict(() if mapping is None else mapping), **kwargs}
        for name in filter(str.isupper, merged):
            self[name] = merged[name]
        return True

    def from_pyfile(self, filename: FilePath, silent: bool = False) -> bool:
        """Run a Python file and take its upper-case names.

        Args:
            filename: absolute, or relative to `root_path`.
            silent: a missing file is no error.

        Returns:
            Whether the file was there.

        Raises:
            OSError: the file cannot be read.
        """
        path = os.path.join(self.root_path, filename)
        source = _read(path, "rb", lambda file: file.read(), _ABSENT | {errno.ENOTDIR} if silent else frozenset())
        if source is None:
            return False
        module = ModuleType("config")
        module.__file__ = path
        exec(compile(source, path, "exec"), vars(module))
        self.from_object(module)
        return True

    def from_file(
        self,
        filename: FilePath,
        load: t.Callable[[t.IO[t.Any]], t.Mapping[str, t.Any]],
        silent: bool = False,
        text: bool = True,
    ) -> bool:
        """Take the upper-case items of what `load` reads from a file.

        Args:
            filename: absolute, or relative to `root_path`.
            load: gets the open file and returns a mapping: ``json.load``, ``tomllib.load`` (with ``text=False``), ...
            silent: a missing file is no error.
            text: open the file as text rather than as bytes.

        Returns:
            Whether the file was there.

        Raises:
            OSError: the file cannot be read.
        """
        path = os.path.join(self.root_path, filename)
        # In a tuple, since None means that there was no file while `load` may well return something empty.
        loaded = _read(path, "r" if text else "rb", lambda file: (load(file),), _ABSENT if silent else frozenset())
        return loaded is not None and self.from_mapping(*loaded)

    def from_envvar(self, variable_name: str, silent: bool = False) -> bool:
        """Load the Python file that an environment variable names.

        Args:
            variable_name: the variable.
            silent: neither a missing variable nor a missing file is an error.

        Returns:
            Whether a file was loaded.

        Raises:
            RuntimeError: the variable is not set or empty.
            OSError: the file cannot be read.
        """
        filename = os.environ.get(variable_name)
        if filename:
            return self.from_pyfile(filename, silent=silent)
        if silent:
            return False
        raise RuntimeError(
            f"The environment variable {variable_name!r} is not set, so there is no configuration to load."
            " Set it to the path of a configuration file, or pass silent=True if it may be missing."
        )

    def from_prefixed_env(self, prefix: str = "FLASK", *, loads: t.Callable[[str], t.Any] = json.loads) -> bool:
        """Take every environment variable that starts with `prefix` and an underscore, in sorted order.

        The rest of the name is the key. ``__`` in it goes into nested dicts, which are made as needed:
        ``FLASK_DB__HOST=x`` sets ``config["DB"]["HOST"]``. With the default prefix, variables that start with
        ``ASYNCFLASK_`` are taken as well, after the others, so they win.

        Args:
            prefix: without the underscore.
            loads: converts a value; if it raises, the value stays a string.

        Returns:
            True.
        """
        prefixes = ("FLASK_", "ASYNCFLASK_") if prefix == "FLASK" else (f"{prefix}_",)
        for start in prefixes:
            for variable in sorted(name for name in os.environ if name.startswith(start)):
                raw = os.environ[variable]
                try:
                    value = loads(raw)
                except Exception:
                    value = raw
                self._set_nested(variable[len(start) :], value)
        return True

    def _set_nested(self, dotted: str, value: t.Any) -> None:
        *path, last = dotted.split("__")
        target: dict[str, t.Any] = self
        for step in path:
            if step not in target:
                target[step] = {}
            target = target[step]
        target[last] = value

    def get_namespace(self, namespace: str, lowercase: bool = True, trim_namespace: bool = True) -> dict[str, t.Any]:
        """Return the settings whose keys start with `namespace`, as keyword arguments for something.

        Args:
            namespace: for example ``"IMAGE_STORE_"``.
            lowercase: give the keys in lower case.
            trim_namespace: give the keys without the namespace.
        """
        start = len(namespace) if trim_namespace else 0
        return {
            key[start:].lower() if lowercase else key[start:]: value
            for key, value in self.items()
            if key.startswith(namespace)
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {super().__repr__()}>"


def _read(path: str, mode: str, consume: t.Callable[[t.IO[t.Any]], T], forgiven: t.Collection[int]) -> T | None:
    # None: the file could not be opened, for one of the forgiven reasons.
    try:
        with open(path, mode) as file:
            return consume(file)
    except OSError as error:
        if error.errno in forgiven:
            return None
        error.strerror = f"Unable to load configuration file ({error.strerror})"
        raise
