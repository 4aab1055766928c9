"""httpx, the continuation of it that is looked after (``httpx2``), or what to install."""

from __future__ import annotations

try:
    import httpx2 as httpx2
except ModuleNotFoundError as error:
    if error.name != "httpx2":
        raise
    raise ModuleNotFoundError(
        'The async test client needs httpx2, which is not installed: pip install "asyncflask[test]"', name="httpx2"
    ) from error
