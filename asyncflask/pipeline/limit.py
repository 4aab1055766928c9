"""How long a view may take: ``REQUEST_TIMEOUT``, or the option ``timeout`` of its route.

A view on the loop is cancelled. A thread cannot be: there the server's side gives the answer (`asgi.http`), and the
thread goes on to its end unheard. Under a WSGI server, or behind WSGI middleware, the thread is the one that answers,
so there is no limit for a ``def`` view, which is told once.
"""

from __future__ import annotations

import typing as t
from functools import wraps
from weakref import WeakSet

from werkzeug.exceptions import ServiceUnavailable

from ..lazy import late_module

if t.TYPE_CHECKING:
    import asyncio

    from werkzeug.routing import Rule

    from ..sansio.app import App
else:
    asyncio = late_module("asyncio")

View = t.Callable[..., t.Any]

_told: WeakSet[App] = WeakSet()


def too_late(seconds: float) -> ServiceUnavailable:
    """Return the answer to a request that took too long."""
    return ServiceUnavailable(f"The request was not answered within {seconds:g} seconds.")


def in_time(view: View, seconds: float) -> View:
    """Return an ``async def`` view that is cancelled after `seconds`; it raises ServiceUnavailable, 503, then."""

    @wraps(view)
    async def limited(**arguments: t.Any) -> t.Any:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await view(**arguments)
        except TimeoutError:
            if limit.expired():
                raise too_late(seconds) from None
            raise

    return limited


def tell_of_no_limit(app: App, rule: Rule | None) -> None:
    """Warn, once for each application, that WSGI lets the time limit of a ``def`` view have no effect."""
    if app not in _told:
        _told.add(app)
        app.logger.warning(
            "The time limit of 'def' views, such as that for %r, does not apply under a WSGI server or behind WSGI"
            " middleware ('app.wsgi_app'): nothing can end the threads that these answer in. Make such a view"
            " 'async def', serve the application by an ASGI server without such middleware, or set a limit of the"
            " server's own.",
            None if rule is None else rule.rule,
        )
