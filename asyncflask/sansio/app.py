"""The registry of an application: its configuration, rules, blueprints and handlers, without any I/O or request."""

from __future__ import annotations

import logging
import os
import sys
import typing as t
from datetime import timedelta
from functools import cached_property
from inspect import iscoroutinefunction

from werkzeug.exceptions import Aborter, BadRequest, BadRequestKeyError
from werkzeug.routing import BuildError, Map
from werkzeug.sansio.response import Response

from .. import typing as ft
from ..config import Config, ConfigAttribute
from ..globals import _AppCtxGlobals
from ..helpers import _split_blueprint_path, get_debug_flag
from ..json.provider import DefaultJSONProvider, JSONProvider
from ..lazy import late
from ..logging import create_logger
from ..signals import connections
from ..wrappers.redirect import redirect
from .options import check_rule_options, check_websocket_options, take_route_options
from .rule import Rule
from .scaffold import AnyView, Folder, Scaffold, endpoint_of, find_package, setupmethod
from .tables import HookList

if t.TYPE_CHECKING:
    from werkzeug.routing import Rule as BaseRule
    from werkzeug.wrappers import Response as WerkzeugResponse

    from ..templating import DispatchingJinjaLoader, Environment
    from ..testing import FlaskClient, FlaskCliRunner
    from .blueprints import Blueprint

TeardownHook = t.TypeVar("TeardownHook", bound=ft.TeardownCallable)
ShellProcessor = t.TypeVar("ShellProcessor", bound=ft.ShellContextProcessorCallable)
Look = t.TypeVar("Look", bound=t.Callable[[t.Any], t.Any])
Filter = t.TypeVar("Filter", bound=ft.TemplateFilterCallable)
Test = t.TypeVar("Test", bound=ft.TemplateTestCallable)
Global = t.TypeVar("Global", bound=ft.TemplateGlobalCallable)

_TOO_LATE = (
    "The setup method '{}' can no longer be called on the application. It has already handled its first request, any"
    " changes will not be applied consistently.\nMake sure all imports, decorators, functions, etc. needed to set up"
    " the application are done before running it."
)
_ESCAPED_SUFFIXES = (".html", ".htm", ".xml", ".xhtml", ".svg")


def _make_timedelta(value: timedelta | int | None) -> timedelta | None:
    """Read a number as seconds."""
    return timedelta(seconds=value) if value is not None and not isinstance(value, timedelta) else value


def _environment_class() -> type[Environment]:
    from ..templating import Environment  # Jinja takes longer to load than all of the package

    return Environment


class App(Scaffold):
    """What can be said about an application before anything is served.

    Args:
        import_name: the module or package it is defined in, usually `__name__`; resources are looked for there.
        static_url_path: URL prefix of the static files; by default the name of the static folder.
        static_folder: folder of static files; None for none.
        static_host: host of the static route; needed with `host_matching` and a static folder.
        host_matching: whether rules say which host they are for.
        subdomain_matching: whether the subdomain below `SERVER_NAME` takes part in matching.
        template_folder: folder of templates.
        instance_path: absolute path of the instance folder; by default it is looked for beside the package.
        instance_relative_config: whether configuration files are looked for in the instance folder.
        root_path: folder of the application, for when it can't be found (a namespace package).

    Raises:
        ValueError: `instance_path` is not absolute.

    Source: Flask docs, API: "Application Object".
    """

    # What an application is made of: a subclass may set another class.
    aborter_class = Aborter
    app_ctx_globals_class = _AppCtxGlobals
    config_class = Config
    jinja_environment: type[Environment] = late(_environment_class)
    json_provider_class: type[JSONProvider] = DefaultJSONProvider
    url_map_class = Map
    url_rule_class: type[BaseRule] = Rule
    #: Made by `test_client`; None: the one of the testing package.
    test_client_class: type[FlaskClient] | None = None
    #: Made by `test_cli_runner`; None: the one of the testing package.
    test_cli_runner_class: type[FlaskCliRunner] | None = None
    response_class: type[Response]

    #: Arguments of the Jinja environment; read once, when `jinja_env` is made.
    jinja_options: dict[str, t.Any] = {}  # noqa: RUF012  (Flask's public shape: set on the class or on the instance)
    #: What `config` starts with.
    default_config: dict[str, t.Any]

    #: Whether this is a test, for extensions and for PROPAGATE_EXCEPTIONS. In the configuration: TESTING.
    testing: ConfigAttribute[bool] = ConfigAttribute[bool]("TESTING")
    #: Signs the session cookie and whatever else extensions sign. In the configuration: SECRET_KEY.
    secret_key: ConfigAttribute[str | bytes | None] = ConfigAttribute[str | bytes | None]("SECRET_KEY")
    #: How long a permanent session lasts; a number counts seconds. In the configuration: PERMANENT_SESSION_LIFETIME.
    permanent_session_lifetime: ConfigAttribute[timedelta] = ConfigAttribute[timedelta](
        "PERMANENT_SESSION_LIFETIME",
        get_converter=_make_timedelta,  # type: ignore[arg-type]
    )

    def __init__(
        self,
        import_name: str,
        static_url_path: str | None = None,
        static_folder: Folder = "static",
        static_host: str | None = None,
        host_matching: bool = False,
        subdomain_matching: bool = False,
        template_folder: Folder = "templates",
        instance_path: str | None = None,
        instance_relative_config: bool = False,
        root_path: str | None = None,
    ) -> None:
        super().__init__(import_name, static_folder, static_url_path, template_folder, root_path)
        if instance_path is not None and not os.path.isabs(instance_path):
            raise ValueError("If an instance path is provided it must be absolute. A relative path was given instead.")
        self.instance_path: str = self.auto_find_instance_path() if instance_path is None else instance_path
        self.tables.follow(connections)
        self._got_first_request = False
        # No default of the class: Python finds what only the instance has more quickly.
        self.known_stages: t.Any = None
        self.subdomain_matching = subdomain_matching

        #: Blueprints by the name they are registered with, in that order.
        self.blueprints: dict[str, Blueprint] = {}
        #: State of extensions, by the extension's name.
        self.extensions: dict[str, t.Any] = {}
        #: Called with (error, endpoint, values) when `url_for` finds no URL; the first answer that is not None counts.
        self.url_build_error_handlers: list[t.Callable[[Exception, str, dict[str, t.Any]], str]] = []
        #: Called when an application context ends, with the unhandled exception or None.
        self.teardown_appcontext_funcs: list[ft.TeardownCallable] = HookList(self.tables)
        self.before_send_funcs: list[t.Callable[[t.Any], t.Any]] = []
        #: Return names for the interactive shell.
        self.shell_context_processors: list[ft.ShellContextProcessorCallable] = []

        self.config: Config = self.make_config(instance_relative_config)
        self.aborter: Aborter = self.make_aborter()
        self.json: JSONProvider = self.json_provider_class(self)
        #: The URL rules; converters may be added before rules use them.
        self.url_map: Map = self.url_map_class(host_matching=host_matching)

    def __setattr__(self, name: str, value: t.Any) -> None:
        if name == "config" and isinstance(value, Config):
            value.version = self.tables
        elif name == "json" and isinstance(value, DefaultJSONProvider):
            self.tables.follow(value.version)
        super().__setattr__(name, value)

    def _check_setup_finished(self, f_name: str) -> None:
        if self._got_first_request:
            raise AssertionError(_TOO_LATE.format(f_name))

    # what it is made of

    @cached_property
    def name(self) -> str:  # type: ignore[override]
        """The import name, or for `__main__` the name of the file that is run."""
        if self.import_name != "__main__":
            return self.import_name
        script: str | None = getattr(sys.modules["__main__"], "__file__", None)
        return "__main__" if script is None else os.path.splitext(os.path.basename(script))[0]

    def iter_blueprints(self) -> t.ValuesView[Blueprint]:
        """Return the blueprints in the order they were registered."""
        return self.blueprints.values()

    @cached_property
    def jinja_env(self) -> Environment:
        """The Jinja environment, made when it is first asked for."""
        return self.create_jinja_environment()

    def create_global_jinja_loader(self) -> DispatchingJinjaLoader:
        """Return the loader that asks those of the application and of its blueprints."""
        from ..templating import DispatchingJinjaLoader  # as late as Jinja itself

        return DispatchingJinjaLoader(self)

    def select_jinja_autoescape(self, filename: str | None) -> bool:
        """Say whether a template is escaped: by its suffix, and always when it comes from a string (None)."""
        return filename is None or filename.endswith(_ESCAPED_SUFFIXES)

    def create_jinja_environment(self) -> Environment:
        """Return the environment for `jinja_env`."""
        raise NotImplementedError

    def make_config(self, instance_relative: bool = False) -> Config:
        """Return the object for `config`.

        Args:
            instance_relative: whether its files are looked for in the instance folder, not in the root folder.
        """
        folder = self.instance_path if instance_relative else self.root_path
        return self.config_class(folder, {**self.default_config, "DEBUG": get_debug_flag()})

    def make_aborter(self) -> Aborter:
        """Return the object for `aborter`, which `abort` calls."""
        return self.aborter_class()

    def auto_find_instance_path(self) -> str:
        """Return where the instance folder is: beside the code, or below `var` of where the package is installed."""
        prefix, beside = find_package(self.import_name)
        return os.path.join(*((beside, "instance") if prefix is None else (prefix, "var", f"{self.name}-instance")))

    @cached_property
    def logger(self) -> logging.Logger:
        """The standard library's logger of the application's name, ready for use."""
        return create_logger(self)

    @property
    def debug(self) -> bool:
        """Whether debug mode is on. In the configuration: DEBUG. Never switch it on in production."""
        on: bool = self.config["DEBUG"]
        return on

    @debug.setter
    def debug(self, value: bool) -> None:
        self.config["DEBUG"] = value
        follows_debug = self.config["TEMPLATES_AUTO_RELOAD"] is None
        if follows_debug:
            self.jinja_env.auto_reload = value

    # blueprints and rules

    @setupmethod
    def register_blueprint(self, blueprint: Blueprint, **options: t.Any) -> None:
        """Add a blueprint's routes, hooks and handlers to the application.

        Args:
            blueprint: the blueprint.
            options: `name`, `url_prefix`, `subdomain`, `url_defaults`, `cli_group` take the place of the blueprint's
                own; all of them can be read by functions given to `Blueprint.record`.

        Raises:
            ValueError: the name is taken.
        """
        blueprint.register(self, options)

    @setupmethod
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: AnyView = None,
        provide_automatic_options: bool | None = None,
        **options: t.Any,
    ) -> None:
        """See `Scaffold.add_url_rule`."""
        if endpoint is None:
            endpoint = endpoint_of(view_func)
        if options.get("websocket"):
            check_websocket_options(rule, options)
            options["methods"], automatic = ["GET"], False
        else:
            methods = options.get("methods")
            options["methods"], automatic = self._methods_of(view_func, methods, provide_automatic_options)
        ours = take_route_options(rule, options)
        check_rule_options(rule, options, self.url_rule_class)

        made = self.url_rule_class(rule, endpoint=endpoint, **options)
        for name, value in {**ours, "provide_automatic_options": automatic}.items():
            setattr(made, name, value)

        if view_func is None:
            self.url_map.add(made)
            return
        # looked at before the map changes: a refused rule leaves nothing behind
        present = self.view_functions.get(endpoint)
        if present is not None and present != view_func:
            raise AssertionError(f"View function mapping is overwriting an existing endpoint function: {endpoint}")
        self.url_map.add(made)
        self.view_functions[endpoint] = view_func

    def _methods_of(
        self, view_func: AnyView, methods: t.Iterable[str] | None, automatic: bool | None
    ) -> tuple[set[str], bool]:
        """Return the methods of a new rule and whether OPTIONS is answered for it."""
        listed: t.Iterable[str] = (getattr(view_func, "methods", None) or ("GET",)) if methods is None else methods
        if isinstance(listed, str):
            raise TypeError('Allowed methods must be a list of strings, for example: @app.route(..., methods=["POST"])')
        allowed = {method.upper() for method in listed}
        required: set[str] = set(getattr(view_func, "required_methods", ()))

        if automatic is None:
            automatic = getattr(view_func, "provide_automatic_options", None)
        if automatic is None:
            automatic = "OPTIONS" not in allowed and bool(self.config["PROVIDE_AUTOMATIC_OPTIONS"])
            if automatic:
                required.add("OPTIONS")
        return allowed | required, automatic

    @setupmethod
    def before_send(self, f: Look) -> Look:
        """Register a function that sees the head of every answer just before it is sent, and may change it.

        It is given a `ResponseHead`: `status`, `headers`, and `method` and `path` of the request. Unlike an after hook
        it also sees refusals and what mounted applications answer, and has no request context. What it raises is
        logged, and the answer sent all the same. It must not wait: TypeError for an ``async def`` function.
        """
        if iscoroutinefunction(f):
            raise TypeError("A before_send function can't be 'async def': the answer is not to wait for it.")
        self.before_send_funcs.append(f)
        self.known_stages = None
        return f

    # templates, the shell, teardown

    @setupmethod
    def add_template_filter(self, f: ft.TemplateFilterCallable, name: str | None = None) -> None:
        """Make a function a filter of the templates, under `name` or its own."""
        self.jinja_env.filters[name or f.__name__] = f

    @setupmethod
    def add_template_test(self, f: ft.TemplateTestCallable, name: str | None = None) -> None:
        """Make a function a test of the templates, under `name` or its own."""
        self.jinja_env.tests[name or f.__name__] = f

    @setupmethod
    def add_template_global(self, f: ft.TemplateGlobalCallable, name: str | None = None) -> None:
        """Make a function a global of the templates, under `name` or its own."""
        self.jinja_env.globals[name or f.__name__] = f

    @setupmethod
    def template_filter(self, name: str | None = None) -> t.Callable[[Filter], Filter]:
        """Return a decorator for `add_template_filter`."""

        def register(f: Filter) -> Filter:
            self.add_template_filter(f, name)
            return f

        return register

    @setupmethod
    def template_test(self, name: str | None = None) -> t.Callable[[Test], Test]:
        """Return a decorator for `add_template_test`."""

        def register(f: Test) -> Test:
            self.add_template_test(f, name)
            return f

        return register

    @setupmethod
    def template_global(self, name: str | None = None) -> t.Callable[[Global], Global]:
        """Return a decorator for `add_template_global`."""

        def register(f: Global) -> Global:
            self.add_template_global(f, name)
            return f

        return register

    @setupmethod
    def shell_context_processor(self, f: ShellProcessor) -> ShellProcessor:
        """Register a function that returns names for the interactive shell."""
        self.shell_context_processors.append(f)
        return f

    @setupmethod
    def teardown_appcontext(self, f: TeardownHook) -> TeardownHook:
        """Register a function to run when an application context ends, with the unhandled exception or None.

        A streamed body without ``stream_with_context`` comes after that; if it has used the application or ``g``, the
        function runs once more at its end.
        """
        self.teardown_appcontext_funcs.append(f)
        return f

    # errors

    def _find_error_handler(self, e: Exception, blueprints: list[str]) -> ft.ErrorHandlerCallable | None:
        """Return the handler of an exception, or None.

        Those for its status code go before those for its class, in each the blueprints', innermost first, before the
        application's, and in each of these the class that is nearest in the exception's ancestry.
        """
        spec = self.error_handler_spec
        scopes = [by_code for name in (*blueprints, None) if (by_code := spec.get(name))]
        if not scopes:
            return None
        exc_class, code = self._get_exc_class_and_code(type(e))
        for wanted in dict.fromkeys((code, None)):
            for scope in scopes:
                by_class = scope.get(wanted) or {}
                for handler in map(by_class.get, exc_class.__mro__):
                    if handler is not None:
                        return handler
        return None

    def trap_http_exception(self, e: Exception) -> bool:
        """Say whether an HTTP error is to surface as an ordinary exception, without its handler being asked.

        Set by TRAP_HTTP_EXCEPTIONS for all, by TRAP_BAD_REQUEST_ERRORS for bad requests; where the latter is None, a
        missing key of the request is trapped in debug mode.
        """
        config = self.config
        if config["TRAP_HTTP_EXCEPTIONS"]:
            return True
        if not isinstance(e, BadRequest):
            return False
        setting = config["TRAP_BAD_REQUEST_ERRORS"]
        return isinstance(e, BadRequestKeyError) and bool(self.debug) if setting is None else bool(setting)

    def should_ignore_error(self, error: BaseException | None) -> bool:
        """Say whether teardown functions are not to be told of an error. For subclasses; here always False."""
        return False

    # URLs

    def redirect(self, location: str, code: int = 302) -> WerkzeugResponse:
        """Return a response of `response_class` that redirects to `location`."""
        return redirect(location, code, self.response_class)  # type: ignore[arg-type]

    def inject_url_defaults(self, endpoint: str, values: dict[str, t.Any]) -> None:
        """Let the URL default functions of the application and of the endpoint's blueprints change `values`."""
        if not any(self.url_default_functions.values()):
            return
        scopes: list[str | None] = [None]
        blueprint, dotted, _ = endpoint.rpartition(".")
        if dotted:
            scopes += reversed(_split_blueprint_path(blueprint))
        for scope in scopes:
            for change in self.url_default_functions.get(scope, ()):
                change(endpoint, values)

    def handle_url_build_error(self, error: BuildError, endpoint: str, values: dict[str, t.Any]) -> str:
        """Return the first answer of `url_build_error_handlers`.

        Args:
            error: why no URL was found.
            endpoint: the endpoint asked for.
            values: the values given to `url_for`.

        Raises:
            BuildError: no handler had an answer; the last one raised.
        """
        last = error
        for handler in self.url_build_error_handlers:
            try:
                url = handler(last, endpoint, values)
            except BuildError as again:
                last = again
                continue
            if url is not None:
                return url
        # inside the except block of the caller: keep its traceback as it is
        if last is sys.exc_info()[1]:
            raise
        raise last
