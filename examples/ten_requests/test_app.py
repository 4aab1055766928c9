"""The facts of the table: who served the ten requests in each mode. No clock decides: only who overlapped with whom."""

from __future__ import annotations

from itertools import combinations

import pytest
from run import MODES, REQUESTS, detail, measure, served_by, summary

pytestmark = pytest.mark.live
BY_NAME = {mode.name: mode for mode in MODES}
# Long enough for ten requests to be in at once on a busy machine.
TOGETHER = 2.0


def overlapping(answers):
    """Pairs of requests that were in the handler at the same time, in the same process."""
    for one, other in combinations(answers, 2):
        same_process = one["process"] == other["process"]
        if same_process and one["started"] < other["ended"] and other["started"] < one["ended"]:
            yield one, other


def on_the_main_thread(answers):
    return {answer["thread"] for answer in answers} == {"MainThread"}


@pytest.mark.parametrize("name", ["single", "two processes"])
def test_blocking_on_the_loop_is_one_after_another(name):
    result = measure(BY_NAME[name], 0.02)
    assert served_by(result) == (result.mode.processes, result.mode.processes)
    assert on_the_main_thread(result.answers)
    assert not list(overlapping(result.answers))


@pytest.mark.parametrize("name", ["threaded", "threaded, two processes"])
def test_each_blocking_request_has_a_thread_of_its_own(name):
    result = measure(BY_NAME[name], TOGETHER)
    assert served_by(result) == (result.mode.processes, REQUESTS)
    assert "MainThread" not in {answer["thread"] for answer in result.answers}
    assert {answer["task"] for answer in result.answers} == {None}


def test_async_handlers_share_one_thread_and_have_a_task_each():
    result = measure(BY_NAME["async"], TOGETHER)
    assert served_by(result) == (1, 1)
    assert on_the_main_thread(result.answers)
    assert len({answer["task"] for answer in result.answers}) == REQUESTS
    assert len(list(overlapping(result.answers))) == REQUESTS * (REQUESTS - 1) // 2


def test_tables_name_every_request():
    result = measure(BY_NAME["threaded"], 0.02)
    text = "\n".join(detail(result))
    assert all(answer["token"] in text and answer["thread"] in text for answer in result.answers)
    assert "threaded" in "\n".join(summary([result]))
