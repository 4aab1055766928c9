"""Flask's public stages, replaced by a subclass or on the instance: called for any kind of handler."""

from __future__ import annotations

import asyncio

import pytest

from asyncflask import App, Response, abort, g

from .asking import BY_WAY, WAYS

CALLED_ONCE = (
    "full_dispatch_request",
    "preprocess_request",
    "dispatch_request",
    "finalize_request",
    "process_response",
    "make_response",
    "do_teardown_request",
    "do_teardown_appcontext",
    "create_url_adapter",
)
#: the path that leads to the seam
BY_ERROR = {
    "handle_user_exception": "/error",
    "handle_http_exception": "/teapot",
    "handle_exception": "/error",
}
#: the stages, which may be coroutine functions as well; the others are called by sync code too
STAGES = (*CALLED_ONCE[:5], *BY_ERROR, "do_teardown_request", "do_teardown_appcontext")
SEAMS = (*CALLED_ONCE, *BY_ERROR, "wsgi_app", "ensure_sync")


def furnish(app, colour):
    """Give `app` hooks of both kinds, a view and failing ones in the colour `colour`."""
    app.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False)
    app.logger.disabled = True
    app.ran = []

    @app.before_request
    async def before():
        await asyncio.sleep(0)
        app.ran.append("before")

    @app.after_request
    def after(response):
        app.ran.append("after")
        response.headers["X-After"] = "yes"
        return response

    @app.teardown_request
    async def teardown(error):
        app.ran.append("teardown")

    def view():
        return "ok"

    def error():
        raise ZeroDivisionError

    def teapot():
        abort(418)

    async def async_view():
        await asyncio.sleep(0)
        return "ok"

    async def async_error():
        raise ZeroDivisionError

    async def async_teapot():
        abort(418)

    views = {"def": (view, error, teapot), "async": (async_view, async_error, async_teapot)}[colour]
    for path, function in zip(("/", "/error", "/teapot"), views, strict=True):
        app.add_url_rule(path, path, function)
    return app


def check(app, seam, way, calls):
    path = BY_ERROR.get(seam, "/")
    got = BY_WAY[way](app, path)
    status = {"/": 200, "/error": 500, "/teapot": 418}[path]
    assert got.status == status
    assert got.headers["X-After"] == "yes"
    assert app.ran == ["before", "after", "teardown"]
    assert calls, f"the replacement of {seam} was not called"


@pytest.fixture(params=["def", "async"])
def colour(request):
    return request.param


@pytest.fixture
def made():
    """Make an app of a class; its threads end with the test."""
    apps = []

    def make(kind):
        apps.append(kind("seams", static_folder=None))
        return apps[-1]

    yield make
    for app in apps:
        app.close_threads()


@pytest.mark.parametrize("threaded", [True, False])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seam", SEAMS)
def test_a_subclass_replaces_it_by_def_and_calls_the_original(made, colour, seam, way, threaded):
    calls = []

    def replacement(self, *args, **kwargs):
        calls.append(seam)
        return getattr(App, seam)(self, *args, **kwargs)

    app = furnish(made(type("Custom", (App,), {seam: replacement})), colour)
    app.config["THREADED"] = threaded
    check(app, seam, way, calls)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seam", SEAMS)
def test_it_is_replaced_on_the_instance(made, colour, seam, way):
    calls = []
    app = furnish(made(App), colour)
    original = getattr(app, seam)

    def replacement(*args, **kwargs):
        calls.append(seam)
        return original(*args, **kwargs)

    setattr(app, seam, replacement)
    check(app, seam, way, calls)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seam", ("preprocess_request", "dispatch_request", "handle_user_exception"))
def test_a_replacement_that_never_calls_the_original(made, colour, seam, way):
    app = furnish(made(App), colour)
    setattr(app, seam, lambda *args: "instead")
    got = BY_WAY[way](app, BY_ERROR.get(seam, "/"))
    assert (got.status, got.text) == (200, "instead")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seam", STAGES)
def test_a_subclass_replaces_it_by_async_def(made, colour, seam, way):
    """The stage awaits what it wants; the original is there in its sync form, to be called in a thread."""
    calls = []

    async def replacement(self, *args, **kwargs):
        await asyncio.sleep(0)
        calls.append(seam)
        return await asyncio.to_thread(getattr(super(Custom, self), seam), *args, **kwargs)

    Custom = type("Custom", (App,), {seam: replacement})
    app = furnish(made(Custom), colour)
    path = BY_ERROR.get(seam, "/")
    got = BY_WAY[way](app, path)
    assert got.status == {"/": 200, "/error": 500, "/teapot": 418}[path]
    assert calls == [seam]
    assert app.ran == ["before", "after", "teardown"]


@pytest.mark.parametrize("way", WAYS)
def test_the_view_can_be_called_from_a_replaced_dispatch(made, colour, way):
    """As extensions do it: ensure_sync around what view_functions holds."""

    class Custom(App):
        def dispatch_request(self):
            from asyncflask import request

            view = self.view_functions[request.url_rule.endpoint]
            return self.ensure_sync(view)(**request.view_args) + "!"

    app = furnish(made(Custom), colour)
    assert BY_WAY[way](app, "/").text == "ok!"


@pytest.mark.parametrize("way", WAYS)
def test_responses_of_another_make_response(made, colour, way):
    class Custom(App):
        def make_response(self, rv):
            return super().make_response({"wrapped": rv} if isinstance(rv, str) else rv)

    assert BY_WAY[way](furnish(made(Custom), colour), "/").json == {"wrapped": "ok"}


@pytest.mark.parametrize("way", WAYS)
def test_full_dispatch_may_be_left_out(made, colour, way):
    class Custom(App):
        def full_dispatch_request(self):
            g.touched = True
            return Response("maintenance", 503)

    app = furnish(made(Custom), colour)
    assert BY_WAY[way](app, "/").status == 503
    assert app.ran == ["teardown"]


@pytest.mark.parametrize("way", WAYS)
def test_should_ignore_error_keeps_an_error_from_teardown(made, colour, way):
    class Custom(App):
        def should_ignore_error(self, error):
            return isinstance(error, ZeroDivisionError)

    app = furnish(made(Custom), colour)
    got = []
    app.teardown_request(got.append)
    assert BY_WAY[way](app, "/error").status == 500
    assert got == [None]


@pytest.mark.parametrize("way", WAYS)
def test_a_request_hook_by_the_name_of_the_seam_is_assigned_between_requests(made, colour, way):
    app = furnish(made(App), colour)
    assert BY_WAY[way](app, "/").text == "ok"
    original = app.dispatch_request
    app.dispatch_request = lambda: original() + " again"
    assert BY_WAY[way](app, "/").text == "ok again"
    del app.dispatch_request
    assert BY_WAY[way](app, "/").text == "ok"
