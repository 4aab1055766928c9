"""What makes an application easy to test: its clients, its lifespan, a runner for its commands."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .app import App
    from .testing import AsyncFlaskClient, FlaskClient, FlaskCliRunner, TestApp


class Testable:
    """The methods of an application that tests begin with. What they return loads when it is asked for."""

    __test__ = False  # no class of tests, whatever pytest makes of its name

    if t.TYPE_CHECKING:
        response_class: t.Any
        test_client_class: type[FlaskClient] | None
        test_cli_runner_class: type[FlaskCliRunner] | None

    def test_client(self, use_cookies: bool = True, **kwargs: t.Any) -> FlaskClient:
        """Return a client for tests of this app, of `test_client_class`; it takes `kwargs`."""
        from .testing import FlaskClient

        return (self.test_client_class or FlaskClient)(self, self.response_class, use_cookies=use_cookies, **kwargs)

    def async_test_client(self, **kwargs: t.Any) -> AsyncFlaskClient:
        """Return a client for ``async def`` tests of this app, which also starts and stops it; it takes `kwargs`.

        Raises ModuleNotFoundError without httpx2, which ``asyncflask[test]`` brings.
        """
        from .testing.async_client import AsyncFlaskClient

        return AsyncFlaskClient(t.cast("App", self), **kwargs)

    def test_app(self, **kwargs: t.Any) -> TestApp:
        """Return what runs the app's lifespan around a test, for ``async with``; it takes `kwargs`."""
        from .testing import TestApp

        return TestApp(self, **kwargs)

    def test_cli_runner(self, **kwargs: t.Any) -> FlaskCliRunner:
        """Return a runner for tests of commands, of `test_cli_runner_class`; it takes `kwargs`."""
        from .testing import FlaskCliRunner

        return (self.test_cli_runner_class or FlaskCliRunner)(t.cast("App", self), **kwargs)
