"""Our application for every workload, and the least that an ASGI callable can do; `peers.py` has the others.

`make(name)` gives an application by its name in tables. Servers import it as an attribute: ``apps:app_NAME``.
"""

from __future__ import annotations

import json
import time
from typing import Any

from workloads import ROUTES, SLEEP

ROWS = [{"id": number, "name": f"article {number}", "price": number * 1.5} for number in range(20)]


def raw() -> Any:
    """The limit that everything is compared with."""

    def body_of(path: str, query: bytes) -> bytes:
        return json.dumps({"id": int(path.removeprefix("/users/")), "q": query[2:].decode()}).encode()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        path, content_type = scope["path"], b"application/json"
        if path == "/hello":
            body, content_type = b"Hello", b"text/plain"
        elif path == "/echo":
            body = json.dumps(json.loads((await receive())["body"])).encode()
        else:
            body = body_of(path, scope["query_string"])
        headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def flask_like(flask: Any, app: Any) -> Any:
    """Register all workloads on an app of asyncflask, in `async def` but for those that are about threads."""
    app.secret_key = "benchmark"

    @app.get("/hello")
    async def hello() -> str:
        return "Hello"

    @app.get("/users/<int:id>")
    async def user(id: int) -> Any:
        return {"id": id, "q": flask.request.args.get("q")}

    @app.post("/echo")
    async def echo() -> Any:
        return flask.request.get_json()

    @app.post("/upload")
    async def upload() -> Any:
        return {"size": len(flask.request.files["f"].read())}

    @app.get("/visits")
    async def visits() -> str:
        flask.session["seen"] = flask.session.get("seen", 0) + 1
        return "counted"

    @app.get("/page")
    async def page() -> Any:
        flask.session["seen"] = flask.session.get("seen", 0) + 1
        return flask.render_template("page.html", rows=ROWS, here=flask.url_for("user", id=7))

    @app.get("/sync")
    def sync() -> str:
        return "Hello"

    @app.get("/sleep")
    def sleep() -> str:
        time.sleep(SLEEP)
        return "slept"

    return app


def add_routes(app: Any, number: int) -> None:
    """Add `number` routes ``/r0/<int:k>``, ``/r1/<int:k>``, ... in `async def`."""

    async def view(k: int) -> str:
        return str(k)

    for index in range(number):
        app.add_url_rule(f"/r{index}/<int:k>", f"r{index}", view)


def our_app(routes: int = ROUTES) -> Any:
    """Return the asyncflask application, with that many routes beside those of the workloads."""
    import asyncflask

    app = flask_like(asyncflask, asyncflask.App("apps"))
    add_routes(app, routes)
    return app


def asyncflask() -> Any:
    return our_app().asgi


def asyncflask_hooks() -> Any:
    """The same with a hook before and one after, a look at the session, and three signal receivers."""
    import asyncflask

    app = our_app()

    @app.before_request
    async def before() -> None:
        asyncflask.session.get("seen")

    @app.after_request
    async def after(response: Any) -> Any:
        return response

    async def receiver(sender: Any, **arguments: Any) -> None:
        pass

    for signal in (asyncflask.request_started, asyncflask.request_finished, asyncflask.request_tearing_down):
        signal.connect(receiver, app, weak=False)
    return app.asgi


def asyncflask_fast() -> Any:
    """The same with the JSON provider of ``asyncflask[fast]``."""
    from asyncflask.json.fast import FastJSONProvider

    app = our_app()
    app.json = FastJSONProvider(app)
    return app.asgi


OURS = {make.__name__: make for make in (raw, asyncflask, asyncflask_hooks, asyncflask_fast)}


def make(name: str) -> Any:
    """Return the application of that name."""
    if name in OURS:
        return OURS[name]()
    import peers

    return getattr(peers, name)()


def __getattr__(name: str) -> Any:
    if not name.startswith("app_"):
        raise AttributeError(name)
    app = globals()[name] = make(name.removeprefix("app_"))
    return app
