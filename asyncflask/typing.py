"""The names that annotate what an application hands to the framework: return values, hooks, template helpers.

Flask's aliases under Flask's names. Wherever the framework calls a user's function, the alias takes a plain function
and a coroutine function alike. (Flask docs: API.)
"""

from __future__ import annotations

import collections.abc as c
import typing as t

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from werkzeug.datastructures import Headers
    from werkzeug.exceptions import HTTPException
    from werkzeug.sansio.response import Response

# -- what a view may return -------------------------------------------------------------------------------------------

StatusCode = int
"""An HTTP status as a number, 100 to 599."""

HeaderName = str

HeaderValue = str | list[str] | tuple[str, ...]
"""One header's value; a list or a tuple sends the header once for each item."""

HeadersValue = t.Union["Headers", c.Mapping[HeaderName, HeaderValue], c.Sequence[tuple[HeaderName, HeaderValue]]]

# Mapping rather than dict, so that a TypedDict fits; only real dicts become JSON.
ResponseValue = t.Union[
    "Response", str, bytes, c.Mapping[str, t.Any], list[t.Any],
    c.Iterator[bytes], c.Iterator[str], c.AsyncIterable[bytes], c.AsyncIterable[str],
]  # fmt: skip
"""What can become a response without more being said: text, bytes, JSON, a stream, or a response."""

ResponseReturnValue = t.Union[
    ResponseValue,
    tuple[ResponseValue, StatusCode, HeadersValue],
    tuple[ResponseValue, StatusCode],
    tuple[ResponseValue, HeadersValue],
    "WSGIApplication",
]
"""What a view, an error handler or a short-cutting ``before_request`` may return."""

# A TypeVar, so that a callback annotated with a subclass of Response still fits.
ResponseClass = t.TypeVar("ResponseClass", bound="Response")

# -- views and hooks --------------------------------------------------------------------------------------------------

AppOrBlueprintKey = str | None
"""Where a hook belongs: None for the application, otherwise the full dotted name of a blueprint."""

RouteCallable = c.Callable[..., ResponseReturnValue] | c.Callable[..., c.Awaitable[ResponseReturnValue]]

# The argument is Any: with Exception a handler of one class, or of several by stacked decorators, would be refused.
ErrorHandlerCallable = c.Callable[[t.Any], ResponseReturnValue] | c.Callable[[t.Any], c.Awaitable[ResponseReturnValue]]

BeforeRequestCallable = (
    c.Callable[[], ResponseReturnValue | None] | c.Callable[[], c.Awaitable[ResponseReturnValue | None]]
)
AfterRequestCallable = (
    c.Callable[[ResponseClass], ResponseClass] | c.Callable[[ResponseClass], c.Awaitable[ResponseClass]]
)
AfterRequestHook = c.Callable[[t.Any], "Response"] | c.Callable[[t.Any], c.Awaitable["Response"]]
"""An after hook as decorators take it: annotated with whatever class of response, but one has to come back."""

WebsocketCallable = (
    c.Callable[..., ResponseReturnValue | None] | c.Callable[..., c.Awaitable[ResponseReturnValue | None]]
)
"""A websocket handler: what it returns before the handshake was answered is the answer to that."""
BeforeWebsocketCallable = BeforeRequestCallable
AfterWebsocketCallable = (
    c.Callable[[t.Any], t.Union["Response", None]] | c.Callable[[t.Any], c.Awaitable[t.Union["Response", None]]]
)
"""It gets the response that the handshake was answered with, or None for a websocket that was accepted."""

TeardownCallable = c.Callable[[BaseException | None], None] | c.Callable[[BaseException | None], c.Awaitable[None]]
BeforeFirstRequestCallable = c.Callable[[], None] | c.Callable[[], c.Awaitable[None]]

URLDefaultCallable = c.Callable[[str, dict[str, t.Any]], None]
URLValuePreprocessorCallable = c.Callable[[str | None, dict[str, t.Any] | None], None]

# -- templates and the shell ------------------------------------------------------------------------------------------

TemplateContextProcessorCallable = c.Callable[[], dict[str, t.Any]] | c.Callable[[], c.Awaitable[dict[str, t.Any]]]
TemplateFilterCallable = c.Callable[..., t.Any]
TemplateGlobalCallable = c.Callable[..., t.Any]
TemplateTestCallable = c.Callable[..., bool]
ShellContextProcessorCallable = c.Callable[[], dict[str, t.Any]]

# -- decorators -------------------------------------------------------------------------------------------------------

if t.TYPE_CHECKING:
    Error = t.TypeVar("Error", bound=Exception)
    Answer = t.TypeVar("Answer", bound=ResponseReturnValue | c.Awaitable[ResponseReturnValue])
    # Takes HTTPException or more than that: Exception, object, an optional error, anything unannotated.
    WideHandler = t.TypeVar(
        "WideHandler",
        bound=c.Callable[[HTTPException], ResponseReturnValue]
        | c.Callable[[HTTPException], c.Awaitable[ResponseReturnValue]],
    )

    class ErrorHandlerDecorator(t.Protocol):
        """What ``errorhandler`` returns: it takes functions of any kind of exception, and gives them back.

        For type checkers only. A decorator can't say "any argument that is an exception" and keep the function's type
        too, so that handlers of narrow classes come back as a callable with the same argument and result.
        """

        @t.overload
        def __call__(self, f: WideHandler, /) -> WideHandler: ...  # type: ignore[overload-overlap]
        @t.overload
        def __call__(self, f: c.Callable[[Error], Answer], /) -> c.Callable[[Error], Answer]: ...
