"""The lifespan of an application in tests: it is started before the first request and stopped after the last one.

Whatever holds an application on one loop, clients and `TestApp`, shares one lifespan: the first starts it, the last one
stops it. (ASGI specification, Lifespan protocol.)
"""

from __future__ import annotations

import asyncio
import typing as t
import weakref

from .transport import ASGIApplication, Message

TIMEOUT = 60.0
"""Seconds that a start or a stop may take."""

Loop = asyncio.AbstractEventLoop


class LifespanError(Exception):
    """The application did not start, or did not stop; the text is what it said."""


class Lifespan:
    """The lifespan scope of an application, served in a task of its own, which begins at once.

    Args:
        asgi: the ASGI application. One that raises before it has answered is taken to have no lifespan.

    Attributes:
        state: what the application puts into the scope's ``state``; each connection gets a shallow copy.
        holders: how many hold it.
        stopping: it was told to stop.
        stopped: its task has ended.
    """

    def __init__(self, asgi: ASGIApplication) -> None:
        loop = asyncio.get_running_loop()
        self.state: dict[str, t.Any] = {}
        self.holders: int = 0
        self.stopping: bool = False
        self.stopped: asyncio.Event = asyncio.Event()
        self._error: Exception | None = None
        #: phase -> what the application answers: None, or why it failed
        self._answers: dict[str, asyncio.Future[str | None]] = {
            "startup": loop.create_future(),
            "shutdown": loop.create_future(),
        }
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._to_app.put_nowait({"type": "lifespan.startup"})
        self._task = loop.create_task(self._serve(asgi), name="test lifespan")

    async def _serve(self, asgi: ASGIApplication) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        startup, shutdown = self._answers.values()
        try:
            await asgi(scope, self._to_app.get, self._send)
        except Exception as error:
            if startup.done():
                self._error = error
        finally:
            if not startup.done():
                startup.set_result(None)
            if not shutdown.done():
                shutdown.set_result(None if self._error is None else _told(self._error))

    async def _send(self, message: Message) -> None:
        _, phase, outcome = message["type"].split(".")
        if not self._answers[phase].done():
            self._answers[phase].set_result(None if outcome == "complete" else message.get("message") or "(no reason)")

    async def answered(self, phase: t.Literal["startup", "shutdown"], timeout: float) -> None:
        """Wait until the application has started or stopped. Raises LifespanError if it fails, or takes too long."""
        try:
            async with asyncio.timeout(timeout):
                failure = await asyncio.shield(self._answers[phase])
        except TimeoutError:
            raise LifespanError(f"The application's {phase} took longer than {timeout:g} seconds.") from None
        if failure is not None:
            await asyncio.sleep(0)  # some raise what they told
            raise LifespanError(f"The application's {phase} failed: {failure}") from self._error

    async def stop(self, timeout: float) -> None:
        """Stop the application, if it has started, and end its task. Raises as `answered`."""
        self.stopping = True
        startup = self._answers["startup"]
        try:
            if startup.done() and startup.result() is None:
                self._to_app.put_nowait({"type": "lifespan.shutdown"})
                await self.answered("shutdown", timeout)
                await asyncio.wait([self._task], timeout=timeout)
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self.stopped.set()


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


_running: weakref.WeakKeyDictionary[t.Any, dict[Loop, Lifespan]] = weakref.WeakKeyDictionary()


class Held:
    """Holds the lifespan of an application, between `start` and `stop`.

    Args:
        app: the application; what is served is its ``asgi``, or itself if it has none.
        startup_timeout: seconds that its start may take.
        shutdown_timeout: seconds that its stop may take.
    """

    def __init__(self, app: t.Any, startup_timeout: float = TIMEOUT, shutdown_timeout: float = TIMEOUT) -> None:
        self._app = app
        self._timeouts = startup_timeout, shutdown_timeout
        self._lifespan: Lifespan | None = None

    @property
    def state(self) -> dict[str, t.Any]:
        """The state that the application has filled, while it is held; else empty."""
        return {} if self._lifespan is None else self._lifespan.state

    async def start(self) -> None:
        """Start the application, or wait for its start. Raises LifespanError with what it said."""
        loop = asyncio.get_running_loop()
        running = _running.setdefault(self._app, {})
        for other in [other for other in running if other.is_closed()]:
            del running[other]
        while (lifespan := running.get(loop)) is not None and lifespan.stopping:
            await lifespan.stopped.wait()
        if lifespan is None:
            lifespan = running[loop] = Lifespan(getattr(self._app, "asgi", self._app))
        lifespan.holders += 1
        self._lifespan = lifespan
        try:
            await lifespan.answered("startup", self._timeouts[0])
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let go of the application; it is stopped if nobody else holds it. Raises LifespanError with what it said."""
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is None:
            return
        lifespan.holders -= 1
        if not lifespan.holders:
            try:
                await lifespan.stop(self._timeouts[1])
            finally:
                _running[self._app].pop(asyncio.get_running_loop(), None)


class TestApp:
    """Runs the lifespan of an application around a test: ``async with app.test_app() as test_app``.

    Args:
        app: the application.
        startup_timeout: seconds that its start may take.
        shutdown_timeout: seconds that its stop may take.

    The clients that it makes, and those that ``app.async_test_client()`` makes meanwhile, ask the started application.
    """

    __test__ = False  # no class of tests, whatever pytest makes of its name

    def __init__(self, app: t.Any, startup_timeout: float = TIMEOUT, shutdown_timeout: float = TIMEOUT) -> None:
        self.app = app
        self._held = Held(app, startup_timeout, shutdown_timeout)

    async def startup(self) -> None:
        """Start the application. Raises LifespanError with what it said if it does not start."""
        await self._held.start()

    async def shutdown(self) -> None:
        """Stop the application. Raises LifespanError with what it said if that fails."""
        await self._held.stop()

    def test_client(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Return the application's sync client, ``app.test_client(...)``."""
        return self.app.test_client(*args, **kwargs)

    def async_test_client(self, **kwargs: t.Any) -> t.Any:
        """Return the application's async client, ``app.async_test_client(...)``."""
        return self.app.async_test_client(**kwargs)

    async def __aenter__(self) -> t.Self:
        await self.startup()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.shutdown()
