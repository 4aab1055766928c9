"""The last look at the head of an answer, whoever has made it: a view, an error, a mounted application, a refusal."""

from __future__ import annotations

import logging
import typing as t
from http import HTTPStatus

from werkzeug.datastructures import Headers

if t.TYPE_CHECKING:
    from .stream import Message, Send

log: logging.Logger = logging.getLogger("asyncflask.asgi")


class ResponseHead:
    """Status and headers of an answer that is about to be sent.

    Args:
        method: of the request.
        path: of the request, with the root path.
        status: status code; may be changed.
        headers: may be changed. What frames the body, as Content-Length, is better left alone.
    """

    def __init__(self, method: str, path: str, status: int, headers: Headers) -> None:
        self.method: str = method
        self.path: str = path
        self.status: int = status
        self.headers: Headers = headers


Look = t.Callable[[ResponseHead], t.Any]


def looked_at(head: ResponseHead, functions: t.Iterable[Look]) -> None:
    """Show a head to each function. What one raises is logged, and what it has changed by then stays."""
    for function in functions:
        try:
            function(head)
        except Exception:
            log.exception("A before_send function failed: %r", function)


def on_asgi(send: Send, functions: t.Sequence[Look], scope: dict[str, t.Any]) -> Send:
    """Return `send` that shows the start of a response to the functions."""

    async def send_looked_at(message: Message) -> None:
        if message["type"] == "http.response.start":
            pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            head = ResponseHead(scope["method"], scope["path"], message["status"], Headers(pairs))
            looked_at(head, functions)
            lower = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in head.headers]
            message = {**message, "status": head.status, "headers": lower}
        await send(message)

    return send_looked_at


def on_wsgi(start_response: t.Any, functions: t.Sequence[Look], environ: dict[str, t.Any]) -> t.Any:
    """Return `start_response` that shows what it is given to the functions, if there are any. (PEP 3333.)"""
    if not functions:
        return start_response

    def start_looked_at(status: str, headers: list[tuple[str, str]], *exc_info: t.Any) -> t.Any:
        code = int(status.split(" ", 1)[0])
        path = (
            (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1").decode(errors="replace")
        )
        head = ResponseHead(environ["REQUEST_METHOD"], path, code, Headers(headers))
        looked_at(head, functions)
        if head.status != code:
            known = HTTPStatus._value2member_map_.get(head.status)
            status = f"{head.status} {known.phrase if isinstance(known, HTTPStatus) else 'Unknown'}"
        return start_response(status, head.headers.to_wsgi_list(), *exc_info)

    return start_looked_at
