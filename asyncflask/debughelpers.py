"""Errors and log messages that say more, for development."""

from __future__ import annotations

import typing as t

from werkzeug.routing import RequestRedirect

from .globals import _cv_request

if t.TYPE_CHECKING:
    from jinja2 import BaseLoader

    from .sansio.app import App
    from .sansio.scaffold import Scaffold
    from .templating import Source
    from .wrappers import Request


class UnexpectedUnicodeError(AssertionError, UnicodeError):
    """Text came where bytes belong, or the other way round."""


class DebugFilesKeyError(KeyError, AssertionError):
    """A view asked for an uploaded file whose form was not sent as ``multipart/form-data``.

    Args:
        request: the request.
        key: the field.
    """

    def __init__(self, request: Request, key: str) -> None:
        self.msg: str = (
            f"The view asked for the file {key!r} in request.files, and it is not there. The request came with the"
            f" mimetype {request.mimetype!r} instead of 'multipart/form-data', which means that no file contents were"
            ' transmitted. Give the HTML form the attribute enctype="multipart/form-data" to have them sent.'
        )
        submitted = request.form.getlist(key)
        if submitted:
            self.msg += "\n\nThe browser sent file names in place of the files. This was submitted: " + ", ".join(
                map(repr, submitted)
            )

    def __str__(self) -> str:
        return self.msg


class FormDataRoutingRedirect(AssertionError):
    """In debug mode: a redirect by the routing would make the browser drop the method or the form data.

    Args:
        request: the request, whose ``routing_exception`` is the redirect.
    """

    def __init__(self, request: Request) -> None:
        redirect = request.routing_exception
        assert isinstance(redirect, RequestRedirect)
        message = (
            f"A request was sent to '{request.url}', and the routing redirects it to the canonical URL"
            f" '{redirect.new_url}'."
        )
        if redirect.new_url.partition("?")[0] == request.base_url + "/":
            message += " That URL was defined with a trailing slash; a request without it is redirected there."
        super().__init__(
            f"{message} A browser would follow without the form data. Send the request to the canonical URL, or have"
            " the routing redirect with 307 or 308.\n\nThis error is raised in debug mode only."
        )


def attach_enctype_error_multidict(request: Request) -> None:
    """Make ``request.files[...]`` raise `DebugFilesKeyError` for a field that came as text.

    Args:
        request: its ``files`` get a class of their own.
    """
    plain = type(request.files)

    def getitem(self: t.Any, key: str) -> t.Any:
        try:
            return plain.__getitem__(self, key)
        except KeyError as error:
            if key in request.form:
                raise DebugFilesKeyError(request, key).with_traceback(error.__traceback__) from None
            raise

    explaining = type(plain.__name__, (plain,), {"__getitem__": getitem, "__module__": plain.__module__})
    request.files.__class__ = explaining


def explain_template_loading_attempts(
    app: App, template: str, attempts: list[tuple[BaseLoader, Scaffold, Source | None]]
) -> None:
    """Log which loaders were asked for a template, what each said, and what looks wrong about it.

    Args:
        app: the application, whose logger is used.
        template: the template's name.
        attempts: for each loader: itself, the application or blueprint it is of, and what it found or None.
    """
    lines = [f"Locating template {template!r}:"]
    for number, (loader, owner, source) in enumerate(attempts, 1):
        lines.append(f"{number:5}: trying loader of {_describe_owner(app, owner)}")
        lines += (f"       {line}" for line in _dump_loader_info(loader))
        lines.append(f"       -> found ({source[1] or '<string>'!r})" if source else "       -> no match")

    found = sum(source is not None for *_, source in attempts)
    if found == 0:
        lines.append("Error: the template could not be found.")
    elif found > 1:
        lines.append("Warning: more than one loader has the template; the first one's is used.")
    if found != 1:
        lines += _blueprint_hint()
    app.logger.info("\n".join(lines))


def _blueprint_hint() -> list[str]:
    ctx = _cv_request.get(None)
    blueprint = None if ctx is None else ctx.request.blueprint
    if blueprint is None:
        return []
    return [
        f"  The template was looked up from an endpoint that belongs to the blueprint {blueprint!r}.",
        "  Is it in the folder it should be in?",
        "  See https://flask.palletsprojects.com/blueprints/#templates",
    ]


def _describe_owner(app: App, owner: t.Any) -> str:
    # By what they have, not by class: applications and blueprints are defined in higher layers.
    if owner is app:
        return f"application {owner.import_name!r}"
    if hasattr(owner, "deferred_functions"):
        return f"blueprint {owner.name!r} ({owner.import_name})"
    return repr(owner)


def _dump_loader_info(loader: BaseLoader) -> t.Iterator[str]:
    kind = type(loader)
    yield f"class: {kind.__module__}.{kind.__name__}"
    public = sorted((name, value) for name, value in vars(loader).items() if name[:1] != "_")
    for name, value in public:
        match value:
            case str() | int() | float():
                yield f"{name}: {value!r}"
            case tuple() | list() if all(isinstance(item, str) for item in value):
                yield f"{name}:"
                yield from (f"  - {item}" for item in value)
