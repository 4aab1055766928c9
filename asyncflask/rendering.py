"""What Jinja does again and again while it renders, for less: it begins a context, looks up, calls, and writes.

What comes out is what Jinja itself makes. (`templating.Environment` is one of these environments.)
"""

from __future__ import annotations

import re
import typing as t
from collections import ChainMap
from types import BuiltinFunctionType, FunctionType, MethodType

from jinja2 import Environment, Template
from jinja2.runtime import Context
from jinja2.utils import internalcode
from markupsafe import Markup, escape

from .plain import is_plain

SHORT = 256
"""Up to so many characters it costs less to look for special ones than to make `Markup` of a text."""

_OF_EVERY_DICT = frozenset(dir(dict))
_NOTHING_SPECIAL = frozenset({int, float, bool, type(None), Markup})
_FUNCTIONS = frozenset({FunctionType, BuiltinFunctionType})

_has_special = re.compile("[&<>\"']").search


def escape_for_output(value: t.Any) -> str:
    """Return the text that `markupsafe.escape` gives, which need not be `Markup`: it is written, not used further."""
    kind = type(value)
    if kind is str:
        return value if len(value) <= SHORT and _has_special(value) is None else escape(value)
    return str(value) if kind in _NOTHING_SPECIAL else escape(value)


class QuickContext(Context):
    """What a template sees and calls."""

    @internalcode
    def call(__self, __obj: t.Callable[..., t.Any], *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Call what a template calls; with the context or the environment, if that is what it wants."""
        function: t.Any = __obj
        if type(function) is MethodType:
            function = function.__func__
        if type(function) not in _FUNCTIONS or hasattr(function, "jinja_pass_arg"):
            return super().call(__obj, *args, **kwargs)
        if kwargs:  # the names of loops and blocks, for those who want the context
            kwargs.pop("_loop_vars", None)
            kwargs.pop("_block_vars", None)
        try:
            return __obj(*args, **kwargs)
        except StopIteration as stop:
            return super().call(_raiser(stop))


def _raiser(error: BaseException) -> t.Callable[[], t.NoReturn]:
    def fail() -> t.NoReturn:
        raise error

    return fail


class QuickTemplate(Template):
    """A template that begins and writes as Jinja's does."""

    def new_context(
        self, vars: dict[str, t.Any] | None = None, shared: bool = False, locals: t.Mapping[str, t.Any] | None = None
    ) -> Context:
        """Return a context with `vars` and the globals. (Jinja docs: Template.)"""
        names = self.globals
        if shared or locals or type(names) is not ChainMap:
            return super().new_context(vars, shared, locals)
        # Jinja would copy the chain name by name. Mostly it is none: few templates have globals of their own.
        own, *rest = names.maps
        known = dict(names) if own or len(rest) != 1 else rest[0]
        environment = self.environment
        parent = dict(known, **vars) if vars else dict(known)
        return environment.context_class(environment, parent, self.name, self.blocks, globals=known)

    @classmethod
    def from_code(cls, *args: t.Any, **kwargs: t.Any) -> Template:
        """Make a template of compiled code. (Jinja docs: Template.)"""
        template = super().from_code(*args, **kwargs)
        names = getattr(template.root_render_func, "__globals__", {})
        if names.get("escape") is escape:  # what the compiled code writes its output with, and nothing else
            names["escape"] = escape_for_output
        return template


class QuickEnvironment(Environment):
    """Jinja's environment, unless `plain` says that all of it is to be Jinja's own."""

    if not is_plain():
        context_class: type[Context] = QuickContext
        template_class: type[Template] = QuickTemplate

        def getattr(self, obj: t.Any, attribute: str) -> t.Any:
            """Return what ``obj.attribute`` means in a template: the attribute, or else the item."""
            # A row that is a dict: it costs more to find out that it has no such attribute than all the rest.
            if type(obj) is dict and attribute in obj and attribute not in _OF_EVERY_DICT:
                return obj[attribute]
            return super().getattr(obj, attribute)
