"""Background work that is done again and again while the application serves."""

from __future__ import annotations

import math
import typing as t
from contextvars import Context
from datetime import timedelta

from ..ctx import AppContext
from ..lazy import late_module
from ..pipeline.hooks import call, is_async
from .jobs import BACKGROUND, Job, report
from .managers import check_plain, name_of

if t.TYPE_CHECKING:
    import asyncio

    from ..app import App
    from ..threads import Bridge
else:
    asyncio = late_module("asyncio")


def seconds_of(interval: float | timedelta) -> float:
    """Return the seconds of an interval between calls; raises TypeError or ValueError if it is none."""
    needs = "every needs a positive number of seconds, or a timedelta"
    if not isinstance(interval, (int, float, timedelta)):
        raise TypeError(f"{needs}, as in @app.every(60), not {interval!r}.")
    seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
    if not seconds > 0 or math.isinf(seconds):
        raise ValueError(f"{needs}, not {interval!r}.")
    return seconds


class Periodic:
    """A function, and how often it is called.

    Args:
        function: called without arguments.
        interval: seconds, or a timedelta, from one call's beginning to the next one's.
        name: of its job; by default the function's.
        at_start: whether the first call comes when the application starts, and not one interval later.

    Raises:
        TypeError: `function` yields, or is no function, or the interval is no number.
        ValueError: the interval is not positive.
    """

    def __init__(
        self, function: t.Callable[[], t.Any], interval: float | timedelta, name: str | None, at_start: bool
    ) -> None:
        check_plain(function, "every", "Do one round in each call.")
        self.function = function
        self.seconds: float = seconds_of(interval)
        self.name: str = name or name_of(function)
        self.at_start = at_start


class PeriodicJob(Job):
    """Calls the function of a `Periodic` until it is stopped.

    Calls never overlap: one that takes longer than the interval makes those that were due meanwhile fall out. One that
    fails is logged, and the next is made all the same.
    """

    def __init__(self, app: App, bridge: Bridge, periodic: Periodic) -> None:
        super().__init__(periodic.name, self._repeat, bridge, Context())
        self._app = app
        self._periodic = periodic
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Make no further call; one that is being made comes to its end. On the loop."""
        self._stopped.set()

    async def _repeat(self) -> None:
        clock, seconds = self.bridge.loop.time, self._periodic.seconds
        due = clock() + (0 if self._periodic.at_start else seconds)
        while not await self._is_stopped_before(due - clock()):
            await self._call_once()
            due += seconds * max(math.ceil((clock() - due) / seconds), 1)

    async def _is_stopped_before(self, seconds: float) -> bool:
        if self._stopped.is_set():
            return True
        try:
            await asyncio.wait_for(self._stopped.wait(), max(seconds, 0))
        except TimeoutError:
            return False
        return True

    async def _call_once(self) -> None:
        ctx = AppContext(self._app)
        ctx.lane = BACKGROUND
        try:
            async with ctx:
                await call(BACKGROUND, self._periodic.function, is_async(self._periodic.function))
        except Exception as error:
            await report(ctx, self.name, error)
