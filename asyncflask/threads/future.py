"""The future of a job in a thread: loaded with the first job, as asyncio takes long to load."""

from __future__ import annotations

import asyncio
from typing import Any


class ThreadFuture(asyncio.Future[Any]):
    """The result of a job in a thread. A thread can't be interrupted, so neither can the wait for it.

    A task cancelled while it awaits one gets its CancelledError when the job has ended: nothing is torn down under it.
    """

    def cancel(self, msg: Any | None = None) -> bool:
        """Do nothing, and say so."""
        return False
