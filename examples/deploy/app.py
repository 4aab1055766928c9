"""An application behind a proxy, on any server: `uvicorn app:asgi`, `gunicorn app:wsgi` and the others of README.md."""

from __future__ import annotations

import asyncio
import os

from werkzeug.middleware.proxy_fix import ProxyFix as WerkzeugProxyFix

from asyncflask import App, request, session, url_for, websocket
from asyncflask.health import Health
from asyncflask.middleware import ProxyFix

app = App(__name__)
# The same on every machine, so that each can read the sessions of the others. Never keep a real one in the code.
app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY", "for this example only")
app.config["SESSION_COOKIE_SECURE"] = os.environ.get("SECURE", "1") == "1"
app.config["MAX_CONTENT_LENGTH"] = 1_000_000
app.config["SHUTDOWN_DELAY"] = float(os.environ.get("SHUTDOWN_DELAY", "0"))
MACHINE = os.environ.get("MACHINE", "the only one")

health = Health(app)  # /livez and /readyz


@app.get("/")
async def index():
    return f'<a href="{url_for("where")}">where</a> <a href="{url_for("count")}">count</a>'


@app.get("/where")
async def where():
    """What the application knows of the request, as the first proxy was asked for it."""
    return {
        "machine": MACHINE,
        "client": request.remote_addr,
        "url": request.url,
        "prefix": request.script_root,
        "next": url_for("count", _external=True),
    }


@app.get("/count")
def count():
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"], "machine": MACHINE}


@app.post("/upload")
def upload():
    return {"bytes": len(request.get_data())}


@app.get("/slow/<float:seconds>")
async def slow(seconds):
    await asyncio.sleep(seconds)
    return {"machine": MACHINE}


@app.get("/events")
async def events():
    """A stream that goes on until the server stops; the header has nginx pass each piece on at once."""

    async def pieces():
        yield f"data: {MACHINE}\n\n"
        await app.shutdown_event.wait()  # event streams are ended then, in any case

    return pieces(), {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@app.websocket("/echo")
async def echo():
    await websocket.send(f"{websocket.remote_addr} {websocket.url}")
    while True:
        await websocket.send(await websocket.receive())


# One proxy is in front of us; for two it would be 2. It has to set every header that is named here.
HOPS = {"x_for": 1, "x_proto": 1, "x_host": 1, "x_prefix": 1}
asgi = ProxyFix(app.asgi, **HOPS)
wsgi = WerkzeugProxyFix(app, **HOPS)  # for WSGI servers
