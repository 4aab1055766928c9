"""One HTTP connection scope: from the scope to an exchange, its body read, run where its lane says, its answer sent.

The order of events is `serve_http`. ``send`` and ``receive`` are called in the server's context, never in that of the
exchange: a server may start the next request of the connection from inside of them.
"""

from __future__ import annotations

import sys
import typing as t
from contextvars import Context, copy_context

from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestTimeout, ServiceUnavailable

from ..lanes import INLINE, LATE, LOOP, WORKER
from ..lazy import late_module
from ..plain import is_plain
from ..threads import Bridge, InContext, QueueFull, drive
from ..wrappers.body import Body, WholeBody
from ..wrappers.environ import CLIENT, OPEN
from ..wrappers.stream import BodyStream
from .disconnect import (
    Inlet,
    Listener,
    cancelled_when_left,
    listener_of,
    shield,
    stop_listening,
    to_anyone,
    to_its_end,
)
from .late import Deadline
from .patience import UNBUFFERED, InTime, Pace
from .scope import DEBUGGER, client_fault, known_hosts, may_have_body, split_path
from .stream import (
    Contexts,
    End,
    Message,
    Receive,
    Send,
    close_on_loop,
    send_path,
    stream_from_thread,
    stream_on_loop,
)

if t.TYPE_CHECKING:
    import asyncio

    from ..app import App
    from ..ctx import AppContext, ServedContext
    from ..wrappers import Response
    from ..wrappers.response import Answer
else:
    asyncio = late_module("asyncio")

Scope = dict[str, t.Any]
DONE: t.Any = object()
"""What `next` gives for a coroutine that has returned, which costs less than the StopIteration that says so."""
_HTTP_1 = frozenset({"1.1", "1.0", None})
BIG_FORMS = {"multipart/form-data": 256 * 1024, "application/x-www-form-urlencoded": 64 * 1024}
"""Bytes from which on a form of that type is parsed in a thread, before the hooks of an ``async def`` view."""
SURELY_SMALL: int = min(BIG_FORMS.values())
PLAIN = is_plain()


async def serve_http(app: App, scope: Scope, receive: Receive, send: Send, arrived: bool = False) -> None:
    """Serve one request. (ASGI specification, HTTP connection scope.)

    Args:
        arrived: it has come through ``app.asgi_app``; else it goes there, unless nothing would be done with it there.
    """
    stages = app.known_stages or app.stages
    if not arrived and (scope["type"] != "http" or not stages.serves_http_directly):
        return await app.asgi_app(scope, receive, send)
    pairs = scope["headers"]
    headers: dict[bytes, bytes] = dict(pairs)
    announces = b"content-length" in headers or b"transfer-encoding" in headers
    doubtful = announces or headers.get(b"host") not in known_hosts or len(headers) != len(pairs)
    if doubtful and (fault := client_fault(scope, headers)) is not None:
        return await refuse(scope, send, fault)
    root_path, path = split_path(scope) if scope.get("root_path") else ("", scope["path"])
    open_exchange, exchange = stages.open_exchange, stages.exchange  # so written they are found quicker
    ctx = open_exchange(app, stages, scope, root_path, path, headers, receive)
    context = copy_context()
    if (ctx.view_args is None or CLIENT in scope) and (fault := _begin_slowly(app, ctx, context)) is not None:
        return await refuse(scope, send, fault)
    try:
        if announces or scope.get("http_version") not in _HTTP_1:  # only HTTP/1 announces a body
            await _take_body(app, ctx, scope, headers, receive)
        if not ctx.plan.goes_straight:
            return await _otherwise(app, ctx, context, receive, send)
        work = exchange(ctx)
        wish = context.run(next, work, DONE)
        if wish is not DONE:  # unusual: it has to wait for something
            await InContext(work, context, bridge_of(app, ctx), wish)
        status, pairs, body, response = ctx.answer
        if response is not None or ctx.body_has_work or len(body) > UNBUFFERED:
            return await _send(ctx.take_answer(), app, ctx, context, receive, send)
        try:
            await send({"type": "http.response.start", "status": status, "headers": pairs})
            await send({"type": "http.response.body", "body": body})
        except OSError:  # the client has left
            pass
    except Exception:
        leave_to_debugger(scope, ctx, context)
        raise
    finally:
        if ctx.leaves_open or (ctx.request_made and OPEN in scope):
            await _clean_up(app, ctx, context, scope)


def _begin_slowly(app: App, ctx: ServedContext, context: Context) -> HTTPException | None:
    """Begin a request whose rule is not known yet, or that the sync test client makes; return what refuses it."""
    if ctx.view_args is None and (fault := context.run(app.begin_exchange, ctx)) is not None:
        return fault
    if (link := ctx.scope.get(CLIENT)) is not None:
        # It may keep the context, and takes over which ContextVars have been set.
        link.context, ctx.preserve = context, link.preserve
    return None


async def _clean_up(app: App, ctx: ServedContext, context: Context, scope: Scope) -> None:
    ctx.sends_body = ctx.streams = False
    try:
        if ctx.lifetime is not None:
            await close_lifetime(ctx, context, bridge_of(app, ctx))
    finally:
        await _close_request(ctx, scope)


async def _close_request(ctx: ServedContext, scope: Scope) -> None:
    if (listener := await stop_listening(scope)) is not None:
        ctx.app.open_streams.discard(listener)
    if ctx.preserve is not None:  # it is closed with the context, by whoever keeps that
        return
    body = ctx.body
    if ctx.read_on is not None and isinstance(body, Body):  # cycles that would wait for the garbage collector
        ctx.read_on = body.refill = None
    if isinstance(body, Body) and body.on_disk:
        # A file system that frees a large file takes its time.
        await bridge_of(ctx.app, ctx).submit(ctx.end_request, side="late")
    else:
        ctx.end_request()


def leave_to_debugger(scope: Scope, ctx: AppContext, context: Context) -> None:
    """Have the context of a request that failed kept, where a debugger is in front that shows the error."""
    keep = scope.get(DEBUGGER)
    if keep is not None and ctx.preserve is None:
        ctx.preserve = keep
        keep(ctx, context)


async def refuse(scope: Scope, send: Send, error: HTTPException) -> None:
    """Answer a request that no code of the app is to see, and have the connection closed: its framing is in doubt."""
    body = error.get_body().encode()
    head = [(name.lower().encode(), value.encode("latin-1")) for name, value in error.get_headers()]
    head += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": error.code, "headers": head})
    await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})


# -- the request's body ------------------------------------------------------------------------------------------------


async def _take_body(app: App, ctx: ServedContext, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> None:
    length = headers.get(b"content-length")
    declared = None if length is None else int(length)
    if ctx.view_args is None and _is_unseen(app, ctx):
        return
    if declared == 0 or (declared is None and not may_have_body(scope, headers)):
        return
    plan, late, first = ctx.plan, None, None
    if plan.stream_body:
        return _stream_body(app, ctx, receive, declared)
    if plan.body_timeout is not None:
        receive = InTime(receive, plan.body_timeout)
    limit = plan.body_limit
    if declared is None or limit is None or declared <= limit:
        try:
            first = await receive()
        except RequestTimeout as error:
            late = error
    if first is not None and is_whole(first, declared):  # as most are
        body: Body = WholeBody(first["body"], limit)
        ctx.take_body(body)
        if body.received <= SURELY_SMALL:
            return
    else:
        body = Body(limit, declared)
        ctx.take_body(body)
        if late is not None:
            body.cut(late)
        elif first is not None and not take_piece(body, first):
            await read_body(app, ctx, body, receive)
    _note_work(app, ctx, body, receive)


def _is_unseen(app: App, ctx: ServedContext) -> bool:
    """Whether no rule wants the request, and nobody else either: no hook or error handler, no test that keeps it.

    A client that asks before it sends a body (``Expect: 100-continue``) is not told to for a hook that might look.
    """
    if ctx.miss is not None:
        return True
    refused = ctx.request.routing_exception is not None
    return refused and ctx.preserve is None and (b"expect" in ctx.headers or not ctx.plan.is_seen_anyway(app))


def _stream_body(app: App, ctx: ServedContext, receive: Receive, declared: int | None) -> None:
    """Leave the body unread, for the view to stream it."""
    receive = Inlet.of(ctx.scope, receive).body
    if ctx.plan.body_timeout is not None:
        receive = InTime(receive, ctx.plan.body_timeout)
    ctx.leaves_open = True
    bridge = bridge_of(app, ctx)
    ctx.take_body(BodyStream(_puller(receive), lambda step: bridge.run(step, None), ctx.plan.body_limit, declared))


def _note_work(app: App, ctx: ServedContext, body: Body, receive: Receive) -> None:
    """Note what the exchange has to do about the body before the view."""
    if body.over_limit or body.late:  # a hook may raise the limit; what is late is not waited for any more
        ctx.body_has_work = ctx.leaves_open = True
        ctx.read_on = lambda: read_body(app, ctx, body, receive)
        if ctx.lane is WORKER:
            bridge = bridge_of(app, ctx)
            body.refill = lambda: bridge.run(read_body(app, ctx, body, receive), None)
    elif body.received > SURELY_SMALL and ctx.lane is LOOP:
        ctx.has_big_form = body.received > BIG_FORMS.get(ctx.request.mimetype, body.received)
        ctx.body_has_work = ctx.has_big_form


def is_whole(message: Message, declared: int | None) -> bool:
    """Whether a message is all of a body of the declared length."""
    data = message.get("body")
    return type(data) is bytes and len(data) == declared and not message.get("more_body") and not PLAIN


async def read_body(app: App, ctx: AppContext, body: Body, receive: Receive) -> None:
    """Read on until the body is complete, cut off, or over its limit. A large one goes to disk, off the loop."""
    while body.wants_more:
        if body.needs_spool:
            ctx.leaves_open = True
            await bridge_of(app, ctx).submit(body.spool, side=True)
        try:
            message = await receive()
        except RequestTimeout as error:
            return body.cut(error)
        if take_piece(body, message):
            return


def take_piece(body: Body, message: Message) -> bool:
    """Feed a body with what was received; return whether it was the last piece, or the client has left."""
    if message["type"] == "http.disconnect":
        body.cut()
        return True
    body.feed(message.get("body", b""))
    if message.get("more_body", False):
        return False
    body.finish()
    return True


def _puller(receive: Receive) -> t.Callable[[], t.Awaitable[bytes]]:
    """Return what a streamed body pulls its pieces with: bytes, b"" at the end. ClientDisconnected: the client left."""
    over = False

    async def pull() -> bytes:
        nonlocal over
        while not over:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected()
            over = not message.get("more_body", False)
            if message.get("body"):
                return t.cast(bytes, message["body"])
        return b""

    return pull


# -- the answer --------------------------------------------------------------------------------------------------------


def _otherwise(
    app: App, ctx: AppContext, context: Context, receive: Receive, send: Send
) -> t.Coroutine[t.Any, t.Any, None]:
    serve = _in_worker if ctx.lane is WORKER else _on_loop
    if ctx.lane is WORKER and ctx.plan.thread_limit is not None:
        serve = _in_worker_in_time
    if ctx.plan.on_disconnect == "finish":
        return serve(app, ctx, context, receive, send)
    return _by_its_policy(serve, app, ctx, context, receive, send)


async def _by_its_policy(
    serve: t.Any, app: App, ctx: AppContext, context: Context, receive: Receive, send: Send
) -> None:
    """Run a request whose rule says what happens when its client leaves: "cancel" or "shield"."""
    ctx.leaves_open = True
    if ctx.plan.on_disconnect == "cancel":
        ctx.cancelled = cancelled_when_left(listener_of(ctx.scope, receive))
        async with ctx.cancelled:
            await serve(app, ctx, context, receive, send)
    else:
        shield(ctx.scope)
        await to_its_end(serve(app, ctx, context, receive, to_anyone(send)))


async def _on_loop(app: App, ctx: AppContext, context: Context, receive: Receive, send: Send) -> None:
    """Run an async request, or any without threads, and send what comes of it."""
    await InContext(ctx.stages.exchange(ctx), context, bridge_of(app, ctx))
    await _send(ctx.take_answer(), app, ctx, context, receive, send)


async def _send(answer: Answer, app: App, ctx: AppContext, context: Context, receive: Receive, send: Send) -> None:
    status, pairs, body, response = answer
    start = {"type": "http.response.start", "status": status, "headers": _with_close(ctx, pairs)}
    if body is None:
        assert response is not None, "a body that is not there has to be iterated"
        return await _stream(app, ctx, context, response, start, receive, send)
    if len(body) > UNBUFFERED and (seconds := _seconds(app, response)) is not None:
        send = Pace(send, seconds)
    try:
        await send(start)
        await send({"type": "http.response.body", "body": body})
    except OSError:  # the client has left
        return
    finally:
        if response is not None:
            bridge = bridge_of(app, ctx)
            await close_on_loop(response, bridge, context, _ending(app, ctx, context, bridge))


async def close_lifetime(ctx: AppContext, context: Context, bridge: Bridge) -> None:
    """Close what a request has opened; what cut its answer off is the error being handled. On the loop."""
    if ctx.lifetime is not None:
        if ctx.lane is WORKER:  # its body was produced in a thread
            ctx.lane = LATE
        await InContext(ctx.lifetime.close(sys.exc_info()[1]), context, bridge)


def end_lifetime(ctx: AppContext, context: Context, bridge: Bridge) -> None:
    """As `close_lifetime`, in the thread that the request runs in."""
    if ctx.lifetime is not None:
        drive(ctx.lifetime.close(sys.exc_info()[1]), context, bridge)


def bridge_of(app: App, ctx: AppContext) -> Bridge:
    """Return the way between the loop and threads: the server's, or that of the test client that made the request."""
    link = ctx.scope.get(CLIENT)
    return app.bridge() if link is None else t.cast(Bridge, link.bridge)


async def _stream(
    app: App, ctx: AppContext, context: Context, response: Response, start: Message, receive: Receive, send: Send
) -> None:
    bridge = bridge_of(app, ctx)
    listener, send = _begin_stream(app, ctx, response, receive, send)
    if response.is_async_iterable or response.reads_file or ctx.lane is INLINE:
        end = _ending(app, ctx, context, bridge)
        path = response.asgi_path() if _sends_paths(ctx) else None
        if path is None:
            await stream_on_loop(response, start, bridge, context, send, listener, end)
        else:
            await send_path(response, path, start, bridge, context, send, end)
    else:
        ctx.lane = WORKER  # the body is produced in a thread, and so ends the request there
        contexts, end_there = (context, copy_context()), _ending_in_thread(app, ctx, context, bridge)
        steps = (response, start, bridge, contexts, send, listener, end_there)
        await bridge.submit(stream_from_thread, *steps, side="stream")


def _begin_stream(app: App, ctx: AppContext, response: Response, receive: Receive, send: Send) -> tuple[Listener, Send]:
    """Return what ends a stream early, and what it is sent by. On the loop."""
    listener = listener_of(ctx.scope, receive)
    app.open_streams.add(listener, response.is_endless or response.mimetype == "text/event-stream")
    ctx.streams = ctx.leaves_open = True
    if ctx.lifetime is not None:
        ctx.lifetime.answered()
    seconds = _seconds(app, response)
    if seconds is not None or response.heartbeat is not None:
        send = Pace(send, seconds, listener, response.heartbeat)
    return listener, send


def _seconds(app: App, response: Response | None) -> float | None:
    """Return how long the client may take over one message."""
    own = ... if response is None else response.timeout
    return app.config["RESPONSE_TIMEOUT"] if own is ... else own


def _sends_paths(ctx: AppContext) -> bool:
    return "http.response.pathsend" in (ctx.scope.get("extensions") or ())


def _ending(app: App, ctx: AppContext, context: Context, bridge: Bridge) -> End:
    body = app.begin_body(ctx, context)

    async def end() -> None:
        # In its own thread a sync request ends after all of this: see `_work`.
        if ctx.ending is not None and ctx.lane is not WORKER:
            await InContext(app.end_exchange(ctx), context, bridge)
        elif body is not None and body.used:
            lane = LATE if ctx.lane is WORKER else ctx.lane
            await InContext(app.end_body(ctx, body, lane), context, bridge)

    ctx.sends_body = ctx.pushes > 0
    return end


def _ending_in_thread(app: App, ctx: AppContext, context: Context, bridge: Bridge) -> End:
    body = app.begin_body(ctx, context)

    def end() -> None:
        if ctx.ending is not None:
            drive(app.end_exchange(ctx), context, bridge)
        elif body is not None and body.used:
            drive(app.end_body(ctx, body, ctx.lane), context, bridge)

    ctx.sends_body = ctx.pushes > 0
    return end


def _with_close(ctx: AppContext, pairs: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    # Over its limit a body is not read any further: the connection has to go with it.
    return pairs if ctx.read_on is None else [*pairs, (b"connection", b"close")]


async def _in_worker(app: App, ctx: AppContext, context: Context, receive: Receive, send: Send) -> None:
    """Run a sync request in one hop to one thread, its streamed body included, and send what comes of it."""
    bridge = bridge_of(app, ctx)
    try:
        job = bridge.submit(_work, app, ctx, bridge, (context, copy_context()), receive, send)
    except QueueFull:
        error = ServiceUnavailable("All worker threads are busy and their queue is full.", retry_after=1)
        await refuse(ctx.scope, send, error)
        return
    try:
        answer: Answer | None = await job
    except asyncio.CancelledError:
        # The thread has come to its end all the same, and what it answers is to be closed, though not to be sent.
        if job.exception() is None and (answer := job.result()) is not None and answer[3] is not None:
            await close_on_loop(answer[3], bridge, context, _ending(app, ctx, context, bridge))
        raise
    finally:
        del job  # its error's traceback has this frame
    if answer is not None:
        await _send(answer, app, ctx, context, receive, send)


async def _in_worker_in_time(app: App, ctx: AppContext, context: Context, receive: Receive, send: Send) -> None:
    """As `_in_worker`; where it takes too long the client is answered before the thread has come to its end."""
    seconds = t.cast(float, ctx.plan.thread_limit)
    path = repr(ctx.scope["path"])[1:-1]

    async def refuse_late(send: Send) -> None:
        app.logger.warning("%s was not answered within %g s; its thread goes on, unheard.", path, seconds)
        await refuse(ctx.scope, send, app.too_late(seconds))

    deadline = Deadline(send, seconds, refuse_late)
    try:
        await _in_worker(app, ctx, context, receive, deadline.send)
    finally:
        await deadline.over()


def _work(app: App, ctx: AppContext, bridge: Bridge, contexts: Contexts, receive: Receive, send: Send) -> Answer | None:
    """In the thread: run the exchange; send its answer from here if it has code of its own to run, else return it."""
    inside, outside = contexts
    try:
        answer = _work_out(app, ctx, bridge, contexts, receive, send)
        if answer is None or ctx.lifetime is None or not ctx.lifetime.needs_thread:
            return answer
        # What was opened in this thread is closed in it, after the last byte.
        bridge.run(_send(answer, app, ctx, inside, receive, send), outside)
        return None
    finally:
        if ctx.lifetime is not None and ctx.lifetime.needs_thread:
            end_lifetime(ctx, inside, bridge)


def _work_out(
    app: App, ctx: AppContext, bridge: Bridge, contexts: Contexts, receive: Receive, send: Send
) -> Answer | None:
    inside, outside = contexts
    drive(ctx.stages.exchange(ctx), inside, bridge)
    answer = ctx.take_answer()
    status, pairs, body, response = answer
    if response is None:
        return answer
    if not ctx.pushes:  # else its context, which it keeps, ends in this thread
        if response.is_async_iterable:
            return answer
        if response.reads_file and not response.has_callbacks:
            # No thread waits for clients that are slow to take a file, or none of it: HEAD, 304.
            content = inside.run(response.take_small_file) if body is None else inside.run(response.leave_file, body)
            return answer if content is None else (status, pairs, content, None)
    end = _ending_in_thread(app, ctx, inside, bridge)
    if response.is_async_iterable:  # it keeps the request's context, whose end belongs in this thread
        try:
            bridge.run(_send(answer, app, ctx, inside, receive, send), outside)
        finally:
            end()
        return None
    start = {"type": "http.response.start", "status": status, "headers": _with_close(ctx, pairs)}
    listener, send = bridge.run(_beginning(app, ctx, response, receive, send), Context())
    stream_from_thread(response, start, bridge, contexts, send, listener, end, body)
    return None


async def _beginning(
    app: App, ctx: AppContext, response: Response, receive: Receive, send: Send
) -> tuple[Listener, Send]:
    return _begin_stream(app, ctx, response, receive, send)
