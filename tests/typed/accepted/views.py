"""Every form of view, and of what a view returns."""

from __future__ import annotations

import typing as t
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from http import HTTPStatus

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as WerkzeugResponse

from asyncflask import (
    App,
    Blueprint,
    Flask,
    Response,
    abort,
    jsonify,
    make_response,
    redirect,
    render_template,
    send_file,
    stream_template,
    stream_with_context,
    url_for,
)
from asyncflask.typing import ResponseReturnValue, ResponseValue, RouteCallable

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

app = App(__name__)
also_app: App = Flask(__name__)
blueprint = Blueprint("pages", __name__, url_prefix="/pages")


class Person(t.TypedDict):
    name: str


# -- values -----------------------------------------------------------------------------------------------------------


@app.route("/text")
def text() -> str:
    return "text"


@app.route("/bytes")
def raw() -> bytes:
    return b"bytes"


@app.route("/dict")
def json_object() -> dict[str, t.Any]:
    return {"one": 1}


@app.route("/dict-of")
def json_object_of() -> dict[str, list[int]]:
    return {"one": [1]}


@app.route("/typed-dict")
def typed_dict() -> Person:
    return {"name": "Ann"}


@app.route("/list")
def json_array() -> list[t.Any]:
    return [1, "two"]


@app.route("/list-of")
def json_array_of() -> list[Person]:
    return [{"name": "Ann"}]


@app.route("/response")
def response() -> Response:
    return make_response("made", 201)


@app.route("/jsonify")
def by_jsonify() -> Response:
    return jsonify(one=1)


@app.route("/file")
def file() -> Response:
    return send_file("a.txt", as_attachment=True)


@app.route("/werkzeug")
def werkzeug_response() -> WerkzeugResponse:
    return WerkzeugResponse("plain")


@app.route("/redirect")
def redirected() -> WerkzeugResponse:
    return redirect(url_for("text"))


@app.route("/either")
def either() -> WerkzeugResponse | str:
    return "text" if url_for("text") else make_response("made")


@app.route("/wsgi")
def wsgi() -> WSGIApplication:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [])
        return [b"by WSGI"]

    return application


@app.route("/never")
def never() -> t.NoReturn:
    abort(404)


@app.route("/any")
def anything() -> t.Any:
    return "text"


@app.route("/alias")
def by_alias() -> ResponseReturnValue:
    return {"one": 1}, 201


@app.route("/unannotated")
def unannotated():  # type: ignore[no-untyped-def]
    return "text"


# -- tuples -----------------------------------------------------------------------------------------------------------


@app.route("/status")
@app.route("/status/<int:code>")
def with_status(code: int = 200) -> tuple[str, int]:
    return "text", code


@app.route("/status-enum")
def with_status_enum() -> tuple[dict[str, t.Any], HTTPStatus]:
    return {}, HTTPStatus.CREATED


@app.route("/headers")
def with_headers() -> tuple[str, dict[str, str]]:
    return "text", {"X-One": "1"}


@app.route("/header-pairs")
def with_header_pairs() -> tuple[bytes, list[tuple[str, str]]]:
    return b"bytes", [("X-One", "1"), ("X-One", "2")]


@app.route("/header-lists")
def with_header_lists() -> tuple[list[int], dict[str, list[str]]]:
    return [1], {"X-One": ["1", "2"]}


@app.route("/status-headers")
def with_both() -> tuple[Response, int, Headers]:
    return make_response(), 202, Headers({"X-One": "1"})


@app.route("/value-status")
def value_with_status() -> tuple[ResponseValue, int]:
    return [1], 201


# -- streams ----------------------------------------------------------------------------------------------------------


@app.route("/generator")
def generator() -> Generator[str, None, None]:
    yield "piece"


@app.route("/generator-of-bytes")
def generator_of_bytes() -> Generator[bytes, None, None]:
    yield b"piece"


@app.route("/iterator")
def iterator() -> Iterator[str]:
    return iter(["piece"])


@app.route("/iterator-status")
def iterator_with_status() -> tuple[Iterator[bytes], int]:
    return (str(number).encode() for number in range(3)), 200


@app.route("/stream-template")
def template_stream() -> Iterator[str]:
    return stream_template("list.html", items=[1])


@app.route("/kept")
def stream_with_its_context() -> Iterator[str]:
    @stream_with_context
    def pieces() -> Iterator[str]:
        yield url_for("text")

    t.assert_type(pieces, Callable[[], Iterator[str]])
    return pieces()


@app.route("/async-generator")
async def async_stream() -> AsyncGenerator[bytes, None]:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"piece"

    return pieces()


@app.route("/async-generator-function")
async def async_generator_function() -> AsyncGenerator[str, None]:
    yield "piece"


@app.route("/async-iterator-status")
def async_iterator_with_status() -> tuple[AsyncIterator[str], int, dict[str, str]]:
    async def pieces() -> AsyncIterator[str]:
        yield "piece"

    return stream_with_context(pieces()), 200, {"Content-Type": "text/event-stream"}


# -- coroutine functions ----------------------------------------------------------------------------------------------


@app.get("/async")
async def async_text() -> str:
    return "text"


@app.post("/async-tuple/<int:id>")
async def async_tuple(id: int) -> tuple[dict[str, int], int]:
    return {"id": id}, 201


@app.put("/async-response")
async def async_response() -> Response:
    return jsonify([])


@app.delete("/awaitable")
def returns_an_awaitable() -> Awaitable[str]:
    return async_text()


# -- registration -----------------------------------------------------------------------------------------------------


@blueprint.get("/")
def page() -> str:
    return render_template("page.html", name="page")


@blueprint.patch("/<name>", endpoint="rename", threaded=False, on_disconnect="cancel")
async def rename(name: str) -> list[str]:
    return [name]


@app.endpoint("by-endpoint")
def by_endpoint() -> str:
    return "text"


class Callable_:
    def __call__(self, name: str) -> str:
        return name


app.add_url_rule("/rule", view_func=text, methods=["GET", "POST"])
app.add_url_rule("/rule/<name>", "callable", Callable_())
app.add_url_rule("/lambda", "lambda", lambda: "text")
app.add_url_rule("/by-endpoint", "by-endpoint")
app.register_blueprint(blueprint, name="other", url_prefix="/other")

views: list[RouteCallable] = [text, async_text, with_status, generator]

# A decorator leaves a view its signature.
t.assert_type(text(), str)
t.assert_type(with_status(code=404), tuple[str, int])
t.assert_type(page(), str)
t.assert_type(by_endpoint(), str)
t.assert_type(iterator(), Iterator[str])


async def signatures_of_coroutine_functions_stay() -> None:
    t.assert_type(await async_text(), str)
    t.assert_type(await async_tuple(id=1), tuple[dict[str, int], int])
    t.assert_type(await rename("new"), list[str])
