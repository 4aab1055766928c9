"""Work that outlives the request, the process and the machine: tasks on a queue in Redis, done by workers of their own.

    POST /reports   takes a text, answers 202 with the place where the report will be
    GET  /reports/ID   tells how far it is: waiting, done, or failed

The web process only puts a message on the queue. A worker takes it, and the task runs inside the application's context:
``current_app``, its configuration and what ``before_serving`` has opened are there, as in a view.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from redis.exceptions import RedisError
from taskiq import SimpleRetryMiddleware, TaskiqEvents, TaskiqState
from taskiq.exceptions import SendTaskError
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from asyncflask import App, abort, current_app, request, url_for

P = ParamSpec("P")
R = TypeVar("R")

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
KEPT_FOR = 3600
"""Seconds for which a result can be fetched."""

app = App(__name__)
app.config["LONGEST_WORDS"] = 3

# A stream, not a list: a message is acknowledged when its task is done, so that the work of a dying worker is not lost.
broker = (
    RedisStreamBroker(REDIS_URL)
    .with_result_backend(RedisAsyncResultBackend(REDIS_URL, result_ex_time=KEPT_FOR))
    .with_middlewares(SimpleRetryMiddleware(default_retry_count=3))
)


# -- the queue and the application start and stop together -------------------------------------------------------------


@app.before_serving
async def open_queue() -> None:
    if not broker.is_worker_process:
        await broker.startup()


@app.after_serving
async def close_queue() -> None:
    if not broker.is_worker_process:
        await broker.shutdown()


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start_app(state: TaskiqState) -> None:
    await app.startup()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def stop_app(state: TaskiqState) -> None:
    await app.shutdown()


def in_app(task: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Run a task in a context of the application."""

    @wraps(task)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        async with app.app_context():
            return await task(*args, **kwargs)

    return run


# -- the work ----------------------------------------------------------------------------------------------------------


@broker.task(task_name="report", retry_on_error=True)
@in_app
async def make_report(text: str) -> dict[str, Any]:
    """Count the words of a text."""
    words = Counter(text.lower().split())
    if not words:
        raise ValueError("The text has no words.")
    await asyncio.sleep(0)  # here a real report would ask a database or another service
    longest = sorted(words, key=lambda word: (-len(word), word))[: current_app.config["LONGEST_WORDS"]]
    return {"words": words.total(), "different": len(words), "longest": longest, "made by": f"process {os.getpid()}"}


# -- the web side ------------------------------------------------------------------------------------------------------


@app.post("/reports")
async def order_report() -> Any:
    order = request.get_json()
    text = order.get("text") if isinstance(order, dict) else None
    if not isinstance(text, str):
        abort(400, "Send a JSON object with a 'text'.")
    task = await make_report.kiq(text)
    return {"id": task.task_id}, 202, {"Location": url_for("report", id=task.task_id)}


@app.get("/reports/<id>")
async def report(id: str) -> Any:
    results = broker.result_backend
    if not await results.is_result_ready(id):
        return {"state": "waiting"}
    result = await results.get_result(id)
    if result.is_err:
        return {"state": "failed", "why": str(result.error)}
    return {"state": "done", "report": result.return_value}


@app.errorhandler(SendTaskError)
@app.errorhandler(RedisError)
async def queue_is_away(error: Exception) -> Any:
    app.logger.error("The queue cannot be used: %s", error.__cause__ or error)
    return {"error": "The queue is not available at the moment. Try again soon."}, 503, {"Retry-After": "5"}


asgi = app.asgi
