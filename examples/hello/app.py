"""Async and Flask-style handlers in one app: `uvicorn --app-dir examples/hello app:asgi` serves it."""

from __future__ import annotations

import asyncio
import threading

from asyncflask import App, request, session

app = App(__name__)
app.config["SECRET_KEY"] = "for this example only"

FORM = '<form method="post"><input name="name"> <input name="colour"> <button>Send</button></form>'


@app.get("/")
async def index():
    return "".join(f'<p><a href="{path}">{path}</a></p>' for path in ("/async/ada", "/sync/ada", "/form", "/wsgi/"))


@app.get("/async/<name>")
async def on_the_loop(name):
    await asyncio.sleep(0)  # a database or another service would be awaited here
    return {"hello": name, "greeting": request.args.get("greeting"), "loop": asyncio.get_running_loop().is_running()}


@app.get("/sync/<name>")
def in_a_thread(name):
    return {"hello": name, "greeting": request.args.get("greeting"), "thread": threading.current_thread().name}


@app.post("/json")
async def json_body():
    return {"got": request.get_json()}  # no await: the body is there when the view runs


@app.route("/form", methods=["GET", "POST"])
def form():
    if request.method == "GET":
        return FORM
    return {"name": request.form["name"], "colour": request.form.get("colour", "none")}


@app.get("/count")
def count():
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


def old_program(environ, start_response):
    """Any WSGI callable: a Django project, a framework of yours, another Flask app."""
    text = f"SCRIPT_NAME={environ['SCRIPT_NAME']} PATH_INFO={environ['PATH_INFO']}\n".encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


app.mount("/wsgi", old_program)

asgi = app.asgi
