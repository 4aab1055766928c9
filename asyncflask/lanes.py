"""Where the parts of a request run."""

from __future__ import annotations

from .threads import Side


class Lane:
    """Where a request runs: `hops`, sync functions go to a thread; `on_loop`, coroutines can be awaited as they are.

    `later` is the lane of what comes after the view.
    """

    __slots__ = ("hops", "later", "name", "on_loop", "side")

    def __init__(self, name: str, *, hops: bool, on_loop: bool, side: Side = True, later: Lane | None = None) -> None:
        self.name: str = name
        self.hops: bool = hops
        self.on_loop: bool = on_loop
        self.side: Side = side
        self.later: Lane = self if later is None else later

    def __repr__(self) -> str:
        return f"<lane {self.name}>"


#: after an ``async def`` view: a hook that gives back, say, a connection does not queue behind hooks that wait for one
LATE = Lane("late", hops=True, on_loop=True, side="late")
#: an ``async def`` view: coroutines are awaited, a sync hook is handed to a side thread
LOOP = Lane("loop", hops=True, on_loop=True, later=LATE)
#: a ``def`` view in its thread: sync hooks are plain calls, a coroutine is handed to the loop
WORKER = Lane("worker", hops=False, on_loop=False)
#: everything on the thread that the loop runs in, as ``THREADED = False`` or ``threaded=False`` asks
INLINE = Lane("inline", hops=False, on_loop=True)
