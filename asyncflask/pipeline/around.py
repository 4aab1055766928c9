"""Function middleware: what is put around a request, from its first hook to its finished response.

Around everything that `full_dispatch` does, and inside of teardown and of the answer to an error nobody handled. Which
functions these are is decided in a rule's plan; a request that has none does not come here.
"""

from __future__ import annotations

import typing as t
from contextvars import copy_context

from ..lazy import late_module
from ..threads import OnLoop, adopt
from .hooks import Step, finish
from .respond import make_response

if t.TYPE_CHECKING:
    import asyncio

    from ..ctx import AppContext
    from ..wrappers import Response
else:
    asyncio = late_module("asyncio")

Stage = t.Callable[..., t.Any]


def around(functions: t.Sequence[Step], inner: Stage) -> Stage:
    """Return the stage that runs `inner` inside of all `functions`, the first one outermost."""
    for function, asynchronous in reversed(functions):
        inner = _layer(function, asynchronous, inner)
    return inner


def _layer(function: Stage, asynchronous: bool, inner: Stage) -> Stage:
    async def stage(ctx: AppContext) -> Response:
        once = _Once(lambda: inner(ctx))
        if not asynchronous:
            value = function(ctx.request, lambda request=None: finish(ctx, once.run()))
        elif ctx.lane.on_loop:
            value = await function(ctx.request, once.call_next)
        else:
            value = await _beside(function, ctx, once)
        app = ctx.app
        if isinstance(value, app.response_class):
            return value
        return make_response(app, value) if ctx.stages.makes_responses else app.make_response(value)

    return stage


class _Once:
    """The rest of a request, which can be run once."""

    def __init__(self, begin: t.Callable[[], t.Coroutine[t.Any, t.Any, t.Any]]) -> None:
        self._begin: t.Callable[[], t.Coroutine[t.Any, t.Any, t.Any]] | None = begin

    def run(self) -> t.Coroutine[t.Any, t.Any, t.Any]:
        begin, self._begin = self._begin, None
        if begin is None:
            raise RuntimeError("call_next was called twice: a request can be answered once.")
        return begin()

    async def call_next(self, request: t.Any = None) -> t.Any:
        return await self.run()


async def _beside(function: Stage, ctx: AppContext, once: _Once) -> t.Any:
    """Run an async middleware on the loop while the rest of its request stays in this thread."""
    aside = _Aside(function, ctx.request)
    await OnLoop(aside.begin())
    while aside.wants_next:
        try:
            response, error = await once.run(), None
        except Exception as raised:
            response, error = None, raised
        try:
            await OnLoop(aside.go_on(response, error))
        finally:
            error = None  # an error in a frame of its own traceback is a reference cycle
    return aside.take_result()


class _Aside:
    """A middleware as a task of its own, which is left whenever it waits for the rest of the request.

    Its ``contextvars`` context is a copy; what either side sets is handed over at each change of sides.
    """

    def __init__(self, function: Stage, request: t.Any) -> None:
        self._function = function
        self._request = request
        self.wants_next = False

    async def begin(self) -> None:
        self._turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[t.Any] = asyncio.create_task(self._run())
        await self._until_turn()

    async def go_on(self, response: t.Any, error: Exception | None) -> None:
        self._turn = asyncio.get_running_loop().create_future()
        self.wants_next = False
        self._set = copy_context()
        if error is None:
            self._next.set_result(response)
        else:
            self._next.set_exception(error)
        await self._until_turn()

    def take_result(self) -> t.Any:
        task = self._task
        del self._task
        try:
            return task.result()
        finally:
            del task  # its error's traceback has this frame, and others of ours

    async def _run(self) -> t.Any:
        try:
            return await self._function(self._request, self._call_next)
        finally:
            self._set = copy_context()

    async def _call_next(self, request: t.Any = None) -> t.Any:
        self._next: asyncio.Future[t.Any] = asyncio.get_running_loop().create_future()
        self._set = copy_context()
        self.wants_next = True
        self._turn.set_result(None)
        try:
            return await self._next
        finally:
            adopt(self._set)

    async def _until_turn(self) -> None:
        try:
            await asyncio.wait((self._task, self._turn), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        adopt(self._set)
