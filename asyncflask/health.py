"""Two URLs for load balancers and orchestrators: is the process alive, and does it want requests.

Ready means: the server has not been told to stop, and every check passes. (Kubernetes documentation: Liveness,
Readiness, and Startup Probes.)
"""

from __future__ import annotations

import asyncio
import inspect
import typing as t

if t.TYPE_CHECKING:
    from .app import App

Check = t.Callable[[], t.Any]
C = t.TypeVar("C", bound=Check)
Answer = tuple[dict[str, t.Any], int, dict[str, str]]

_FRESH = {"Cache-Control": "no-store"}


class Health:
    """The endpoints of an application that say how it is.

    Args:
        app: gets the two rules; may be left out until `init_app`.
        live: path that answers 200 while the event loop turns.
        ready: path that answers 200, or 503 from the moment the server is told to stop, and while a check fails.

    Both answer JSON. What a failed check raised is logged; the answer only names the check.
    ``SHUTDOWN_DELAY`` keeps a server going for so many seconds after it was told to stop, so that this can be seen.
    """

    def __init__(self, app: App | None = None, *, live: str = "/livez", ready: str = "/readyz") -> None:
        self.live = live
        self.ready = ready
        self._checks: dict[str, tuple[Check, float]] = {}
        if app is not None:
            self.init_app(app)

    def init_app(self, app: App) -> None:
        """Add the rules to `app`."""

        async def live() -> Answer:
            return {"alive": True}, 200, _FRESH

        async def ready() -> Answer:
            return await self._readiness(app)

        app.add_url_rule(self.live, "health.live", live)
        app.add_url_rule(self.ready, "health.ready", ready)

    def check(self, name: str, *, timeout: float = 5.0) -> t.Callable[[C], C]:
        """Decorate a function that raises an error while something is missing that requests need.

        Args:
            name: of the check, in the answer.
            timeout: seconds after which it has failed.

        A ``def`` function runs in a thread. Raises ValueError for a name that is taken, TypeError where the name was
        left out.
        """
        if not isinstance(name, str):
            raise TypeError('A check needs a name: @health.check("database").')
        if name in self._checks:
            raise ValueError(f"There is a check {name!r} already.")

        def add(function: C) -> C:
            self._checks[name] = function, timeout
            return function

        return add

    async def _readiness(self, app: App) -> Answer:
        stopping = app.shutdown_event.is_set()
        outcomes = await asyncio.gather(*(self._outcome(app, name) for name in self._checks))
        checks = dict(zip(self._checks, outcomes, strict=True))
        ready = not stopping and all(outcome == "passed" for outcome in outcomes)
        return {"ready": ready, "stopping": stopping, "checks": checks}, 200 if ready else 503, _FRESH

    async def _outcome(self, app: App, name: str) -> str:
        function, timeout = self._checks[name]
        try:
            async with asyncio.timeout(timeout):
                result = function() if inspect.iscoroutinefunction(function) else await asyncio.to_thread(function)
                if inspect.isawaitable(result):
                    await result
        except TimeoutError:
            app.logger.warning("Health check %r took longer than %s s, or timed out itself.", name, timeout)
            return "timed out"
        except Exception as error:
            app.logger.warning("Health check %r failed: %s: %s", name, type(error).__name__, error)
            return "failed"
        return "passed"
