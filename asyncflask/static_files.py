"""A folder of files under a prefix, with more to it than the static folder of an application.

from asyncflask.static_files import serve_folder

serve_folder(app, "/", "dist", fallback="index.html", precompressed=True)   # a single-page application
serve_folder(app, "/docs", "build/html")                                    # index.html in each folder
serve_folder(app, "/files", "shared", listing=True)
"""

from __future__ import annotations

import hashlib
import os
import typing as t
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from markupsafe import escape
from werkzeug.security import safe_join

from .globals import current_app, request
from .helpers import abort, redirect, send_from_directory
from .sansio.blueprints import Blueprint

if t.TYPE_CHECKING:
    from .resources import Resources
    from .sansio.scaffold import Scaffold
    from .wrappers import Response

_VARIANTS = (("br", ".br"), ("zstd", ".zst"), ("gzip", ".gz"))
_YEAR = 365 * 24 * 60 * 60
_PAGE = "<!doctype html>\n<meta charset=utf-8>\n<title>{0}</title>\n<h1>{0}</h1>\n<ul>\n{1}</ul>\n"


def serve_folder(
    target: Scaffold, prefix: str, folder: str | os.PathLike[str], *, endpoint: str = "folder",
    index: str | None = "index.html", fallback: str | None = None, listing: bool = False, precompressed: bool = False,
    versioned: bool = False, **options: t.Any,
) -> None:  # fmt: skip
    """Serve the files of a folder; routes that are more exact than its prefix go first.

    Files and folders whose name begins with a dot are not served, but for ``.well-known``; symbolic links are followed.
    Conditional and range requests are answered as for static files. What the server may not read is 403.

    Args:
        target: the application or a blueprint.
        prefix: of the URLs, such as "/docs", or "/".
        folder: absolute, or relative to the root path of `target`.
        endpoint: for ``url_for(endpoint, filename="style.css")``.
        index: the file that a folder is answered with; None: a folder is not found.
        fallback: the file, relative to `folder`, that answers for paths without a file if they look like pages: their
            last segment has no dot, and the client takes HTML and does not prefer JSON. For applications that route in
            the browser.
        listing: answer a folder without an index with links to what is in it.
        precompressed: send "x.br", "x.zst" or "x.gz" beside "x" to clients that accept the encoding.
        versioned: let `url_for` add a hash of the file's content (``?v=...``); asked for by that, a file may be kept
            for a year. A compressed file that is older than "x" is not sent then.
        options: of the route, such as `host`.

    Raises:
        AssertionError: the endpoint is taken: give another one.

    (Source: RFC 9110 section 12.5.3; RFC 8246 for "immutable".)
    """
    root = os.path.join(target.root_path, folder)
    served = ServedFolder(target, root, index, fallback, listing, precompressed, versioned)

    def view(filename: str = "") -> Response:
        try:
            return served.answer(filename)
        except PermissionError:
            abort(403)
        except (FileNotFoundError, NotADirectoryError):  # it went between two looks at it
            abort(404)

    prefix = prefix.rstrip("/")
    target.add_url_rule(f"{prefix}/", endpoint, view, **options)
    target.add_url_rule(f"{prefix}/<path:filename>", endpoint, view, **options)
    if versioned:
        endpoints = set() if isinstance(target, Blueprint) else {endpoint}
        if isinstance(target, Blueprint):  # others that are nested in it may have folders of the same name
            target.record(lambda at: endpoints.add(f"{at.name_prefix}.{at.name}.{endpoint}".lstrip(".")))

        def add_version(of: str, values: dict[str, t.Any]) -> None:
            if of in endpoints and "filename" in values and "v" not in values:
                values["v"] = served.version(str(values["filename"]))

        target.url_defaults(add_version)


@dataclass(frozen=True)
class ServedFolder:
    """A folder that is served; see `serve_folder`."""

    target: Scaffold
    root: str
    index: str | None
    fallback: str | None
    listing: bool
    precompressed: bool
    versioned: bool

    def answer(self, filename: str) -> Response:
        """Answer a request for a path below the folder. Raises NotFound."""
        path = safe_join(self.root, filename) if filename else self.root
        if path is None or "\0" in path or _is_hidden(filename):
            abort(404)
        if os.path.isfile(path) and not filename.endswith("/"):
            return self.send(filename)
        if os.path.isdir(path) and (answer := self._of_folder(filename, path)) is not None:
            return answer
        if self.fallback is not None and _is_page(filename):
            response = self.send(self.fallback)
            response.vary.add("Accept")
            return response
        abort(404)

    def _of_folder(self, filename: str, path: str) -> Response | None:
        has_index = self.index is not None and os.path.isfile(os.path.join(path, self.index))
        if not (has_index or self.listing):
            return None
        if filename and not filename.endswith("/"):  # else links on the page would lead beside the folder
            query = request.query_string.decode("latin-1")
            location = f"./{quote(filename.rpartition('/')[2])}/" + (f"?{query}" if query else "")
            return t.cast("Response", redirect(location, 308))
        return self.send(f"{filename}{self.index}") if has_index else _listed(path)

    def send(self, filename: str) -> Response:
        """Send a file, or its best variant; to be kept for a year if it has the version that the URL asks for."""
        asked = request.args.get("v") if self.versioned else None
        lasts = asked is not None and asked == self.version(filename)
        response = self._sent(filename, lasts)
        if lasts and asked != self.version(filename):  # it was replaced, perhaps before it was opened
            response.close()
            response = self._sent(filename, False)
        return response

    def _sent(self, filename: str, lasts: bool) -> Response:
        age = _YEAR if lasts else t.cast("Resources", self.target).get_send_file_max_age(filename)
        coding, suffix = self._variant(filename, lasts) if self.precompressed else (None, "")
        name = os.path.basename(filename)
        response = send_from_directory(self.root, filename + suffix, download_name=name, max_age=age)
        if coding is not None:
            response.content_encoding = coding
        if self.precompressed:
            response.vary.add("Accept-Encoding")
        if lasts:
            response.cache_control.immutable = True
        return response

    def _variant(self, filename: str, lasts: bool) -> tuple[str | None, str]:
        accepted = request.accept_encodings
        least = accepted.quality("identity")  # who likes the file itself better gets that
        path = safe_join(self.root, filename) or ""
        for coding, suffix in sorted(_VARIANTS, key=lambda variant: -accepted.quality(variant[0])):
            takes = accepted.quality(coding) >= (least or 0.001)
            if takes and os.path.isfile(path + suffix) and not (lasts and _is_older(path + suffix, path)):
                return coding, suffix
        return None, ""

    def version(self, filename: str) -> str | None:
        """Return what tells the file's content from others; None if there is no such file."""
        path = safe_join(self.root, filename) or ""
        try:
            state = os.stat(path)
            return _hash(path, state.st_mtime_ns, state.st_ctime_ns, state.st_size)
        except (OSError, ValueError):  # a folder, too, or not to be read
            return None


@lru_cache(maxsize=10_000)
def _hash(path: str, *state: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _is_older(one: str, other: str) -> bool:
    changed, others = os.stat(one).st_mtime_ns, os.stat(other).st_mtime_ns
    second = 10**9
    return changed < (others if changed % second else others // second * second)  # some compressors copy only seconds


def _is_hidden(filename: str) -> bool:
    return any(part.startswith(".") and part != ".well-known" for part in filename.split("/"))


def _has_url(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not _is_hidden(name)


def _is_page(filename: str) -> bool:
    accepted = request.accept_mimetypes
    takes = not accepted or accepted.best_match(["text/html", "application/json"]) == "text/html"
    return takes and "." not in filename.rpartition("/")[2]


def _listed(path: str) -> Response:
    with os.scandir(path) as entries:
        # entry.is_dir() raises for a link to itself
        names = sorted(entry.name + "/" * os.path.isdir(entry) for entry in entries if _has_url(entry.name))
    links = "".join(f'<li><a href="./{escape(quote(name))}">{escape(name)}</a>\n' for name in names)
    title = escape(f"Index of {request.path}")
    return current_app.response_class(_PAGE.format(title, links), mimetype="text/html")
