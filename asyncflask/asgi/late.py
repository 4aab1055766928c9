"""Answering in the place of a thread that takes too long."""

from __future__ import annotations

import typing as t

from ..lazy import late_module

if t.TYPE_CHECKING:
    import asyncio

    from .stream import Message, Send
else:
    asyncio = late_module("asyncio")

Refuse = t.Callable[["Send"], t.Coroutine[t.Any, t.Any, None]]


class Deadline:
    """``send`` for an exchange that has to begin its answer in time; else another is sent, and the exchange unheard.

    Args:
        send: the ASGI callable.
        seconds: from now on.
        refuse: sends the other answer.
    """

    def __init__(self, send: Send, seconds: float, refuse: Refuse) -> None:
        self._send = send
        self._refuse = refuse
        self._begun = False
        self._refusal: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(seconds, self._pass)

    def _pass(self) -> None:
        if not self._begun:
            self._refusal = asyncio.get_running_loop().create_task(self._refuse(self._send))

    async def send(self, message: Message) -> None:
        """Send, in time. Raises an OSError, as where the client has left, when it was answered already."""
        if self._refusal is not None:
            raise ConnectionAbortedError("The request took too long, and was answered without its view.")
        self._begun = True
        await self._send(message)

    async def over(self) -> None:
        """The exchange has come to its end."""
        self._timer.cancel()
        if self._refusal is not None:
            await asyncio.gather(self._refusal, return_exceptions=True)  # the client may have left
