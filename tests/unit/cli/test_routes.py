"""The table of rules."""

from __future__ import annotations

import pytest

from asyncflask import App
from asyncflask.cli import FlaskGroup


@pytest.fixture
def app():
    app = App("shop", static_folder=None)
    app.add_url_rule("/b/<int:n>", methods=["GET", "POST"], endpoint="zebra")
    app.add_url_rule("/c", methods=["POST"], endpoint="ape")
    return app


@pytest.fixture
def routes(app, runner):
    """Invoke ``routes``; give the rows of its table, cells stripped."""

    def routes(*args, app=app):
        result = runner.invoke(FlaskGroup(create_app=lambda: app), ["routes", *args])
        assert result.exit_code == 0, result.output
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in result.output.splitlines()]

    return routes


def test_the_table(routes, runner, app):
    assert routes() == [
        ["Endpoint", "Methods", "Rule"],
        ["--------", "---------", "----------"],
        ["ape", "POST", "/c"],
        ["zebra", "GET, POST", "/b/<int:n>"],
    ]
    lines = runner.invoke(FlaskGroup(create_app=lambda: app), ["routes"]).output.splitlines()
    assert {
        line.index(cell) for line, cell in zip(lines, ["Rule", "---------- ", "/c", "/b"], strict=True) if cell in line
    }
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("sort", "endpoints"),
    [
        ("endpoint", ["ape", "zebra"]),
        ("methods", ["zebra", "ape"]),
        ("rule", ["zebra", "ape"]),
        ("domain", None),
        ("match", None),
    ],
)
def test_order(app, routes, sort, endpoints):
    matched = [rule.endpoint for rule in app.url_map.iter_rules()]
    assert [row[0] for row in routes("--sort", sort)[2:]] == (endpoints or matched)


def test_all_methods(routes):
    assert routes("--all-methods")[3][1] == "GET, HEAD, OPTIONS, POST"


def test_no_routes(routes):
    assert routes(app=App("x", static_folder=None)) == [["No routes were registered."]]


def test_subdomains(routes):
    app = App("x", static_folder=None)
    app.add_url_rule("/a", subdomain="z", endpoint="a")
    app.add_url_rule("/b", subdomain="b", endpoint="b")
    app.add_url_rule("/c", endpoint="c")
    assert routes("-s", "domain", app=app) == [
        ["Endpoint", "Methods", "Subdomain", "Rule"],
        ["--------", "-------", "---------", "----"],
        ["c", "GET", "/c"],
        ["b", "GET", "b", "/b"],
        ["a", "GET", "z", "/a"],
    ]


def test_hosts(routes):
    app = App("x", static_folder=None, host_matching=True)
    app.add_url_rule("/a", host="a.example", endpoint="a")
    assert routes(app=app)[0] == ["Endpoint", "Methods", "Host", "Rule"]


def test_views_are_shown_with_what_they_are_and_where_they_run(routes):
    app = App("x", static_folder=None)

    async def on_loop():
        """Nothing."""

    def in_thread():
        """Nothing."""

    app.add_url_rule("/a", endpoint="a", view_func=on_loop)
    app.add_url_rule("/b", endpoint="b", view_func=in_thread)
    app.add_url_rule("/c", endpoint="c", view_func=in_thread, threaded=False)
    app.add_url_rule("/d", endpoint="d")
    app.add_websocket("/e", endpoint="e", view_func=on_loop)
    app.add_websocket("/f", endpoint="f", view_func=in_thread)
    table = [
        ["Endpoint", "Methods", "Rule", "View", "Runs in"],
        ["--------", "-------", "----", "---------------", "-------"],
        ["a", "GET", "/a", "async", "loop"],
        ["b", "GET", "/b", "sync", "thread"],
        ["c", "GET", "/c", "sync", "loop"],
        ["d", "GET", "/d"],
        ["e", "GET", "/e", "async websocket", "loop"],
        ["f", "GET", "/f", "sync websocket", "thread"],
    ]
    assert routes(app=app) == table
    app.config["THREADED"] = False
    table[3][-1] = "loop"
    assert routes(app=app)[:6] == table[:6]


def test_the_headline_is_bold_on_a_terminal_only(app, runner):
    command = FlaskGroup(create_app=lambda: app)
    assert runner.invoke(command, ["routes"], color=True).output.startswith("\x1b[1mEndpoint")
    assert runner.invoke(command, ["routes"]).output.startswith("Endpoint")
