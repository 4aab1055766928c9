"""What is different where the exchange is a websocket: the client may leave, and there may be nothing to answer.

A handler ends in one of these ways, and all of them come through `finalize`:

    it returns, or the client has left     the websocket is closed with 1000
    it returns a value, or raises          an answer to the handshake if that is still open; else a close code: that of
                                           the error if it has one, 1008 for 4xx, 1011 for an error
"""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from ..lanes import LOOP
from ..wrappers.websocket import (
    ERROR,
    NORMAL,
    POLICY,
    State,
    Websocket,
    WebsocketDisconnected,
    short_reason,
)
from . import hooks, respond, run
from .hooks import call, is_async, settled

if t.TYPE_CHECKING:
    from ..ctx import AppContext
    from ..wrappers import Response

_LEFT: t.Any = object()
"""Stands for what a view or a hook would have returned if its client had not left."""


async def preprocess(ctx: AppContext) -> t.Any:
    """As for requests; a client that leaves is no error, and the view is not called then."""
    return await _conversing(ctx, hooks.preprocess(ctx))


async def dispatch(ctx: AppContext) -> t.Any:
    """As for requests; a client that leaves is no error."""
    return await _conversing(ctx, settled(run.dispatch, ctx))


async def _conversing(ctx: AppContext, work: t.Coroutine[t.Any, t.Any, t.Any]) -> t.Any:
    try:
        return await work
    except Exception as error:
        if _all_left(error):
            return _LEFT
        websocket_of(ctx).fault = _fault_in(error)
        raise


def _all_left(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):  # of a TaskGroup, whose tasks all met the same
        return error.split(WebsocketDisconnected)[1] is None
    return isinstance(error, WebsocketDisconnected)


def _fault_in(error: BaseException) -> tuple[int, str] | None:
    # An HTTP exception may say its close code, as those of bad messages do.
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_fault_in, error.exceptions)), None)
    code: int | None = getattr(error, "close_code", None)
    return (code, short_reason(error.description or "")) if code and isinstance(error, HTTPException) else None


async def finalize(ctx: AppContext, value: t.Any, from_error_handler: bool = False) -> Response:
    """Run what comes after the view, and decide how the websocket ends.

    Args:
        value: None, or what can be a response: what an error became, above all.
        from_error_handler: as for requests.

    Returns the answer to the handshake, for a websocket that has not given it: 403 if nothing else was said.
    """
    app, websocket = ctx.app, websocket_of(ctx)
    if value is _LEFT:
        value = None
    response: Response | None = None if value is None else app.make_response(value)
    del value  # it may be an error, whose traceback has this frame
    response = await respond.finish_response(ctx, response, from_error_handler)
    fault, websocket.fault = websocket.fault, None
    if websocket.state is State.OPEN:
        code, reason = _farewell(response, fault)
        if code not in (NORMAL, ERROR):
            app.logger.warning("Websocket %s is closed with %d: %s", ascii(websocket.path)[1:-1], code, reason)
        await call(ctx.lane, websocket.close, ctx.lane.on_loop, code, reason)
    return app.response_class(status=403) if response is None else response


def _farewell(response: Response | None, fault: tuple[int, str] | None) -> tuple[int, str]:
    if fault is not None:
        return fault
    if response is None or response.status_code < 400:
        return NORMAL, ""
    return (POLICY if response.status_code < 500 else ERROR), HTTP_STATUS_CODES.get(response.status_code, "")


# -- the session -------------------------------------------------------------------------------------------------------


async def handshake(ctx: AppContext) -> list[tuple[bytes, bytes]]:
    """Save the session and return the headers for that, to go with the acceptance. On the loop."""
    app, interface = ctx.app, ctx.app.session_interface
    if not (ctx.opened_session is not None or respond.session_may_need_saving(ctx)):
        return []
    session = ctx.open_session()
    if interface.is_null_session(session):
        return []
    response = app.response_class()
    save = interface.save_session
    await call(LOOP, save, is_async(save), app, session, response)
    if app.session_opens_lazily:
        session.modified = False  # from here on there is no way to send a cookie
    pairs = response.asgi_start("GET", ctx.request)[1]
    return [pair for pair in pairs if pair[0] not in (b"content-type", b"content-length")]


def save_session(ctx: AppContext, response: Response | None) -> t.Awaitable[None] | None:
    """Save the session once more at the end: with the answer to the handshake, or where no cookie is needed for it.

    Returns what is to be awaited for that.
    """
    app, session = ctx.app, ctx.open_session()
    if websocket_of(ctx).state is State.CONNECTING and response is not None:
        return respond.save_session(ctx, response)
    if not app.session_opens_lazily:
        return respond.save_session(ctx, app.response_class())
    if session.modified:
        app.logger.warning(
            "The session was changed after the handshake of websocket %s: this is lost, no cookie can be sent any more."
            " Change it before the first message, or keep sessions on the server.",
            ascii(ctx.request.path)[1:-1],
        )
    return None


def websocket_of(ctx: AppContext) -> Websocket:
    """Return the websocket that a context is for."""
    return t.cast(Websocket, ctx.request)
