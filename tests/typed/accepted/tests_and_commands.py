"""What tests use: the client, its sessions, the runner of commands; commands themselves; running the application."""

from __future__ import annotations

import typing as t

import click
from werkzeug.test import TestResponse

from asyncflask import App, Blueprint, WSGIAdapter
from asyncflask.cli import FlaskGroup, ScriptInfo, pass_script_info, with_appcontext
from asyncflask.sessions import SessionMixin
from asyncflask.testing import FlaskClient, FlaskCliRunner

app = App(__name__)
blueprint = Blueprint("commands", __name__, cli_group="more")


class OwnClient(FlaskClient):
    def login(self, name: str) -> TestResponse:
        return self.post("/login", data={"name": name}, follow_redirects=True)


app.test_client_class = OwnClient


def test_pages() -> None:
    client = app.test_client()
    t.assert_type(client, FlaskClient)
    response = client.get("/", query_string={"q": "one"}, headers={"X-One": "1"})
    t.assert_type(response, TestResponse)
    t.assert_type(response.status_code, int)
    t.assert_type(response.text, str)
    t.assert_type(response.headers["Content-Type"], str)
    assert response.get_json()["one"] == 1
    client.post("/", json={"one": 1})
    client.set_cookie("one", "1")


def test_sessions() -> None:
    with app.test_client(transport="wsgi") as client:
        with client.session_transaction() as session:
            t.assert_type(session, SessionMixin)
            session["user"] = 1
        client.get("/")


@app.cli.command("initialise")
@click.argument("name")
@with_appcontext
def initialise(name: str) -> None:
    click.echo(name)


@blueprint.cli.command()
async def later() -> None: ...


@pass_script_info
def with_info(info: ScriptInfo) -> None:
    t.assert_type(info.load_app(), App)


def test_commands() -> None:
    runner = app.test_cli_runner()
    t.assert_type(runner, FlaskCliRunner)
    result = runner.invoke(args=["initialise", "Ann"])
    t.assert_type(result.output, str)
    t.assert_type(result.exit_code, int)


def create_app() -> App:
    return App(__name__)


group = FlaskGroup(create_app=create_app)
asgi = app.asgi
app.mount("/other", WSGIAdapter(app.wsgi_app))

if __name__ == "__main__":
    app.run(debug=True, port=8000, threaded=True)
