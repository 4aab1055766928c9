"""The application of the lifespan tests: it writes what it does into the file that ``DIARY`` names.

``FAILS`` in the environment refuses the start.
"""

from __future__ import annotations

import os
from pathlib import Path

from asyncflask import App


def make_app(diary, fails=False):
    app = App("lifespan", static_folder=None)
    app.config["SECRET_KEY"] = "key"

    def note(line):
        with diary.open("a") as file:
            file.write(f"{line}\n")

    @app.while_serving
    async def pool():
        note("pool opens")
        app.state.pool = "the pool"
        yield
        note("pool closes")

    @app.before_serving
    def before():
        note("before")

    @app.while_serving
    def late():
        if fails:
            raise ValueError("no database at db.test")
        yield

    @app.after_serving
    async def after():
        note("after")

    @app.resource
    async def connection():
        note("connection opens")
        yield "the connection"
        note("connection closes")

    async def in_background():
        note("background")

    @app.get("/async")
    async def view():
        app.add_background_task(in_background)
        return {"pool": app.state.pool, "connection": await connection}

    @app.get("/stream")
    async def stream():
        opened = await connection

        async def body():
            yield opened
            note("last byte")

        return body()

    @app.get("/def")
    def view_def():
        return {"pool": app.state.pool}

    return app


if "DIARY" in os.environ:
    app = make_app(Path(os.environ["DIARY"]), "FAILS" in os.environ)
