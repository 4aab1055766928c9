"""Options of the command line: those of every script, and the types that ``run`` needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import typing as t

import click
from click.core import ParameterSource
from werkzeug.utils import import_string

from .locate import ScriptInfo

_PREFIX = "FLASK"


class EnvOption(click.Option):
    """An option that ``ASYNCFLASK_X`` may set where click would take ``FLASK_X``, over which it wins."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value in the environment, or None."""
        prefix = ctx.auto_envvar_prefix
        if prefix is not None and self.name and f"{prefix}_".startswith(f"{_PREFIX}_"):
            ours = os.environ.get(f"ASYNC{prefix}_{self.name.upper()}")
            if ours:
                return ours
        return super().resolve_envvar_value(ctx)


# -- of every script --------------------------------------------------------------------------------------------------


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def get_version(ctx: click.Context, param: click.Parameter, value: t.Any) -> None:
    """Print the versions of Python, asyncflask and Werkzeug, and of the Flask that it stands in for; then exit."""
    if ctx.resilient_parsing or not value:
        return
    packages = {"asyncflask": "asyncflask", "Werkzeug": "werkzeug", "uvicorn": "uvicorn"}
    if getattr(sys.modules.get("flask"), "__name__", None) == "asyncflask":
        packages = {"Flask": "flask"} | packages
    lines = [f"Python {platform.python_version()}"]
    lines += [f"{name} {_version(key) or '(not installed as a package)'}" for name, key in packages.items()]
    click.echo("\n".join(lines), color=ctx.color)
    ctx.exit()


def _set_app(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        ctx.ensure_object(ScriptInfo).app_import_path = value
    return value


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> bool | None:
    source = ctx.get_parameter_source(param.name)
    if source in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
        return None  # not given: left to the environment
    # By the environment, so that a factory sees it before there is an application.
    for name in ("FLASK_DEBUG", "ASYNCFLASK_DEBUG"):
        if name == "FLASK_DEBUG" or name in os.environ:
            os.environ[name] = "01"[value]
    return value


def _load_env_file(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    try:
        import dotenv  # noqa: F401
    except ImportError:
        if value is not None:  # without a file it is no error: `load_dotenv` gives a hint
            raise click.BadParameter(
                "python-dotenv must be installed to load an env file.", param=param, ctx=ctx
            ) from None
    defaults = ctx.ensure_object(ScriptInfo).load_dotenv_defaults
    if defaults or value is not None:
        from . import load_dotenv  # when called, from where it is replaced

        load_dotenv(value, load_defaults=defaults)
    return value


version_option: click.Option = click.Option(
    ["--version"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=get_version,
    help="Show the versions and exit.",
)
# These are eager: --help lists the commands of the application, so it must be known by then.
app_option: click.Option = EnvOption(
    ["-A", "--app"],
    metavar="IMPORT",
    is_eager=True,
    expose_value=False,
    callback=_set_app,
    help=(
        "The application, or the factory that makes it, as 'module:name' or 'module:factory(args)'. The module is a"
        " dotted name or the path of a file. Leave ':name' out if it is 'app', 'application', 'create_app' or"
        " 'make_app'."
    ),
)
debug_option: click.Option = EnvOption(
    ["--debug/--no-debug"],
    expose_value=False,
    callback=_set_debug,
    help="Switch debug mode on or off.",
)
env_file_option: click.Option = EnvOption(
    ["-e", "--env-file"],
    type=click.Path(dir_okay=False, exists=True),
    is_eager=True,
    expose_value=False,
    callback=_load_env_file,
    help=(
        "A file of environment variables. It wins over '.env', which wins over '.flaskenv'; what is set in the"
        " environment wins over all of them. Needs python-dotenv."
    ),
)


# -- of `run` ---------------------------------------------------------------------------------------------------------


def _ssl_module() -> t.Any:
    """Return the `ssl` module, or None where Python is built without it."""
    try:
        import ssl
    except ImportError:
        return None
    return ssl


class CertParamType(click.ParamType[t.Any]):
    """The value of ``--cert``: the path of a file, ``adhoc``, or the import name of an `ssl.SSLContext`."""

    name = "path"

    def __init__(self) -> None:
        self.path_type: click.Path = click.Path(dir_okay=False, exists=True, resolve_path=True)

    def convert(self, value: t.Any, param: click.Parameter | None, ctx: click.Context | None) -> t.Any:
        """Return the path, ``"adhoc"``, or the SSLContext. Raises click.BadParameter."""
        ssl = _ssl_module()
        if ssl is None:
            raise click.BadParameter("'--cert' needs a Python that is built with SSL support.", ctx, param)
        try:
            return self.path_type(value, param, ctx)
        except click.BadParameter:
            text = click.STRING.convert(value, param, ctx)
            if text.lower() == "adhoc":
                return _adhoc(param, ctx)
            found = import_string(text, silent=True)
            if not isinstance(found, ssl.SSLContext):
                raise
            return found


def _adhoc(param: click.Parameter | None, ctx: click.Context | None) -> str:
    try:
        import cryptography  # noqa: F401
    except ImportError:
        problem = "An ad-hoc certificate is made by the 'cryptography' library, which is not installed."
        raise click.BadParameter(problem, ctx, param) from None
    return "adhoc"


def _validate_key(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Check ``--key`` against ``--cert``, and make that a pair of both where it is a file."""
    cert = ctx.params.get("cert")
    ssl = _ssl_module()
    if cert == "adhoc":
        complete = "'adhoc'"
    elif ssl is not None and isinstance(cert, ssl.SSLContext):
        complete = "an SSLContext object"
    else:
        complete = None
    if value is None:
        if cert and complete is None:
            raise click.BadParameter("Required when '--cert' is a file.", ctx, param)
        return None
    if complete is not None:
        raise click.BadParameter(f"When '--cert' is {complete}, '--key' is not used.", ctx, param)
    if not cert:
        raise click.BadParameter("'--cert' must be given as well.", ctx, param)
    ctx.params["cert"] = (cert, value)
    return value


class SeparatedPathType(click.Path):
    """Several paths in one value, separated as in ``PATH``: by ``:``, or ``;`` on Windows."""

    def convert(self, value: t.Any, param: click.Parameter | None, ctx: click.Context | None) -> t.Any:
        """Return the list of paths, each one checked as `click.Path` does."""
        check = super().convert
        return [check(part, param, ctx) for part in self.split_envvar_value(value)]


key_option = click.option(
    "--key",
    cls=EnvOption,
    type=click.Path(dir_okay=False, exists=True, resolve_path=True),
    expose_value=False,
    callback=_validate_key,
    help="The key of the certificate, where that is a file.",
)
