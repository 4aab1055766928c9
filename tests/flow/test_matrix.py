"""Every stage sees what the stages before it have set, whichever of them are `def` and whichever `async def`."""

from __future__ import annotations

import itertools
import threading
from contextvars import ContextVar

import pytest

from asyncflask import g, request, stream_with_context

from .asking import BY_WAY, WAYS

STAGES = ("before", "view", "after", "teardown")
COLOURS = ("def", "async")
trail: ContextVar[tuple[str, ...]] = ContextVar("trail", default=())
held: ContextVar[str] = ContextVar("held", default="nothing")


def coloured(colour, function):
    """Return `function` itself, or a coroutine function that does the same."""
    if colour == "def":
        return function

    async def asynchronous(*args, **kwargs):
        return function(*args, **kwargs)

    return asynchronous


class Record:
    """What the stages of one request have seen: the trail before them, and their thread."""

    def __init__(self):
        self.seen = {}
        self.threads = {}

    def note(self, stage):
        self.seen[stage] = trail.get()
        self.threads[stage] = threading.get_ident()
        trail.set((*trail.get(), stage))


def wire(app, colours, *, fails=False, streams=False):
    """Give `app` a route with every stage in the colour that `colours` says; return its record."""
    record = Record()

    def before():
        record.note("before")
        g.token = held.set("by before")

    def view():
        record.note("view")
        if fails:
            raise ZeroDivisionError
        if not streams:
            return held.get()
        return body_of[colours["stream"]]()

    def pieces():
        for number in range(2):
            record.note(f"stream {number}")
            yield held.get()

    async def async_pieces():
        for number in range(2):
            record.note(f"stream {number}")
            yield held.get()

    body_of = {"def": lambda: stream_with_context(pieces()), "async": lambda: stream_with_context(async_pieces())}

    def after(response):
        record.note("after")
        return response

    def teardown(error):
        record.note("teardown")
        held.reset(g.token)
        record.at_the_end = held.get()

    def handler(error):
        record.note("handler")
        return held.get()

    app.before_request(coloured(colours["before"], before))
    app.add_url_rule("/", "view", coloured(colours["view"], view))
    app.after_request(coloured(colours["after"], after))
    app.teardown_request(coloured(colours["teardown"], teardown))
    app.register_error_handler(ZeroDivisionError, coloured(colours.get("handler", "def"), handler))
    return record


def check(record, got, stages):
    assert got.status == 200
    assert set(got.pieces) == {b"by before"} or got.body == b"by before" * (2 if "stream 0" in stages else 1)
    expected = ()
    for stage in stages:
        assert record.seen[stage] == expected, f"{stage} does not see what was set before it"
        expected = (*expected, stage)
    assert record.at_the_end == "nothing"


def same_thread(record, colours, stages):
    sync = [stage for stage in stages if colours.get(stage.split()[0]) == "def"]
    return len({record.threads[stage] for stage in sync}) <= 1


def every_colouring(*stages):
    return [dict(zip(stages, colours, strict=True)) for colours in itertools.product(COLOURS, repeat=len(stages))]


def name_of(colours):
    return "-".join(f"{stage}:{colour}" for stage, colour in colours.items()) if isinstance(colours, dict) else None


@pytest.mark.parametrize("threaded", [True, False], ids=["threaded", "single"])
@pytest.mark.parametrize("colours", every_colouring(*STAGES), ids=name_of)
def test_context_variables_reach_every_later_stage(app, asked, colours, threaded):
    app.config["THREADED"] = threaded
    record = wire(app, colours)
    check(record, asked("/"), STAGES)
    if colours["view"] == "def":
        assert same_thread(record, colours, STAGES)


@pytest.mark.parametrize("colours", every_colouring("before", "view", "handler", "teardown"), ids=name_of)
def test_context_variables_reach_error_handlers(app, asked, colours):
    record = wire(app, {**colours, "after": colours["handler"]}, fails=True)
    stages = ("before", "view", "handler", "after", "teardown")
    check(record, asked("/"), stages)
    if colours["view"] == "def":
        assert same_thread(record, {**colours, "after": colours["handler"]}, stages)


@pytest.mark.parametrize("colours", every_colouring("before", "view", "stream", "teardown"), ids=name_of)
def test_context_variables_reach_the_stream(app, asked, colours):
    colours = {**colours, "after": colours["before"]}
    record = wire(app, colours, streams=True)
    stages = ("before", "view", "after", "stream 0", "stream 1", "teardown")
    check(record, asked("/"), stages)
    if colours["view"] == "def":
        assert same_thread(record, colours, stages)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("threaded", [True, False])
def test_stages_of_a_sync_request_share_one_thread(app, way, threaded):
    """Hooks, view, error handler, after hook, stream and teardown; and signal receivers too."""
    app.config["THREADED"] = threaded
    idents = []
    note = lambda *args, **kwargs: idents.append(threading.get_ident())  # noqa: E731

    app.before_request(lambda: note())
    app.url_value_preprocessor(note)
    app.teardown_request(note)
    app.teardown_appcontext(note)
    app.register_error_handler(ZeroDivisionError, lambda error: note() or stream())

    @app.after_request
    def after(response):
        note()
        response.call_on_close(note)
        return response

    def stream():
        note()
        yield "piece"
        note()

    @app.get("/fails")
    def fails():
        note()
        raise ZeroDivisionError

    got = BY_WAY[way](app, "/fails")
    assert (got.status, got.body) == (200, b"piece")
    assert len(idents) == 10
    assert len(set(idents)) == 1
    on_this_thread = idents[0] == threading.get_ident()
    assert on_this_thread == (way != "asgi" or not threaded)


def test_a_404_with_sync_hooks_stays_in_one_worker_thread(app):
    idents = []
    app.before_request(lambda: idents.append(threading.get_ident()))
    app.after_request(lambda response: idents.append(threading.get_ident()) or response)
    app.teardown_request(lambda error: idents.append(threading.get_ident()))
    app.register_error_handler(404, lambda error: idents.append(threading.get_ident()) or ("none", 404))
    assert BY_WAY["asgi"](app, "/nothing").text == "none"
    assert len(idents) == 4
    assert len(set(idents)) == 1
    assert idents[0] != threading.get_ident()


def test_a_404_with_async_hooks_needs_no_thread(app):
    idents = []

    @app.before_request
    async def before():
        idents.append(threading.get_ident())

    assert BY_WAY["asgi"](app, "/nothing").status == 404
    assert idents == [threading.get_ident()]
    assert app.threads.stats().busy == 0


@pytest.mark.parametrize("view_colour", COLOURS)
@pytest.mark.parametrize("handler_colour", COLOURS)
def test_a_token_of_a_generator_resets_in_its_own_close(app, asked, view_colour, handler_colour):
    """Set before the stream, reset when the body is closed: one contextvars context from end to end."""
    states = []

    @app.before_request
    def before():
        g.token = held.set("by before")

    def pieces():
        inner = held.set("by the stream")
        try:
            yield request.path
        finally:
            held.reset(inner)
            states.append(held.get())
            held.reset(g.token)
            states.append(held.get())

    async def async_pieces():
        for piece in pieces():
            yield piece

    bodies = {"def": pieces, "async": async_pieces}
    app.add_url_rule("/", "view", coloured(view_colour, lambda: stream_with_context(bodies[handler_colour]())))
    assert asked("/").body == b"/"
    assert states == ["by before", "nothing"]


@pytest.mark.parametrize("way", WAYS)
def test_the_next_request_sees_nothing(app, way):
    seen = []

    @app.get("/")
    def view():
        seen.append(held.get())
        held.set("left by the last")
        return "ok"

    @app.get("/async")
    async def async_view():
        seen.append(held.get())
        held.set("left by the last")
        return "ok"

    for path in ("/", "/async", "/", "/async"):
        BY_WAY[way](app, path)
    assert seen == ["nothing"] * 4
