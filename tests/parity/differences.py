"""Where our answer is meant to differ from Flask's, and why. An entry that no longer differs fails the parity test."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .raw import Answer

ALL = frozenset({"status", "headers", "body"})


@dataclass(frozen=True)
class Difference:
    """What we answer instead.

    Args:
        reason: why Flask's answer is not the one to give.
        cases: names of the cases whose last answer differs.
        status: ours.
        says: what is found in our body.
        parts: exactly what differs, of "status", "headers", "body" and "cut".
        ways: where it does: "asgi", "wsgi".
    """

    reason: str
    cases: tuple[str, ...]
    status: int
    says: bytes = b""
    parts: frozenset[str] = ALL
    ways: frozenset[str] = frozenset({"asgi", "wsgi"})


ASGI = frozenset({"asgi"})

DIFFERENCES = (
    Difference(
        "A Host header that is no host name is refused. Flask goes on with an empty host and makes URLs without one.",
        tuple(f"GET /echo/url host {host}" for host in ("a b", "a/b", "x@y", "a\\b", "[::1", "a:b:c", "<x>")),
        400,
        b"400 Bad Request",
    ),
    Difference(
        "Host names come in ASCII over HTTP; international ones as punycode (RFC 5890).",
        ("GET /echo/url host caf\xe9.example",),
        400,
        b"The Host header is not a host name",
        ways=ASGI,
    ),
    Difference(
        "HTTP/1.1 needs a Host header (RFC 9112, 3.2). Flask takes the address of the server instead.",
        ("GET /echo/url no host",),
        400,
        b"needs a Host header",
        ways=ASGI,
    ),
    Difference(
        "A Content-Length that is no number leaves open where the request ends (RFC 9112, 6.3). Flask sees no body.",
        tuple(f"POST /data length {length}" for length in ("abc", "-1", "1 2", "+5", "0x5")),
        400,
        b"Content-Length is not a number",
        ways=ASGI,
    ),
    Difference(
        "A host that is not trusted is refused before any code of the application runs, error handlers included.",
        ("trusting GET / host bad.example", "trusting GET /nothing host bad.example"),
        400,
        b"is not trusted",
        parts=frozenset({"headers", "body"}),
    ),
    Difference(
        "JSON nested too deep is the client's mistake. Flask lets the RecursionError of the parser become a 500.",
        ("POST /json deep",),
        400,
        b"Bad Request",
    ),
    Difference(
        "Over 599 there are no status codes (RFC 9110, 15), and uvicorn with httptools cannot send them.",
        ("GET /return/status-over-599",),
        500,
        b"Internal Server Error",
    ),
    Difference(
        "A header that a view needs and is not there is the client's mistake, as a missing field or argument is.",
        ("GET /return/missing-header",),
        400,
        b"Bad Request",
        ways=ASGI,
    ),
    Difference(
        "A multipart form that cannot be read to its end is the client's mistake. Flask takes it for an empty form.",
        tuple(
            f"POST /echo/body {case}"
            for case in (
                *("multipart, no end", "multipart, cut in a header", "multipart, no disposition"),
                *("multipart, wrong boundary", "multipart, not multipart", "multipart, boundary with space"),
                "no boundary",
            )
        ),
        400,
        b"The multipart form",
    ),
    Difference(
        "A chunked body over MAX_CONTENT_LENGTH is 413. Flask cuts it off there and takes that for the whole.",
        tuple(f"limited POST {target} over, chunked" for target in ("/data", "/stream", "/text")),
        413,
        b"too large",
    ),
    Difference(
        "Several Cookie headers are one, joined by a semicolon (RFC 9113, 8.2.3). WSGI servers join by a comma.",
        ("GET /echo/headers two cookie headers",),
        200,
        b'"cookies":{"a":"1","b":"2"}',
        parts=frozenset({"headers", "body"}),
        ways=ASGI,
    ),
    Difference(
        "A header name with an underscore is a name of its own. WSGI servers drop it, as it looks like a dash there.",
        ("GET /echo/headers underscore",),
        200,
        b'"X_Test"',
        parts=frozenset({"headers", "body"}),
        ways=ASGI,
    ),
    Difference(
        "Teardown functions run once a request. Flask 3.1 runs them again after a stream_with_context body.",
        ("hooks of a stream",),
        200,
        b'"teardown context","before app 1","before app 2"]',
        parts=frozenset({"headers", "body"}),
    ),
)
BY_CASE: dict[str, Difference] = {name: difference for difference in DIFFERENCES for name in difference.cases}


def what_differs(theirs: Answer, ours: Answer) -> dict[str, tuple[object, object]]:
    """Compare two answers: status, headers without regard to order, body, and whether it came whole."""
    pairs: dict[str, tuple[object, object]] = {
        "status": (theirs.status, ours.status),
        "headers": (comparable(theirs), comparable(ours)),
        "body": (theirs.body, ours.body),
        "cut": (theirs.cut, ours.cut),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def comparable(answer: Answer) -> list[tuple[str, str]]:
    """What is compared of the headers.

    Not when the answer was made, nor what is between a server and its client (Connection); the methods of Allow are a
    set. A time that is said as an age, too, is left to that.
    """
    aged = any("max-age=" in value for value in answer.all("cache-control"))
    headers = []
    for name, value in answer.headers:
        name = name.lower()
        if name == "set-cookie" and "Max-Age=" in value:
            value = re.sub("Expires=[^;]*", "Expires", value)
        elif name == "expires" and aged:
            value = ""
        elif name == "allow":
            value = ", ".join(sorted(value.split(", ")))
        if name not in ("date", "server", "connection"):
            headers.append((name, value))
    return sorted(headers)
