"""The same view in both kinds: `def` and `async def`."""

from __future__ import annotations

import asyncio

COLOURS = ("def", "async")


def both(app, view, rule="/", **options):
    """Let `view` answer at /def and, as a coroutine function that is suspended first, at /async."""

    async def coroutine(**values):
        await asyncio.sleep(0)
        return view(**values)

    app.add_url_rule(f"/def{rule}".rstrip("/"), f"def {rule}", view, **options)
    app.add_url_rule(f"/async{rule}".rstrip("/"), f"async {rule}", coroutine, **options)
