"""Flask-SQLAlchemy, Flask-Login and Flask-WTF in one application on a real server, and many users at once.

The same application on Flask's own threaded server holds the checks to what a Flask user knows.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from ..parity.flask_suite import kept_environment
from .programs import Program
from .servers import LIMIT

HERE = Path(__file__).parent
REQUIREMENTS = """\
asgiref>=3.11.0
flask==3.1.3
flask-login==0.6.3
flask-sqlalchemy==3.1.1
flask-wtf==1.3.0
"""
RUN = "import extension_app; extension_app.app.run(port=0)"
START = {"flask": RUN, "asyncflask": f"import asyncflask; asyncflask.install_as_flask(); {RUN}"}
USERS, ROUNDS = 20, 5
#: Those of SQLAlchemy's pool: 15.
assert USERS > 15

pytestmark = pytest.mark.slow


@pytest.fixture(params=list(START))
def shop(request, tmp_path):
    """The application, served by a process of its own."""
    environment = {"NOTES": str(tmp_path / "notes.db"), "PYTHONPATH": str(HERE)}
    python = kept_environment("served-extensions", REQUIREMENTS)
    with Program(tmp_path, "-c", START[request.param], python=python, environment=environment) as program:
        yield f"http://127.0.0.1:{program.port}"


def use(shop, number):
    """Do what a user does; return what was seen that should not be."""
    name, wrong = f"user {number}", []

    def expect(what, found, wanted):
        if found != wanted:
            wrong.append((name, what, found))

    with httpx.Client(base_url=shop, timeout=LIMIT) as client:
        expect("without a token", client.post("/sign-in", data={"name": name}).status_code, 400)
        token = re.search('value="([^"]+)"', client.get("/sign-in").text)[1]
        expect("not signed in", client.get("/who").headers["Location"], "/sign-in?next=%2Fwho")
        expect("sign in", client.post("/sign-in", data={"name": name, "csrf_token": token}).status_code, 302)
        token = client.get("/notes").json()["token"]
        for turn in range(ROUNDS):
            tag = f"{number}.{turn}"
            for path in ("/who", "/who-async"):
                answer = client.get(path, headers={"X-Tag": tag})
                expect(path, answer.json(), {"before": name, "after": name, "tag": tag})
                expect(path, answer.headers["X-Tag"], f"{tag} of {name}")
            stored = client.post("/notes", data={"text": tag}, headers={"X-CSRFToken": token}).json()["notes"]
            expect("notes", stored, [f"{number}.{earlier}" for earlier in range(turn + 1)])
            expect("stream", client.get("/stream").text.split(), stored)
            expect("fail", client.get("/fail").status_code, 503)
        expect("sign out", client.post("/sign-out", headers={"X-CSRFToken": token}).status_code, 302)
        expect("signed out", client.get("/who").status_code, 302)
    return wrong


def test_users_do_not_meet_and_nothing_is_left_open(shop):
    with ThreadPoolExecutor(USERS) as pool:
        assert [found for wrong in pool.map(use, [shop] * USERS, range(USERS)) for found in wrong] == []
    until = time.monotonic() + LIMIT
    while True:  # a stream's client has its last line before the stream is torn down
        figures = httpx.get(f"{shop}/figures").json()
        if figures["ended"] >= figures["begun"] or time.monotonic() > until:
            break
    assert figures["begun"] == USERS * (7 + 5 * ROUNDS)
    # Flask tears a streaming request down twice: when the view has returned, and at the stream's end.
    assert figures["ended"] - figures["begun"] in (0, USERS * ROUNDS)
    assert (figures["connections"], figures["sessions"], figures["never"]) == (0, 0, 0)
