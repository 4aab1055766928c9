"""With every short way off (`asyncflask.plain`) the parity requests are answered as Flask answers them, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asyncflask.plain import is_plain

ROOT = Path(__file__).parents[2]
SWITCHES = """
import json
from werkzeug.exceptions import NotFound
from asyncflask import App, Request, Response
from asyncflask.asgi.http import is_whole
from asyncflask.json import provider, tag
from asyncflask.sessions import SecureCookieSessionInterface
from asyncflask.pipeline.hooks import together
from asyncflask.pipeline.of_error import usual_parts
from asyncflask.pipeline.plainly import Plainly
from asyncflask.rendering import QuickEnvironment as Templates
from asyncflask.wrappers.whole_form import events_of

calls = []

def counted(owner, name):
    original = getattr(owner, name)
    def call(*args, **kwargs):
        calls.append(name)
        return original(*args, **kwargs)
    setattr(owner, name, call)

app = App("switches")
app.secret_key = "key"
app.add_url_rule("/<int:k>", view_func=lambda k: {})
counted(json, "loads")
counted(json, "dumps")
app.json.loads(b"[1]")
app.json.dumps([1])
print({
    "matcher": app.stages.match("GET", "/7") is not None,
    "errors of routing": app.stages.match("PUT", "/7") is not None,
    "responses": "headers" not in vars(Response("x")) and type("Own", (Response,), {})._made_lazily,
    "bodies": is_whole({"body": b"x"}, 1),
    "json reads": "loads" not in calls,
    "json writes": "dumps" not in calls,
    "sessions": SecureCookieSessionInterface().lazy_open,
    "empty sessions": app.stages.sessions.open_empty() is not None,
    "forms": events_of(b"--bb--", b"bb", None) is not None,
    "signing": type(app.session_interface.get_signing_serializer(app)).__name__ == "CookieSerializer",
    "tags": bool(tag.AS_IT_IS),
    "answers": Plainly.of(app) is not None,
    "errors": Response.is_made_as_ours,
    "pages": usual_parts(NotFound()) is not None,
    "closing": type("Own", (Response,), {})._is_closed_simply,
    "hooks": len(together(((calls.clear, False), (calls.clear, False)))) == 1,
    "templates": all(name in vars(Templates) for name in ("getattr", "context_class", "template_class")),
})
"""
NAMES = (
    "matcher",
    "errors of routing",
    "responses",
    "bodies",
    "json reads",
    "json writes",
    "sessions",
    "empty sessions",
    "forms",
    "signing",
    "tags",
    "answers",
    "errors",
    "pages",
    "closing",
    "hooks",
    "templates",
)


def run(*args: str, plain: bool) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"ASYNCFLASK_PLAIN": str(int(plain)), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *args], cwd=ROOT, env=environ, capture_output=True, text=True)


@pytest.mark.parametrize("plain", [False, True])
def test_the_switch_turns_every_short_way_off(plain: bool) -> None:
    done = run("-c", SWITCHES, plain=plain)
    assert done.stdout.strip() == str(dict.fromkeys(NAMES, not plain)), done.stderr


#: Which of the four ways an application is asked; the second half is slow.
HALVES = [
    "(asgi and not async) or (wsgi and async)",
    pytest.param("(asgi and async) or (wsgi and not async)", marks=pytest.mark.slow),
]


@pytest.mark.skipif(is_plain(), reason="this is the run with the short ways off")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("ways", HALVES, ids=["first half", "second half"])
def test_the_same_answers_without_short_ways(ways: str) -> None:
    corpus = str(Path(__file__).with_name("test_parity.py"))
    done = run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", ways, corpus, plain=True)
    assert done.returncode == 0, done.stdout[-5000:]
    assert " skipped" not in done.stdout.splitlines()[-1]
