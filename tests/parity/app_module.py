"""One application written against the name `flask`, whatever module that is.

`make_app(flask, flavour, wrap)` makes it. Every view, hook and error handler goes through `wrap`, so that the same code
can be run as `def` or as `async def`.
"""

from __future__ import annotations

import hashlib
import io
import pathlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Conflict, HTTPException, NotFound, TooManyRequests, Unauthorized
from werkzeug.routing import BaseConverter, ValidationError

HERE = pathlib.Path(__file__).parent
MOMENT = datetime(2024, 2, 29, 12, 30, 15, tzinfo=UTC)

Function = Callable[..., Any]


@dataclass
class Kit:
    """What the parts of the application are made with."""

    app: Any
    flask: Any
    wrap: Callable[[Function], Function]
    views: list[Function] = field(default_factory=list)

    def route(self, rule: str, *, on: Any = None, **options: Any) -> Callable[[Function], Function]:
        def register(view: Function) -> Function:
            if view not in self.views:  # one view may have several rules
                view = self.wrap(view)
                self.views.append(view)
            (on or self.app).route(rule, **options)(view)
            return view

        return register

    def answer(self, rule: str, value: Any, **options: Any) -> None:
        """A route that returns what a function without arguments makes."""
        endpoint = "answer" + rule.replace("/", "_").replace(".", "-")
        self.app.add_url_rule(rule, endpoint, self.wrap(lambda **arguments: value()), **options)


def make_app(
    flask: Any, flavour: str = "main", wrap: Callable[[Function], Function] = lambda function: function
) -> Any:
    """Make the application of a flavour; FLAVOURS has their names."""
    return FLAVOURS[flavour](flask, wrap)


def bare(flask: Any, wrap: Callable[[Function], Function], **options: Any) -> Kit:
    app = flask.Flask("parity_app", root_path=str(HERE), **options)
    app.config["SECRET_KEY"] = "a fixed secret"
    app.logger.disabled = True
    return Kit(app, flask, wrap)


def main(flask: Any, wrap: Callable[[Function], Function]) -> Any:
    kit = bare(flask, wrap)
    for part in (converters, routes, blueprints, echoes, bodies, returns, errors, responses, files, sessions, streams):
        part(kit)
    templates(kit)
    return kit.app


# --- routing


class Even(BaseConverter):
    regex = r"\d+"

    def to_python(self, value: str) -> int:
        if int(value) % 2:
            raise ValidationError(value)
        return int(value)


class Items(BaseConverter):
    def to_python(self, value: str) -> list[str]:
        return value.split("+")

    def to_url(self, value: Any) -> str:
        return "+".join(super(Items, self).to_url(item) for item in value)


class Broken(BaseConverter):
    def to_python(self, value: str) -> str:
        if value == "gone":
            raise NotFound("said by the converter")
        raise LookupError(value)


def converters(kit: Kit) -> None:
    kit.app.url_map.converters.update(even=Even, items=Items, broken=Broken)
    shown = [
        "/int/<int:n>",
        "/bounded/<int(min=3, max=10):n>",
        "/fixed/<int(fixed_digits=4):n>",
        "/signed/<int(signed=True):n>",
        "/float/<float:x>",
        "/float-signed/<float(signed=True):x>",
        "/str/<name>",
        "/two/<string(length=2):code>",
        "/some/<string(minlength=2, maxlength=4):code>",
        "/path/<path:p>",
        "/path/<path:p>/edit",
        "/tree/<path:p>/",
        "/uuid/<uuid:u>",
        "/colour/<any(red, green, 'light blue'):c>",
        "/even/<even:n>",
        "/items/<items:many>",
        "/broken/<broken:x>",
        "/v<int:major>.<int:minor>",
        "/mixed/<a>-<int:b>/x",
        "/caf\xe9/<name>",
    ]
    for number, rule in enumerate(shown):

        def show(**arguments: Any) -> str:
            return f"{kit.flask.request.url_rule}: {arguments!r}"

        kit.app.add_url_rule(rule, f"show{number}", kit.wrap(show))


def routes(kit: Kit) -> None:
    flask = kit.flask

    def say() -> str:
        return f"{flask.request.endpoint} {flask.request.method} {flask.request.view_args}"

    plain: list[tuple[str, str, dict[str, Any]]] = [
        ("/", "index", {}),
        ("/hello", "hello", {}),
        ("/multi", "multi", {"methods": ["GET", "POST"]}),
        ("/split", "split_get", {"methods": ["GET"]}),
        ("/split", "split_post", {"methods": ["post"]}),
        ("/put-only", "put_only", {"methods": ["PUT"]}),
        ("/brew", "brew", {"methods": ["BREW", "PATCH"]}),
        ("/own-options", "own_options", {"methods": ["GET", "OPTIONS"]}),
        ("/no-options", "no_options", {"provide_automatic_options": False}),
        ("/branch/", "branch", {"methods": ["GET", "POST"]}),
        ("/branch/leaf", "leaf", {}),
        ("/loose/", "loose", {"strict_slashes": False}),
        ("/a/b/c", "abc", {}),
        ("/with space", "space", {}),
        ("/\u2603", "snowman", {}),
        ("/semi;colon", "semicolon", {}),
        ("/u/me", "me", {"methods": ["GET"]}),
        ("/old/target", "old", {"redirect_to": "/new/target"}),
        ("/only-built", "built", {"build_only": True}),
    ]
    for rule, endpoint, options in plain:
        kit.app.add_url_rule(rule, endpoint, kit.wrap(lambda: say()), **options)

    @kit.route("/u/<x>", methods=["GET", "DELETE"])
    def user(x: str) -> str:
        return f"user {x}"

    @kit.route("/pages/", defaults={"page": 1})
    @kit.route("/pages/<int:page>")
    def pages(page: int) -> str:
        return f"page {page}"

    def item(n: int) -> str:
        return f"item {n}"

    kit.app.add_url_rule("/item/<int:n>", "item", kit.wrap(item))
    kit.app.add_url_rule("/thing/<int:n>", "item", alias=True)

    @kit.route("/urls")
    def urls() -> Any:
        make = flask.url_for
        return flask.jsonify(
            plain=make("hello"),
            argument=make("user", x="a b/c?d"),
            query=make("hello", q=["1", "2"], e="\xe9", n=None),
            anchor=make("hello", _anchor="top x"),
            external=make("hello", _external=True),
            scheme=make("hello", _external=True, _scheme="https"),
            method=make("split_post", _method="POST"),
            page_one=make("pages", page=1),
            page_two=make("pages", page=2),
            many=make("show15", many=["a", "b"]),
            static=make("static", filename="folder/inner.css"),
            blueprint=make("shop.index"),
            nested=make("shop.cart.show", n=3),
            built=make("built"),
        )

    @kit.route("/url-missing")
    def url_missing() -> str:
        return str(flask.url_for("hello2"))


def blueprints(kit: Kit) -> None:
    flask = kit.flask
    log = kit.app.extensions["log"] = []
    shop = flask.Blueprint("shop", "parity_app", url_prefix="/shop", root_path=str(HERE))
    cart = flask.Blueprint("cart", "parity_app", url_prefix="/cart", root_path=str(HERE))

    def note(name: str) -> Function:
        def hook(*arguments: Any) -> Any:
            log.append(name)
            return arguments[0] if name.startswith("after") else None

        return kit.wrap(hook)

    for scope, prefix in ((kit.app, "app"), (shop, "shop"), (cart, "cart")):
        for turn in ("1", "2"):
            scope.before_request(note(f"before {prefix} {turn}"))
            scope.after_request(note(f"after {prefix} {turn}"))
            scope.teardown_request(note(f"teardown {prefix} {turn}"))
    kit.app.teardown_appcontext(note("teardown context"))

    @kit.app.url_value_preprocessor
    def language(endpoint: str | None, values: dict[str, Any] | None) -> None:
        flask.g.language = (values or {}).pop("language", "none")

    @kit.route("/log", methods=["GET", "DELETE"])
    def show_log() -> Any:
        seen = [*log] if flask.request.method == "GET" else []
        log.clear()
        return flask.jsonify(seen)

    @kit.route("/", on=shop)
    def index() -> str:
        log.append("view")
        return "shop"

    @kit.route("/fail", on=shop)
    def fail() -> str:
        return str(flask.abort(409, "shop is closed"))

    @kit.route("/missing", on=shop)
    def missing() -> str:
        return str(flask.abort(404))

    @kit.route("/<int:n>", on=cart)
    def show(n: int) -> Any:
        request = flask.request
        return flask.jsonify(n=n, endpoint=request.endpoint, blueprint=request.blueprint, all=request.blueprints)

    @kit.route("/missing", on=cart)
    def cart_missing() -> str:
        return str(flask.abort(404))

    @kit.route("/in/<language>/words")
    def words() -> str:
        return f"language {flask.g.language}"

    shop.register_error_handler(404, kit.wrap(lambda error: ("shop has no such thing", 404)))
    shop.register_error_handler(Conflict, kit.wrap(lambda error: (f"conflict: {error.description}", 409)))
    shop.register_blueprint(cart)
    kit.app.register_blueprint(shop)
    kit.app.register_blueprint(shop, url_prefix="/second", name="second")


# --- what the request says


def echoes(kit: Kit) -> None:
    flask = kit.flask
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]

    @kit.route("/echo/url", methods=methods)
    @kit.route("/echo/url/<path:rest>", methods=methods)
    def echo_url(rest: str | None = None) -> Any:
        request = flask.request
        names = (
            "method path full_path url base_url root_url url_root root_path script_root host host_url scheme is_secure"
            " remote_addr endpoint blueprint blueprints view_args"
        )
        shown = {name: getattr(request, name) for name in names.split()}
        shown["query_string"] = request.query_string.decode("latin-1")
        shown["args"] = {key: request.args.getlist(key) for key in request.args}
        shown["rule"] = str(request.url_rule)
        return flask.jsonify(shown)

    @kit.route("/echo/headers", methods=methods)
    def echo_headers() -> Any:
        request = flask.request
        plain = (
            "mimetype mimetype_params content_type content_length content_encoding content_md5 referrer origin"
            " max_forwards is_json if_modified_since if_unmodified_since date cookies access_control_request_method"
        )
        shown = {name: getattr(request, name) for name in plain.split()}
        rich = (
            "accept_mimetypes accept_charsets accept_encodings accept_languages cache_control if_match if_none_match"
            " if_range range pragma user_agent access_control_request_headers"
        )
        shown |= {name: str(getattr(request, name)) for name in rich.split()}
        shown["best"] = request.accept_mimetypes.best_match(["text/html", "application/json"])
        shown["route"] = list(request.access_route)
        shown["x"] = request.headers.getlist("X-Test")
        shown["names"] = sorted(name for name, _ in request.headers)
        authorization = request.authorization
        if authorization is not None:
            shown["auth"] = [authorization.type, authorization.parameters, authorization.token]
        return flask.jsonify(shown)

    @kit.route("/echo/body", methods=methods)
    def echo_body() -> Any:
        request = flask.request
        uploads = [(key, file.filename, file.mimetype, file.read()) for key, file in request.files.items(multi=True)]
        return flask.jsonify(
            form={key: request.form.getlist(key) for key in request.form},
            values={key: request.values.getlist(key) for key in request.values},
            files=[(*start, len(data), hashlib.sha1(data).hexdigest()) for *start, data in uploads],
            data=request.data.decode("latin-1"),
        )


def bodies(kit: Kit) -> None:
    flask = kit.flask
    methods = ["GET", "POST"]

    def body_route(rule: str, read: Function) -> None:
        kit.app.add_url_rule(rule, "body_" + rule.strip("/"), kit.wrap(lambda: read(flask.request)), methods=methods)

    body_route("/json", lambda request: flask.jsonify(request.get_json()))
    body_route("/json-property", lambda request: flask.jsonify(request.json))
    body_route("/json-silent", lambda request: flask.jsonify(got=request.get_json(silent=True)))
    body_route("/json-force", lambda request: flask.jsonify(request.get_json(force=True)))
    body_route("/json-key", lambda request: request.json["name"])
    body_route("/form-key", lambda request: request.form["name"])
    body_route("/args-key", lambda request: request.args["name"])
    body_route("/args-int", lambda request: repr(request.args.get("n", 7, type=int)))
    body_route("/file-key", lambda request: request.files["upload"].filename)
    body_route("/data", lambda request: request.get_data())
    body_route("/text", lambda request: request.get_data(as_text=True))
    body_route("/stream", lambda request: request.stream.read())
    body_route("/lines", lambda request: flask.jsonify([line.decode("latin-1") for line in request.stream]))
    body_route("/data-then-form", lambda request: flask.jsonify(len(request.get_data()), dict(request.form)))
    body_route("/form-then-data", lambda request: flask.jsonify(dict(request.form), len(request.get_data())))
    body_route("/unread", lambda request: "did not look")


# --- what views return


def returns(kit: Kit) -> None:
    flask = kit.flask
    kinds: dict[str, Function] = {
        "str": lambda: "text \u2603",
        "empty": lambda: "",
        "bytes": lambda: b"\x00\xff",
        "bytearray": lambda: bytearray(b"array"),
        "dict": lambda: {"b": [1, None, True], "a": "\u2603"},
        "list": lambda: [1, {"x": 2}],
        "generator": lambda: (piece for piece in ("a", "b", "\u2603")),
        "iterator": lambda: iter([b"x", b"y"]),
        "status": lambda: ("made", 201),
        "status-text": lambda: ("tea", "418 Short and stout"),
        "headers": lambda: ("body", {"X-One": "1", "Content-Type": "text/x-own"}),
        "header-list": lambda: ("body", [("X-One", "1"), ("X-One", "2")]),
        "three": lambda: ({"a": 1}, 202, {"X-One": "1"}),
        "no-content": lambda: ("", 204),
        "not-modified": lambda: ("", 304),
        "response": lambda: flask.Response("own", 203, {"X-Own": "yes"}, mimetype="text/css"),
        "response-tuple": lambda: (flask.Response("own", headers={"X-Own": "a"}), 202, {"X-Own": "b"}),
        "make": lambda: flask.make_response(("made", 206, {"X-Made": "1"})),
        "make-empty": lambda: flask.make_response(),
        "jsonify-args": lambda: flask.jsonify(1, 2),
        "jsonify-types": lambda: flask.jsonify(when=MOMENT, day=MOMENT.date(), u=__import__("uuid").UUID(int=5)),
        "jsonify-bad": lambda: flask.jsonify(object()),
        "exception": lambda: Conflict("returned"),
        "wsgi": lambda: wsgi_teapot,
        "none": lambda: None,
        "int": lambda: 3,
        "none-body": lambda: (None, 200),
        "four": lambda: ("a", 200, {}, "d"),
        "set": lambda: {1},
        "header-crlf": lambda: ("x", {"X-Bad": "a\r\nb: c"}),
        "header-latin": lambda: ("x", {"X-Latin": "caf\xe9"}),
        "object": lambda: object(),
        "status-over-599": lambda: ("odd", 777),
        "missing-header": lambda: flask.request.headers["X-Missing"],
    }
    for name, make in kinds.items():
        kit.answer(f"/return/{name}", make, methods=["GET", "POST"])


def wsgi_teapot(environ: dict[str, Any], start_response: Function) -> list[bytes]:
    start_response("418 I'm a teapot", [("Content-Type", "text/plain"), ("X-Path", environ["PATH_INFO"])])
    return [b"short ", b"and stout"]


class AppError(Exception):
    """Has a handler."""


class SpecialError(AppError):
    """Has a handler of its own."""


class OtherError(AppError):
    """Handled as an AppError."""


def errors(kit: Kit) -> None:
    flask = kit.flask

    @kit.route("/abort/<int:code>")
    def abort(code: int) -> str:
        return str(flask.abort(code))

    @kit.route("/abort-text/<int:code>")
    def abort_text(code: int) -> str:
        return str(flask.abort(code, description="because <b> & 'c'"))

    def throw(error: Function) -> Function:
        def make() -> None:
            raise error()

        return make

    thrown: dict[str, Function] = {
        "app": lambda: AppError("app"),
        "special": lambda: SpecialError("special"),
        "other": lambda: OtherError("other"),
        "zero": lambda: ZeroDivisionError("by zero"),
        "key": lambda: KeyError("missing"),
        "retry": lambda: TooManyRequests("slow down", retry_after=30),
        "unauthorized": lambda: Unauthorized(),
        "bare": lambda: HTTPException("bare"),
        "response": lambda: HTTPException(response=flask.Response("in the exception", 417)),
        "failing-handler": lambda: FloatingPointError("handled badly"),
        "unicode": lambda: UnicodeError("\u2603"),
    }
    for name, make in thrown.items():
        kit.answer(f"/raise/{name}", throw(make))
    kit.answer("/abort-response", lambda: flask.abort(flask.Response("aborted", 402)))
    kit.app.register_error_handler(AppError, kit.wrap(lambda error: (f"app error {error}", 400)))
    kit.app.register_error_handler(SpecialError, kit.wrap(lambda error: flask.jsonify(special=str(error))))
    kit.app.register_error_handler(422, kit.wrap(lambda error: (f"handled {error.code}", 499, {"X-Handler": "422"})))
    kit.app.register_error_handler(FloatingPointError, kit.wrap(lambda error: 1 // 0))


# --- responses


def responses(kit: Kit) -> None:
    flask = kit.flask

    @kit.route("/redirect")
    def redirect() -> Any:
        args = flask.request.args
        return flask.redirect(args.get("to", "/hello"), int(args.get("code", 302)))

    def cookie(**options: Any) -> Function:
        def make() -> Any:
            response = flask.make_response("cookie")
            response.set_cookie(**options)
            return response

        return make

    kit.answer("/cookie/plain", cookie(key="a", value="1"))
    kit.answer("/cookie/odd", cookie(key="odd", value='a b;"c"\u2603,'))
    kit.answer("/cookie/empty", cookie(key="empty"))
    every = {"max_age": 60, "path": "/x", "domain": "example.com", "secure": True, "httponly": True, "samesite": "Lax"}
    kit.answer("/cookie/all", cookie(key="all", value="v", partitioned=True, **every))
    kit.answer("/cookie/expires", cookie(key="e", value="v", expires=MOMENT))
    kit.answer("/cookie/age", cookie(key="e", value="v", max_age=timedelta(hours=1)))

    def two() -> Any:
        response = flask.make_response("two")
        response.set_cookie("one", "1")
        response.delete_cookie("two", path="/p")
        return response

    kit.answer("/cookie/two", two)

    def conditional() -> Any:
        response = flask.make_response("conditional body")
        response.last_modified = MOMENT
        response.cache_control.public = True
        response.cache_control.max_age = 10
        response.vary.add("Accept")
        response.add_etag()
        return response.make_conditional(flask.request, accept_ranges=True, complete_length=16)

    kit.answer("/conditional", conditional, methods=["GET", "POST"])

    def weak() -> Any:
        response = flask.make_response("weak")
        response.set_etag("w1", weak=True)
        return response.make_conditional(flask.request)

    kit.answer("/weak", weak)

    def dressed() -> Any:
        response = flask.make_response("dressed")
        response.headers.add("Link", "</a>; rel=next")
        response.headers.add("Link", "</b>; rel=prev")
        response.content_language.add("en")
        response.location = "/relative?q=caf\xe9"
        response.status_code = 201
        response.mimetype_params["charset"] = "latin-1"
        response.access_control_allow_origin = "*"
        response.www_authenticate = WWWAuthenticate("basic", {"realm": 'the "realm"'})
        return response

    kit.answer("/dressed", dressed)

    def after_this() -> str:
        @flask.after_this_request
        def add(response: Any) -> Any:
            response.headers["X-After"] = "this"
            return response

        return "after"

    kit.answer("/after-this", after_this)


def files(kit: Kit) -> None:
    flask = kit.flask
    static = HERE / "static"

    def bytes_io() -> Any:
        return flask.send_file(io.BytesIO(b"0123456789"), mimetype="text/plain", last_modified=MOMENT, etag="ten")

    kit.answer("/send/bytes", bytes_io, methods=["GET", "POST"])
    kit.answer("/send/path", lambda: flask.send_file(static / "hello.txt"))
    kit.answer("/send/relative", lambda: flask.send_file("static/hello.txt", max_age=60))
    kit.answer("/send/attached", lambda: flask.send_file(static / "hello.txt", as_attachment=True))
    kit.answer(
        "/send/named",
        lambda: flask.send_file(static / "hello.txt", as_attachment=True, download_name='\u2603 na\xefve "q".txt'),
    )
    kit.answer("/send/plain", lambda: flask.send_file(static / "hello.txt", conditional=False, etag=False))
    kit.answer("/send/missing", lambda: flask.send_file(static / "nothing.txt"))
    kit.answer("/send/no-type", lambda: flask.send_file(io.BytesIO(b"x")))

    @kit.route("/from/<path:name>")
    def from_directory(name: str) -> Any:
        return flask.send_from_directory("static", name)


def sessions(kit: Kit) -> None:
    flask = kit.flask
    app = kit.app

    @kit.route("/session/set/<key>/<value>")
    def session_set(key: str, value: str) -> str:
        flask.session[key] = value
        return "set"

    @kit.route("/session/get/<key>")
    def session_get(key: str) -> str:
        return repr(flask.session.get(key))

    @kit.route("/session/pop/<key>")
    def session_pop(key: str) -> str:
        return repr(flask.session.pop(key, None))

    def count() -> str:
        flask.session["count"] = flask.session.get("count", 0) + 1
        return str(flask.session["count"])

    def permanent() -> str:
        flask.session.permanent = True
        flask.session["stays"] = True
        return "permanent"

    def rich() -> str:
        flask.session["rich"] = {"when": MOMENT, "raw": b"\x00\xff", "pair": (1, 2), "markup": Markup("<b>"), " t": 1}
        return "rich"

    def nested() -> str:
        flask.session.setdefault("list", []).append(1)
        return repr(flask.session["list"])

    kit.answer("/session/count", count)
    kit.answer("/session/permanent", permanent)
    kit.answer("/session/rich", rich)
    kit.answer("/session/nested", nested)
    kit.answer("/session/clear", lambda: flask.session.clear() or "cleared")
    kit.answer("/session/all", lambda: repr(sorted(flask.session.items(), key=str)))
    kit.answer("/session/new", lambda: f"{flask.session.new} {flask.session.modified}")
    kit.answer("/session/failing", lambda: flask.session.update(x=1) or 1 // 0)
    kit.answer("/flash/add", lambda: flask.flash("one") or flask.flash("two <b>", "warning") or "flashed")
    kit.answer("/flash/show", lambda: flask.jsonify(flask.get_flashed_messages(with_categories=True)))
    kit.answer("/flash/filter", lambda: flask.jsonify(flask.get_flashed_messages(category_filter=["warning"])))
    app.permanent_session_lifetime = timedelta(days=2)


def streams(kit: Kit) -> None:
    flask = kit.flask

    def numbers() -> Any:
        for number in range(5):
            yield f"{number}\n"

    def breaking() -> Any:
        yield "before\n"
        raise RuntimeError("in mid-stream")

    def with_context() -> Any:
        def produce() -> Any:
            yield "path "
            yield flask.request.path
            yield " " + flask.request.args.get("q", "-")

        return flask.Response(flask.stream_with_context(produce()), mimetype="text/plain")

    kit.answer("/stream/numbers", lambda: flask.Response(numbers(), mimetype="text/plain"), methods=["GET", "POST"])
    kit.answer("/stream/sized", lambda: flask.Response(numbers(), headers={"Content-Length": "10"}))
    kit.answer("/stream/breaking", lambda: flask.Response(breaking(), mimetype="text/plain"))
    kit.answer("/stream/context", with_context)
    kit.answer("/stream/bytes", lambda: flask.Response((bytes([n]) for n in range(3)), mimetype="application/x-own"))
    kit.answer("/stream/empty", lambda: flask.Response(iter(()), mimetype="text/plain"))
    kit.answer("/stream/empty-pieces", lambda: flask.Response(iter(["", "a", "", "b", ""])))


def templates(kit: Kit) -> None:
    flask = kit.flask
    kit.app.context_processor(lambda: {"colour": "blue & green"})
    kit.app.add_template_filter(lambda text: text[::-1], "backwards")
    kit.answer("/template/list", lambda: flask.render_template("list.html", title="<T>", items=["a", "<b>"]))
    kit.answer("/template/text", lambda: flask.render_template("plain.txt", name="<n>"))
    kit.answer("/template/missing", lambda: flask.render_template("missing.html"))
    source = "{{ 'abc'|backwards }} {{ config['SECRET_KEY'] }} {{ session.get('x') }} {{ url_for('hello') }}"
    source += " {{ g.language }} {{ request.method }} {{ colour }}"
    kit.answer("/template/string", lambda: flask.render_template_string(source))
    kit.answer("/template/stream", lambda: flask.stream_template("list.html", title="s", items=range(3)))


# --- other flavours


def limited(flask: Any, wrap: Callable[[Function], Function]) -> Any:
    """Small limits for bodies."""
    kit = bare(flask, wrap)
    kit.app.config.update(MAX_CONTENT_LENGTH=1000, MAX_FORM_MEMORY_SIZE=600, MAX_FORM_PARTS=3)
    echoes(kit)
    bodies(kit)
    kit.app.register_error_handler(413, wrap(lambda error: (f"too large: {error.description}", 413)))
    return kit.app


def handled(flask: Any, wrap: Callable[[Function], Function]) -> Any:
    """Handlers for everything, and hooks that answer, fail or change the response."""
    kit = bare(flask, wrap)
    app = kit.app

    def before() -> Any:
        args = flask.request.args
        if "stop" in args:
            return "stopped", 202
        if "fail-before" in args:
            raise LookupError("before")
        if "abort-before" in args:
            flask.abort(403)
        return None

    def after(response: Any) -> Any:
        if "fail-after" in flask.request.args:
            raise LookupError("after")
        response.headers["X-After"] = str(response.status_code)
        return response

    app.before_request(wrap(before))
    app.after_request(wrap(after))
    app.register_error_handler(HTTPException, wrap(lambda error: (f"http {error.code} {error.name}", error.code)))
    app.register_error_handler(404, wrap(lambda error: ({"missing": flask.request.path}, 404)))
    app.register_error_handler(LookupError, wrap(lambda error: (f"lookup {error}", 400)))

    def server_error(error: Any) -> Any:
        return f"500 for {type(error.original_exception).__name__ if error.original_exception else None}", 500

    app.register_error_handler(500, wrap(server_error))
    kit.answer("/fine", lambda: "fine")
    kit.answer("/slash/", lambda: "slash")
    kit.answer("/zero", lambda: 1 // 0)
    kit.answer("/lookup", lambda: {}["x"])
    kit.answer("/teapot", lambda: flask.abort(418))
    kit.answer("/500", lambda: flask.abort(500))
    kit.answer("/none", lambda: None)
    return app


def hosts(flask: Any, wrap: Callable[[Function], Function]) -> Any:
    """Rules for hosts."""
    kit = bare(flask, wrap, host_matching=True, static_host="static.example.com")
    kit.answer("/", lambda: "first", host="one.example.com")
    kit.app.add_url_rule("/", "user", wrap(lambda user: f"user {user}"), host="<user>.people.example.com")
    kit.app.add_url_rule("/deep/", "deep", wrap(lambda: flask.url_for("user", user="x")), host="one.example.com:8080")
    return kit.app


def subdomains(flask: Any, wrap: Callable[[Function], Function]) -> Any:
    """Rules for subdomains of a server name."""
    kit = bare(flask, wrap, subdomain_matching=True)
    kit.app.config["SERVER_NAME"] = "example.com"
    kit.answer("/", lambda: "top " + flask.url_for("api"))
    kit.app.add_url_rule("/", "api", wrap(lambda: "api " + flask.url_for("user", user="u")), subdomain="api")
    kit.app.add_url_rule("/me/", "user", wrap(lambda user: f"user {user}"), subdomain="<user>")
    return kit.app


def trusting(flask: Any, wrap: Callable[[Function], Function]) -> Any:
    """Only some hosts are trusted, and no secret is set."""
    kit = bare(flask, wrap)
    kit.app.config.update(TRUSTED_HOSTS=["good.example", ".wide.example"], SECRET_KEY=None)
    kit.app.register_error_handler(400, wrap(lambda error: ("handled", 400)))
    kit.answer("/", lambda: flask.request.host)
    kit.answer("/write-session", lambda: flask.session.update(a=1) or "written")
    kit.answer("/read-session", lambda: repr(flask.session.get("a")))
    return kit.app


def configured(flask: Any, wrap: Callable[[Function], Function]) -> Any:
    """Cookie settings, another root, and URLs outside of Flask's defaults."""
    kit = bare(flask, wrap, static_url_path="/files", static_folder="static")
    kit.app.config.update(
        SESSION_COOKIE_NAME="sid",
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_PATH="/area",
        SESSION_REFRESH_EACH_REQUEST=False,
        SECRET_KEY_FALLBACKS=["a fixed secret"],
        SECRET_KEY="a newer secret",
        SEND_FILE_MAX_AGE_DEFAULT=120,
        TRAP_BAD_REQUEST_ERRORS=True,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    kit.app.json.sort_keys = False
    kit.app.json.compact = False
    kit.app.url_map.strict_slashes = False
    sessions(kit)
    kit.answer("/slash/", lambda: "slash")
    kit.answer("/json", lambda: {"b": 1, "a": [1, 2]})
    kit.answer("/key", lambda: flask.request.args["missing"])
    return kit.app


def unseen(flask: Any, wrap: Callable[[Function], Function]) -> Any:
    """No hook or handler, so that nothing sees a request that no view is for."""
    kit = bare(flask, wrap)
    kit.app.add_url_rule("/hello", "hello", wrap(lambda: "hello"))
    kit.app.add_url_rule("/hello", "posted", wrap(lambda: "posted"), methods=["POST"])
    kit.answer("/slash/", lambda: "slash", methods=["GET", "PUT"])
    kit.answer("/loose/", lambda: "loose", strict_slashes=False)
    kit.answer("/once/", lambda: "once", merge_slashes=False)
    kit.answer("/plain-options", lambda: "x", provide_automatic_options=False)
    kit.answer("/m-search", lambda: "x", methods=["M-SEARCH", "GET"])
    kit.app.add_url_rule("/user/<int:n>", "user", wrap(lambda n: f"user {n}"))
    kit.app.add_url_rule("/user/<name>/", "named", wrap(lambda name: f"user {name}"), methods=["GET", "DELETE"])
    kit.app.add_url_rule("/moved", "moved", redirect_to="/hello")
    kit.app.add_url_rule("/person/<int:n>", "user", alias=True)
    go = {
        "hello": lambda: flask.redirect(flask.url_for("hello")),
        "user": lambda: flask.redirect(flask.url_for("user", n=7, q="a&'b", _anchor="x"), 303),
        "named": lambda: flask.redirect(flask.url_for("named", name="é/ x", _external=True)),
        "secure": lambda: flask.redirect(flask.url_for("hello", _scheme="https", _external=True), 301),
        "nowhere": lambda: flask.redirect(flask.url_for("nowhere")),
        "missing": lambda: flask.abort(404),
        "forbidden": lambda: flask.abort(403),
        "told": lambda: flask.abort(403, "not <you>"),
        "methods": lambda: flask.abort(405, valid_methods=["GET", "PUT"]),
        "response": lambda: flask.abort(flask.Response("own", 410)),
        "login": lambda: flask.abort(401, www_authenticate=WWWAuthenticate("basic", {"realm": "x"})),
    }
    for name, view in go.items():
        kit.answer(f"/go/{name}", view)
    return kit.app


FLAVOURS: dict[str, Callable[[Any, Callable[[Function], Function]], Any]] = {
    "main": main,
    "limited": limited,
    "handled": handled,
    "hosts": hosts,
    "subdomains": subdomains,
    "trusting": trusting,
    "configured": configured,
    "unseen": unseen,
}
