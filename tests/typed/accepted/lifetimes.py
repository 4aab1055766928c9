"""What lives longer than a view: hooks of serving, resources, background work, tasks."""

from __future__ import annotations

import typing as t
from contextlib import asynccontextmanager, contextmanager

from asyncflask import App, Blueprint, start_task
from asyncflask.lifetime import Job, Resource, State

app = App(__name__)
blueprint = Blueprint("lifetimes", __name__)


@app.before_serving
@app.after_serving
@blueprint.before_app_serving
@blueprint.after_app_serving
def plain() -> None: ...


@app.before_serving
@app.after_serving
@blueprint.before_app_serving
async def coroutine() -> None: ...


@app.while_serving
@blueprint.while_app_serving
async def generator() -> t.AsyncIterator[None]:
    yield


@app.while_serving
def sync_generator() -> t.Iterator[None]:
    yield


@app.every(60)
async def every_minute() -> None: ...


@app.resource
async def number() -> t.AsyncIterator[int]:
    yield 1


@app.resource(scope="app", at_start=True)
def text() -> t.Iterator[str]:
    yield "text"


@app.resource
@asynccontextmanager
async def async_manager() -> t.AsyncIterator[bytes]:
    yield b""


@blueprint.resource(scope="request")
@contextmanager
def manager() -> t.Iterator[float]:
    yield 1.0


class OwnState(State):
    pool: int


class OwnApp(App):
    state_class = OwnState


async def view() -> str:
    one: int = await number
    two: str = text.get()
    three: bytes = await async_manager
    four: float = manager.get()
    task: Job = start_task(plain)
    await start_task(coroutine, _name="named")
    app.add_background_task(print, 1, sep="")
    job: Job | None = app.background_tasks.get("named")
    resource: Resource[int] = number
    pool = app.state.pool
    return f"{one} {two} {three!r} {four} {task} {job} {resource} {pool}"
