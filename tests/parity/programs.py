"""Small programs put together by chance, as plain data: what they are made of, and how they are built for a framework.

Views and hooks do a few steps each. A probe is an expression, whose value or error is noted; an act is a statement,
whose error is the function's. What a function ends with is named, too: `ends` has what the names stand for.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from werkzeug import exceptions
from werkzeug.wrappers import Response as WerkzeugResponse

from .cases import FORM, JSON
from .raw import Raw

HERE = Path(__file__).parent
Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
Notes = list[Any]


class Base(Exception):
    pass


class Special(Base):
    pass


class Teapot(exceptions.HTTPException):
    code = 418


ERRORS = (Base, Special, Teapot, KeyError, ValueError, exceptions.NotFound, exceptions.HTTPException, Exception)

PROBES = """
    request.method # request.full_path # request.url # request.root_url # request.host # request.scheme
    request.query_string # request.args # request.form # request.values # sorted(request.files) # request.data
    request.get_data(as_text=True) # request.get_data(cache=False) # request.stream.read(3) # request.stream.read()
    request.json # request.get_json(silent=True) # request.get_json(force=True) # request.is_json # request.mimetype
    request.mimetype_params # request.content_length # request.endpoint # request.blueprints # request.view_args
    repr(request.routing_exception) # request.cookies # request.headers.getlist("X-A") # sorted(request.headers)
    request.authorization # request.accept_mimetypes # request.accept_languages.best # request.if_none_match
    request.if_modified_since # request.range # request.cache_control # request.access_route
    request.environ["PATH_INFO"] # request.environ.get("QUERY_STRING")
    request.environ.get("CONTENT_LENGTH") # request.environ.get("HTTP_X_A") # request.args["missing"]
    request.form["missing"] # request.args.get("n", type=int) # request.files["up"].read() # request.nothing
    dict(session) # session.permanent # session.new # session.modified # session.get("k") # session["missing"]
    type(session).__name__ # g.get("x") # sorted(g) # get_flashed_messages(True) # current_app.name
    url_for("v0") # url_for("v1", x=1, _anchor="é", _external=True) # url_for(".v1") # url_for("b1.v1", a="a/b", b=2)
    url_for("static", filename="a b") # url_for("v0", _scheme="https") # url_for("nothing")
    render_template_string("{{ request.path }} {{ session.k }} {{ g.x }} {{ extra }}") # jsonify(a="é").get_data()
""".replace("\n", "#")

ACTS = """
    session["k"] = 1 # session.clear() # session.permanent = True # session.modified = True # session["t"] = (1, b"x")
    session["bad"] = object() # session.pop("k", None) # session["long"] = "x" * 5000 # g.x = g.get("x", 0) + 1
    flash("m") # flash("n", "kind") # request.max_content_length = 5 # request.view_args = {} # 1 / 0
    after_this_request(lambda r: r.headers.add("X-Later", str(session.get("k"))) or r)
    after_this_request(lambda r: make_response("another", 202)) # current_app.logger.warning("of %s", request.path)
    request.get_data() # request.form # request.get_json() # url_for("nothing") # abort(403)
""".replace("\n", "#")

NAMES = """
    abort after_this_request current_app flash g get_flashed_messages jsonify make_response render_template_string
    request session url_for
""".split()

RULES = """
    / /a /a/ /v/<int:a> /s/<a> /p/<path:a> /f/<float:a> /u/<uuid:a> /any/<any(x,yy):a> /two/<string(length=2):a>
    /x/<a>/<int:b> /x/<a>/ /a/b /é/<a> /<a> /<path:a> /signed/<int(signed=True):a>
"""
UUID = "00000000-0000-0000-0000-000000000001"
SEGMENTS = [*"x 1 42 007 -3 1.5 a%20b %C3%A9 %FF yy ab a+b .. %25 a;b".split(), UUID]
QUERIES = ["", "", "", "a=1&a=2&n=5", "a=%FF&b", "n=x", "&&=&a", "a=a+b%20c"]
HEADERS = [
    *(("X-A", value) for value in ("1", "a, b", "")),
    *(("Accept", value) for value in ("application/json", "text/html;q=0.5, */*;q=0.1")),
    *(("Range", value) for value in ("bytes=0-3", "bytes=-3", "bytes=50-", "bytes=3-1", "items=0-1")),
    *(("If-None-Match", value) for value in ("*", '"tag"')),
    *(("If-Modified-Since", value) for value in ("Wed, 01 Jan 2031 00:00:00 GMT", "garbage")),
    *(("Cookie", value) for value in ("c=1", 'c="a b"; d=%C3%A9; c=2', "session=bad", "=x; y; ;z==")),
    *(("Authorization", value) for value in ("Basic YTpi", "Basic ///", "Bearer x")),
    *(("Accept-Language", "de, en;q=0.5"), ("X-Forwarded-For", "1.2.3.4"), ("Host", "example.com:81")),
]
PART = b'--bbb\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
UPLOAD = b'--bbb\r\nContent-Disposition: form-data; name="up"; filename="f.txt"\r\n\r\nfile\r\n'
MULTIPART = (("Content-Type", "multipart/form-data; boundary=bbb"),)
BODIES: list[tuple[tuple[tuple[str, str], ...], bytes]] = [
    *((JSON, body) for body in (b'{"x": 1}', b'{"x":', b"", b'"\xff"', b"null", b"NaN", b'\xef\xbb\xbf{"x": 1}')),
    *((FORM, body) for body in (b"a=1&b=2&a=3", b"a=%FF&%C3%A9=%E2%98%83", b"missing=here", b"a=" + b"x" * 400)),
    *((MULTIPART, body + b"--bbb--\r\n") for body in (b"", PART % (b"a", b"1") * 4, UPLOAD + PART % (b"t", b"\xff"))),
    *(((), b"no type"), ((("Content-Type", "text/plain"),), b"plain")),
]
CONFIG: dict[str, list[Any]] = {
    "DEBUG": [True],
    "TRAP_HTTP_EXCEPTIONS": [True],
    "TRAP_BAD_REQUEST_ERRORS": [True],
    "PROPAGATE_EXCEPTIONS": [False],
    "MAX_CONTENT_LENGTH": [0, 5, 100],
    "MAX_FORM_PARTS": [1, 3],
    "SERVER_NAME": ["localhost", "example.com:81"],
    "APPLICATION_ROOT": ["/app"],
    "PREFERRED_URL_SCHEME": ["https"],
    "SESSION_COOKIE_DOMAIN": ["example.com", False],
    "SESSION_COOKIE_SAMESITE": ["Lax", "bad"],
    "SESSION_REFRESH_EACH_REQUEST": [False],
    "SECRET_KEY": [None],
    "PROVIDE_AUTOMATIC_OPTIONS": [False],
    "SEND_FILE_MAX_AGE_DEFAULT": [5],
}
METHODS = ["GET"] * 6 + ["POST"] * 6 + ["HEAD", "OPTIONS", "PUT", "BREW"]
BEFORE = ["nothing"] * 8 + ["text", "tuple", "raise", "abort", "redirect", "int", "empty"]
AFTER = ["given"] * 8 + ["data", "status code", "cookie", "another", "raise", "abort"]
HANDLER = ["given", "text", "tuple", "dict", "nothing", "raise given", "raise", "abort", "stream", "wsgi"]
PREFIXES = [None, "/b", "/b/", "/p/<pa>", "/"]


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split("#") if word.strip()]


def ends(kit: Any, notes: Notes) -> dict[str, Callable[[Any], Any]]:
    """Return what functions may end with, by name; each is called with what the function was given."""

    def raising(error: Any) -> Any:
        raise error

    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("211 Own", [("Content-Type", "text/plain"), ("X-Own", environ["REQUEST_METHOD"])])
        return [b"own"]

    def stream(*pieces: Any) -> Iterable[Any]:
        notes.append("stream begins")
        try:
            yield from pieces
        finally:
            notes.append("stream ends")

    def changed(response: Any, **attributes: Any) -> Any:
        for name, value in attributes.items():
            setattr(response, name, value)
        return response

    def with_cookie(response: Any, **options: Any) -> Any:
        response.set_cookie("own", 'a "b";c,é', **options)
        return response

    def of_bytes(**options: Any) -> Any:
        return kit.send_file(io.BytesIO(b"0123456789"), mimetype="text/plain", **options)

    return {
        "nothing": lambda given: None,
        "given": lambda given: given,
        "text": lambda given: "text é",
        "empty": lambda given: "",
        "bytes": lambda given: b"\xff",
        "int": lambda given: 3,
        "set": lambda given: {1},
        "dict": lambda given: {"b": [None, 1.5], "a": "é"},
        "dict of numbers": lambda given: {1: 2, 3: {4: 5}},
        "dict of objects": lambda given: {"a": object},
        "list": lambda given: [1, {"z": 1, "a": 2}],
        "tuple": lambda given: ("text", 207, {"X-Tuple": "yes"}),
        "pairs": lambda given: ("text", [("X-Pair", "1"), ("X-Pair", "2"), ("Content-Type", "a/b")]),
        "status": lambda given: ("text", "299 Odd"),
        "no body": lambda given: (None, 204),
        "four": lambda given: ("text", 200, {}, 1),
        "line break": lambda given: ("text", {"X-A": "a\nb"}),
        "response": lambda given: kit.Response(["a", b"b"], 209, {"X-Made": "yes"}),
        "response, tuple": lambda given: (kit.Response("a", content_type="x/y"), 201, {"Content-Type": "z/w"}),
        "another's": lambda given: WerkzeugResponse("another's", 210),
        "no content": lambda given: kit.Response("body", 204),
        "not modified": lambda given: kit.Response("body", 304),
        "wsgi": lambda given: wsgi,
        "error": lambda given: exceptions.Conflict("returned"),
        "stream": lambda given: stream("a", b"b", ""),
        "stream, tuple": lambda given: (stream("a"), 203, {"X-Stream": "yes"}),
        "stream fails": lambda given: stream("a", 1),
        "redirect": lambda given: kit.redirect("/é?q=ü&a=b c", 303),
        "jsonify": lambda given: kit.jsonify(1, "b"),
        "file": lambda given: kit.send_file("static/hello.txt", max_age=60),
        "bytes as file": lambda given: of_bytes(etag="tag", last_modified=1_600_000_000),
        "attachment": lambda given: of_bytes(as_attachment=True, download_name="é.txt"),
        "no file": lambda given: kit.send_from_directory("static", "../cases.py"),
        "template": lambda given: kit.render_template_string("{{ a }} {{ request.method }} {{ extra }}", a="<"),
        "no template": lambda given: kit.render_template("nothing.html"),
        "made": lambda given: kit.make_response("text", 404, {"X-Made": "yes"}),
        "made of nothing": lambda given: kit.make_response(None),
        "abort": lambda given: kit.abort(418, "no <b>"),
        "abort, response": lambda given: kit.abort(kit.Response("aborted", 214)),
        "abort 999": lambda given: kit.abort(999),
        "raise": lambda given: raising(Special("raised")),
        "raise given": raising,
        "raise HTTP": lambda given: raising(exceptions.RequestedRangeNotSatisfiable(length=9)),
        "missing key": lambda given: kit.request.form["missing"],
        "form": lambda given: dict(kit.request.form),
        "json": lambda given: {"got": kit.request.get_json()},
        "lines": lambda given: str([*kit.request.stream]),
        "view arguments": lambda given: repr(kit.request.view_args),
        "data": lambda given: given.set_data("data") or given,
        "another": lambda given: kit.make_response("another", 230),
        "status code": lambda given: changed(given, status_code=231),
        "cookie": lambda given: with_cookie(kit.make_response(given or "text"), max_age=5, path="/p"),
    }


OF_GIVEN = {"given", "raise given", "data", "status code"}
VIEW = sorted(ends(None, []).keys() - OF_GIVEN)


@dataclass(frozen=True)
class Function:
    """A view, a hook or an error handler.

    Args:
        owner: the blueprint's number; None for the application.
        kind: what it is registered as: a decorator's name, a code, a class of errors, or a rule.
        steps: probes and acts, in order.
        end: what it ends with.
        options: of a rule.
    """

    owner: int | None
    kind: Any
    steps: tuple[str, ...]
    end: str
    options: dict[str, Any] = field(default_factory=dict)


class Program:
    """What a program is made of, and the requests to it, chosen by chance."""

    def __init__(self, random: Random) -> None:
        self._random = random
        chosen = random.sample(sorted(CONFIG), random.choice([0, 0, 1, 2]))
        self.config = {name: random.choice(CONFIG[name]) for name in chosen}
        self.prefixes = [random.choice(PREFIXES) for _ in range(random.choice([0, 1, 2]))]
        self.nested = random.random() < 0.5
        self.views = [self._view() for _ in range(random.choice([1, 2, 3]))]
        self.hooks = [self._hook() for _ in range(random.choice([0, 1, 2, 3]))]
        self.handlers = [self._handler() for _ in range(random.choice([0, 0, 1, 2]))]
        self.requests = [self._request() for _ in range(3)]

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in vars(self).items() if not name.startswith("_"))

    def _owner(self) -> int | None:
        return self._random.choice([None, *range(len(self.prefixes))])

    def _steps(self, most: int) -> tuple[str, ...]:
        tables = (words(PROBES), words(PROBES), words(ACTS))
        return tuple(self._random.choice(self._random.choice(tables)) for _ in range(self._random.randrange(most + 1)))

    def _view(self) -> Function:
        random = self._random
        options: dict[str, Any] = {}
        if random.random() < 0.6:
            options["methods"] = random.choice([["GET", "POST"], ["POST"], ["GET", "POST", "BREW"], ["OPTIONS", "GET"]])
        if random.random() < 0.1:
            options["defaults"] = {random.choice("abq"): random.choice([1, "x"])}
        if random.random() < 0.1:
            options["strict_slashes"] = False
        return Function(self._owner(), random.choice(RULES.split()), self._steps(3), random.choice(VIEW), options)

    def _hook(self) -> Function:
        random = self._random
        kinds = {"before_request": BEFORE, "after_request": AFTER, "teardown_request": ["nothing"]}
        kinds |= {"url_value_preprocessor": ["nothing", "abort"], "context_processor": ["dict"]}
        kind = random.choice(sorted(kinds))
        steps = self._steps(2)
        if kind == "teardown_request":  # ours all run, whatever one raises
            steps = tuple(step for step in steps if step not in ACT)
        return Function(self._owner(), kind, steps, random.choice(kinds[kind]))

    def _handler(self) -> Function:
        kind = self._random.choice([404, 405, 400, 500, 413, 418, *ERRORS])
        return Function(self._owner(), kind, self._steps(1), self._random.choice(HANDLER))

    def _request(self) -> Raw:
        random = self._random
        view = random.choice(self.views)
        owners = [] if view.owner is None else [*range(view.owner + 1)] if self.nested else [view.owner]
        path = "".join((self.prefixes[owner] or "").rstrip("/") for owner in owners) + view.kind.replace("é", "%C3%A9")
        path = re.sub("<[^>]*>", lambda match: self._segment(match[0]), path)
        if random.random() < 0.1:
            path = random.choice(["/nothing", "/static/hello.txt", "/static/nothing", path + "/", f"/a/{path}"])
        query, headers = random.choice(QUERIES), random.sample(HEADERS, random.choice([0, 0, 1, 2]))
        method = random.choice([*METHODS, *view.options.get("methods", ["GET"]) * 8])
        given, body = random.choice(BODIES) if method in ("POST", "PUT", "BREW") else ((), b"")
        headers = [*dict(headers).items(), *given]
        return Raw(method, f"{path}?{query}" if query else path, tuple(headers), body, random.choice([1, 3]))

    def _segment(self, variable: str) -> str:
        fitting = {"int": "42", "float": "1.5", "uuid": UUID, "any": "yy", "length": "ab"}
        known = [value for name, value in fitting.items() if name in variable]
        return self._random.choice(known or ["x"] if self._random.random() < 0.8 else SEGMENTS)


class Build:
    """A program built for one framework.

    Args:
        kit: the framework's module.
        wrap: what makes its functions `def` or `async def`.
        notes: where they tell what they see.
    """

    def __init__(self, kit: Any, program: Program, wrap: Wrap, notes: Notes) -> None:
        self._notes, self._wrap = notes, wrap
        self._ends = ends(kit, notes)
        self._names = {name: getattr(kit, name) for name in NAMES}
        self.app = kit.Flask("random_program", root_path=str(HERE))
        self.app.config.update({"SECRET_KEY": "key", **program.config})
        blueprints = [
            kit.Blueprint(f"b{number}", "random_program", url_prefix=prefix)
            for number, prefix in enumerate(program.prefixes)
        ]
        for number, view in enumerate(program.views):
            owner = self.app if view.owner is None else blueprints[view.owner]
            owner.add_url_rule(view.kind, f"v{number}", self._function(f"v{number}", view), **view.options)
        for number, hook in enumerate(program.hooks):
            owner = self.app if hook.owner is None else blueprints[hook.owner]
            wrapped = hook.kind not in ("url_value_preprocessor", "context_processor")
            getattr(owner, hook.kind)(self._function(f"h{number}", hook, wrapped))
        for number, handler in enumerate(program.handlers):
            owner = self.app if handler.owner is None else blueprints[handler.owner]
            owner.register_error_handler(handler.kind, self._function(f"e{number}", handler))
        if len(blueprints) == 2 and program.nested:
            blueprints[0].register_blueprint(blueprints[1])
        for blueprint in blueprints[: 1 if program.nested else None]:
            self.app.register_blueprint(blueprint)

    def _function(self, name: str, spec: Function, wrapped: bool = True) -> Callable[..., Any]:
        def run(*given: Any, **arguments: Any) -> Any:
            self._notes.append((name, *map(told, given), told(arguments)))
            for step in spec.steps:
                if step in ACT:
                    exec(step, self._names)
                    continue
                try:
                    self._notes.append((name, step, told(eval(step, self._names))))
                except Exception as error:
                    self._notes.append((name, step, type(error).__name__, told(str(error))))
            return self._ends[spec.end](given[0] if given else None)

        return self._wrap(run) if wrapped else run


ACT = frozenset(words(ACTS))


def told(value: Any) -> str:
    """Return what is compared of a value."""
    if hasattr(value, "get_wsgi_headers"):
        return f"{value.status} {value.content_type}"
    text = re.sub(" at 0x[0-9a-f]+", "", repr(value)).replace("Upload:", "FileStorage:").replace("asyncflask", "flask")
    return re.sub(r"(Working outside of [a-z]+ context)[^\"']*", r"\1", text)
