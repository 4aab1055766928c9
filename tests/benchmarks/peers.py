"""The workloads as each peer's own documentation would have them written. Each function returns an application."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from apps import ROWS, add_routes
from workloads import ROUTES, SLEEP

TEMPLATES = Path(__file__).parent / "templates"


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.sessions import SessionMiddleware
    from starlette.responses import JSONResponse, PlainTextResponse
    from starlette.routing import Route
    from starlette.templating import Jinja2Templates

    templates = Jinja2Templates(TEMPLATES)

    async def hello(request: Any) -> Any:
        return PlainTextResponse("Hello")

    async def user(request: Any) -> Any:
        return JSONResponse({"id": request.path_params["id"], "q": request.query_params.get("q")})

    async def echo(request: Any) -> Any:
        return JSONResponse(await request.json())

    async def upload(request: Any) -> Any:
        async with request.form() as form:
            return JSONResponse({"size": len(await form["f"].read())})

    async def visits(request: Any) -> Any:
        request.session["seen"] = request.session.get("seen", 0) + 1
        return PlainTextResponse("counted")

    async def page(request: Any) -> Any:
        request.session["seen"] = request.session.get("seen", 0) + 1
        return templates.TemplateResponse(
            request, "page.html", {"rows": ROWS, "here": str(request.url_for("user", id=7))}
        )

    def sync(request: Any) -> Any:
        return PlainTextResponse("Hello")

    def sleep(request: Any) -> Any:
        time.sleep(SLEEP)
        return PlainTextResponse("slept")

    async def view(request: Any) -> Any:
        return PlainTextResponse(str(request.path_params["k"]))

    sessions = Middleware(SessionMiddleware, secret_key="benchmark")  # only who uses it pays for it, as in Flask
    routes = [
        Route("/hello", hello),
        Route("/users/{id:int}", user, name="user"),
        Route("/echo", echo, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/visits", visits, middleware=[sessions]),
        Route("/page", page, middleware=[sessions]),
        Route("/sync", sync),
        Route("/sleep", sleep),
        *(Route(f"/r{index}/{{k:int}}", view) for index in range(ROUTES)),
    ]
    return Starlette(routes=routes)


def fastapi() -> Any:
    from fastapi import FastAPI, UploadFile
    from fastapi.responses import PlainTextResponse

    app = FastAPI()
    text: dict[str, Any] = {"response_class": PlainTextResponse}

    @app.get("/hello", **text)
    async def hello():  # type: ignore[no-untyped-def]  # annotations would be answers' models
        return "Hello"

    async def user(id, q=None):  # type: ignore[no-untyped-def]
        return {"id": id, "q": q}

    async def echo(data):  # type: ignore[no-untyped-def]
        return data

    async def upload(f):  # type: ignore[no-untyped-def]
        return {"size": len(await f.read())}

    async def view(k):  # type: ignore[no-untyped-def]
        return str(k)

    # Set as objects: names of a function's body can't be found again from postponed annotations.
    user.__annotations__ = {"id": int, "q": str | None}
    echo.__annotations__ = {"data": dict}
    upload.__annotations__ = {"f": UploadFile}
    view.__annotations__ = {"k": int}
    app.get("/users/{id}")(user)
    app.post("/echo")(echo)
    app.post("/upload")(upload)

    @app.get("/sync", **text)
    def sync():  # type: ignore[no-untyped-def]
        return "Hello"

    @app.get("/sleep", **text)
    def sleep():  # type: ignore[no-untyped-def]
        time.sleep(SLEEP)
        return "slept"

    for index in range(ROUTES):
        app.get(f"/r{index}/{{k}}", **text)(view)
    return app


def litestar() -> Any:
    from litestar import Litestar, MediaType, get, post

    def typed(function: Any, **annotations: Any) -> Any:
        function.__annotations__ = annotations
        return function

    async def hello():  # type: ignore[no-untyped-def]
        return "Hello"

    async def user(id, q=None):  # type: ignore[no-untyped-def]
        return {"id": id, "q": q}

    async def echo(data):  # type: ignore[no-untyped-def]
        return data

    def sync():  # type: ignore[no-untyped-def]
        return "Hello"

    async def view(k):  # type: ignore[no-untyped-def]
        return str(k)

    text: dict[str, Any] = {"media_type": MediaType.TEXT}
    many = [f"/r{index}/{{k:int}}" for index in range(ROUTES)]
    routes: list[Any] = [
        get("/hello", **text)(typed(hello, **{"return": str})),
        get("/users/{id:int}")(typed(user, id=int, q=str | None, **{"return": dict})),
        post("/echo")(typed(echo, data=dict, **{"return": dict})),
        get("/sync", sync_to_thread=True, **text)(typed(sync, **{"return": str})),
        get(many, **text)(typed(view, k=int, **{"return": str})),
    ]
    return Litestar(routes)


def falcon() -> Any:
    import falcon.asgi

    class Hello:
        async def on_get(self, req: Any, resp: Any) -> None:
            resp.content_type, resp.text = falcon.MEDIA_TEXT, "Hello"

    class User:
        async def on_get(self, req: Any, resp: Any, id: int) -> None:
            resp.media = {"id": id, "q": req.get_param("q")}

    class Echo:
        async def on_post(self, req: Any, resp: Any) -> None:
            resp.media = await req.get_media()

    class Many:
        async def on_get(self, req: Any, resp: Any, k: int) -> None:
            resp.text = str(k)

    app = falcon.asgi.App()
    for path, resource in {"/hello": Hello(), "/users/{id:int}": User(), "/echo": Echo()}.items():
        app.add_route(path, resource)
    many = Many()
    for index in range(ROUTES):
        app.add_route(f"/r{index}/{{k:int}}", many)
    return app


def blacksheep() -> Any:
    from blacksheep import Application, Request, Router, json, text

    app = Application(router=Router())

    async def hello(request):  # type: ignore[no-untyped-def]
        return text("Hello")

    async def user(id, request):  # type: ignore[no-untyped-def]
        return json({"id": id, "q": request.query["q"][0]})

    async def echo(request):  # type: ignore[no-untyped-def]
        return json(await request.json())

    def many() -> Any:
        async def view(k, request):  # type: ignore[no-untyped-def]
            return text(str(k))

        view.__annotations__ = {"k": int, "request": Request}
        return view

    for function in (hello, user, echo):
        function.__annotations__ = {"request": Request}
    user.__annotations__["id"] = int
    app.router.add_get("/hello", hello)
    app.router.add_get("/users/{int:id}", user)
    app.router.add_post("/echo", echo)
    for index in range(ROUTES):
        app.router.add_get(f"/r{index}/{{int:k}}", many())
    return app


def quart() -> Any:
    import quart as q

    app = q.Quart("peers", template_folder=str(TEMPLATES))
    app.secret_key = "benchmark"

    @app.get("/hello")
    async def hello() -> str:
        return "Hello"

    @app.get("/users/<int:id>")
    async def user(id: int) -> Any:
        return {"id": id, "q": q.request.args.get("q")}

    @app.post("/echo")
    async def echo() -> Any:
        return await q.request.get_json()

    @app.post("/upload")
    async def upload() -> Any:
        files = await q.request.files
        return {"size": len(files["f"].read())}

    @app.get("/visits")
    async def visits() -> str:
        q.session["seen"] = q.session.get("seen", 0) + 1
        return "counted"

    @app.get("/page")
    async def page() -> Any:
        q.session["seen"] = q.session.get("seen", 0) + 1
        return await q.render_template("page.html", rows=ROWS, here=q.url_for("user", id=7))

    @app.get("/sync")
    def sync() -> str:
        return "Hello"

    @app.get("/sleep")
    def sleep() -> str:
        time.sleep(SLEEP)
        return "slept"

    add_routes(app, ROUTES)
    return app


def flask() -> Any:
    import flask as f

    app = f.Flask("peers", template_folder=str(TEMPLATES))
    app.secret_key = "benchmark"

    @app.post("/echo")
    def echo() -> Any:
        return f.request.get_json()

    @app.get("/users/<int:id>")
    def user(id: int) -> Any:
        return {"id": id, "q": f.request.args.get("q")}

    @app.post("/upload")
    def upload() -> Any:
        return {"size": len(f.request.files["f"].read())}

    @app.get("/visits")
    def visits() -> str:
        f.session["seen"] = f.session.get("seen", 0) + 1
        return "counted"

    @app.get("/page")
    def page() -> Any:
        f.session["seen"] = f.session.get("seen", 0) + 1
        return f.render_template("page.html", rows=ROWS, here=f.url_for("user", id=7))

    @app.get("/sleep")
    def sleep() -> str:
        time.sleep(SLEEP)
        return "slept"

    for path in ("/hello", "/sync"):
        app.add_url_rule(path, path[1:], lambda: "Hello")
    for index in range(ROUTES):
        app.add_url_rule(f"/r{index}/<int:k>", f"r{index}", lambda k: str(k))
    return app
