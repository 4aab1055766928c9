"""From an error to a response: the app's error handlers, and what happens without one.

(Flask docs: Handling Application Errors.)
"""

from __future__ import annotations

import sys
import typing as t
from contextlib import suppress

from werkzeug.exceptions import BadRequestKeyError, HTTPException, InternalServerError
from werkzeug.routing import RoutingException

from ..sansio.app import App as SansioApp
from .error_forms import in_form
from .hooks import begin, call, emit, is_async, settled

if t.TYPE_CHECKING:
    from ..ctx import AppContext
    from ..typing import ErrorHandlerCallable
    from ..wrappers import Response

#: for code that was written for Quart
NOTHING_TO_AWAIT = (
    "(request.get_json(), request.form, render_template() and the like are plain values here, in 'async def' views too:"
    " take the 'await' away.)"
)
_FIND = SansioApp._find_error_handler


def user_exception(ctx: AppContext, error: Exception) -> t.Any:
    """Answer an error that a hook or a view raised: an HTTP exception is a response, others need a handler.

    An ExceptionGroup, as ``asyncio.TaskGroup`` raises it, is handled as the error in it that can be. An error without a
    handler is raised again. Returns the answer, or what is to be awaited for it.
    """
    app = ctx.app
    if isinstance(error, HTTPException):
        if isinstance(error, BadRequestKeyError) and (app.debug or app.config["TRAP_BAD_REQUEST_ERRORS"]):
            error.show_exception = True
        if not app.trap_http_exception(error):
            answer = ctx.stages.http_exception  # so written it is found quicker
            return answer(ctx, error)
    handler = _handler_for(ctx, error)
    if handler is not None:
        return begin(ctx.lane, handler, is_async(handler), error)
    if isinstance(error, ExceptionGroup) and (inner := _answerable(ctx, error)) is not None:
        return user_exception(ctx, inner)
    try:
        raise error
    finally:
        del error  # its traceback has this frame


def http_exception(ctx: AppContext, error: HTTPException) -> t.Any:
    """Answer an HTTP exception with its handler's result, or as it is.

    Returns the answer, or what is to be awaited for it.
    """
    # Without a code it only carries a response; a routing exception is a redirect. Neither is an error to handle.
    if error.code is None or isinstance(error, RoutingException):
        return error
    handler = _handler_for(ctx, error)
    if handler is None:
        offered = ctx.app.config["ERROR_MIMETYPES"]
        return error if offered is None else in_form(ctx, error, offered)
    return begin(ctx.lane, handler, is_async(handler), error)


def _handler_for(ctx: AppContext, error: Exception) -> ErrorHandlerCallable | None:
    app = ctx.app
    find = app._find_error_handler
    if getattr(find, "__func__", None) is _FIND and not any(app.error_handler_spec.values()):
        return None  # without looking which blueprints the request is for
    return find(error, ctx.request.blueprints)


async def unhandled(ctx: AppContext, error: Exception) -> Response:
    """Answer an error that nobody handled: log it, and respond 500 through the handlers and after hooks.

    Where errors propagate (``PROPAGATE_EXCEPTIONS``, by default while testing or debugging) it is raised again.
    """
    app = ctx.app
    if isinstance(error, TypeError) and _awaits_a_value(error):
        error.add_note(NOTHING_TO_AWAIT)
    if ctx.stages.failed.receivers:
        await emit(ctx, ctx.stages.failed, exception=error)
    propagate = app.config["PROPAGATE_EXCEPTIONS"]
    if propagate or (propagate is None and (app.testing or app.debug)):
        try:
            raise error
        finally:
            del error  # its traceback has this frame
    current = sys.exc_info()
    app.log_exception(current if current[1] is error else (type(error), error, error.__traceback__))
    answer: t.Any = InternalServerError(original_exception=error)
    handler = _handler_for(ctx, answer)
    if handler is not None:
        answer = await call(ctx.lane, handler, is_async(handler), answer)
    elif (offered := app.config["ERROR_MIMETYPES"]) is not None:
        with suppress(ValueError):  # a wrong setting, which may be the very error that is answered here
            answer = in_form(ctx, answer, offered)
    return t.cast("Response", await settled(ctx.stages.finalize, ctx, answer, True))


def _awaits_a_value(error: TypeError) -> bool:
    """Whether `await` stood before what is no awaitable; the words are those of Python 3.11, and of 3.14."""
    said = str(error)
    return said.endswith(("object can't be awaited", "can't be used in 'await' expression"))


def _answerable(ctx: AppContext, group: ExceptionGroup) -> Exception | None:
    """Return the first error in `group`, however deep, that is a response or has a handler."""
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            found = _answerable(ctx, error)
            if found is not None:
                return found
        elif isinstance(error, HTTPException) or _handler_for(ctx, error):
            return error
    return None
