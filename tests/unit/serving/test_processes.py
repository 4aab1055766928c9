"""What the supervisor of several processes decides."""

from __future__ import annotations

import time
import types
import typing as t

import pytest

from asyncflask.serving import processes
from asyncflask.serving.processes import Supervisor, Worker


@pytest.mark.parametrize(("age", "waits"), [(0.0, True), (60.0, False)])
def test_a_worker_that_dies_young_is_not_replaced_at_once(age, waits):
    options = types.SimpleNamespace(processes=1)
    supervisor = Supervisor(t.cast(t.Any, types.SimpleNamespace(options=options)))
    worker = Worker(t.cast(t.Any, types.SimpleNamespace(pid=1)), t.cast(t.Any, types.SimpleNamespace(ready=True)))
    worker.began -= age
    before = time.monotonic()
    supervisor._ended(worker, 9)
    assert (supervisor.retry_at >= before + processes.RETRY) is waits
    assert not supervisor.stopping
