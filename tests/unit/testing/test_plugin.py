"""The pytest plugin: its fixtures under pytest-asyncio and anyio's plugin, and whom they give way to."""

from __future__ import annotations

import pytest

APP = """
import asyncio
import pytest
from asyncflask import App

@pytest.fixture
def app():
    app = App("tested")
    app.config.update(TESTING=True, SECRET_KEY="key")

    @app.get("/loop")
    async def loop():
        return str(id(asyncio.get_running_loop()))

    @app.get("/def")
    def sync():
        return "def"

    yield app
    app.close_threads()
"""
ASYNC_TEST = """
import asyncio
{mark}
async def test_it(async_client, app):
    assert async_client.application is app
    assert (await async_client.get("/loop")).text == str(id(asyncio.get_running_loop()))
    assert (await async_client.get("/def")).text == "def"
"""
NO_ASYNCIO, NO_ANYIO = ("-p", "no:asyncio"), ("-p", "no:anyio")


@pytest.fixture
def run(pytester):
    """A function that runs pytest on a test file, with the application's fixture in conftest.py."""

    def run(test, *arguments, conftest=APP, ini="", isolated=False):
        pytester.makeconftest(conftest)
        fixture_scope = "" if "no:asyncio" in arguments else "asyncio_default_fixture_loop_scope = function"
        pytester.makeini(f"[pytest]\nfilterwarnings = error\n{fixture_scope}\n{ini}")
        pytester.makepyfile(test)
        start = pytester.runpytest_subprocess if isolated else pytester.runpytest_inprocess
        return start("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)

    return run


@pytest.mark.parametrize(
    ("ini", "mark"),
    [
        ("asyncio_mode = auto", ""),
        ("asyncio_mode = strict", "import pytest\n@pytest.mark.asyncio"),
        ("asyncio_mode = auto", "import pytest\n@pytest.mark.asyncio(loop_scope='module')"),
        ("asyncio_mode = auto\nasyncio_default_test_loop_scope = session", ""),
    ],
)
def test_under_pytest_asyncio(run, ini, mark):
    run(ASYNC_TEST.format(mark=mark), *NO_ANYIO, ini=ini).assert_outcomes(passed=1)


def test_under_anyio(run):
    backend = "\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    test = ASYNC_TEST.format(mark="import pytest\n@pytest.mark.anyio")
    run(test, *NO_ASYNCIO, conftest=APP + backend).assert_outcomes(passed=1)
    # beside pytest-asyncio, whose strict mode leaves such tests alone
    run(test, conftest=APP + backend, ini="asyncio_mode = strict").assert_outcomes(passed=1)


def test_under_anyio_on_trio_it_says_what_to_do(run):
    pytest.importorskip("trio")
    test = ASYNC_TEST.format(mark="import pytest\n@pytest.mark.anyio")
    result = run(test, *NO_ASYNCIO)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*have the fixture `anyio_backend` return 'asyncio'*"])


def test_the_sync_client(run):
    test = "def test_it(client):\n    assert client.get('/def').text == 'def'\n"
    run(test, *NO_ASYNCIO, *NO_ANYIO).assert_outcomes(passed=1)


def test_the_application_is_started_and_stopped(run):
    conftest = """
import pytest

class Noting:
    config = {"PREFERRED_URL_SCHEME": "http", "APPLICATION_ROOT": "/"}

    def __init__(self):
        self.seen = []

    async def asgi(self, scope, receive, send):
        for phase in ("startup", "shutdown"):
            await receive()
            self.seen.append(phase)
            await send({"type": f"lifespan.{phase}.complete"})

    def async_test_client(self):
        from asyncflask.testing import AsyncFlaskClient
        return AsyncFlaskClient(self)

@pytest.fixture
def app():
    app = Noting()
    yield app
    assert app.seen == ["startup", "shutdown"]
"""
    test = "async def test_it(async_client, app):\n    assert app.seen == ['startup']\n"
    run(test, conftest=conftest, ini="asyncio_mode = auto").assert_outcomes(passed=1)


def test_without_an_app_it_says_how(run):
    result = run("def test_it(client):\n    pass\n", conftest="")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["The fixture 'app' is for the project to define*", "*def app():*"])


@pytest.mark.parametrize("arguments", [(), NO_ASYNCIO])
def test_without_a_loop_it_says_how(run, arguments):
    result = run("def test_it(async_client):\n    pass\n", *arguments)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*'async_client' is for `async def` tests*install pytest-asyncio*"])


def test_others_go_first(run, pytester):
    pytester.makepyfile(
        other_plugin="import pytest\n@pytest.fixture\ndef client():\n    return 'of the other plugin'\n"
    )
    pytester.syspathinsert()
    test = "def test_it(client):\n    assert client == 'of the other plugin'\n"
    run(test, "-p", "other_plugin").assert_outcomes(passed=1)
    conftest = "import pytest\n@pytest.fixture\ndef client():\n    return 'of the project'\n"
    test = """
import pytest

def test_of_the_project(client):
    assert client == "of the project"

class TestOwn:
    @pytest.fixture
    def async_client(self):
        return "of the class"

    def test_of_the_class(self, async_client):
        assert async_client == "of the class"
"""
    run(test, "-p", "other_plugin", conftest=conftest).assert_outcomes(passed=2)


def test_a_conftest_of_one_folder_does_not_take_it_from_others(run, pytester):
    inner = pytester.mkpydir("inner")
    (inner / "conftest.py").write_text("import pytest\n@pytest.fixture\ndef client():\n    return 'inner'\n")
    (inner / "test_inner.py").write_text("def test_it(client):\n    assert client == 'inner'\n")
    test = "def test_it(client):\n    assert client.get('/def').text == 'def'\n"
    run(test, "inner", ".").assert_outcomes(passed=2)


def test_where_nobody_asks_for_it_nothing_is_loaded(run):
    test = """
import sys

def test_it(pytestconfig):
    assert pytestconfig.pluginmanager.hasplugin("asyncflask")
    assert "asyncflask.pytest_plugin" in sys.modules
    loaded = {"asyncflask.testing", "httpx2", "jinja2", "uvicorn"} & set(sys.modules)
    assert not loaded
"""
    run(test, conftest="", isolated=True).assert_outcomes(passed=1)


def test_its_fixtures_are_listed_with_what_they_do(run):
    result = run("", "--fixtures", conftest="")
    result.stdout.fnmatch_lines(["app -- *", "client -- *", "*The sync test client of ``app``.", "async_client -- *"])
