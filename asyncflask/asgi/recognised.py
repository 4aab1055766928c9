"""An application that is ASGI and WSGI at once, recognised as ASGI by servers that look before they call.

hypercorn, uvicorn and daphne read ``app.__call__`` and ask `inspect.iscoroutinefunction`: no makes it WSGI, or ASGI 2.
They call ``app(...)`` all the same, which Python looks up on the class. So the attribute of the instance says yes, and
a call costs nothing for it.
"""

from __future__ import annotations

import typing as t
import weakref
from functools import partial


async def _shape(scope: t.Any, receive: t.Any, send: t.Any) -> None:
    """What inspection finds."""


class CoroutineCall(partial[t.Any]):
    """The ``__call__`` that is read off an instance: inspection sees through a partial, to a coroutine function.

    Called, it calls the instance, which it does not keep alive.
    """

    instance: weakref.ref[t.Any]

    def __new__(cls, instance: t.Any) -> t.Self:
        self = super().__new__(cls, _shape)
        self.instance = weakref.ref(instance)
        return self

    def __call__(self, /, *args: t.Any, **named: t.Any) -> t.Any:
        return t.cast(t.Any, self.instance())(*args, **named)


def in_order(args: tuple[t.Any, ...], named: dict[str, t.Any]) -> tuple[t.Any, ...]:
    """Return the arguments of a call, with those given by name in the order of ASGI and of WSGI.

    Raises TypeError for a name that neither has.
    """
    for name in named:
        if name not in _NAMES:
            raise TypeError(f"An app is not called with an argument {name!r}.")
    return (*args, *(named[name] for name in _NAMES if name in named))


_NAMES = ("scope", "receive", "send", "environ", "start_response")
