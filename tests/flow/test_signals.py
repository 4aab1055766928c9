"""Signals: who is told what, in which order, by receivers of either kind for views of either kind."""

from __future__ import annotations

import asyncio
import gc

import pytest
from werkzeug.routing import BaseConverter

from asyncflask import (
    App,
    flash,
    has_app_context,
    render_template_string,
    request,
    signals,
    stream_template_string,
)
from asyncflask.pipeline import hooks
from asyncflask.sessions import SessionInterface

from .colours import COLOURS, both

ARGUMENTS = {
    "appcontext_pushed": set(),
    "request_started": set(),
    "message_flashed": {"message", "category"},
    "before_render_template": {"template", "context"},
    "template_rendered": {"template", "context"},
    "request_finished": {"response"},
    "got_request_exception": {"exception"},
    "request_tearing_down": {"exc"},
    "appcontext_tearing_down": {"exc"},
    "appcontext_popped": set(),
}


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


@pytest.fixture(params=["def", "async def", "both"])
def hear(request, app):
    """Connect receivers of one kind, or of both, to signals, and return the list of what they hear."""
    heard = []
    connected = []

    def connect(*names):
        for name in names:

            def receiver(sender, name=name, **values):
                heard.append((name, sender, values))

            async def async_receiver(sender, name=name, **values):
                await asyncio.sleep(0)
                heard.append((name, sender, values))

            for one, kind in ((receiver, "def"), (async_receiver, "async def")):
                if request.param in (kind, "both"):
                    getattr(signals, name).connect(one, app)
                    connected.append(one)  # signals hold their receivers weakly
        return heard

    connect.times = 2 if request.param == "both" else 1
    return connect


def test_each_signal_has_its_arguments(app, asked, colour, hear):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True

    def view():
        flash("text", "kind")
        render_template_string("{{ a }}", a=1)
        if "fail" in request.args:
            raise ZeroDivisionError
        return "answer"

    both(app, view)
    heard = hear(*ARGUMENTS)
    asked(f"/{colour}")
    names = [name for name, *_ in heard]
    expected = [name for name in ARGUMENTS if name != "got_request_exception" for _ in range(hear.times)]
    assert names == expected
    for name, sender, values in heard:
        assert sender is app
        assert set(values) == ARGUMENTS[name]
    values = {name: values for name, _, values in heard}
    assert values["message_flashed"] == {"message": "text", "category": "kind"}
    assert values["template_rendered"]["context"]["a"] == 1
    assert values["request_finished"]["response"].status_code == 200
    assert values["request_tearing_down"] == values["appcontext_tearing_down"] == {"exc": None}

    heard.clear()
    assert asked(f"/{colour}?fail").status == 500
    values = {name: values for name, _, values in heard}
    assert type(values["got_request_exception"]["exception"]) is ZeroDivisionError
    assert values["request_finished"]["response"].status_code == 500
    assert type(values["request_tearing_down"]["exc"]) is ZeroDivisionError


def test_what_sync_functions_send_is_heard_to_its_end_before_they_return(app, asked, colour, hear):
    """A message or a template that is there when an async view goes on has been told to async receivers too."""
    heard = hear("message_flashed", "before_render_template", "template_rendered")
    counts = []

    def view():
        for step in (lambda: flash("text"), lambda: render_template_string("x")):
            step()
            counts.append(len(heard))
        return "answer"

    both(app, view)
    assert asked(f"/{colour}").text == "answer"
    assert counts == [hear.times, 3 * hear.times]


def test_a_stream_tells_when_it_is_rendered(app, asked, colour, hear):
    heard = hear("before_render_template", "template_rendered")

    def view():
        stream = stream_template_string("{{ 1 }}{{ 2 }}")
        heard.append(("returned", app, {}))
        return stream

    both(app, view)
    assert asked(f"/{colour}").text == "12"
    names = [name for name, *_ in heard]
    assert names == [*["before_render_template"] * hear.times, "returned", *["template_rendered"] * hear.times]


def test_a_receiver_may_change_what_a_template_sees(app, asked, colour):
    def receiver(sender, template, context):
        context["a"] = "receiver"

    both(app, lambda: render_template_string("{{ a }}", a="view"))
    with signals.before_render_template.connected_to(receiver, app):
        assert asked(f"/{colour}").text == "receiver"


def test_receivers_see_the_request_but_of_its_end(app, asked, colour):
    seen = {}

    def note(name):
        def receiver(sender, **values):
            seen[name] = request.path if request else has_app_context()

        return receiver

    names = [name for name in ARGUMENTS if name.startswith(("request", "appcontext"))]
    receivers = {name: note(name) for name in names}
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver, app)
    both(app, lambda: "")
    asked(f"/{colour}")
    assert seen.pop("appcontext_popped") in (False, f"/{colour}")
    assert set(seen.values()) == {f"/{colour}"} and len(seen) == 5


def test_only_the_sender_is_listened_to(app, asked, colour):
    other = App("other")
    heard = []

    def receiver(sender, **values):
        heard.append(sender)

    both(app, lambda: "")
    with signals.request_started.connected_to(receiver, other):
        asked(f"/{colour}")
    assert heard == []
    with signals.request_started.connected_to(receiver):
        asked(f"/{colour}")
    assert heard == [app]


def test_receivers_are_held_weakly(app, asked, colour):
    heard = []

    def connect():
        def receiver(sender, **values):
            heard.append(sender)

        signals.request_started.connect(receiver, app)

    connect()
    gc.collect()
    both(app, lambda: "")
    asked(f"/{colour}")
    assert heard == []


def test_who_hears_is_known_anew_after_each_change(app, asked, colour):
    """What was worked out for one request doesn't outlive the receiver, its sender, or a signal that was muted."""
    heard = []

    class Extension:
        async def hear(self, sender, **values):
            heard.append("method")

    def receiver(sender, **values):
        heard.append("function")

    def ask():
        heard.clear()
        asked(f"/{colour}")
        return sorted(heard)

    both(app, lambda: "")
    extension = Extension()
    signals.request_finished.connect(receiver, app)
    signals.request_finished.connect(extension.hear, app)
    assert ask() == ["function", "method"]
    with signals.request_finished.muted():
        assert ask() == []
    signals.request_finished.disconnect(receiver, app)
    assert ask() == ["method"]
    del extension
    gc.collect()
    assert ask() == []


@pytest.mark.parametrize("name", ["request_started", "request_finished", "request_tearing_down"])
def test_a_receiver_connected_while_a_request_runs_hears_the_rest_of_it(app, asked, colour, name):
    heard = []

    def receiver(sender, **values):
        heard.append(name)

    @app.before_request
    async def connect():
        getattr(signals, name).connect(receiver, app)

    both(app, lambda: "")
    asked(f"/{colour}")
    assert heard == ([] if name == "request_started" else [name])


def test_another_thread_may_connect_a_receiver_while_it_is_worked_out_who_hears(app, asked, colour, monkeypatch):
    heard, added = [], []

    def receiver(sender, **values):
        heard.append(sender)

    def id_of(value):
        def another(sender, **values):
            heard.append(sender)

        added.append(another)
        signals.request_finished.connect(another, app)
        return id(value)

    both(app, lambda: "")
    signals.request_finished.connect(receiver, app)
    monkeypatch.setattr(hooks, "id", id_of, raising=False)
    assert asked(f"/{colour}").status == 200
    assert heard


NAMES = ["request_started", "request_finished", "request_tearing_down", "appcontext_tearing_down", "appcontext_popped"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["function", "method", "for any sender"])
def test_a_receiver_disconnected_by_another_is_not_called_any_more(app, asked, colour, name, how):
    signal, called, receivers = getattr(signals, name), [], []

    class Extension:
        def hear(self, sender, **values):
            called.append(name)
            for receiver in receivers:
                signal.disconnect(receiver)

    extensions = Extension(), Extension()
    for extension in extensions:
        receiver = extension.hear
        if how != "method":

            def receiver(sender, extension=extension, **values):
                extension.hear(sender)

        receivers.append(receiver)
        if how == "for any sender":
            signal.connect(receiver)
        else:
            signal.connect(receiver, app)
    both(app, lambda: "")
    asked(f"/{colour}")
    assert called == [name]
    asked(f"/{colour}")
    assert called == [name]


def test_what_a_receiver_connects_others_to_and_registers_counts_for_the_same_request(app, asked, colour):
    ran = []

    def pushed(sender):
        signals.request_started.connect(started, app)

    def started(sender):
        ran.append("started")
        app.before_request_funcs.setdefault(None, []).append(lambda: ran.append("before"))

    both(app, lambda: "")
    with signals.appcontext_pushed.connected_to(pushed, app):
        asked(f"/{colour}")
    assert ran == ["started", "before"]


@pytest.mark.parametrize("receiver_is", COLOURS)
def test_receivers_may_set_up_until_the_first_request_is_handled(app, asked, colour, receiver_is):
    """Flask's order: the context of the first request is pushed before set-up is over."""
    ran = []

    def pushed(sender):
        if not ran:
            app.before_request(lambda: ran.append("before"))

    async def pushed_async(sender):
        pushed(sender)

    def started(sender):
        with pytest.raises(AssertionError, match="can no longer be called"):
            app.before_request(lambda: ran.append("too late"))

    both(app, lambda: "")
    with (
        signals.appcontext_pushed.connected_to(pushed if receiver_is == "def" else pushed_async, app),
        signals.request_started.connected_to(started, app),
    ):
        assert [asked(f"/{colour}").status for _ in range(2)] == [200, 200]
    assert ran == ["before"] * 2


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/failing/x", 500)])
def test_a_context_is_announced_before_a_session_is_opened_and_an_error_of_routing_is_raised(
    app, asked, hear, path, status
):
    class Failing(BaseConverter):
        def to_python(self, value):
            raise ZeroDivisionError

    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True
    app.url_map.converters["failing"] = Failing
    app.add_url_rule("/failing/<failing:value>", "failing", lambda value: "")
    heard = hear("appcontext_pushed")

    class Interface(SessionInterface):
        def open_session(self, app, request):
            heard.append("opened")

    app.session_interface = Interface()
    assert asked(path).status == status
    assert len(heard) > 1 and heard.index("opened") == len(heard) - 1


@pytest.mark.parametrize("transport", ["asgi", "wsgi"])
def test_an_application_context_that_requests_join_is_announced_once(app, hear, transport):
    heard = hear("appcontext_pushed", "appcontext_popped")
    both(app, lambda: "")
    with app.app_context():
        for colour in COLOURS:
            assert app.test_client(transport=transport).get(f"/{colour}").status_code == 200
        assert [name for name, *_ in heard] == ["appcontext_pushed"] * hear.times
    assert [name for name, *_ in heard[hear.times :]] == ["appcontext_popped"] * hear.times


def test_an_error_of_a_receiver_is_an_error_of_the_request(app, asked, colour):
    def receiver(sender, **values):
        raise LookupError("in a receiver")

    app.register_error_handler(LookupError, lambda error: (str(error), 418))
    both(app, lambda: "")
    with signals.request_started.connected_to(receiver, app):
        assert asked(f"/{colour}").text == "in a receiver"


def test_an_extension_has_signals_of_its_own(app, asked, colour):
    sold = signals.Namespace().signal("sold")
    heard = []

    @sold.connect_via(app)
    def receiver(sender, what):
        heard.append((what, request.path))

    both(app, lambda: str(len(sold.send(app, what="hat"))))
    assert asked(f"/{colour}").text == "1"
    assert heard == [("hat", f"/{colour}")]
