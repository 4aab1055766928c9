"""How long a view may take: ``REQUEST_TIMEOUT``, or the option ``timeout`` of its route.

A view on the loop is cancelled. A thread cannot be: there the server's side gives the answer (`asgi.late`), and the
thread goes on to its end unheard.
"""

from __future__ import annotations

import typing as t
from functools import wraps

from werkzeug.exceptions import ServiceUnavailable

from ..lazy import late_module

if t.TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

View = t.Callable[..., t.Any]


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
