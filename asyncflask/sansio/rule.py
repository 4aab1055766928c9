"""Werkzeug's rule, whose two functions that build URLs are compiled when the first URL is built."""

from __future__ import annotations

import typing as t

from werkzeug.routing import Rule as BaseRule

# Names that Python's compiler refuses as parameters: such a rule fails where it is written, as Werkzeug's does.
_REFUSED = frozenset({"None", "True", "False", "__debug__"})


class Rule(BaseRule):
    """A URL rule; arguments and behaviour are those of `werkzeug.routing.Rule`.

    Compiling is nine tenths of what a rule costs to add, and most programs build the URLs of a few rules only.
    """

    def _compile_builder(self, append_unknown: bool = True) -> t.Callable[..., tuple[str, str]]:
        compile_now = super()._compile_builder
        names = [name for is_variable, name in self._trace if is_variable]
        # What may fail has to fail where the rule is written. A default is put through its converter while compiling.
        if self.defaults or len(set(names) - _REFUSED) < len(names):
            return compile_now(append_unknown)

        def build(rule: Rule, /, **values: t.Any) -> tuple[str, str]:
            compiled = compile_now(append_unknown).__get__(rule, None)
            setattr(rule, "_build_unknown" if append_unknown else "_build", compiled)  # no detour the next time
            result: tuple[str, str] = compiled(**values)
            return result

        return build
