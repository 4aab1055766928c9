"""The options of a route: which there are, and what each may be.

`threaded`, `stream_body`, `on_disconnect`, `timeout` and `middleware` are ours and end as attributes of the rule; the
rest belongs to Werkzeug's `Rule`. A wrong one is refused where it is written, with the rule's text in the message.
"""

from __future__ import annotations

import inspect
import typing as t
from collections.abc import Hashable
from functools import lru_cache

from werkzeug.routing import Rule

#: Our options: name -> (value when not given, all values allowed).
ROUTE_OPTIONS: t.Final[dict[str, tuple[t.Any, tuple[t.Any, ...]]]] = {
    "threaded": (None, (None, True, False)),
    "stream_body": (False, (True, False)),
    "on_disconnect": ("finish", ("finish", "cancel", "shield")),
}

#: Those that may have any value of a kind: name -> (value when not given, what raises an error for a wrong one).
OPEN_OPTIONS: t.Final[dict[str, tuple[t.Any, t.Callable[[str, t.Any], None]]]] = {
    "timeout": (None, lambda rule, value: _check_timeout(rule, value)),
    "middleware": ((), lambda rule, value: _check_middleware(rule, value)),
}

# said by parameters of add_url_rule and not among those of Rule
_SAID_ELSEWHERE = {"provide_automatic_options"}


def check_route_options(rule: str, options: t.Mapping[str, t.Any]) -> None:
    """Refuse a wrong value of one of our options.

    Args:
        rule: text of the URL rule, for the message.
        options: all options given; those of others are passed over.

    Raises:
        TypeError: a value is of a type that the option never has.
        ValueError: a value of the right type is not among those allowed.
    """
    for name, (_, allowed) in ROUTE_OPTIONS.items():
        if name not in options:
            continue
        value = options[name]
        # by identity for True, False and None: 1 == True would pass for one of them
        if any(value is one or (isinstance(one, str) and value == one) for one in allowed):
            continue
        kinds = {type(one) for one in allowed}
        choices = ", ".join(map(repr, allowed))
        problem = f"The option '{name}' of the rule {rule!r} must be one of {choices}, not {value!r}."
        raise ValueError(problem) if type(value) in kinds else TypeError(problem)
    for name, (default, check) in OPEN_OPTIONS.items():
        if options.get(name, default) is not default:
            check(rule, options[name])


def _check_timeout(rule: str, value: t.Any) -> None:
    problem = f"The option 'timeout' of the rule {rule!r} must be a number of seconds, 0 for no limit, not {value!r}."
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(problem)
    if not 0 <= value < float("inf"):
        raise ValueError(problem)


def _check_middleware(rule: str, value: t.Any) -> None:
    if not isinstance(value, (list, tuple)) or not all(map(callable, value)):
        raise TypeError(f"The option 'middleware' of the rule {rule!r} must be a list of functions, not {value!r}.")


def check_websocket_options(rule: str, options: t.Mapping[str, t.Any]) -> None:
    """Refuse what a rule for websockets cannot have.

    Args:
        rule: text of the URL rule, for the message.
        options: all options given.

    Raises:
        ValueError: there is a method other than GET, or an option that only requests have.
    """
    methods = options.get("methods")
    if methods is not None and set(methods) != {"GET"}:
        raise ValueError(f"The websocket rule {rule!r} can't have methods: its handshake is always a GET.")
    if options.get("stream_body"):
        raise ValueError(f"The websocket rule {rule!r} can't have 'stream_body': a handshake has no body.")
    if options.get("timeout") is not None:
        raise ValueError(f"The websocket rule {rule!r} can't have 'timeout': its handler runs while its client stays.")
    if options.get("middleware"):
        raise ValueError(f"The websocket rule {rule!r} can't have 'middleware': that is around requests.")
    if options.get("threaded") is False:
        raise ValueError(
            f"The websocket rule {rule!r} can't have 'threaded=False': a 'def' handler that waits for its client would"
            " block the event loop. Make it 'async def'."
        )


def take_route_options(rule: str, options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Take our options out of `options`.

    Args:
        rule: text of the URL rule, for messages.
        options: all options given; ours are removed.

    Returns:
        A value for each of our options: as given, or what it is by default.

    Raises:
        TypeError, ValueError: as `check_route_options`.
    """
    check_route_options(rule, options)
    known = {**ROUTE_OPTIONS, **OPEN_OPTIONS}
    return {name: options.pop(name, default) for name, (default, _) in known.items()}


@lru_cache(maxsize=32)
def _parameters(rule_class: t.Any) -> frozenset[str] | None:
    """Return the names that the class takes as options, or None when it takes any."""
    parameters = list(inspect.signature(rule_class).parameters.values())[1:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters)


def check_rule_options(rule: str, options: t.Iterable[str], rule_class: type[Rule]) -> None:
    """Refuse an option that nobody knows.

    Args:
        rule: text of the URL rule, for the message.
        options: names of the options that are left for the rule's class.
        rule_class: the class of the rule to be made.

    Raises:
        TypeError: `rule_class` does not take one of them; the message lists what can be said.
    """
    taken = _parameters(t.cast(Hashable, rule_class))
    if taken is None:
        return
    unknown = [repr(name) for name in options if name not in taken]
    if unknown:
        known = ", ".join(sorted({*taken, *ROUTE_OPTIONS, *OPEN_OPTIONS, *_SAID_ELSEWHERE}))
        raise TypeError(f"Unknown option {', '.join(unknown)} of the rule {rule!r}. Known options: {known}.")
