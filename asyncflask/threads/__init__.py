"""Sync code in worker threads, and calls both ways between threads and the event loop."""

from __future__ import annotations

from .bridge import Bridge, LoopThread, PoolBridge, Side, adopt, background, run_anywhere, run_async, waited_for
from .caller import CallerBridge
from .drive import InContext, InThread, OnLoop, drive
from .local import current_bridge, is_interrupted, this_thread
from .pool import QueueFull, Stats, WorkerPool

__all__ = [
    "Bridge",
    "CallerBridge",
    "InContext",
    "InThread",
    "LoopThread",
    "OnLoop",
    "PoolBridge",
    "QueueFull",
    "Side",
    "Stats",
    "WorkerPool",
    "adopt",
    "background",
    "current_bridge",
    "drive",
    "is_interrupted",
    "run_anywhere",
    "run_async",
    "this_thread",
    "waited_for",
]
