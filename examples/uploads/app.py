"""Uploads of any size, written as they arrive, with progress: `uvicorn --app-dir examples/uploads app:asgi`."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from werkzeug.utils import secure_filename

from asyncflask import App, abort, render_template, request, send_from_directory
from asyncflask.sse import ServerSentEvent, event_stream

app = App(__name__)
app.config["FOLDER"] = Path(os.environ.get("UPLOADS", "uploads")).absolute()
app.config["MAX_CONTENT_LENGTH"] = 20 * 1024**3
LONGEST_NAME = 200  # file systems refuse more than 255 bytes
asgi = app.asgi


@dataclass
class Transfer:
    """One upload, as far as it has come."""

    parts: object = None
    files: dict[str, int] = field(default_factory=dict)
    error: str | None = None
    over: bool = False

    @property
    def progress(self):
        received, total = (self.parts.received, self.parts.total) if self.parts else (0, None)
        return {"received": received, "total": total, "files": self.files, "error": self.error}


#: What is under way, by the key that the page has made for it.
transfers: dict[str, Transfer] = {}


@app.get("/")
async def page():
    return render_template("page.html", files=await asyncio.to_thread(stored))


def stored():
    folder = app.config["FOLDER"]
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted((path.name, path.stat().st_size) for path in found if path.suffix != ".part")


@app.post("/upload/<key>", stream_body=True)
async def upload(key):
    """Take a form with files. Each goes to disk as it arrives: nothing of it is kept in memory, or elsewhere first."""
    transfer = transfers.setdefault(key, Transfer())
    try:
        transfer.parts = request.multipart()
        app.config["FOLDER"].mkdir(parents=True, exist_ok=True)
        async for part in transfer.parts:
            if part.filename:
                name = secure_filename(part.filename)
                if not 0 < len(name) <= LONGEST_NAME:
                    abort(400, f"A file needs a name of at most {LONGEST_NAME} letters.")
                transfer.files[name] = await part.asave(app.config["FOLDER"] / name)
        if not transfer.files:
            abort(400, "There is no file in this form.")
        return {"files": transfer.files}
    except Exception as error:
        transfer.error = str(error)
        raise
    finally:
        transfer.over = True
        transfers.pop(key, None)


@app.get("/progress/<key>")
@event_stream
async def progress(key):
    """Tell what has reached the disk of an upload, which may begin a little later, until it is over."""
    transfer = transfers.setdefault(key, Transfer())
    try:
        while not transfer.over:
            yield ServerSentEvent(transfer.progress, event="progress")
            await asyncio.sleep(0.05)
        yield ServerSentEvent(transfer.progress, event="over")
    finally:
        if transfer.parts is None:  # it never began
            transfers.pop(key, None)


@app.get("/files/<name>")
async def file(name):
    return send_from_directory(app.config["FOLDER"], name, as_attachment=True)
