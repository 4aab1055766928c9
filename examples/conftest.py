"""Each example is a program of its own: while its test is imported, its folder is first on the path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collectstart(collector: pytest.Collector) -> None:
    if isinstance(collector, pytest.Module) and HERE in collector.path.parents:
        sys.path[:] = [entry for entry in sys.path if HERE not in Path(entry).parents]
        sys.path.insert(0, str(collector.path.parent))
        for name in ("app", "run"):
            sys.modules.pop(name, None)
