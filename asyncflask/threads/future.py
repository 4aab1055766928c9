"""The future of a job in a thread: loaded with the first job, as asyncio takes long to load."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bridge import LoopCall


class ThreadFuture(asyncio.Future[Any]):
    """The result of a job in a thread. A thread can't be interrupted, so neither can the wait for it.

    A task cancelled while it awaits one gets its CancelledError when the job has ended: nothing is torn down under it.
    For the job to end, what it waits for on the loop is cancelled, now or as soon as it asks the loop for something.
    """

    waits_for: LoopCall[Any] | None = None
    interrupted: bool = False

    def cancel(self, msg: Any | None = None) -> bool:
        """Leave the future as it is, and say so; interrupt the job where it waits for the loop. On the loop."""
        if not self.done():
            # Set first, read second; the thread does it the other way round, so that one of both sees the other.
            self.interrupted = True
            call = self.waits_for
            if call is not None and call.cancel():
                self.interrupted = False
        return False

    def take_interrupt(self) -> bool:
        """Return whether the job is to end and has not been told so yet. In the job's thread."""
        interrupted, self.interrupted = self.interrupted, False
        return interrupted
