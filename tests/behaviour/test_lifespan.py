"""Start and stop of an application, by its diary: in memory and by each of the servers the same."""

from __future__ import annotations

from contextlib import asynccontextmanager

import httpx2
import pytest

from asyncflask.testing import LifespanError

from .application import LIMIT
from .conftest import DEFAULT, OTHERS
from .drivers import served, started
from .lifespan import make_app


@pytest.fixture
def diary(tmp_path):
    return tmp_path / "diary"


@pytest.fixture(params=[*DEFAULT, *OTHERS])
def client(request, diary):
    """A function that gives a client for an ``async with`` block, in which the application is served."""

    @asynccontextmanager
    async def opened():
        if request.param == "memory":
            async with make_app(diary).async_test_client() as client:
                yield client
        else:
            with served(request.param, "lifespan:app", DIARY=str(diary)) as port:
                async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                    yield client

    return opened


START, STOP = ["before", "pool opens"], ["after", "pool closes"]


def lines(diary):
    return diary.read_text().splitlines()


async def test_what_is_made_at_the_start_is_there_for_every_request(client, diary):
    async with client() as one:
        assert lines(diary) == START
        assert (await one.get("/def")).json() == {"pool": "the pool"}
        assert (await one.get("/async")).json() == {"pool": "the pool", "connection": "the connection"}
    between = lines(diary)[len(START) : -len(STOP)]
    assert sorted(between) == ["background", "connection closes", "connection opens"]
    assert lines(diary)[-len(STOP) :] == STOP


async def test_a_resource_stays_until_the_last_byte(client, diary):
    async with client() as one:
        assert (await one.get("/stream")).text == "the connection"
    assert lines(diary) == [*START, "connection opens", "last byte", "connection closes", *STOP]


async def test_a_start_that_fails_is_undone_in_memory(diary):
    with pytest.raises(LifespanError, match=r"startup failed: .*no database at db\.test"):
        async with make_app(diary, fails=True).async_test_client():
            pass
    assert lines(diary) == START + STOP


@pytest.mark.live
def test_a_start_that_fails_is_undone_and_ends_the_server(diary):
    process, _ = started("uvicorn", "lifespan:app", DIARY=str(diary), FAILS="yes")
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode != 0
    assert lines(diary) == START + STOP
    assert "no database at db.test" in errors
