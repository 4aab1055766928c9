"""What views call, each with no more of an application around it than it needs."""

from __future__ import annotations

import asyncio
import gc
import importlib.machinery
import inspect
import io
import os
import pathlib
import sys
import types
from contextlib import contextmanager

import pytest
import werkzeug.exceptions
from werkzeug.test import create_environ
from werkzeug.wrappers import Response

from asyncflask import helpers
from asyncflask.globals import _cv_app, request
from asyncflask.signals import message_flashed


class FakeApp:
    response_class = Response

    def __init__(self, root_path="/"):
        self.root_path = root_path
        self.config = {"USE_X_SENDFILE": False}
        self.aborter = werkzeug.exceptions.Aborter()
        self.calls = []

    def make_response(self, value):
        return ("made", value)

    def redirect(self, location, code=302):
        return ("redirected", location, code)

    def url_for(self, /, endpoint, **values):
        return (endpoint, values)

    def get_send_file_max_age(self, filename):
        self.calls.append(filename)
        return 7

    def ensure_sync(self, function):
        if not inspect.iscoroutinefunction(function):
            return function
        return lambda *args, **kwargs: asyncio.run(function(*args, **kwargs))


class FakeContext:
    """Counts pushes and pops, as far as streams can see of a context."""

    flashes = None

    def __init__(self, app, request=None):
        self.app = app
        self.request = request
        self.session = {}
        self.log = []
        self.request_owner = self.own_request_ctx = self if request is not None else None

    pushes = 1
    held = 0

    def hold(self):
        self.held += 1

    def release(self):
        self.held -= 1

    def __enter__(self):
        self.token = _cv_app.set(self)
        self.log.append("push")
        return self

    def __exit__(self, exc_type, exc, tb):
        _cv_app.reset(self.token)
        self.log.append(f"pop {exc_type.__name__}" if exc_type else "pop")

    async def __aenter__(self):
        await asyncio.sleep(0)
        return self.__enter__()

    async def __aexit__(self, *exc_info):
        await asyncio.sleep(0)
        self.__exit__(*exc_info)


@contextmanager
def bound(ctx):
    token = _cv_app.set(ctx)
    try:
        yield ctx
    finally:
        _cv_app.reset(token)


@pytest.fixture
def app(tmp_path):
    return FakeApp(str(tmp_path))


@pytest.fixture
def ctx(app):
    environ = create_environ("/?name=World")
    with bound(FakeContext(app, types.SimpleNamespace(environ=environ, args={"name": "World"}))) as ctx:
        yield ctx


# -- the environment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (None, None, False),
        (None, "", False),
        (None, "0", False),
        (None, "False", False),
        (None, "No", False),
        (None, "1", True),
        (None, "anything", True),
        ("1", "0", True),
        ("0", "1", False),
        ("", "1", True),
    ],
)
def test_get_debug_flag(monkeypatch, ours, theirs, expected):
    set_variables(monkeypatch, "DEBUG", ours, theirs)
    assert helpers.get_debug_flag() is expected


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [(None, None, None), (None, "", None), (None, "1", False), (None, "No", True), ("0", "1", True), ("1", "0", False)],
)
def test_get_load_dotenv(monkeypatch, ours, theirs, expected):
    set_variables(monkeypatch, "SKIP_DOTENV", ours, theirs)
    for default in (True, False):
        assert helpers.get_load_dotenv(default) is (default if expected is None else expected)


def set_variables(monkeypatch, name, ours, theirs):
    for variable, value in ((f"ASYNCFLASK_{name}", ours), (f"FLASK_{name}", theirs)):
        monkeypatch.delenv(variable, raising=False)
        if value is not None:
            monkeypatch.setenv(variable, value)


# -- root paths --------------------------------------------------------------------------------------------------------


@pytest.fixture
def importable(tmp_path, monkeypatch):
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_root_path_of_what_is_imported():
    assert helpers.get_root_path("asyncflask.helpers") == os.path.dirname(os.path.abspath(helpers.__file__))


def test_root_path_does_not_import(importable):
    (importable / "broken_module.py").write_text("1 / 0")
    assert helpers.get_root_path("broken_module") == str(importable)
    assert "broken_module" not in sys.modules


@pytest.mark.parametrize("name", ["no_such_module", "no_such.module", "__main__without_file"])
def test_root_path_of_what_is_no_module(name, monkeypatch):
    assert helpers.get_root_path(name) == os.getcwd()


def test_root_path_of_a_main_module_without_file(monkeypatch):
    main = types.ModuleType("interactive_main")
    main.__spec__ = None
    monkeypatch.setitem(sys.modules, "interactive_main", main)
    assert helpers.get_root_path("interactive_main") == os.getcwd()


def test_root_path_of_a_namespace_package(importable):
    (importable / "spacious").mkdir()
    importlib.import_module("spacious")
    with pytest.raises(RuntimeError, match=r"No root path can be found .* 'spacious'.*'root_path'"):
        helpers.get_root_path("spacious")


def test_root_path_by_a_loader_that_names_no_file(importable, monkeypatch):
    class Loader:
        def create_module(self, spec):
            return None

        def exec_module(self, module):
            module.__file__ = "/made/up/file.py"

    class Finder:
        def find_spec(self, name, path=None, target=None):
            return importlib.machinery.ModuleSpec(name, Loader()) if name == "hooked_module" else None

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert helpers.get_root_path("hooked_module") == "/made/up"


def test_split_blueprint_path():
    assert helpers._split_blueprint_path("a.b.c") == ["a.b.c", "a.b", "a"]
    assert helpers._split_blueprint_path("a") == ["a"]


# -- responses ---------------------------------------------------------------------------------------------------------


def test_make_response(ctx):
    assert isinstance(helpers.make_response(), Response)
    assert helpers.make_response("text") == ("made", "text")
    assert helpers.make_response(None) == ("made", None)
    assert helpers.make_response("text", 201) == ("made", ("text", 201))
    assert helpers.make_response(("text", 201)) == ("made", ("text", 201))


def test_redirect(app):
    class Own(Response):
        pass

    response = helpers.redirect("/x", 307, Response=Own)
    assert (type(response), response.status_code, response.location) == (Own, 307, "/x")
    with bound(FakeContext(app)):
        assert helpers.redirect("/x", 301, Response=Own) == ("redirected", "/x", 301)


def test_abort(app):
    with pytest.raises(werkzeug.exceptions.Unauthorized, match="why"):
        helpers.abort(401, "why")
    with pytest.raises(LookupError):
        helpers.abort(900)
    app.aborter.mapping[900] = type("Own", (werkzeug.exceptions.HTTPException,), {"code": 900})
    with bound(FakeContext(app)), pytest.raises(app.aborter.mapping[900]):
        helpers.abort(900)


def test_abort_goes_on_where_the_aborter_lets_it(app):
    app.aborter = lambda *args: None
    with bound(FakeContext(app)), pytest.raises(werkzeug.exceptions.NotFound):
        helpers.abort(404)


def test_url_for(ctx):
    endpoint, values = helpers.url_for("index", _anchor="a", _external=True, self=1, x=2)
    assert endpoint == "index"
    assert values == {"_anchor": "a", "_method": None, "_scheme": None, "_external": True, "self": 1, "x": 2}


def test_url_for_needs_an_application():
    with pytest.raises(RuntimeError, match="outside of application context"):
        helpers.url_for("index")


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(tmp_path):
    (tmp_path / "static").mkdir()
    path = tmp_path / "static" / "page.html"
    path.write_text("<h1>hello</h1>")
    return path


@contextmanager
def sent(response):
    with response:
        response.direct_passthrough = False
        yield response


def test_send_file(ctx, page):
    with sent(helpers.send_file("static/page.html")) as response:
        assert (response.data, response.mimetype) == (b"<h1>hello</h1>", "text/html")
        assert response.cache_control.max_age == 7 and ctx.app.calls == [str(page)]
        assert response.headers["Content-Disposition"] == "inline; filename=page.html"
        assert response.get_etag() != (None, None)


def test_send_file_takes_the_class_of_the_application(ctx, page):
    ctx.app.response_class = type("Own", (Response,), {})
    with helpers.send_file(page) as response:
        assert type(response) is ctx.app.response_class and response.direct_passthrough


def test_send_file_options(ctx):
    file = io.BytesIO(b"data")
    with sent(
        helpers.send_file(
            file, "text/x-own", as_attachment=True, download_name="a.txt", etag="tag", last_modified=0, max_age=3
        )
    ) as response:
        assert (response.data, response.mimetype, response.get_etag()) == (b"data", "text/x-own", ("tag", False))
        assert response.headers["Content-Disposition"] == "attachment; filename=a.txt"
        assert response.cache_control.max_age == 3 and response.last_modified.year == 1970


def test_send_file_answers_conditional_requests(ctx, page):
    ctx.request.environ["HTTP_RANGE"] = "bytes=1-2"
    with sent(helpers.send_file(page)) as response:
        assert (response.status_code, response.data) == (206, b"h1")
    with helpers.send_file(page, conditional=False) as response:
        assert response.status_code == 200


def test_send_file_leaves_the_sending_to_the_server(ctx, page):
    ctx.app.config["USE_X_SENDFILE"] = True
    with helpers.send_file(page) as response:
        assert response.headers["X-Sendfile"] == str(page)


IMPOSSIBLE = ["a" * 300, "a/" + "b" * 5000, "a\0b", "\udcff", "\ud800"]


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_name_no_file_can_have_is_not_found(ctx, page, name):
    for given in (name, pathlib.PurePosixPath(name)):
        with pytest.raises(werkzeug.exceptions.NotFound):
            helpers.send_file(given)
        with pytest.raises(werkzeug.exceptions.NotFound):
            helpers.send_from_directory("static", given)


def test_an_undecodable_name_is_not_found_though_the_file_is_there(ctx, page):
    raw = os.fsencode(page.parent) + b"/\xff.txt"
    pathlib.Path(os.fsdecode(raw)).touch()
    with pytest.raises(werkzeug.exceptions.NotFound):
        helpers.send_from_directory("static", "\udcff.txt")
    gc.collect()  # a file left open would warn here


def test_errors_of_a_trusted_path_are_errors(ctx, page):
    with pytest.raises(FileNotFoundError):
        helpers.send_file("missing.html")
    with pytest.raises(IsADirectoryError):
        helpers.send_file("static")
    with pytest.raises(ValueError, match="binary mode"):
        helpers.send_file(io.StringIO("text"), "text/plain")


def test_send_from_directory(ctx, page):
    for folder, name in (("static", "page.html"), (pathlib.Path("static"), pathlib.PurePath("page.html"))):
        with sent(helpers.send_from_directory(folder, name, max_age=1)) as response:
            assert response.data == b"<h1>hello</h1>" and response.cache_control.max_age == 1


@pytest.mark.parametrize(
    "name", ["../secret", "missing", "", ".", "..", "/etc/hostname", "page.html/x", "sub/../../secret"]
)
def test_send_from_directory_sends_nothing_else(ctx, page, name):
    (page.parent.parent / "secret").write_text("secret")
    with pytest.raises(werkzeug.exceptions.NotFound):
        helpers.send_from_directory("static", name)


def test_a_file_that_goes_meanwhile_is_not_found(ctx, page, monkeypatch):
    monkeypatch.setattr("os.path.isfile", lambda path: page.unlink() is None)
    with pytest.raises(werkzeug.exceptions.NotFound):
        helpers.send_from_directory("static", "page.html")


def test_sending_files_needs_a_request(app, page):
    with bound(FakeContext(app)), pytest.raises((RuntimeError, AttributeError)):
        helpers.send_file(page)


# -- flashed messages --------------------------------------------------------------------------------------------------


def test_flash_and_fetch(ctx):
    helpers.flash("one")
    helpers.flash("two", "error")
    assert ctx.session["_flashes"] == [("message", "one"), ("error", "two")]
    assert helpers.get_flashed_messages(category_filter=["error"]) == ["two"]
    assert ctx.session == {}
    assert helpers.get_flashed_messages() == ["one", "two"]
    assert helpers.get_flashed_messages(with_categories=True) == [("message", "one"), ("error", "two")]
    assert helpers.get_flashed_messages(True, ("message",)) == [("message", "one")]


def test_flash_tells_the_session_that_it_changed(ctx):
    helpers.flash("one")
    before = ctx.session["_flashes"]
    helpers.flash("two")
    assert ctx.session["_flashes"] is not before


def test_nothing_flashed(ctx):
    assert helpers.get_flashed_messages() == []
    helpers.flash("later")
    assert helpers.get_flashed_messages() == []  # as before within this request
    assert "_flashes" in ctx.session


def test_flash_sends_a_signal_to_both_kinds_of_receiver(ctx):
    got = []

    def receiver(sender, message, category):
        got.append((sender, message, category))

    async def async_receiver(sender, message, category):
        await asyncio.sleep(0)
        got.append((sender, message, category))

    with message_flashed.connected_to(receiver, ctx.app), message_flashed.connected_to(async_receiver, ctx.app):
        helpers.flash("text", "kind")
    assert got == [(ctx.app, "text", "kind")] * 2


# -- streams -----------------------------------------------------------------------------------------------------------


class Source:
    """An iterator of both kinds that notes what is done with it."""

    def __init__(self, fail=False):
        self.items = iter("ab")
        self.fail = fail
        self.closed_in = []

    def __iter__(self):
        return self

    def __next__(self):
        if self.fail:
            raise ZeroDivisionError
        return next(self.items)

    def close(self):
        self.closed_in.append(_cv_app.get(None))


class AsyncSource(Source):
    __iter__ = None

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return self.__next__()
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self):
        await asyncio.sleep(0)
        self.close()


async def collect(stream):
    return [item async for item in stream]


def test_a_stream_sees_the_request_after_the_view(app):
    ctx = FakeContext(app, types.SimpleNamespace(args={"name": "World"}))
    with bound(ctx):
        stream = helpers.stream_with_context(request.args["name"] for _ in range(2))
    assert ctx.log == [] and not request
    assert list(stream) == ["World", "World"]
    assert ctx.log == ["push", "pop"] and not request


def test_an_async_stream_sees_the_request_after_the_view(app):
    async def generate():
        yield "Hello "
        await asyncio.sleep(0)
        yield request.args["name"]

    ctx = FakeContext(app, types.SimpleNamespace(args={"name": "World"}))
    with bound(ctx):
        stream = helpers.stream_with_context(generate())
    assert asyncio.run(collect(stream)) == ["Hello ", "World"]
    assert ctx.log == ["push", "pop"]


def test_as_a_decorator(ctx):
    @helpers.stream_with_context
    def generate(greeting, *, end):
        yield greeting + request.args["name"] + end

    @helpers.stream_with_context
    async def generate_async(greeting, *, end):
        yield greeting + request.args["name"] + end

    @helpers.stream_with_context
    async def make(greeting, *, end):
        await asyncio.sleep(0)
        return (item for item in [greeting, request.args["name"], end])

    assert generate.__name__ == "generate" and generate_async.__name__ == "generate_async"
    assert "".join(generate("Hello ", end="!")) == "Hello World!"
    assert asyncio.run(collect(generate_async("Hello ", end="!"))) == ["Hello World!"]
    assert inspect.iscoroutinefunction(make)
    assert "".join(asyncio.run(make("Hello ", end="!"))) == "Hello World!"
    assert ctx.log == ["push", "pop"] * 3


def test_a_stream_needs_a_request_when_it_is_made(app):
    @helpers.stream_with_context
    def generate():
        yield "never"

    async def generate_async():
        yield "never"

    for make in (generate, lambda: helpers.stream_with_context(generate_async())):
        with pytest.raises(
            RuntimeError, match="'stream_with_context' can only be used when a request context is active"
        ):
            make()
        with bound(FakeContext(app)), pytest.raises(RuntimeError, match="such as in a view function"):
            make()


def test_an_application_context_inside_the_request_is_kept_too(ctx):
    inner = FakeContext(FakeApp())
    inner.request_owner = ctx
    with bound(inner):
        stream = helpers.stream_with_context(iter([lambda: _cv_app.get()]))
        async_stream = helpers.stream_with_context(AsyncSource())
    assert next(stream)() is inner
    stream.close()
    assert ctx.log == ["push", "pop GeneratorExit"] and inner.log == ["push", "pop GeneratorExit"]
    asyncio.run(collect(async_stream))
    assert ctx.log[2:] == ["push", "pop"] == inner.log[2:]


@pytest.mark.parametrize("read", [0, 1, 2, 3])
def test_the_source_is_closed(app, read):
    ctx = FakeContext(app, types.SimpleNamespace())
    source = Source()
    with bound(ctx):
        stream = helpers.stream_with_context(source)
    for _ in range(read):
        next(stream, None)
    stream.close()
    stream.close()
    # Unread, too: the context was held for the stream, and is torn down by this pop.
    assert set(source.closed_in) == {ctx}
    assert ctx.log == ["push", "pop GeneratorExit" if read in (1, 2) else "pop"]
    assert ctx.held == 0


@pytest.mark.parametrize("read", [0, 1, 2, 3])
def test_the_async_source_is_closed(app, read):
    async def use():
        for _ in range(read):
            await anext(stream, None)
        await stream.aclose()
        await stream.aclose()
        assert [item async for item in stream] == []

    ctx = FakeContext(app, types.SimpleNamespace())
    source = AsyncSource()
    with bound(ctx):
        stream = helpers.stream_with_context(source)
    asyncio.run(use())
    assert source.closed_in == [ctx]
    assert ctx.log == ["push", "pop GeneratorExit" if read in (1, 2) else "pop"]
    assert ctx.held == 0


def test_an_error_in_a_stream_reaches_teardown(ctx):
    source, async_source = Source(fail=True), AsyncSource(fail=True)
    with pytest.raises(ZeroDivisionError):
        list(helpers.stream_with_context(source))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(collect(helpers.stream_with_context(async_source)))
    assert ctx.log == ["push", "pop ZeroDivisionError"] * 2
    assert len(source.closed_in) == len(async_source.closed_in) == 1


def test_an_iterable_is_enough(ctx):
    class Items:
        def __aiter__(self):
            return AsyncSource()

    assert list(helpers.stream_with_context(["a", "b"])) == ["a", "b"]
    assert asyncio.run(collect(helpers.stream_with_context(Items()))) == ["a", "b"]


def test_a_stream_that_nobody_reads_leaves_nothing(ctx):
    async def generate():
        yield "never"

    helpers.stream_with_context(generate())
    helpers.stream_with_context(Source())
    gc.collect()
    assert ctx.held == 0
    assert ctx.log == ["push", "pop"]  # the sync one; of the async one only the hold was to be taken back
