"""Finds the application that a command is for: by an import string, by a factory, or by the usual file names."""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
import traceback
import typing as t
from types import FunctionType, ModuleType

import click

from ..app import App
from ..helpers import get_debug_flag, get_load_dotenv

_INSTANCES = ("app", "application")
_FACTORIES = ("create_app", "make_app")
_FILES = ("wsgi.py", "app.py")


class NoAppException(click.UsageError):
    """The application cannot be found or loaded."""


class AppImportError(NoAppException):
    """The module of the application is there, but an import inside of it fails: the cause of this error."""


def find_best_app(module: ModuleType) -> App:
    """Return the application of a module that nobody named.

    That is ``app`` or ``application``, else the only `App` in the module, else what ``create_app()`` or ``make_app()``
    returns. Raises NoAppException if there is none, or more than one.
    """
    values = vars(module).values()
    usual = [app for name in _INSTANCES if isinstance(app := getattr(module, name, None), App)]
    apps = usual[:1] or [value for value in values if isinstance(value, App)]
    where = module.__name__
    if len(apps) > 1:
        raise NoAppException(
            f"Detected multiple Flask applications in module '{where}'. Say which one: '{where}:name'."
        )
    if apps:
        return apps[0]
    for name in _FACTORIES:
        factory = getattr(module, name, None)
        if not inspect.isfunction(factory):
            continue
        made = _call(
            factory,
            f"Detected factory '{name}' in module '{where}', but could not call it without arguments. Give them:"
            f" '{where}:{name}(args)'.",
        )
        if isinstance(made, App):
            return made
    raise NoAppException(
        f"Failed to find Flask application or factory in module '{where}'. If it has another name than"
        f" {', '.join(_INSTANCES + _FACTORIES)}, use '{where}:name'.{_of_flask(*values)}"
    )


def _of_flask(*values: object) -> str:
    """Return what to say where an application was made with Flask itself, which is another class than ours."""
    if not any(kind.__module__ == "flask.app" for value in values for kind in type(value).__mro__):
        return ""
    from ..serving.explain import INSTEAD_OF_FLASK  # only then

    return f" There is an application of Flask itself: {INSTEAD_OF_FLASK}"


def find_app_by_string(module: ModuleType, app_name: str) -> App:
    """Return the application that `app_name` names in a module: ``name``, or ``factory(1, key="literal")``.

    Raises NoAppException if it says neither, if there is no such name, or if that is no application.
    """
    name, args, kwargs = _parse_reference(app_name)
    where = module.__name__
    try:
        found = getattr(module, name)
    except AttributeError as error:
        raise NoAppException(f"Failed to find attribute {name!r} in {where!r}.") from error
    if inspect.isfunction(found):
        refused = f"The factory {app_name!r} in module {where!r} could not be called with the specified arguments."
        found = _call(found, refused, *args, **kwargs)
    if not isinstance(found, App):
        raise NoAppException(
            f"A valid Flask application was not obtained from '{where}:{app_name}', but {type(found).__name__!r}."
            f"{_of_flask(found)}"
        )
    return found


def _parse_reference(text: str) -> tuple[str, list[t.Any], dict[str, t.Any]]:
    no_name = NoAppException(f"Failed to parse {text!r} as an attribute name or function call.")
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise no_name from None
    match node:
        case ast.Name(id=name):
            return name, [], {}
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
            try:
                values = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords if keyword.arg}
                if len(values) != len(keywords):
                    raise ValueError("** in a call")
                return name, [ast.literal_eval(arg) for arg in args], values
            except (ValueError, TypeError):
                # the errors of literal_eval speak of nodes; what was written says more
                raise NoAppException(f"Failed to parse arguments as literal values: {text!r}.") from None
        case ast.Call():
            raise NoAppException(f"Function reference must be a simple name: {text!r}.")
    raise no_name


def _call(factory: FunctionType, refused: str, *args: t.Any, **kwargs: t.Any) -> t.Any:
    """Call a factory; raise NoAppException(`refused`) if it does not take the arguments."""
    try:
        made = factory(*args, **kwargs)
    except TypeError as error:
        if _called_with_wrong_args(factory):
            raise NoAppException(refused) from error
        raise
    if inspect.iscoroutine(made):
        made.close()
        from ..serving.explain import made_on_a_loop  # only then

        raise NoAppException(made_on_a_loop(factory.__name__))
    return made


def _called_with_wrong_args(f: t.Callable[..., App]) -> bool:
    """Return whether the TypeError being handled comes from the call of `f` itself, not from inside of it."""
    frames = traceback.walk_tb(sys.exc_info()[2])
    return all(frame.f_code is not f.__code__ for frame, _ in frames)


def prepare_import(path: str) -> str:
    """Return the import name of a file, and put the folder that it is imported from first on `sys.path`.

    Args:
        path: of a module or package, with or without ``.py``; a dotted name is taken for one in the current folder.
    """
    stem = os.path.realpath(path).removesuffix(".py")
    folder, name = os.path.split(stem)
    if name == "__init__":
        folder, name = os.path.split(folder)
    names = [name]
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        names.append(name)
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    return ".".join(reversed(names))


@t.overload
def locate_app(module_name: str, app_name: str | None, raise_if_not_found: t.Literal[True] = True) -> App: ...
@t.overload
def locate_app(module_name: str, app_name: str | None, raise_if_not_found: bool = ...) -> App | None: ...
def locate_app(module_name: str, app_name: str | None, raise_if_not_found: bool = True) -> App | None:
    """Import a module and return its application.

    Args:
        module_name: dotted name of the module.
        app_name: as `find_app_by_string` takes it; None to look for the usual names.
        raise_if_not_found: otherwise a missing module gives None.

    Raises:
        NoAppException: no such module, an ImportError inside of it, or no application there.
    """
    try:
        __import__(module_name)
    except ImportError as error:
        here = error.__traceback__
        if here is not None and here.tb_next is not None:  # raised by code of the module, not by its absence
            from ..serving.explain import import_error  # only then

            raise AppImportError(import_error(module_name, error)) from error
        if not raise_if_not_found:
            return None
        where = f"It is looked for in {os.path.abspath(sys.path[0])!r}, then in the other places on sys.path."
        raise NoAppException(f"Could not import {module_name!r}. {where}") from None
    module = sys.modules[module_name]
    return find_best_app(module) if app_name is None else find_app_by_string(module, app_name)


class ScriptInfo:
    """What a command knows of its application, which is loaded when first asked for.

    Args:
        app_import_path: ``module``, ``module:name``, ``module:factory(args)``, or a path in place of the module.
        create_app: makes the application instead.
        set_debug_flag: whether the environment decides on the application's debug mode.
        load_dotenv_defaults: whether ``.env`` and ``.flaskenv`` are to be read; it is only noted here, for others.

    (Flask docs: Command Line Interface, Custom Scripts.)
    """

    def __init__(
        self,
        app_import_path: str | None = None,
        create_app: t.Callable[..., App] | None = None,
        set_debug_flag: bool = True,
        load_dotenv_defaults: bool = True,
    ) -> None:
        self._loaded_app: App | None = None
        self.load_dotenv_defaults: bool = get_load_dotenv(load_dotenv_defaults)
        self.set_debug_flag = set_debug_flag
        self.create_app = create_app
        self.app_import_path = app_import_path
        #: Anything that belongs to this run of the script.
        self.data: dict[t.Any, t.Any] = {}

    def load_app(self) -> App:
        """Return the application, always the same. Raises NoAppException if it is not found."""
        if self._loaded_app is None:
            app = self._find()
            if self.set_debug_flag:
                app.debug = get_debug_flag()  # through the descriptor, so that what depends on it follows
            self._loaded_app = app
        return self._loaded_app

    def _find(self) -> App:
        if self.create_app is not None:
            return self.create_app()
        if self.app_import_path:
            # not at the colon of a Windows drive
            path, *name = re.split(r":(?![\\/])", self.app_import_path, maxsplit=1)
            return locate_app(prepare_import(path), name[0] if name else None)
        for file in _FILES:
            app = locate_app(prepare_import(file), None, raise_if_not_found=False)
            if app is not None:
                return app
        raise NoAppException(
            f"Could not locate a Flask application: there is neither 'wsgi.py' nor 'app.py' in {os.getcwd()!r}. Name it"
            " with the option '--app' or with the environment variable 'ASYNCFLASK_APP' or 'FLASK_APP'."
        )
