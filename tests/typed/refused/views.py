"""Views that no response can be made of, and mistakes in their registration."""

from __future__ import annotations

import datetime
import typing as t

from asyncflask import App, Blueprint, Flask
from asyncflask.typing import ResponseReturnValue, RouteCallable
from asyncflask.views import View

app = App(__name__)
blueprint = Blueprint("pages", __name__)


@app.route("/none")  # error
def none() -> None: ...


@app.route("/number")  # error
def number() -> int:
    return 1


@app.get("/float")  # error
async def async_number() -> float:
    return 1.0


@app.get("/maybe")  # error
def maybe() -> str | None:
    return None


@app.post("/set")  # error
def a_set() -> set[str]:
    return {"one"}


@app.put("/date")  # error
async def date() -> datetime.date:
    return datetime.date.today()


@app.patch("/key")  # error
def wrong_keys() -> dict[int, str]:
    return {1: "one"}


@app.delete("/pieces")  # error
def wrong_pieces() -> t.Iterator[int]:
    yield 1


@blueprint.route("/async-pieces")  # error
async def wrong_async_pieces() -> t.AsyncIterator[int]:
    yield 1


@blueprint.get("/status")  # error
def status_first() -> tuple[int, str]:
    return 200, "text"


@app.route("/status-none")  # error
def without_value() -> tuple[None, int]:
    return None, 204


@app.route("/header")  # error
def wrong_header() -> tuple[str, int, dict[str, int]]:
    return "text", 200, {"X-One": 1}


@app.route("/four")  # error
def too_many() -> tuple[str, int, dict[str, str], str]:
    return "text", 200, {}, "more"


@app.route("/rule")
@app.route(1)  # error
def rule_is_no_text() -> str:
    return "text"


class Number(View):
    def dispatch_request(self) -> int:  # error
        return 1


def by_alias() -> ResponseReturnValue:
    return 1  # error


view: RouteCallable = number  # error
app.add_url_rule("/number", view_func=number)  # error
app.add_url_rule("/text", view_func="text")  # error
app.register_blueprint(app)  # error
Flask()  # error
Blueprint("name")  # error
