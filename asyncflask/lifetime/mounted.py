"""The lifespan of one mounted application: it is started and stopped as a server would do it.

(ASGI specification, Lifespan protocol.)
"""

from __future__ import annotations

import typing as t
from contextvars import Context

from ..lazy import late_module

if t.TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

Message = dict[str, t.Any]


class MountFailed(RuntimeError):
    """A mounted application has refused to start, or has failed while it stopped."""


class MountedLifespan:
    """Runs one ASGI application's lifespan, in a task of its own.

    Args:
        prefix: where it is mounted, for texts.
        app: the ASGI application.
        state: its ``scope["state"]``, which it may add to.
    """

    def __init__(self, prefix: str, app: t.Any, state: Message) -> None:
        self.prefix = prefix
        self.state = state
        self.app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it. One that knows no lifespan (it raises, or returns, before it answers) is left alone.

        Raises:
            MountFailed: it says that it cannot start.
        """
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        running = self.app(scope, self._inbox.get, self._answers.put)
        self._task = asyncio.get_running_loop().create_task(running, context=Context())
        try:
            answer = await self._told("startup")
        except BaseException:
            await self._end()
            raise
        if answer is None:
            self._task = None
        elif answer["type"] == "lifespan.startup.failed":
            await self._end()
            raise MountFailed(self._text("did not start", answer))

    async def stop(self) -> None:
        """Stop it, if it runs.

        Raises:
            MountFailed: it failed while it stopped.
        """
        if self._task is None:
            return
        try:
            answer = await self._told("shutdown")
        finally:
            error = await self._end()
        if error is not None:
            raise MountFailed(f"What is mounted at {self.prefix!r} failed while it stopped.") from error
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            raise MountFailed(self._text("failed while it stopped", answer))

    async def _told(self, phase: str) -> Message | None:
        """Tell it of a phase and return its answer; None if it ends without one."""
        assert self._task is not None
        self._inbox.put_nowait({"type": f"lifespan.{phase}"})
        answer = asyncio.ensure_future(self._answer_to(phase))
        try:
            await asyncio.wait([self._task, answer], return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if not self._task.cancelled():
                self._task.exception()  # looked at
            return None
        finally:
            answer.cancel()

    async def _answer_to(self, phase: str) -> Message:
        # An application that takes every scope for a request may say anything.
        expected = (f"lifespan.{phase}.complete", f"lifespan.{phase}.failed")
        while (answer := await self._answers.get()).get("type") not in expected:
            continue
        return answer

    async def _end(self) -> Exception | None:
        """Wait until its task has ended; one that waits for further messages is cancelled. Return what it raised."""
        task, self._task = self._task, None
        assert task is not None
        for _ in range(3):  # it may have a last step or two to take
            await asyncio.sleep(0)
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        return ended if isinstance(ended, Exception) else None

    def _text(self, what: str, answer: Message) -> str:
        reason = answer.get("message") or "no reason given; see its own log"
        return f"What is mounted at {self.prefix!r} {what}: {reason}"
