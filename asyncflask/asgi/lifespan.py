"""The lifespan scope: the server says when it starts and when it stops. (ASGI specification, Lifespan protocol.)"""

from __future__ import annotations

import typing as t

from ..lazy import late_module

if t.TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

Message = dict[str, t.Any]


class Served(t.Protocol):
    """What is started and stopped."""

    async def startup(self) -> None:
        """Get ready. An error refuses the start, and its text reaches the server's log."""

    async def shutdown(self) -> None:
        """Let go of everything."""


async def serve_lifespan(
    app: Served,
    receive: t.Callable[[], t.Awaitable[Message]],
    send: t.Callable[[Message], t.Awaitable[None]],
) -> None:
    """Answer the messages of a lifespan scope by starting and stopping `app`."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            if not await _reported("startup", app.startup, send):
                return
        elif message["type"] == "lifespan.shutdown":
            await _reported("shutdown", app.shutdown, send)
            return


def _told(error: BaseException) -> str:
    text = " ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
    if isinstance(error, BaseExceptionGroup):
        text += "".join(f" [{_told(one)}]" for one in error.exceptions)
    return text


async def _reported(
    phase: str, act: t.Callable[[], t.Awaitable[None]], send: t.Callable[[Message], t.Awaitable[None]]
) -> bool:
    try:
        await act()
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        # Servers take what a lifespan raises for "has none", and would serve an application that has not started.
        await send({"type": f"lifespan.{phase}.failed", "message": _told(error)})
        if not isinstance(error, Exception):
            raise
        return False
    await send({"type": f"lifespan.{phase}.complete"})
    return True
