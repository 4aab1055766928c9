"""What handlers read: the request, the session, `g`, the application, configuration, signals."""

from __future__ import annotations

import os
import typing as t

from werkzeug.datastructures import FileStorage

from asyncflask import (
    App,
    Config,
    Request,
    Response,
    current_app,
    flash,
    g,
    get_flashed_messages,
    has_app_context,
    has_request_context,
    request,
    request_started,
    session,
    url_for,
)
from asyncflask.globals import app_ctx, request_ctx
from asyncflask.json.provider import DefaultJSONProvider
from asyncflask.sessions import SessionInterface, SessionMixin


class OwnRequest(Request):
    @property
    def tenant(self) -> str:
        return self.host


class OwnResponse(Response):
    default_mimetype = "text/plain"


class OwnJSON(DefaultJSONProvider):
    sort_keys = False


class OwnSessions(SessionInterface):
    def open_session(self, app: App, request: Request) -> SessionMixin | None:
        return None

    def save_session(self, app: App, session: SessionMixin, response: Response) -> None: ...


class OwnAsyncSessions(SessionInterface):
    async def open_session(self, app: App, request: Request) -> SessionMixin | None:
        return None

    async def save_session(self, app: App, session: SessionMixin, response: Response) -> None: ...


class OwnApp(App):
    request_class = OwnRequest
    response_class = OwnResponse
    json_provider_class = OwnJSON
    session_interface = OwnSessions()

    def make_response(self, rv: t.Any) -> Response:
        return super().make_response(rv)


app = OwnApp(
    __name__, static_url_path="/files", static_folder="files", template_folder=None, instance_relative_config=True
)


@app.post("/<int:id>")
def view(id: int) -> dict[str, t.Any]:
    t.assert_type(request.method, str)
    t.assert_type(request.path, str)
    t.assert_type(request.args.get("q"), str | None)
    t.assert_type(request.args.get("page", 1, type=int), int)
    t.assert_type(request.args["q"], str)
    t.assert_type(request.form.getlist("name"), list[str])
    t.assert_type(request.files["file"], FileStorage)
    t.assert_type(request.headers.get("X-One"), str | None)
    t.assert_type(request.cookies.get("one"), str | None)
    t.assert_type(request.endpoint, str | None)
    t.assert_type(request.blueprint, str | None)
    t.assert_type(request.blueprints, list[str])
    t.assert_type(request.view_args, dict[str, t.Any] | None)
    t.assert_type(request.max_content_length, int | None)
    t.assert_type(request.data, bytes)
    t.assert_type(request.get_data(as_text=True), str)
    t.assert_type(request.get_json(), t.Any)
    request.max_form_parts = 10

    session["count"] = session.get("count", 0) + 1
    session.setdefault("names", []).append("Ann")
    session.pop("old", None)
    session.permanent = True
    session.modified = True
    t.assert_type(session, SessionMixin)

    g.user = "Ann"
    name: str = g.user
    g.setdefault("names", []).append(name)
    t.assert_type(g.get("user"), t.Any)
    t.assert_type("user" in g, bool)
    g.pop("user", None)

    flash("Saved.", "info")
    t.assert_type(url_for("view", id=id, _external=True), str)
    t.assert_type(has_app_context() and has_request_context(), bool)
    return {"messages": get_flashed_messages(with_categories=True), "name": current_app.name}


def configure() -> None:
    t.assert_type(app.config, Config)
    app.config["SECRET_KEY"] = os.urandom(16)
    app.config.update(TESTING=True, THREADS=4)
    app.config.from_mapping({"ONE": 1}, TWO=2)
    t.assert_type(app.config.from_pyfile("config.py", silent=True), bool)
    t.assert_type(app.config.get_namespace("SESSION_"), dict[str, t.Any])
    t.assert_type(app.secret_key, str | bytes | None)
    app.secret_key = "key"
    t.assert_type(app.debug, bool)
    t.assert_type(app.testing, bool)
    app.session_interface = OwnSessions()
    app.jinja_env.filters["one"] = str
    app.logger.info("configured")
    app.extensions["mine"] = object()


def contexts() -> None:
    with app.app_context() as ctx:
        t.assert_type(ctx.app, App)
        t.assert_type(app_ctx.app, App)
    with app.test_request_context("/1", method="POST", json={"one": 1}) as ctx:
        t.assert_type(ctx.request, Request)
        t.assert_type(request_ctx.request, Request)


async def async_contexts() -> None:
    async with app.app_context():
        g.user = "Ann"


def started(sender: App, **extra: t.Any) -> None: ...


request_started.connect(started, app)
