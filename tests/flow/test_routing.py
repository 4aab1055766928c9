"""Which rule answers, and with what, for views of either kind: methods, redirects, hosts, and what a rule says."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from asyncflask import App, request, url_for

from .asking import BY_WAY


@pytest.fixture(params=["def", "async"])
def colour(request):
    return request.param


def of_colour(colour, function):
    async def asynchronous(**values):
        await asyncio.sleep(0)
        return function(**values)

    return function if colour == "def" else asynchronous


@pytest.fixture
def add(app, colour):
    def add(rule, view=None, endpoint=None, **options):
        view = view or (lambda **values: {"endpoint": request.endpoint, "values": values, "method": request.method})
        app.add_url_rule(rule, endpoint or rule, of_colour(colour, view), **options)

    return add


def test_head_is_answered_by_get_without_a_body(asked, add):
    add("/", lambda: ("body", {"X-Method": request.method}))
    got = asked("/", "HEAD")
    assert (got.status, got.body, got.headers["X-Method"], got.headers["Content-Length"]) == (200, b"", "HEAD", "4")


def test_options_are_answered_for_the_view(app, asked, add):
    add("/", methods=["GET", "POST"])
    add("/own", methods=["GET", "OPTIONS"])
    add("/off", provide_automatic_options=False)
    got = asked("/", "OPTIONS")
    assert (got.status, got.body, set(got.headers.get("Allow").split(", "))) == (
        200,
        b"",
        {"GET", "HEAD", "OPTIONS", "POST"},
    )
    assert asked("/own", "OPTIONS").json["method"] == "OPTIONS"
    assert asked("/off", "OPTIONS").status == 405


def test_other_methods_are_405_with_those_allowed(asked, add):
    add("/", methods=["GET"])
    got = asked("/", "POST")
    assert (got.status, set(got.headers["Allow"].split(", "))) == (405, {"GET", "HEAD", "OPTIONS"})


def test_slashes(asked, add):
    add("/folder/")
    add("/leaf")
    add("/free/", strict_slashes=False)
    got = asked("/folder?x=1", "GET")
    assert (got.status, got.headers["Location"].removeprefix("http://localhost")) == (308, "/folder/?x=1")
    assert asked("/leaf/").status == 404
    assert asked("/free").json["endpoint"] == "/free/"
    merged = asked("/folder//")
    assert (merged.status, merged.headers["Location"].removeprefix("http://localhost")) == (308, "/folder/")


def test_the_specific_rule_wins_over_the_earlier_one(asked, add):
    add("/user/<name>", endpoint="any")
    add("/user/me", endpoint="me")
    assert asked("/user/me").json["endpoint"] == "me"
    assert asked("/user/you").json == {"endpoint": "any", "values": {"name": "you"}, "method": "GET"}


def test_converters_and_a_fallback(asked, add):
    add("/n/<int(min=2, max=5):n>", endpoint="n")
    add("/<path:rest>", endpoint="fallback")
    assert asked("/n/3").json["values"] == {"n": 3}
    assert asked("/n/9").status == 404
    assert asked("/m/9").json["values"] == {"rest": "m/9"}


def test_a_rule_may_redirect(asked, add):
    add("/new", endpoint="new")
    add("/old", endpoint="old", redirect_to="/new")
    got = asked("/old")
    assert (got.status, got.headers["Location"].removeprefix("http://localhost")) == (308, "/new")


def test_hosts_and_subdomains(colour):
    app = App("hosts", host_matching=True, static_folder=None)
    app.add_url_rule("/", "user", of_colour(colour, lambda user: user), host="<user>.example.com")
    sub = App("subdomains", subdomain_matching=True, static_folder=None)
    sub.config["SERVER_NAME"] = "example.com"
    sub.add_url_rule("/", "user", of_colour(colour, lambda user: user), subdomain="<user>")
    try:
        for one in (app, sub):
            assert BY_WAY["asgi"](one, "/", base_url="http://me.example.com/").text == "me"
        assert BY_WAY["asgi"](app, "/", base_url="http://elsewhere.org/").status == 404
    finally:
        app.close_threads()
        sub.close_threads()


def test_urls_are_built_for_the_request(asked, add):
    add("/page/<int:n>", lambda n: [url_for("page", n=2, q="ä"), url_for("page", n=3, _external=True)], endpoint="page")
    assert asked("/page/1").json == ["/page/2?q=%C3%A4", "http://localhost/page/3"]


def test_routing_is_on_the_request(asked, add):
    add("/x/<y>", lambda y: [request.endpoint, request.view_args, request.url_rule.rule, request.blueprints])
    assert asked("/x/1").json == ["/x/<y>", {"y": "1"}, "/x/<y>", []]


def test_set_up_is_over_after_the_first_request(app, asked, add):
    add("/")
    assert asked("/").status == 200
    with pytest.raises(AssertionError, match="add_url_rule"):
        add("/late")
    with pytest.raises(AssertionError, match="before_request"):
        app.before_request(lambda: None)


@pytest.mark.parametrize("way", BY_WAY)
def test_view_arguments_belong_to_one_request(app, colour, way):
    @app.get("/plain")
    @app.get("/filled", defaults={"page": 1}, endpoint="filled")
    @partial(of_colour, colour)
    def seen(**arguments):
        shown = dict(request.view_args)
        request.view_args["page"] = request.view_args["kept"] = 2
        return {"called": arguments, "shown": shown}

    for _ in range(2):
        assert BY_WAY[way](app, "/plain").json == {"called": {}, "shown": {}}
        assert BY_WAY[way](app, "/filled").json == {"called": {"page": 1}, "shown": {"page": 1}}


def test_hosts_count_from_when_they_are_to(app, colour):
    app.add_url_rule("/any", "any", of_colour(colour, lambda: "any"))
    assert BY_WAY["asgi"](app, "/any").text == "any"
    app.url_map.host_matching = True  # no rule is added after it, and this one has no host
    assert BY_WAY["asgi"](app, "/any").status == 404
