"""What is public in Flask, read from an installed Flask: names by module, members by class, parameters by callable."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any, TypeVar

from werkzeug.local import LocalProxy

#: Has no ``__init__.py``, so that its modules are not found by walking.
FOLDERS = ("sansio",)


def modules(package: str) -> list[str]:
    """Return the names of Flask's modules, the package itself first, without the one that runs it."""
    top = importlib.import_module(package)
    found = [info.name for info in pkgutil.walk_packages(top.__path__, f"{package}.")]
    for folder in FOLDERS:
        inside = [f"{top.__path__[0]}/{folder}"]
        found += [info.name for info in pkgutil.iter_modules(inside, f"{package}.{folder}.")]
    return [package, *sorted(name for name in found if not name.endswith(".__main__"))]


def public(module: ModuleType) -> list[str]:
    """Return the names that a module's source defines, and for a package those that it imports as their own.

    What a module merely imports is not its API; nor are type variables, which say something only where they stand.
    """
    names = set()
    tree = ast.parse(inspect.getsource(module))
    for node in _bodies(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.ImportFrom(names=aliases):
                names |= {alias.asname for alias in aliases if alias.asname == alias.name}
    return sorted(
        name
        for name in names
        if not name.startswith("_") and hasattr(module, name) and not isinstance(getattr(module, name), TypeVar)
    )


def _bodies(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of a module; of those for type checkers, none."""
    for node in tree.body:
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node


def get(module: str, path: str) -> Any:
    """Return what a dotted path leads to in a module; raises AttributeError."""
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # some of Flask's names are there to be warned of
            found = getattr(found, name)
    return found


def members(cls: type) -> list[str]:
    """Return the names of a class's public members, inherited ones included, but for those of `object`."""
    return [name for name in dir(cls) if not name.startswith("_")]


def parameters(found: Any) -> list[str] | None:
    """Return the parameters of a callable, a word each: kind, name, default. None for what has none to be read."""
    if isinstance(found, LocalProxy) or not callable(found) or type(found).__module__ == "typing":
        return None
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return None
    return [_word(parameter) for parameter in signature.parameters.values()]


MARKS = {
    inspect.Parameter.POSITIONAL_ONLY: "/",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.KEYWORD_ONLY: "kw ",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def _word(parameter: inspect.Parameter) -> str:
    default = parameter.default
    if default is inspect.Parameter.empty:
        return MARKS[parameter.kind] + parameter.name
    # Markers for "not given" and functions are one's own in each package.
    plain = default is None or isinstance(default, str | int | float | tuple)
    return f"{MARKS[parameter.kind]}{parameter.name}={repr(default) if plain else '...'}"
