"""What applications and blueprints have in common: folders, routes, hooks and error handlers, as written down.

Hook tables and view functions are kept in containers of `tables.py`, which say when they change (`Scaffold.tables`).
"""

from __future__ import annotations

import os
import sys
import typing as t
from collections import defaultdict
from functools import cached_property, wraps
from importlib.util import find_spec
from pathlib import Path

from werkzeug.exceptions import HTTPException, default_exceptions

from .. import typing as ft
from ..globals import _default_template_ctx_processor
from ..helpers import get_root_path
from ..versions import Version, WatchedDict
from .tables import TABLE_ATTRIBUTES, HookTable

if t.TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from click import Group
    from jinja2 import BaseLoader

F = t.TypeVar("F", bound=t.Callable[..., t.Any])
View = t.TypeVar("View", bound=ft.RouteCallable)
Middleware = t.TypeVar("Middleware", bound=t.Callable[..., t.Any])
BeforeHook = t.TypeVar("BeforeHook", bound=ft.BeforeRequestCallable)
Listener = t.TypeVar("Listener", bound=ft.WebsocketCallable)
BeforeWebsocketHook = t.TypeVar("BeforeWebsocketHook", bound=ft.BeforeWebsocketCallable)
AfterWebsocketHook = t.TypeVar("AfterWebsocketHook", bound=ft.AfterWebsocketCallable)
AfterHook = t.TypeVar("AfterHook", bound=ft.AfterRequestHook)
TeardownHook = t.TypeVar("TeardownHook", bound=ft.TeardownCallable)
ContextProcessor = t.TypeVar("ContextProcessor", bound=ft.TemplateContextProcessorCallable)
UrlPreprocessor = t.TypeVar("UrlPreprocessor", bound=ft.URLValuePreprocessorCallable)
UrlDefault = t.TypeVar("UrlDefault", bound=ft.URLDefaultCallable)
Error = t.TypeVar("Error", bound=Exception)

#: Where a folder is given: a path, or None for none.
Folder: t.TypeAlias = str | os.PathLike[str] | None
#: A view function, where there may be none yet.
AnyView: t.TypeAlias = ft.RouteCallable | None

#: Stands for "not given" where None means something.
unset: t.Any = object()
_sentinel = unset

_NO_SUCH_STATUS = "'{}' is not a recognized HTTP error code. Use a subclass of HTTPException with that code instead."
_AN_INSTANCE = (
    "{!r} is an instance, not a class. Handlers can only be registered for Exception classes or HTTP error codes."
)
_NO_EXCEPTION = (
    "'{}' is not a subclass of Exception. Handlers can only be registered for Exception classes or HTTP error codes."
)


def setupmethod(f: F) -> F:
    """Make a method refuse to run once the set-up is over: it asks `self._check_setup_finished(name)` first.

    Args:
        f: the method.

    Returns:
        The guarded method.
    """

    @wraps(f)
    def guarded(self: Scaffold, *args: t.Any, **kwargs: t.Any) -> t.Any:
        self._check_setup_finished(f.__name__)
        return f(self, *args, **kwargs)

    return t.cast(F, guarded)


class Scaffold:
    """Base of `sansio.app.App` and `sansio.blueprints.Blueprint`.

    Args:
        import_name: the module it is defined in, usually `__name__`.
        static_folder: folder of static files, absolute or relative to `root_path`; None for none.
        static_url_path: URL prefix of the static files; by default the folder's name.
        template_folder: folder of templates, absolute or relative to `root_path`; None for none.
        root_path: folder that relative paths start from; by default that of `import_name`.

    Source: Flask docs, API: "Application Object" and "Blueprint Objects".
    """

    name: str
    cli: Group
    _static_folder: str | None = None
    _static_url_path: str | None = None

    #: `{endpoint: view function}`
    view_functions: dict[str, ft.RouteCallable]
    #: `{scope: {status code or None: {exception class: handler}}}`
    error_handler_spec: dict[ft.AppOrBlueprintKey, dict[int | None, dict[type[Exception], ft.ErrorHandlerCallable]]]
    # The tables below: `{scope: [functions]}`, the scope being a blueprint's name or None.
    before_request_funcs: dict[ft.AppOrBlueprintKey, list[ft.BeforeRequestCallable]]
    after_request_funcs: dict[ft.AppOrBlueprintKey, list[ft.AfterRequestCallable[t.Any]]]
    teardown_request_funcs: dict[ft.AppOrBlueprintKey, list[ft.TeardownCallable]]
    middleware_funcs: dict[ft.AppOrBlueprintKey, list[t.Callable[..., t.Any]]]
    before_websocket_funcs: dict[ft.AppOrBlueprintKey, list[ft.BeforeWebsocketCallable]]
    after_websocket_funcs: dict[ft.AppOrBlueprintKey, list[ft.AfterWebsocketCallable]]
    teardown_websocket_funcs: dict[ft.AppOrBlueprintKey, list[ft.TeardownCallable]]
    template_context_processors: dict[ft.AppOrBlueprintKey, list[ft.TemplateContextProcessorCallable]]
    url_value_preprocessors: dict[ft.AppOrBlueprintKey, list[ft.URLValuePreprocessorCallable]]
    url_default_functions: dict[ft.AppOrBlueprintKey, list[ft.URLDefaultCallable]]

    def __init__(
        self,
        import_name: str,
        static_folder: Folder = None,
        static_url_path: str | None = None,
        template_folder: Folder = None,
        root_path: str | None = None,
    ) -> None:
        self.import_name = import_name
        self.root_path: str = get_root_path(import_name) if root_path is None else root_path
        self.template_folder = template_folder
        self.static_folder = static_folder
        self.static_url_path = static_url_path

        self.error_handler_spec = defaultdict(lambda: defaultdict(dict))
        self.view_functions = WatchedDict(self.tables)
        self.url_value_preprocessors = HookTable(self.tables)
        self.before_request_funcs = HookTable(self.tables)
        self.after_request_funcs = HookTable(self.tables)
        self.teardown_request_funcs = HookTable(self.tables)
        self.middleware_funcs = HookTable(self.tables)
        self.before_websocket_funcs = HookTable(self.tables)
        self.after_websocket_funcs = HookTable(self.tables)
        self.teardown_websocket_funcs = HookTable(self.tables)
        self.url_default_functions = HookTable(self.tables)
        first: list[ft.TemplateContextProcessorCallable] = [_default_template_ctx_processor]
        processors: dict[ft.AppOrBlueprintKey, list[ft.TemplateContextProcessorCallable]] = {None: first}
        self.template_context_processors = HookTable(self.tables, processors)

    @cached_property
    def tables(self) -> Version:
        """The version of what requests depend on: `tables.number` changes whenever a table or, of an app, the

        configuration or the receivers of a signal do.
        """
        return Version()

    def __setattr__(self, name: str, value: t.Any) -> None:
        # Extensions and tests assign whole new dicts. Converting here keeps reading a plain attribute look-up.
        made_of = TABLE_ATTRIBUTES.get(name)
        if made_of is None:
            super().__setattr__(name, value)
            return
        if getattr(value, "version", None) is not self.tables:
            value = made_of(self.tables, value)
        super().__setattr__(name, value)
        self.tables.bump()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def _check_setup_finished(self, f_name: str) -> None:
        """Raise AssertionError when the set-up method `f_name` comes too late."""
        raise NotImplementedError

    # folders

    @property
    def has_static_folder(self) -> bool:
        """Whether `static_folder` is set."""
        return self.static_folder is not None

    @property
    def static_folder(self) -> str | None:
        """The absolute path of the static folder, or None."""
        return None if self._static_folder is None else os.path.join(self.root_path, self._static_folder)

    @static_folder.setter
    def static_folder(self, value: Folder) -> None:
        self._static_folder = value if value is None else os.fspath(value).rstrip("\\/")

    @property
    def static_url_path(self) -> str | None:
        """The URL prefix of the static files: as set, else `/` and the name of `static_folder`, else None."""
        if self._static_url_path is None and (folder := self.static_folder) is not None:
            return ("/" + os.path.basename(folder)).rstrip("/")
        return self._static_url_path

    @static_url_path.setter
    def static_url_path(self, value: str | None) -> None:
        self._static_url_path = value if value is None else value.rstrip("/")

    @cached_property
    def jinja_loader(self) -> BaseLoader | None:
        """The loader of `template_folder`, or None without one."""
        if self.template_folder is None:
            return None
        from jinja2 import FileSystemLoader  # templates load with the first that is looked for

        return FileSystemLoader(os.path.join(self.root_path, self.template_folder))

    # routes

    @setupmethod
    def route(self, rule: str, **options: t.Any) -> t.Callable[[View], View]:
        """Return a decorator that registers a view function for `rule`.

        Args:
            rule: the URL rule.
            options: those of `add_url_rule`, `endpoint` among them.

        Raises TypeError if it is put on a function itself, without a rule.

        Source: Flask docs, "URL Route Registrations".
        """
        _check_rule(rule, "route")

        def register(view: View) -> View:
            chosen = dict(options)
            self.add_url_rule(rule, chosen.pop("endpoint", None), view, **chosen)
            return view

        return register

    def _method_route(self, method: str, rule: str, options: dict[str, t.Any]) -> t.Callable[[View], View]:
        if "methods" not in options:
            return self.route(rule, methods=[method], **options)
        raise TypeError("Use the 'route' decorator to use the 'methods' argument.")

    @setupmethod
    def endpoint(self, endpoint: str) -> t.Callable[[F], F]:
        """Return a decorator that makes a function the view of an endpoint whose rule is registered without one."""

        def register(view: F) -> F:
            self.view_functions[endpoint] = view
            return view

        return register

    @setupmethod
    def get(self, rule: str, **options: t.Any) -> t.Callable[[View], View]:
        """`route` for GET (HEAD comes with it)."""
        return self._method_route("GET", rule, options)

    @setupmethod
    def patch(self, rule: str, **options: t.Any) -> t.Callable[[View], View]:
        """`route` for PATCH."""
        return self._method_route("PATCH", rule, options)

    @setupmethod
    def put(self, rule: str, **options: t.Any) -> t.Callable[[View], View]:
        """`route` for PUT."""
        return self._method_route("PUT", rule, options)

    @setupmethod
    def post(self, rule: str, **options: t.Any) -> t.Callable[[View], View]:
        """`route` for POST."""
        return self._method_route("POST", rule, options)

    @setupmethod
    def delete(self, rule: str, **options: t.Any) -> t.Callable[[View], View]:
        """`route` for DELETE."""
        return self._method_route("DELETE", rule, options)

    @setupmethod
    def websocket(self, rule: str, **options: t.Any) -> t.Callable[[Listener], Listener]:
        """Return a decorator that registers a handler of websockets for `rule`.

        When the client leaves, a handler that receives or sends meets WebsocketDisconnected, which need not be caught
        (clean up in ``finally``). One that waits for something else, a queue or a database, is not told, where Quart
        would cancel it: that takes somebody who listens for each websocket, and 5 KB of memory. Have it with
        ``on_disconnect="cancel"``, or wait for ``websocket.disconnected()`` beside the other thing.

        Args:
            rule: the URL rule.
            options: those of `add_websocket`, `endpoint` among them.

        Source: Quart docs, "Using websockets".
        """
        _check_rule(rule, "websocket")

        def register(handler: Listener) -> Listener:
            chosen = dict(options)
            self.add_websocket(rule, chosen.pop("endpoint", None), handler, **chosen)
            return handler

        return register

    @setupmethod
    def add_websocket(
        self, rule: str, endpoint: str | None = None, view_func: ft.WebsocketCallable | None = None, **options: t.Any
    ) -> None:
        """Register a URL rule for websockets and, when it is given, the handler.

        A ``def`` handler runs in a worker thread for as long as its client stays, an ``async def`` one on the loop.

        Args:
            rule: the URL rule; one for requests may have the same text.
            endpoint: name of the rule for `url_for`; by default the handler's name.
            view_func: the handler.
            options: those of `add_url_rule`. With `on_disconnect="cancel"` the handler is cancelled when its client
                leaves, whatever it waits for, as in Quart; otherwise whatever it next receives or sends raises
                WebsocketDisconnected.

        Raises:
            TypeError, ValueError, AssertionError: as `add_url_rule`.
        """
        self.add_url_rule(rule, endpoint, t.cast(AnyView, view_func), websocket=True, **options)

    @setupmethod
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: AnyView = None,
        provide_automatic_options: bool | None = None,
        **options: t.Any,
    ) -> None:
        """Register a URL rule and, when it is given, its view function.

        Args:
            rule: the URL rule.
            endpoint: name of the rule for `url_for`; by default the view function's name.
            view_func: answers the requests. Its attributes `methods`, `required_methods` and
                `provide_automatic_options` are the defaults of the options of these names.
            provide_automatic_options: whether OPTIONS is answered for the view.
            options: `methods` (default GET), those of `werkzeug.routing.Rule` (`websocket` among them), and
                `threaded` (None: as the app; False: a `def` view runs on the event loop; True: in a thread),
                `stream_body` (True: the view reads the body while it comes in),
                `on_disconnect` ("finish" or "cancel": what becomes of the view when the client leaves),
                `middleware` (functions around the view, see `middleware`),
                `timeout` (seconds that the view may take, by default ``REQUEST_TIMEOUT``; 0 for no limit. Under a WSGI
                server it has no effect on a `def` view).

        Raises:
            AssertionError: another view has the endpoint, or the set-up is over.
            TypeError: an option is unknown or of a wrong type.
            ValueError: an option's value is not allowed.
        """
        raise NotImplementedError

    # hooks

    @setupmethod
    def middleware(self, f: Middleware) -> Middleware:
        """Register a function to run around each request: ``f(request, call_next)`` returns the response.

        ``call_next(request)`` runs the rest, hooks and handlers of errors included, and gives its response; in an
        ``async def`` function it is awaited. It can be called once, or not at all. An error that nobody handles comes
        out of it. Those of the app are outside of those of its blueprints, which are outside of those of a route
        (its option `middleware`, a list); among each the first one registered is outermost.
        """
        self.middleware_funcs[None].append(f)
        return f

    @setupmethod
    def before_request(self, f: BeforeHook) -> BeforeHook:
        """Register a function to run before each request, without arguments; anything but None is the answer."""
        self.before_request_funcs[None].append(f)
        return f

    @setupmethod
    def after_request(self, f: AfterHook) -> AfterHook:
        """Register a function to run on each response; it returns that or another response."""
        self.after_request_funcs[None].append(f)
        return f

    @setupmethod
    def teardown_request(self, f: TeardownHook) -> TeardownHook:
        """Register a function to run when a request's context ends, with the unhandled exception or None."""
        self.teardown_request_funcs[None].append(f)
        return f

    @setupmethod
    def before_websocket(self, f: BeforeWebsocketHook) -> BeforeWebsocketHook:
        """Register a function to run before each websocket handler; anything but None answers the handshake instead."""
        self.before_websocket_funcs[None].append(f)
        return f

    @setupmethod
    def after_websocket(self, f: AfterWebsocketHook) -> AfterWebsocketHook:
        """Register a function to run after each websocket handler; it returns its argument or another response.

        The argument is the answer to the handshake, or None for a websocket that was accepted, as most are.
        """
        self.after_websocket_funcs[None].append(f)
        return f

    @setupmethod
    def teardown_websocket(self, f: TeardownHook) -> TeardownHook:
        """Register a function to run when a websocket's context ends, with the unhandled exception or None."""
        self.teardown_websocket_funcs[None].append(f)
        return f

    @setupmethod
    def context_processor(self, f: ContextProcessor) -> ContextProcessor:
        """Register a function that returns a dict of names for the templates."""
        self.template_context_processors[None].append(f)
        return f

    @setupmethod
    def url_value_preprocessor(self, f: UrlPreprocessor) -> UrlPreprocessor:
        """Register a function to run on (endpoint, values) of the matched URL, ahead of the before hooks."""
        self.url_value_preprocessors[None].append(f)
        return f

    @setupmethod
    def url_defaults(self, f: UrlDefault) -> UrlDefault:
        """Register a function that may add to the values of (endpoint, values) when a URL is built."""
        self.url_default_functions[None].append(f)
        return f

    # error handlers

    @setupmethod
    def errorhandler(self, code_or_exception: type[Exception] | int) -> ft.ErrorHandlerDecorator:
        """Return a decorator for `register_error_handler`."""

        def register(handler: t.Any) -> t.Any:
            self.register_error_handler(code_or_exception, handler)
            return handler

        return register

    @t.overload
    def register_error_handler(
        self,
        code_or_exception: type[Error],
        f: t.Callable[[Error], ft.ResponseReturnValue | t.Awaitable[ft.ResponseReturnValue]],
    ) -> None: ...
    @t.overload
    def register_error_handler(
        self,
        code_or_exception: int,
        f: t.Callable[[Error], ft.ResponseReturnValue | t.Awaitable[ft.ResponseReturnValue]],
    ) -> None: ...
    @setupmethod
    def register_error_handler(self, code_or_exception: type[Exception] | int, f: t.Any) -> None:
        """Register a function that turns an error into an answer.

        Args:
            code_or_exception: an HTTP status code, or an exception class (its subclasses are handled too).
            f: called with the exception.

        Raises:
            TypeError: an exception instance was given.
            ValueError: the code is unknown, or the class is no exception class.
        """
        exc_class, code = self._get_exc_class_and_code(code_or_exception)
        self.error_handler_spec[None][code][exc_class] = f

    @staticmethod
    def _get_exc_class_and_code(exc_class_or_code: type[Exception] | int) -> tuple[type[Exception], int | None]:
        """Return the exception class meant and its status code, None when it is not an HTTP error's."""
        if isinstance(exc_class_or_code, int):
            known = default_exceptions.get(exc_class_or_code)
            if known is None:
                raise ValueError(_NO_SUCH_STATUS.format(exc_class_or_code))
            return known, known.code
        if isinstance(exc_class_or_code, Exception):
            raise TypeError(_AN_INSTANCE.format(exc_class_or_code))
        if not issubclass(exc_class_or_code, Exception):
            raise ValueError(_NO_EXCEPTION.format(exc_class_or_code.__name__))
        return exc_class_or_code, exc_class_or_code.code if issubclass(exc_class_or_code, HTTPException) else None


def endpoint_of(view_func: AnyView) -> str:
    """Return the endpoint that a view function has by default: its name."""
    if view_func is None:
        raise AssertionError("expected view func if endpoint is not provided.")  # pytest would add to an `assert`
    return view_func.__name__


_endpoint_from_view_func = endpoint_of


def _check_rule(rule: t.Any, name: str) -> None:
    """Refuse a decorator that was put on a function itself, which would register nothing."""
    if callable(rule):
        raise TypeError(f"A URL rule is needed, as in @app.{name}('/path'), not {rule!r}.")


def _spec_or_none(name: str) -> ModuleSpec | None:
    """Find a module; None also for what can't be looked up (`__main__`, an invalid name)."""
    try:
        return find_spec(name)
    except (ImportError, ValueError):
        return None


def _portion_of(import_name: str, portions: t.Sequence[str]) -> str:
    """Return the folder, of those that make up a namespace package, that has the module in it; else the first."""
    inner = find_spec(import_name)
    if inner is not None and inner.submodule_search_locations:
        where = Path(os.path.commonpath(list(inner.submodule_search_locations)))
        return next((portion for portion in portions if where.is_relative_to(portion)), portions[0])
    return portions[0]


def _import_folder(import_name: str) -> str:
    """Return the folder that the top-level package or module of `import_name` is imported from."""
    spec = _spec_or_none(import_name.split(".", 1)[0])
    if spec is None:
        return os.getcwd()
    portions = spec.submodule_search_locations
    if not portions:
        return os.path.dirname(t.cast(str, spec.origin))
    if spec.origin in (None, "namespace"):
        return os.path.dirname(_portion_of(import_name, list(portions)))
    return os.path.dirname(os.path.dirname(spec.origin))


def find_package(import_name: str) -> tuple[str | None, str]:
    """Say where a package is installed.

    Args:
        import_name: name of the package or module.

    Returns:
        The prefix it is installed under (the folder with `lib` in it), None when it is not installed; and the folder it
        is imported from, the current one when it can't be found.
    """
    folder = _import_folder(import_name)
    system = os.path.abspath(sys.prefix)
    if Path(folder).is_relative_to(system):
        return system, folder

    parent, last = os.path.split(folder)
    if last.lower() != "site-packages":
        return None, folder
    # lib/site-packages on Windows, lib/pythonX.Y/site-packages elsewhere
    for lib in (parent, os.path.dirname(parent)):
        if os.path.basename(lib).lower() == "lib":
            return os.path.dirname(lib), folder
    return parent, folder
