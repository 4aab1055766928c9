"""Blueprints: routes, hooks and handlers that are written down first and given to an application later."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from functools import wraps

from .. import typing as ft
from .options import check_route_options
from .scaffold import (
    AfterHook,
    AfterWebsocketHook,
    AnyView,
    BeforeHook,
    BeforeWebsocketHook,
    ContextProcessor,
    Folder,
    Scaffold,
    TeardownHook,
    UrlDefault,
    UrlPreprocessor,
    endpoint_of,
    setupmethod,
    unset,
)

if t.TYPE_CHECKING:
    from .app import App

#: Values of URL variables, where there may be none.
Values: t.TypeAlias = dict[str, t.Any] | None
DeferredSetupFunction = t.Callable[["BlueprintSetupState"], None]
H = t.TypeVar("H", bound=t.Callable[..., t.Any])
Filter = t.TypeVar("Filter", bound=ft.TemplateFilterCallable)
Test = t.TypeVar("Test", bound=ft.TemplateTestCallable)
Global = t.TypeVar("Global", bound=ft.TemplateGlobalCallable)

#: The tables of a blueprint that an application takes over under the blueprint's name.
_MERGED_TABLES = (
    "url_value_preprocessors",
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "middleware_funcs",
    "before_websocket_funcs",
    "after_websocket_funcs",
    "teardown_websocket_funcs",
    "template_context_processors",
    "url_default_functions",
)
_TOO_LATE = (
    "The setup method '{}' can no longer be called on the blueprint '{}'. It has already been registered at least once,"
    " any changes will not be applied consistently.\nMake sure all imports, decorators, functions, etc. needed to set"
    " up the blueprint are done before registering it."
)
_NAME_TAKEN = "The name '{}' is already registered for {} blueprint{}. Use 'name=' to provide a unique name."


class BlueprintSetupState:
    """One registration of a blueprint: what functions given to `Blueprint.record` are called with.

    Args:
        blueprint: the blueprint.
        app: the application it is registered on.
        options: those given to `register_blueprint`; they take the place of the blueprint's own.
        first_registration: whether the blueprint was on no other name of the application before.
    """

    def __init__(self, blueprint: Blueprint, app: App, options: t.Any, first_registration: bool) -> None:
        self.app = app
        self.blueprint = blueprint
        self.options = options
        self.first_registration = first_registration

        self.name: str = options.get("name", blueprint.name)
        #: Dotted name of the blueprint that this one is nested in, or nothing.
        self.name_prefix: str = options.get("name_prefix", "")
        self.url_prefix: str | None = _first(options.get("url_prefix"), blueprint.url_prefix)
        self.subdomain: str | None = _first(options.get("subdomain"), blueprint.subdomain)
        #: Values that all URLs of the blueprint have by default.
        self.url_defaults: dict[str, t.Any] = {**blueprint.url_values_defaults, **dict(options.get("url_defaults", ()))}

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: AnyView = None,
        **options: t.Any,
    ) -> None:
        """Register a rule on the application: below the URL prefix, with the blueprint's name before the endpoint.

        Args:
            rule: the rule as the blueprint knows it.
            endpoint: by default the view function's name.
            view_func: answers the requests.
            options: those of `Scaffold.add_url_rule`.
        """
        if self.url_prefix is not None:
            rule = f"{self.url_prefix.rstrip('/')}/{rule.lstrip('/')}" if rule else self.url_prefix
        path = [self.name_prefix, self.name, endpoint_of(view_func) if endpoint is None else endpoint]
        options["defaults"] = {**self.url_defaults, **options.get("defaults", {})}
        options.setdefault("subdomain", self.subdomain)
        self.app.add_url_rule(rule, ".".join(path).lstrip("."), view_func, **options)


class Blueprint(Scaffold):
    """A collection of routes and hooks for applications it is registered on.

    Args:
        name: put before the endpoints' names, with a dot.
        import_name: the module it is defined in, usually `__name__`.
        static_folder: folder of its static files, relative to its root path; None for none.
        static_url_path: URL prefix of them, by default the folder's name.
        template_folder: folder of its templates, searched after the application's; None for none.
        url_prefix: put before its rules.
        subdomain: that its rules are for, unless they say another.
        url_defaults: values that its URLs have by default.
        root_path: its folder, for when that can't be found.
        cli_group: group of its commands, by default of the blueprint's name; None: they join the application's.

    Raises:
        ValueError: the name is empty or has a dot.

    Source: Flask docs, "Modular Applications with Blueprints".
    """

    def __init__(
        self,
        name: str,
        import_name: str,
        static_folder: Folder = None,
        static_url_path: str | None = None,
        template_folder: Folder = None,
        url_prefix: str | None = None,
        subdomain: str | None = None,
        url_defaults: Values = None,
        root_path: str | None = None,
        cli_group: str | None = unset,
    ) -> None:
        super().__init__(import_name, static_folder, static_url_path, template_folder, root_path)
        if not name:
            raise ValueError("'name' may not be empty.")
        _refuse_dot("'name'", name)

        self.name = name
        self.subdomain = subdomain
        self.url_prefix = url_prefix
        self.url_values_defaults: dict[str, t.Any] = {} if url_defaults is None else url_defaults
        self.cli_group = cli_group
        self._got_registered_once = False
        #: What is to be done at each registration, in order.
        self.deferred_functions: list[DeferredSetupFunction] = []
        self._blueprints: list[tuple[Blueprint, dict[str, t.Any]]] = []

    def _check_setup_finished(self, f_name: str) -> None:
        if self._got_registered_once:
            raise AssertionError(_TOO_LATE.format(f_name, self.name))

    # what is written down

    @setupmethod
    def record(self, func: DeferredSetupFunction) -> None:
        """Have `func` called with a `BlueprintSetupState` at each registration."""
        self.deferred_functions.append(func)

    @setupmethod
    def record_once(self, func: DeferredSetupFunction) -> None:
        """Have `func` called with a `BlueprintSetupState` at the first registration on an application only."""

        @wraps(func)
        def at_first(state: BlueprintSetupState) -> None:
            if state.first_registration:
                func(state)

        self.record(at_first)

    @setupmethod
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: AnyView = None,
        provide_automatic_options: bool | None = None,
        **options: t.Any,
    ) -> None:
        """Write down a rule. See `Scaffold.add_url_rule`; URL prefix and name are put before rule and endpoint."""
        _refuse_dot("'endpoint'", endpoint or "")
        _refuse_dot("'view_func' name", getattr(view_func, "__name__", ""))
        check_route_options(rule, options)
        options["provide_automatic_options"] = provide_automatic_options

        # a copy each time: one blueprint may be registered under several names
        self.record(lambda state: state.add_url_rule(rule, endpoint, view_func, **dict(options)))

    @setupmethod
    def register_blueprint(self, blueprint: Blueprint, **options: t.Any) -> None:
        """Nest another blueprint in this one.

        Args:
            blueprint: the inner blueprint.
            options: as for `App.register_blueprint`.

        Raises:
            ValueError: it is this blueprint itself.
        """
        if blueprint is self:
            raise ValueError("Cannot register a blueprint on itself")
        self._blueprints.append((blueprint, options))

    # what happens at registration

    def make_setup_state(
        self, app: App, options: dict[str, t.Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        """Return the object that the recorded functions are called with; a subclass may return its own."""
        return BlueprintSetupState(self, app, options, first_registration)

    def register(self, app: App, options: dict[str, t.Any]) -> None:
        """Give everything written down to an application. Called by `register_blueprint`.

        Args:
            app: the application.
            options: those of `register_blueprint`, and `name_prefix` from the blueprint that this one is nested in.

        Raises:
            ValueError: the name is taken on the application.
        """
        own_name = options.get("name", self.name)
        name = f"{options.get('name_prefix', '')}.{own_name}".lstrip(".")
        if name in app.blueprints:
            whose = "this" if app.blueprints[name] is self else "a different"
            raise ValueError(_NAME_TAKEN.format(own_name, whose, "" if name == own_name else f" '{name}'"))

        new_to_app = all(known is not self for known in app.blueprints.values())
        app.blueprints[name] = self
        self._got_registered_once = True
        state = self.make_setup_state(app, options, new_to_app)

        if self.has_static_folder:
            send_file: ft.RouteCallable = self.send_static_file  # type: ignore[attr-defined]
            state.add_url_rule(f"{self.static_url_path}/<path:filename>", "static", send_file)
        self._merge_blueprint_funcs(app, name)
        for deferred in self.deferred_functions:
            deferred(state)
        self._give_commands(app, name, options.get("cli_group", self.cli_group))
        for inner, inner_options in self._blueprints:
            inner.register(app, _nested_options(state, name, inner, inner_options))

    def _merge_blueprint_funcs(self, app: App, name: str) -> None:
        """Copy hooks, handlers and views to the application, under the name of this registration."""

        def scoped(scope: str | None) -> str:
            return name if scope is None else f"{name}.{scope}"

        for table in _MERGED_TABLES:
            of_app = getattr(app, table)
            for scope, hooks in getattr(self, table).items():
                of_app[scoped(scope)].extend(hooks)
        for scope, by_code in self.error_handler_spec.items():
            copied = {code: dict(by_class) for code, by_class in by_code.items()}
            app.error_handler_spec[scoped(scope)] = defaultdict(dict, copied)
        app.view_functions.update(self.view_functions)

    def _give_commands(self, app: App, name: str, group: str | None) -> None:
        """Add the commands, if there are any, to the application's: in a group of their own, or among them (None)."""
        own = vars(self).get("cli")  # not made until somebody wants to add a command
        if own is None or not own.commands:
            return
        if group is None:
            app.cli.commands.update(own.commands)
            return
        own.name = name if group is unset else group
        app.cli.add_command(own)

    # templates of the whole application

    @setupmethod
    def add_app_template_filter(self, f: ft.TemplateFilterCallable, name: str | None = None) -> None:
        """Make a function a filter of all templates, under `name` or its own."""
        self.record_once(lambda state: state.app.jinja_env.filters.update({name or f.__name__: f}))

    @setupmethod
    def add_app_template_test(self, f: ft.TemplateTestCallable, name: str | None = None) -> None:
        """Make a function a test of all templates, under `name` or its own."""
        self.record_once(lambda state: state.app.jinja_env.tests.update({name or f.__name__: f}))

    @setupmethod
    def add_app_template_global(self, f: ft.TemplateGlobalCallable, name: str | None = None) -> None:
        """Make a function a global of all templates, under `name` or its own."""
        self.record_once(lambda state: state.app.jinja_env.globals.update({name or f.__name__: f}))

    @setupmethod
    def app_template_filter(self, name: str | None = None) -> t.Callable[[Filter], Filter]:
        """Return a decorator for `add_app_template_filter`."""

        def register(f: Filter) -> Filter:
            self.add_app_template_filter(f, name)
            return f

        return register

    @setupmethod
    def app_template_test(self, name: str | None = None) -> t.Callable[[Test], Test]:
        """Return a decorator for `add_app_template_test`."""

        def register(f: Test) -> Test:
            self.add_app_template_test(f, name)
            return f

        return register

    @setupmethod
    def app_template_global(self, name: str | None = None) -> t.Callable[[Global], Global]:
        """Return a decorator for `add_app_template_global`."""

        def register(f: Global) -> Global:
            self.add_app_template_global(f, name)
            return f

        return register

    # hooks and handlers of the whole application

    def _for_app(self, table: str, f: H) -> H:
        self.record_once(lambda state: getattr(state.app, table)[None].append(f))
        return f

    @setupmethod
    def before_app_request(self, f: BeforeHook) -> BeforeHook:
        """`before_request` for every request of the application."""
        return self._for_app("before_request_funcs", f)

    @setupmethod
    def after_app_request(self, f: AfterHook) -> AfterHook:
        """`after_request` for every request of the application."""
        return self._for_app("after_request_funcs", f)

    @setupmethod
    def teardown_app_request(self, f: TeardownHook) -> TeardownHook:
        """`teardown_request` for every request of the application."""
        return self._for_app("teardown_request_funcs", f)

    @setupmethod
    def before_app_websocket(self, f: BeforeWebsocketHook) -> BeforeWebsocketHook:
        """`before_websocket` for every websocket of the application."""
        return self._for_app("before_websocket_funcs", f)

    @setupmethod
    def after_app_websocket(self, f: AfterWebsocketHook) -> AfterWebsocketHook:
        """`after_websocket` for every websocket of the application."""
        return self._for_app("after_websocket_funcs", f)

    @setupmethod
    def teardown_app_websocket(self, f: TeardownHook) -> TeardownHook:
        """`teardown_websocket` for every websocket of the application."""
        return self._for_app("teardown_websocket_funcs", f)

    @setupmethod
    def app_context_processor(self, f: ContextProcessor) -> ContextProcessor:
        """`context_processor` for every template of the application."""
        return self._for_app("template_context_processors", f)

    @setupmethod
    def app_url_value_preprocessor(self, f: UrlPreprocessor) -> UrlPreprocessor:
        """`url_value_preprocessor` for every request of the application."""
        return self._for_app("url_value_preprocessors", f)

    @setupmethod
    def app_url_defaults(self, f: UrlDefault) -> UrlDefault:
        """`url_defaults` for every URL of the application."""
        return self._for_app("url_default_functions", f)

    @setupmethod
    def app_errorhandler(self, code: type[Exception] | int) -> ft.ErrorHandlerDecorator:
        """`errorhandler` for every request of the application."""

        def register(handler: t.Any) -> t.Any:
            self.record_once(lambda state: t.cast(None, state.app.errorhandler(code)(handler)))
            return handler

        return register


def _first(given: str | None, fallback: str | None) -> str | None:
    return fallback if given is None else given


def _refuse_dot(what: str, name: str) -> None:
    # a dot parts a blueprint's name from an endpoint's
    if "." in name:
        raise ValueError(f"{what} may not contain a dot '.' character.")


def _nested_options(
    outer: BlueprintSetupState, outer_name: str, inner: Blueprint, options: dict[str, t.Any]
) -> dict[str, t.Any]:
    """Return the options for registering a nested blueprint: prefixes are joined, subdomains stacked."""
    nested = {**options, "name_prefix": outer_name}

    prefix = _first(options.get("url_prefix"), inner.url_prefix)
    if outer.url_prefix is not None and prefix is not None:
        prefix = f"{outer.url_prefix.rstrip('/')}/{prefix.lstrip('/')}"
    prefix = _first(prefix, outer.url_prefix)
    if prefix is not None:
        nested["url_prefix"] = prefix

    labels = [_first(options.get("subdomain"), inner.subdomain), outer.subdomain]
    known = [label for label in labels if label is not None]
    if known:
        nested["subdomain"] = ".".join(known)
    return nested
