"""Hooks of serving that take arguments, and resources that give something else."""

from __future__ import annotations

import typing as t

from asyncflask import App

app = App(__name__)


@app.before_serving  # error
def takes(name: str) -> None: ...


@app.while_serving  # error
async def takes_one(name: str) -> t.AsyncIterator[None]:
    yield


@app.resource
async def number() -> t.AsyncIterator[int]:
    yield 1


@app.resource(scope="session")  # error
def unknown() -> t.Iterator[int]:
    yield 1


async def view() -> str:
    return await number  # error


def sync_view() -> str:
    return number.get()  # error
