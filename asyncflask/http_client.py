"""An HTTP client for handlers: one pool of connections for a worker process, as long as the application serves.

Needs httpx2: ``pip install "asyncflask[http]"``.
"""

from __future__ import annotations

import typing as t

from .ctx import has_request_context
from .globals import request
from .lifetime import Resource

if t.TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import httpx2

TRACE: tuple[str, ...] = ("traceparent", "tracestate", "x-request-id")
"""Headers that say to which trace a request belongs. (W3C Trace Context; ``X-Request-ID`` is what proxies send.)"""


class HTTPClient:
    """Makes requests to other servers from handlers, over connections that all of them share.

    ``http = HTTPClient(timeout=5)`` beside the application, then ``await http.get(url)`` in an ``async def`` view, and
    ``app.async_to_sync(http.get)(url)`` in a ``def`` view. The connections open with the first request and close when
    the application stops.

    Args:
        forward: names of headers that are passed on from the request being handled, unless a request has its own.
        options: those of ``httpx2.AsyncClient``: ``base_url``, ``timeout``, ``limits``, ``headers``, ...

    Raises:
        ModuleNotFoundError: httpx2 is not installed.
    """

    def __init__(self, *, forward: t.Iterable[str] = TRACE, **options: t.Any) -> None:
        try:
            import httpx2
        except ModuleNotFoundError as error:
            if error.name != "httpx2":
                raise
            raise ModuleNotFoundError(
                'HTTPClient needs httpx2, which is not installed: pip install "asyncflask[http]"', name="httpx2"
            ) from error
        self.forward: tuple[str, ...] = tuple(forward)
        hooks = {name: list(functions) for name, functions in options.pop("event_hooks", {}).items()}
        hooks["request"] = [self._pass_on, *hooks.get("request", ())]

        def connections() -> AbstractAsyncContextManager[httpx2.AsyncClient, bool | None]:
            return httpx2.AsyncClient(event_hooks=hooks, **options)

        #: the ``httpx2.AsyncClient``, for what is not here: ``(await http.client).stream(...)``
        self.client: Resource[httpx2.AsyncClient] = Resource(connections, scope="app")

    async def request(self, method: str, url: str, **options: t.Any) -> httpx2.Response:
        """Make a request and return its response, read to the end; `options` are those of ``httpx2``.

        Raises:
            httpx2.HTTPError: there is no answer.
            RuntimeError: there is no application context.
        """
        return await (await self.client).request(method, url, **options)

    async def get(self, url: str, **options: t.Any) -> httpx2.Response:
        """`request` with GET."""
        return await self.request("GET", url, **options)

    async def head(self, url: str, **options: t.Any) -> httpx2.Response:
        """`request` with HEAD."""
        return await self.request("HEAD", url, **options)

    async def post(self, url: str, **options: t.Any) -> httpx2.Response:
        """`request` with POST."""
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: t.Any) -> httpx2.Response:
        """`request` with PUT."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: t.Any) -> httpx2.Response:
        """`request` with PATCH."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: t.Any) -> httpx2.Response:
        """`request` with DELETE."""
        return await self.request("DELETE", url, **options)

    async def _pass_on(self, outgoing: httpx2.Request) -> None:
        if has_request_context():
            for name in self.forward:
                value = request.headers.get(name)
                if value is not None:
                    outgoing.headers.setdefault(name, value)
