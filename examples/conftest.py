"""Each example is a program of its own: only while its test is imported is its folder on the path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    if not isinstance(collector, pytest.Module) or HERE not in collector.path.parents:
        return (yield)
    folder = collector.path.parent
    sys.path.insert(0, str(folder))
    try:
        return (yield)
    finally:
        sys.path.remove(str(folder))
        for name in [path.stem for path in folder.glob("*.py")]:  # "app" is a module of every example
            sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Any]:
    """A real Redis on a free port, with ``url``, ``stop()`` and ``start()``."""
    from tests.redis_server import RedisServer  # the helper of the project's own tests, from its top folder

    server = RedisServer()
    server.start()
    yield server
    server.stop()
