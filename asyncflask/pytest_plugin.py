"""The pytest plugin: the fixtures ``app``, ``client`` and ``async_client``.

pytest loads it for every project of an environment, so what it needs loads when a fixture is asked for. A fixture of
the same name in a test module, a conftest.py or another plugin (such as pytest-flask or pytest-django) goes first.
"""

from __future__ import annotations

import inspect
import typing as t
from types import ModuleType

import pytest

if t.TYPE_CHECKING:
    from .app import App
    from .testing import AsyncFlaskClient, FlaskClient

_NO_APP = """\
The fixture 'app' is for the project to define, in conftest.py or beside its tests. It returns the application:

    @pytest.fixture
    def app():
        app = create_app()
        app.config.update(TESTING=True)
        return app
"""
_NO_LOOP = """\
The fixture 'async_client' is for `async def` tests, and needs a plugin that runs them: install pytest-asyncio, which
asyncflask[test] has, or mark them with @pytest.mark.anyio. The client for `def` tests is the fixture 'client'.
"""
_SCOPES: tuple[t.Literal["function", "class", "module", "package", "session"], ...] = (
    "function",
    "class",
    "module",
    "package",
    "session",
)
_OPENED = "_asyncflask_opened_on_"


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Offer the fixtures that no other plugin has."""
    manager = config.pluginmanager
    others = [plugin for plugin in manager.get_plugins() if not _is_conftest(plugin)]
    fixtures = ModuleType("fixtures of asyncflask")
    for function in (app, client, async_client):
        fixture = pytest.fixture(function)
        name = function.__name__
        if not any(type(inspect.getattr_static(other, name, None)) is type(fixture) for other in others):
            setattr(fixtures, name, fixture)
    setattr(fixtures, f"{_OPENED}anyio", pytest.fixture(name=f"{_OPENED}anyio")(_opened()))
    if manager.hasplugin("asyncio"):
        import pytest_asyncio  # it is there then

        for scope in _SCOPES:
            name = f"{_OPENED}{scope}"
            setattr(fixtures, name, pytest_asyncio.fixture(_opened(), loop_scope=scope, name=name))
    manager.register(fixtures, "asyncflask-fixtures")


def _is_conftest(plugin: object) -> bool:
    return str(getattr(plugin, "__file__", "")).endswith("conftest.py")


def app() -> App:
    """The application to test; the project defines it."""
    pytest.fail(_NO_APP, pytrace=False)


def client(app: App) -> FlaskClient:
    """The sync test client of ``app``."""
    return app.test_client()


def async_client(request: pytest.FixtureRequest, app: App) -> AsyncFlaskClient:
    """The async test client of ``app``, which is started before the test and stopped after it.

    It is opened on the loop of the test, by the plugin that runs that: pytest-asyncio or anyio's.
    """
    if "anyio_backend" in request.fixturenames:
        scope = "anyio"
    elif request.config.pluginmanager.hasplugin("asyncio") and _is_async(request.node):
        marker = request.node.get_closest_marker("asyncio")
        asked = marker.kwargs.get("loop_scope") if marker is not None else None
        scope = asked or request.config.getini("asyncio_default_test_loop_scope")
    else:
        pytest.fail(_NO_LOOP, pytrace=False)
    return t.cast("AsyncFlaskClient", request.getfixturevalue(f"{_OPENED}{scope}"))


def _is_async(item: object) -> bool:
    function = getattr(item, "obj", None)
    return inspect.iscoroutinefunction(inspect.unwrap(function)) if function is not None else False


def _opened() -> t.Callable[[App], t.AsyncIterator[AsyncFlaskClient]]:
    # A new function for each fixture: pytest-asyncio notes the scope of the loop in it.
    async def opened(app: App) -> t.AsyncIterator[AsyncFlaskClient]:
        async with app.async_test_client() as client:
            yield client

    return opened
