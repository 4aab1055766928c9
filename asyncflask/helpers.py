"""What views call: responses, redirects, files, flashed messages, streams that keep their context."""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
import typing as t
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack
from functools import cache, partial, update_wrapper
from inspect import iscoroutinefunction

import werkzeug.exceptions
import werkzeug.utils
from werkzeug.security import safe_join

from .config import env_setting
from .globals import _cv_app, _cv_request, current_app, request, request_ctx, session
from .signals import message_flashed
from .threads import run_anywhere, waited_for
from .wrappers.file import FileBody, sent_as_seen

if t.TYPE_CHECKING:
    from datetime import datetime

    from werkzeug.wrappers import Response as BaseResponse

    from .ctx import AppContext
    from .wrappers import Response

T = t.TypeVar("T")
P = t.ParamSpec("P")

FilePath = str | os.PathLike[str]

_NO = frozenset({"0", "false", "no"})
# What a file system says to a name it cannot have at all, as opposed to one that is not there.
_IMPOSSIBLE_NAME = frozenset({errno.ENAMETOOLONG, errno.EILSEQ})


# -- the environment --------------------------------------------------------------------------------------------------


def get_debug_flag() -> bool:
    """Return whether ``ASYNCFLASK_DEBUG``, or else ``FLASK_DEBUG``, asks for debug mode; by default it is off."""
    value = env_setting("DEBUG")
    return value is not None and value.lower() not in _NO | {""}


def get_load_dotenv(default: bool = True) -> bool:
    """Return whether dotenv files are to be loaded.

    Args:
        default: the answer if neither ``ASYNCFLASK_SKIP_DOTENV`` nor ``FLASK_SKIP_DOTENV`` is set.
    """
    skip = env_setting("SKIP_DOTENV")
    return skip.lower() in _NO if skip else default


def get_root_path(import_name: str) -> str:
    """Return the folder of a module or package, or the current folder if the name belongs to no file.

    Raises RuntimeError for a module that exists but has no file, such as a namespace package.
    """
    loaded_from = getattr(sys.modules.get(import_name), "__file__", None)
    if loaded_from is None:
        loader = _find_loader(import_name)
        if loader is None:  # an interactive session, or a name that is only a name
            return os.getcwd()
        loaded_from = _file_of(loader, import_name)
    return os.path.dirname(os.path.abspath(loaded_from))


def _find_loader(import_name: str) -> t.Any:
    try:
        spec = importlib.util.find_spec(import_name)
    except (ImportError, ValueError):
        return None
    return None if spec is None else spec.loader


def _file_of(loader: t.Any, import_name: str) -> str:
    if hasattr(loader, "get_filename"):
        return t.cast(str, loader.get_filename(import_name))
    __import__(import_name)
    path: str | None = getattr(sys.modules[import_name], "__file__", None)
    if path is None:
        raise RuntimeError(
            f"No root path can be found for the provided module {import_name!r}: it has no file, as is the case with a"
            " namespace package or an import hook that names none. Pass 'root_path' explicitly."
        )
    return path


@cache
def _split_blueprint_path(name: str) -> list[str]:
    # "a.b.c" -> ["a.b.c", "a.b", "a"]
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


# -- responses --------------------------------------------------------------------------------------------------------


def make_response(*args: t.Any) -> Response:
    """Return a response made of what a view could return, to set headers or cookies on it.

    Args:
        args: nothing for an empty response, one value that a view may return, or the items of such a tuple.
    """
    match args:
        case ():
            return current_app.response_class()
        case (only,):
            return current_app.make_response(only)
    return current_app.make_response(args)


def redirect(location: str, code: int = 302, Response: type[BaseResponse] | None = None) -> BaseResponse:
    """Return a redirect, made by ``current_app.redirect`` if an application is active.

    Args:
        location: where to.
        code: 301, 302, 303, 305, 307 or 308.
        Response: the class to use; where an application is active it uses its own.
    """
    ctx = _cv_app.get(None)
    if ctx is not None:
        return ctx.app.redirect(location, code=code)
    return werkzeug.utils.redirect(location, code=code, Response=Response)


def abort(code: int | BaseResponse, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
    """Raise the HTTP exception for a status, by ``current_app.aborter`` if an application is active.

    Args:
        code: a status the aborter knows, or a response to end with.
        args: for the exception.
        kwargs: for the exception.

    Raises:
        HTTPException: always, unless
        LookupError: the status is unknown.
    """
    ctx = _cv_app.get(None)
    if ctx is not None:
        ctx.app.aborter(code, *args, **kwargs)
    werkzeug.exceptions.abort(code, *args, **kwargs)


def url_for(
    endpoint: str, *, _anchor: str | None = None, _method: str | None = None, _scheme: str | None = None,
    _external: bool | None = None, **values: t.Any,
) -> str:  # fmt: skip
    """Return the URL of an endpoint, by ``current_app.url_for``.

    Args:
        endpoint: its name; with a leading dot it is of the current blueprint.
        _anchor: goes behind a ``#``.
        _method: the method to find a rule for.
        _scheme: the scheme; makes the URL external.
        _external: with scheme and host, or without; by default with them outside of a request only.
        values: the variables of the rule; unknown ones go into the query string.

    Raises:
        BuildError: there is no such endpoint, or a value is missing.
        RuntimeError: no application is active, or there is no request and ``SERVER_NAME`` is not set.
    """
    ctx = _cv_app.get(None)
    app = current_app if ctx is None else ctx.app  # the former raises RuntimeError
    return app.url_for(endpoint, _external=_external, _scheme=_scheme, _method=_method, _anchor=_anchor, **values)


# -- files ------------------------------------------------------------------------------------------------------------


def send_file(
    path_or_file: os.PathLike[t.AnyStr] | str | t.IO[bytes],
    mimetype: str | None = None, as_attachment: bool = False, download_name: str | None = None,
    conditional: bool = True, etag: bool | str = True, last_modified: datetime | int | float | None = None,
    max_age: int | Callable[[str | None], int | None] | None = None,
) -> Response:  # fmt: skip
    """Return a response that sends a file. Never pass a path from a client: for that there is `send_from_directory`.

    Args:
        path_or_file: a path, relative ones to the application's root path, or a file open for reading bytes at the
            place to start from.
        mimetype: the content type; by default guessed from the name.
        as_attachment: ask the browser to save the file rather than to show it.
        download_name: the name the browser sees; by default that of the path.
        conditional: answer range and conditional requests.
        etag: whether to make an ETag from the path's data, or the ETag to send.
        last_modified: time or seconds; by default the path's.
        max_age: seconds a client may cache the file, or a function from the path to them; by default
            ``current_app.get_send_file_max_age``.

    Raises:
        NotFound: no file can have that name: it is too long, has a NUL or cannot be encoded.
        OSError: the file is not there or cannot be read.
        RequestedRangeNotSatisfiable: the client wants a range that the file has not.
    """
    is_path = isinstance(path_or_file, (str, os.PathLike))
    if is_path:
        _check_file_name(path_or_file)  # type: ignore[arg-type]
    options = _prepare_send_file_kwargs(
        max_age=max_age, last_modified=last_modified, etag=etag, conditional=conditional,
        download_name=download_name, as_attachment=as_attachment, mimetype=mimetype,
    )  # fmt: skip
    send = partial(werkzeug.utils.send_file, path_or_file, **options)  # type: ignore[arg-type]
    try:
        if not is_path:
            return t.cast("Response", send())
        return t.cast("Response", sent_as_seen(os.path.join(options["_root_path"], path_or_file), send))  # type: ignore[arg-type]
    except OSError as error:
        if error.errno in _IMPOSSIBLE_NAME:
            raise werkzeug.exceptions.NotFound() from error
        raise


def send_from_directory(directory: FilePath, path: FilePath, **kwargs: t.Any) -> Response:
    """Return a response that sends a file from a folder; `path` may come from the client.

    Args:
        directory: the folder, relative to the application's root path; must not come from the client.
        path: relative to the folder.
        kwargs: as for `send_file`.

    Raises:
        NotFound: there is no such regular file, or the path leads out of the folder.
        RequestedRangeNotSatisfiable: the client wants a range that the file has not.
    """
    _check_file_name(path)
    options = _prepare_send_file_kwargs(**kwargs)
    full = safe_join(os.fspath(directory), os.fspath(path))
    if full is None or not os.path.isfile(full := os.path.join(options["_root_path"], full)):
        raise werkzeug.exceptions.NotFound()
    try:
        return t.cast("Response", sent_as_seen(full, partial(werkzeug.utils.send_file, full, **options)))
    except FileNotFoundError as error:  # it went between the look and the opening
        raise werkzeug.exceptions.NotFound() from error


def _prepare_send_file_kwargs(**kwargs: t.Any) -> dict[str, t.Any]:
    # What Werkzeug has to know of the application and the request.
    app, environ = current_app, request.environ
    environ.setdefault("wsgi.file_wrapper", FileBody)
    if kwargs.get("max_age") is None:
        kwargs["max_age"] = app.get_send_file_max_age
    return kwargs | {
        "_root_path": app.root_path,
        "environ": environ,
        "response_class": app.response_class,
        "use_x_sendfile": app.config["USE_X_SENDFILE"],
    }


def _check_file_name(path: os.PathLike[t.Any] | str) -> None:
    # Such names end in a ValueError somewhere on their way, at worst with the file left open.
    name = os.fspath(path)
    if isinstance(name, str):
        try:
            possible = b"\0" not in name.encode()
        except UnicodeEncodeError:
            possible = False
        if not possible:
            raise werkzeug.exceptions.NotFound()


# -- templates and flashed messages -----------------------------------------------------------------------------------


def get_template_attribute(template_name: str, attribute: str) -> t.Any:
    """Return a macro or variable that a template exports.

    Args:
        template_name: the template.
        attribute: the macro's or variable's name.

    Raises:
        TemplateNotFound: there is no such template.
        AttributeError: it exports no such name.
    """
    environment = current_app.jinja_env
    template = environment.get_template(template_name)
    if not environment.is_async:
        return getattr(template.module, attribute)
    from jinja2.runtime import Macro  # loaded with the environment

    found = getattr(run_anywhere(template.make_module_async()), attribute)
    if not isinstance(found, Macro):
        return found
    return waited_for(t.cast("Callable[..., t.Awaitable[str]]", found))  # a call is its text, as in any environment


def flash(message: str, category: str = "message") -> None:
    """Keep a message in the session until `get_flashed_messages` fetches it, usually in the next request.

    Args:
        message: the text.
        category: any word; usual are ``message``, ``error``, ``info`` and ``warning``.
    """
    # Stored anew: a session kept elsewhere does not see a list change.
    session["_flashes"] = [*session.get("_flashes", ()), (category, message)]
    app = t.cast(t.Any, current_app)._get_current_object()
    message_flashed.send(app, _async_wrapper=waited_for, message=message, category=category)


def get_flashed_messages(
    with_categories: bool = False, category_filter: Iterable[str] = ()
) -> list[str] | list[tuple[str, str]]:
    """Take the flashed messages out of the session and return them; within one request always the same ones.

    Args:
        with_categories: return pairs of category and message.
        category_filter: return only messages of these categories; empty: all.
    """
    ctx = request_ctx
    found = ctx.flashes
    if found is None:
        found = ctx.flashes = session.pop("_flashes") if "_flashes" in session else []
    if category_filter:
        found = [pair for pair in found if pair[0] in category_filter]
    return found if with_categories else [message for _, message in found]


# -- streams ----------------------------------------------------------------------------------------------------------


@t.overload
def stream_with_context(generator_or_function: AsyncIterator[T]) -> AsyncIterator[T]: ...
@t.overload
def stream_with_context(generator_or_function: Iterator[T]) -> Iterator[T]: ...
@t.overload
def stream_with_context(generator_or_function: Callable[P, AsyncIterator[T]]) -> Callable[P, AsyncIterator[T]]: ...
@t.overload
def stream_with_context(generator_or_function: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]: ...


def stream_with_context(generator_or_function: t.Any) -> t.Any:
    """Keep the request, session and ``g`` active while a body is produced, and tear them down after it.

    Args:
        generator_or_function: a generator, or any iterator, or a generator function to decorate; plain or ``async``.

    Returns:
        An iterator of the same kind, or the decorated function.

    Raises:
        RuntimeError: no request is active (for a function: when it is called). (Flask docs: Streaming Contents.)
    """
    source = generator_or_function
    if isinstance(source, AsyncIterable):
        return _AsyncStream(source, _contexts_to_keep())
    try:
        items = iter(source)
    except TypeError:
        return _keep_context_of(source)
    stream = _sync_stream(items, _contexts_to_keep())
    next(stream)  # to its first yield, so that closing it early closes `items` too
    return stream


def _keep_context_of(function: Callable[..., t.Any]) -> Callable[..., t.Any]:
    if iscoroutinefunction(function):

        async def call_async(*args: t.Any, **kwargs: t.Any) -> t.Any:
            return stream_with_context(await function(*args, **kwargs))

        return update_wrapper(call_async, function)

    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return stream_with_context(function(*args, **kwargs))

    return update_wrapper(call, function)


def _contexts_to_keep() -> list[AppContext]:
    # The request's context, and on top of it the application context that was opened inside the request, if any.
    owner: AppContext | None = _cv_request.get(None)
    if owner is None:
        raise RuntimeError(
            "'stream_with_context' can only be used when a request context is active, such as in a view function."
        )
    current = _cv_app.get()
    return [owner] if current is owner else [owner, current]


def _sync_stream(items: Iterator[t.Any], contexts: list[AppContext]) -> Iterator[t.Any]:
    for ctx in contexts:
        ctx.hold()
    with ExitStack() as stack:
        try:
            try:
                yield None
            except (
                GeneratorExit
            ):  # closed before it was begun, as for HEAD: nothing that teardown functions are told of
                return
            finally:
                # Pushed only now: whoever iterates may do so in another contextvars context than that of the view.
                for ctx in contexts:
                    stack.enter_context(ctx)
                    ctx.release()
            for item in items:  # noqa: UP028  by `yield from` an early close would close `items` twice
                yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()


class _AsyncStream(AsyncIterator[t.Any]):
    # A class, because an async generator cannot be brought to its first yield without awaiting it.

    def __init__(self, source: AsyncIterable[t.Any], contexts: list[AppContext]) -> None:
        self._source = source
        self._contexts = contexts
        # Made when started: a generator of ours refers back to us, and a stream that is dropped is to go at once.
        self._items: t.AsyncGenerator[t.Any, None] | None = None
        for ctx in contexts:
            ctx.hold()

    def __anext__(self) -> t.Awaitable[t.Any]:
        if self._items is None:
            self._items = self._produce()
        return self._items.__anext__()

    async def aclose(self) -> None:
        started, self._items = self._items is not None, self._items or self._produce()
        if started:
            await self._items.aclose()
            return
        async with AsyncExitStack() as stack:
            await self._enter(stack)
            await self._close_source()

    def __del__(self) -> None:
        if self._items is None:  # made, and never used as a body: nobody will close it
            for ctx in self._contexts:
                ctx.release()
                if not ctx.pushes:
                    with ctx:
                        pass

    async def _enter(self, stack: AsyncExitStack) -> None:
        for ctx in self._contexts:
            await stack.enter_async_context(ctx)
            ctx.release()

    async def _produce(self) -> t.AsyncGenerator[t.Any, None]:
        async with AsyncExitStack() as stack:
            await self._enter(stack)
            try:
                async for item in self._source:
                    yield item
            finally:
                await self._close_source()

    async def _close_source(self) -> None:
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()
