"""From what a view returned to a finished response: conversion, after hooks, session.

(Flask docs: About Responses.)
"""

from __future__ import annotations

import collections.abc as cabc
import sys
import typing as t

from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from ..globals import request
from ..plain import is_plain
from ..sessions import SecureCookieSession, SecureCookieSessionInterface
from ..threads import InThread
from ..wrappers import Response
from ..wrappers.headers import MOST_READY, READY
from .hooks import announce, begin, call, is_async, renewed, settled, sole_hearer
from .of_error import of_error

if t.TYPE_CHECKING:
    from ..app import App
    from ..ctx import AppContext
    from ..wrappers.response import Answer

R = t.TypeVar("R", bound="Response | None")

PLAIN = is_plain()

_TEXT = (str, bytes)
_JSON = (dict, list)

_SAVE_COOKIE = SecureCookieSessionInterface.save_session

_KINDS = (
    "The return type must be a string, dict, list, tuple with headers or status, Response instance, or WSGI callable,"
)


def make_response(app: App, rv: t.Any) -> Response:
    """Turn the return value of a view into a response of the app's class. (Flask docs: About Responses.)

    Args:
        app: whose class and JSON provider are used.
        rv: str, bytes, dict, list, an iterator or async iterable to stream, a response, a WSGI callable; or a tuple of
            such a body with a status, with headers, or with both in this order.

    Raises:
        TypeError: for anything else, None first of all.
    """
    kind = app.response_class
    if type(rv) in _TEXT and getattr(kind, "is_made_as_ours", False):
        return kind(rv)
    status: t.Any = None
    headers: t.Any = None
    if isinstance(rv, tuple):
        rv, status, headers = _unpack(rv)
    if rv is None:
        raise TypeError(
            f"The view function for {request.endpoint!r} did not return a valid response. The function either"
            " returned None or ended without a return statement."
        )
    response: Response
    if isinstance(rv, kind):
        response = rv
    elif type(rv) in _JSON:
        response = app.json.response(rv)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    elif isinstance(rv, (str, bytes, bytearray, cabc.Iterator)) or hasattr(rv, "__aiter__"):
        # The class sees status and headers itself, so that what it does with them takes place.
        return kind(rv, status=status, headers=headers)  # pyright: ignore[reportArgumentType]
    elif isinstance(rv, (dict, list)):
        response = app.json.response(rv)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    else:
        response = _coerce(kind, rv)
    if status is not None or headers:
        Response.amend(response, status, headers)  # it may be one of Werkzeug's
    return response


def _unpack(value: tuple[t.Any, ...]) -> tuple[t.Any, t.Any, t.Any]:
    match value:
        case (body, status, headers):
            return body, status, headers
        case (body, (Headers() | dict() | tuple() | list()) as headers):
            return body, None, headers
        case (body, status):
            return body, status, None
    raise TypeError(
        "The view function did not return a valid response tuple. The tuple must have the form (body, status, headers),"
        " (body, status), or (body, headers)."
    )


def _coerce(kind: type[Response], value: t.Any) -> Response:
    if isinstance(value, HTTPException) and (response := of_error(kind, value)) is not None:
        return t.cast(Response, response)
    was = type(value).__name__
    if not isinstance(value, BaseResponse) and not callable(value):
        raise TypeError(f"The view function did not return a valid response. {_KINDS} but it was a {was}.")
    environ = request.environ
    try:
        if isinstance(value, HTTPException):  # without running it as the WSGI application that it also is
            value = value.get_response(environ)
        return t.cast(Response, kind.force_type(value, environ))  # pyright: ignore[reportArgumentType]
    except TypeError as error:
        raise TypeError(
            f"{error}\nThe view function did not return a valid response. {_KINDS} but it was a {was}."
        ).with_traceback(sys.exc_info()[2]) from None


def default_options(app: App, ctx: AppContext) -> Response:
    """Return the automatic answer to OPTIONS: the methods that the URL allows."""
    response: Response = app.response_class()
    if (adapter := ctx.url_adapter) is None:
        if ctx.request.routing_exception is not None:
            raise ctx.request.routing_exception  # a host that is no name, which matching had no need to look at
        return response
    methods, kind, is_written = ctx.stages.allowed(adapter), type(response), False
    if methods is not None and issubclass(kind, Response) and kind.allow is Response.allow:
        ready = (b"allow", ", ".join(methods).encode())  # as `allow` would write it
        is_written = not methods or (_are_words(methods) and response.add_ready(ready))
    if not is_written:
        response.allow.update(adapter.allowed_methods() if methods is None else methods)
    return response


def _are_words(methods: list[str]) -> bool:
    """Whether methods are of upper-case letters only, as almost all are."""
    together = "".join(methods)
    return "" not in methods and together.isascii() and together.isalpha() and together.isupper()


def adopted(app: App, value: t.Any) -> Response:
    """Return as a response what a hook, or a method that replaces one of the app's, gave for one.

    Raises:
        TypeError: it can be none.
    """
    if not isinstance(value, BaseResponse) and not callable(value):
        raise TypeError(
            "There is no response any more: a function of 'after_request' or 'after_this_request', or a method that"
            f" replaces one of the app's, returned {'None' if value is None else f'a {type(value).__name__}'}. It has"
            " to return the response, or another one."
        )
    kind = app.response_class
    return _coerce(kind if issubclass(kind, Response) else Response, value)


def finalize(ctx: AppContext, value: t.Any, from_error_handler: bool = False, made: Response | None = None) -> t.Any:
    """Make the response and run the after hooks on it.

    Args:
        from_error_handler: the value answers an error already, so that a further one is logged instead of raised.
        made: the response, if it is made already.

    Returns the response, or what is to be awaited for it.
    """
    plan, response = ctx.plan, made
    if plan.epoch.over:
        plan = renewed(ctx)
    if response is None and plan.makes is not None:
        response = plan.makes.response(value)
    if response is None:
        if ctx.lane.hops and _runs_wsgi(value):
            return _finalize_wsgi(ctx, value, from_error_handler)
        response = make_response(ctx.app, value) if ctx.stages.makes_responses else ctx.app.make_response(value)
        plan = renewed(ctx)
    if plan.processes or ctx.touched or plan.finished or (ctx.has_cookies and session_may_need_saving(ctx)):
        if from_error_handler or ctx.stages.processes:
            return finish_response(ctx, response, from_error_handler)
        return process(ctx, response, True)
    return response


async def _finalize_wsgi(ctx: AppContext, value: t.Any, from_error_handler: bool) -> Response:
    response = await InThread(ctx.app.make_response, (value,), ctx.lane.side)
    del value  # it may be an error, whose traceback has this frame
    return t.cast("Response", await settled(finalize, ctx, None, from_error_handler, response))


async def finish_response(ctx: AppContext, response: R, from_error_handler: bool) -> R:
    """Process a response, and announce it; a websocket that was answered already has none."""
    try:
        response = await ctx.stages.process(ctx, response)
        if those := renewed(ctx).finished:
            await announce(ctx, ctx.stages.finished, those, {"response": response})
    except Exception:
        if not from_error_handler:
            raise
        ctx.app.logger.exception("Request finalizing failed with an error while handling an error")
    return response


def _runs_wsgi(value: t.Any) -> bool:
    body = value[0] if isinstance(value, tuple) and value else value
    return callable(body) and not isinstance(body, (BaseResponse, HTTPException))


def plain_answer(ctx: AppContext, value: t.Any) -> Answer | None:
    """Return what is to be sent for what a view or hook returned; None: a response has to be made of it.

    This is what `make_response` and `Response.asgi_answer` would give.
    """
    plan = ctx.plan
    if plan.epoch.over:
        plan = renewed(ctx)
    plain = plan.plain
    if plain is None or ctx.touched or (ctx.has_cookies and session_may_need_saving(ctx)):
        return None
    kind = type(value)
    if kind is str:
        body, content_type = value.encode(), plain.text
    elif (kind is dict or kind is list) and plain.write is not None:
        body, content_type = plain.write(value), plain.json
    elif kind is bytes:
        body, content_type = value, plain.text
    else:
        return None
    length = len(body)
    pairs = [content_type, READY[length] if length < MOST_READY else (b"content-length", b"%d" % length)]
    return 200, pairs, b"" if ctx.method == "HEAD" else body, None


async def process(ctx: AppContext, response: R, announces: bool = False) -> R:
    """Run the functions for after this request, then the after hooks, innermost first, then save the session.

    Args:
        announces: whether ``request_finished`` follows.
    """
    lane, plan = ctx.lane, ctx.plan
    if ctx.touched and ctx.after_functions is not None:
        response = await _after_this_request(ctx, ctx.after_functions, response)
    if plan.epoch.over:
        plan = renewed(ctx)
    for function, asynchronous in plan.after_hopping if lane.hops else plan.after:
        if asynchronous and lane.on_loop:
            response = await function(response)
        elif hasattr(response := begin(lane, function, asynchronous, response), "__await__"):
            response = await t.cast(t.Any, response)
    if (ctx.touched or ctx.has_cookies or plan.is_eager) and (
        ctx.opened_session is not None or session_may_need_saving(ctx)
    ):
        save = ctx.stages.save_session  # so written it is found quicker
        saving = save(ctx, response)
        if saving is not None:
            await saving
    if plan.epoch.over:
        plan = renewed(ctx)
    if announces and plan.finished:
        hearer = sole_hearer(ctx, ctx.stages.finished, plan.sole_finished)
        if hearer is not None:
            await hearer(ctx.app, response=response)
        else:
            await announce(ctx, ctx.stages.finished, plan.finished, {"response": response})
    return response


async def _after_this_request(ctx: AppContext, functions: t.Iterable[t.Callable[..., t.Any]], response: R) -> R:
    for function in functions:
        response = await call(ctx.lane, function, is_async(function), response)
    return response


# -- the session -------------------------------------------------------------------------------------------------------


async def open_session(ctx: AppContext) -> None:
    """Open the session now, unless its interface can wait for the first touch."""
    app = ctx.app
    interface = app.session_interface
    if app.session_opens_lazily or ctx.opened_session is not None:
        return
    opened = await call(ctx.lane, interface.open_session, is_async(interface.open_session), app, ctx.request)
    ctx.touched = True
    ctx.opened_session = opened if opened is not None else interface.make_null_session(app)


def session_may_need_saving(ctx: AppContext) -> bool:
    """Return whether a session that nobody touched must be looked at: a permanent one is sent anew each time."""
    app = ctx.app
    if not app.session_interface.lazy_open:
        return True
    if not ctx.has_cookies or not app.config["SESSION_REFRESH_EACH_REQUEST"]:
        return False
    cookie = ctx.request.cookies.get(app.session_interface.get_cookie_name(app))
    return cookie is not None and app.session_interface.may_be_permanent(cookie)


def save_session(ctx: AppContext, response: Response) -> t.Awaitable[None] | None:
    """Let the session interface store the session, unless it is a null one; return what is to be awaited for that."""
    session, ahead = ctx.opened_session, ctx.stages.sessions
    is_ours = type(session) is SecureCookieSession and not ahead.others and ahead.number == ahead.version.number
    if is_ours and SecureCookieSessionInterface.save_session is _SAVE_COOKIE:
        # Known ahead is what is asked below: whose the interface is, and that it has a key. So this is no null session.
        ours: t.Any = ahead.interface
        ours.save_session(ctx.app, session, response)
        return None
    app, interface = ctx.app, ctx.app.session_interface
    if session is None:
        session = ctx.open_session()
    if interface.is_null_session(session):
        return None
    save = interface.save_session
    if getattr(save, "__func__", None) is _SAVE_COOKIE:  # nothing in it can block
        save(app, session, response)
        return None
    saving = begin(ctx.lane, save, is_async(save), app, session, response)
    return saving if hasattr(saving, "__await__") else None
