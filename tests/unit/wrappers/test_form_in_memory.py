"""A form that lies in memory as a whole is parsed by a shorter way, with all that can be seen of the longer one."""

from __future__ import annotations

import io
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException

from asyncflask.plain import is_plain
from asyncflask.wrappers import Request
from asyncflask.wrappers import request as module
from asyncflask.wrappers.body import WholeBody
from asyncflask.wrappers.form import SPOOL_AT, FormParser, PartReader

FIELD = b'--bb\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
FILE = b'--bb\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\n'
PIECES = [
    b"--bb\r\n",
    b"\r\n--bb--\r\n",
    b"\r\n--bb--",
    FIELD,
    FILE,
    b"value",
    b"\xff",
    b"\r\n" + FIELD,
    b"\r\n" + FILE,
    b'Content-Disposition: form-data; name="b"\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n',
    b"\n",
    b"\r",
]
TYPES = [
    b"multipart/form-data; boundary=bb",
    b'Multipart/Form-Data; boundary="bb"',
    b"multipart/form-data; boundary=b",
    b"multipart/form-data",
    b"multipart/mixed; boundary=bb",
    b"application/x-www-form-urlencoded",
    b"",
]
WHOLE = FIELD + b"1\r\n" + FILE + b"content\r\n" + FIELD + b"2\r\n--bb--\r\n"


def made(data: bytes, content_type: bytes = TYPES[0], kind: type[Request] = Request, **limits: int | None) -> Request:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(data))]
    scope = {"type": "http", "method": "POST", "headers": headers}
    request = kind.from_scope(scope, WholeBody(data, None), path="/")
    request.header_bytes = dict(headers)
    for name, limit in limits.items():
        setattr(request, name, limit)
    return request


def seen(request: Request) -> Any:
    """All that a view can see of its form, and of the body after it."""
    try:
        form = list(request.form.items(multi=True))
        files = [
            (name, file.filename, file.name, file.stream.tell(), file.read(), list(file.headers), file.mimetype)
            for name, file in request.files.items(multi=True)
        ]
        rest = request.stream.read(), request.get_data(), request.environ["wsgi.input"].read()
        return type(request.form), form, type(request.files), files, rest, request.content_length
    except HTTPException as error:
        return type(error), error.description
    finally:
        request.close()


def both(*args: Any, **limits: int | None) -> tuple[Any, Any]:
    """What is seen of a request, and what is with the short ways off."""
    ours = seen(made(*args, **limits))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PLAIN", True)
        return ours, seen(made(*args, **limits))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join) | st.just(WHOLE),
    st.sampled_from(TYPES),
    st.sampled_from([None, 1, 140_000]),
    st.sampled_from([None, 1, 2, 1000]),
    st.sampled_from([None, 1, 60, 1000]),
)
@example(WHOLE, TYPES[0], None, None, None)
@example(WHOLE, TYPES[0], None, 2, None)
def test_the_same_is_seen(
    data: bytes, content_type: bytes, memory: int | None, parts: int | None, length: int | None
) -> None:
    limits = {"max_form_memory_size": memory, "max_form_parts": parts, "max_content_length": length}
    short, long = both(data, content_type, **limits)
    assert short == long


@pytest.mark.skipif(is_plain(), reason="this is the run with the short ways off")
def test_it_is_a_shorter_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FormParser, "parse", None)
    request = made(WHOLE)
    assert request.form.getlist("a") == ["1", "2"]
    assert request.files["f"].read() == b"content"
    request.close()
    assert request.files["f"].stream.closed


@pytest.mark.parametrize("size", [SPOOL_AT - 1, SPOOL_AT, SPOOL_AT + 1])
def test_a_file_is_kept_in_memory_or_on_disk_as_by_werkzeug(size: int) -> None:
    request = made(FILE + b"x" * size + b"\r\n--bb--\r\n", max_form_memory_size=None)
    file = request.files["f"].stream
    assert type(file) is SpooledTemporaryFile
    assert file._rolled == (size > SPOOL_AT)
    file.seek(0, io.SEEK_END)
    file.write(b"more")
    file.seek(size - 1)
    assert file.read() == b"xmore" and file._rolled == (size + 4 > SPOOL_AT)
    request.close()
    assert file.closed


class OwnFiles(Request):
    def _get_file_stream(self, *args: Any, **kwargs: Any) -> Any:
        return io.BytesIO()


class OwnParser(Request):
    form_data_parser_class = type("Own", (FormParser,), {})


class OwnLength(Request):
    content_length = 1  # type: ignore[assignment]


@pytest.mark.parametrize("kind", [OwnFiles, OwnParser, OwnLength])
def test_what_a_subclass_has_for_it_is_used(kind: type[Request], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    parse = FormParser.parse
    monkeypatch.setattr(FormParser, "parse", lambda *args: asked.append(args) or parse(*args))
    request = made(WHOLE, TYPES[0], kind)
    file = request.files["f"]
    assert asked and file.read() == b"content"
    assert isinstance(file.stream, io.BytesIO) == (kind is OwnFiles)
    request.close()
    assert file.stream.closed


def test_files_of_a_form_that_is_refused_are_closed() -> None:
    data = FILE + b"content\r\n" + FIELD + b"x" * 150_000 + b"\r\n--bb--\r\n"
    request = made(data, max_form_memory_size=140_000)
    with pytest.raises(HTTPException, match="413"):
        request.form  # noqa: B018
    files = list(request._files or ())
    request.close()
    assert len(files) == 1 and files[0].closed


def test_what_was_touched_before_is_parsed_as_well() -> None:
    for first in ("stream", "environ", "data"):
        request = made(WHOLE)
        getattr(request, first)
        assert request.form.getlist("a") == ["1", "2"], first
        assert request.files["f"].read() == b"content"
        request.close()


def test_a_reader_takes_the_same_parts_either_way() -> None:
    for total in (len(WHOLE), None):
        form, files = PartReader(max_form_memory_size=None).parse(io.BytesIO(WHOLE), b"bb", total)
        assert form.getlist("a") == ["1", "2"] and files["f"].read() == b"content"
        files["f"].close()
