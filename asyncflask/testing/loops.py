"""The private loops of sync test clients: one an application and thread, kept so that what lives on it lives on.

A database pool that one request has opened on a loop is of no use to the next request on another. So the loop outlives
the request, and the client: it is closed when its application is gone, or when too many others were used since.
"""

from __future__ import annotations

import threading
import typing as t
import weakref
from contextlib import contextmanager

from ..threads import CallerBridge

KEPT = 8
"""Idle loops that a thread keeps: each holds three file descriptors."""


class _Idle(threading.local):
    def __init__(self) -> None:
        self.bridges: list[tuple[weakref.ref[t.Any], CallerBridge]] = []


_idle = _Idle()


@contextmanager
def bridge_of(app: object) -> t.Iterator[CallerBridge]:
    """Give the bridge of `app` in this thread for one request; another one if that is in use by a request around it."""
    bridge = _taken(app)
    try:
        yield bridge
    finally:
        _idle.bridges.append((weakref.ref(app), bridge))
        _close_superfluous()


def _taken(app: object) -> CallerBridge:
    for entry in reversed(_idle.bridges):
        if entry[0]() is app:
            _idle.bridges.remove(entry)
            return t.cast(CallerBridge, entry[1])
    return CallerBridge()


def _close_superfluous() -> None:
    orphans = [entry for entry in _idle.bridges if entry[0]() is None]
    others = [entry for entry in _idle.bridges if entry[0]() is not None]
    for entry in orphans + others[:-KEPT]:
        _idle.bridges.remove(entry)
        entry[1].close()
