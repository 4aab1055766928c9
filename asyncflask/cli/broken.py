"""What is served in the place of an application that failed to load, until a reload loads it."""

from __future__ import annotations

from types import TracebackType

from ..asgi.scope import DEBUGGER
from ..serving.explain import why
from ..serving.notice import Message, Notice, Receive, Send


class BrokenApp(Notice):
    """Answers every request with the error that the application failed with, by the debugger if there is one."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"The application could not be loaded: {why(error)}\n\n"
            "The traceback is in the terminal. Correct it, and reload this page when the server has started again.\n",
            500,
        )
        self.error: Exception = error
        self.traceback: TracebackType | None = error.__traceback__

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one scope. Raises the error where a debugger is in front to show it."""
        __traceback_hide__ = True  # from the page: it begins with the application
        if DEBUGGER in scope:
            # with the first traceback every time, which would grow by each raise
            raise self.error.with_traceback(self.traceback)
        await super().__call__(scope, receive, send)
