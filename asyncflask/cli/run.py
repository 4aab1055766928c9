"""``run``: serves the application while it is developed."""

from __future__ import annotations

import os
import traceback
import typing as t

import click

from ..helpers import get_debug_flag
from ..serving import is_running_from_reloader
from ..serving.explain import from_application, why
from .broken import BrokenApp
from .groups import pass_script_info
from .locate import AppImportError, NoAppException, ScriptInfo
from .options import CertParamType, EnvOption, SeparatedPathType, debug_option, key_option


def show_server_banner(debug: bool, app_import_path: str | None) -> None:
    """Print which application is served and whether it is debugged; once, not after every reload.

    Args:
        debug: None says nothing about it.
        app_import_path: what names the application; None says nothing about it.
    """
    if is_running_from_reloader():
        return
    told = {"Serving Flask app": app_import_path and f" '{app_import_path}'"}
    told["Debug mode:"] = None if debug is None else (" on" if debug else " off")
    for what, value in told.items():
        if value is not None:
            click.echo(f" * {what}{value}")


def _load(info: ScriptInfo, reload: bool) -> t.Any:
    """Return the application; with the reloader on, one that failed to load is served as a `BrokenApp`.

    Without it, the error is printed and ends the command.
    """
    told = None
    try:
        return info.load_app()
    except AppImportError as error:
        if not (reload or is_running_from_reloader()):
            raise
        failure, told = t.cast(Exception, error.__cause__), error.format_message()
    except NoAppException as error:
        if not is_running_from_reloader():
            raise  # there is nothing to be watched
        failure = error
    except Exception as error:
        failure = error
    failure.__traceback__ = from_application(failure.__traceback__)
    if is_running_from_reloader() or not reload:  # else the process that the reloader starts fails as well, and tells
        click.echo(told or "".join(traceback.format_exception(failure)), err=True)
    if is_running_from_reloader() or reload:
        return BrokenApp(failure)
    which = f"The application {info.app_import_path!r}" if info.app_import_path else "The application"
    raise click.ClickException(f"{which} could not be loaded: {why(failure)}") from None


@click.command("run", params=[debug_option], short_help="Run a development server.")
@click.option("--host", "-h", cls=EnvOption, default="127.0.0.1", help="The interface to bind to.")
@click.option(
    "--port",
    "-p",
    cls=EnvOption,
    type=click.IntRange(0, 65535),
    default=5000,
    help="The port to bind to; 0 takes a free one.",
)
@click.option(
    "--cert",
    cls=EnvOption,
    type=CertParamType(),
    is_eager=True,
    help="Use HTTPS: the file of a certificate, 'adhoc', or the import name of an SSLContext.",
)
@key_option
@click.option(
    "--reload/--no-reload", cls=EnvOption, default=None, help="Restart when code changes; by default while debugging."
)
@click.option(
    "--debugger/--no-debugger",
    cls=EnvOption,
    default=None,
    help="Debug errors in the browser; by default in debug mode.",
)
@click.option(
    "--with-threads/--without-threads",
    cls=EnvOption,
    default=None,
    help="Run 'def' handlers in threads, or one after another; by default as the setting THREADED says.",
)
@click.option(
    "--threads",
    cls=EnvOption,
    type=click.IntRange(min=1),
    help="How many threads 'def' handlers have; by default as the setting THREADS says.",
)
@click.option(
    "--processes",
    cls=EnvOption,
    type=click.IntRange(min=1),
    help="How many processes serve, each with its threads; one by default.",
)
@click.option(
    "--graceful-timeout",
    cls=EnvOption,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long requests in flight may take to end when the server is stopped.",
)
@click.option(
    "--access-log",
    cls=EnvOption,
    type=click.Choice(("werkzeug", "uvicorn", "json", "off")),
    help="The form of the lines that tell of requests.",
)
@click.option(
    "--reload-type",
    cls=EnvOption,
    type=click.Choice(("auto", "stat", "watchdog", "watchfiles")),
    help="How changes are noticed; by default by the best library that is installed.",
)
@click.option(
    "--extra-files",
    cls=EnvOption,
    type=SeparatedPathType(),
    default=None,
    help=f"More files whose change restarts the server, separated by {os.path.pathsep!r}.",
)
@click.option(
    "--exclude-patterns",
    cls=EnvOption,
    type=SeparatedPathType(),
    default=None,
    help=f"Patterns (fnmatch) of files whose change does not restart it, separated by {os.path.pathsep!r}.",
)
@pass_script_info
def run_command(
    info: ScriptInfo, /, host: str, port: int, cert: t.Any, reload: bool | None, debugger: bool | None, **options: t.Any
) -> None:
    """Run a local development server.

    It is for development: in production start an ASGI server, such as 'uvicorn module:app', yourself.

    With '--debug' it restarts when the code changes, and shows errors in the browser.
    """
    from . import run_simple  # when called, from where it is replaced

    debug = get_debug_flag()
    reload = debug if reload is None else reload
    app = _load(info, reload)
    show_server_banner(debug, info.app_import_path)
    debugger = debug if debugger is None else debugger
    if debugger and not is_running_from_reloader():
        _tell_where_errors_stay(app)
    run_simple(
        host,
        port,
        app,
        ssl_context=cert,
        use_reloader=reload,
        use_debugger=debugger,
        threaded=_is_threaded(app, options.pop("with_threads"), options["threads"]),
        **_server_options(options),
    )


def _tell_where_errors_stay(app: t.Any) -> None:
    # As with Flask: without debug mode the application answers its errors by itself.
    config = getattr(app, "config", {"DEBUG": True})
    if not (config["DEBUG"] or config["TESTING"] or config["PROPAGATE_EXCEPTIONS"]):
        click.secho(
            " * The debugger will see no error: without '--debug' the application answers errors by itself.",
            fg="yellow",
            err=True,
        )


def _is_threaded(app: t.Any, asked: bool | None, threads: int | None) -> bool:
    if asked is False and threads is not None:
        raise click.UsageError(
            "'--threads' says how many threads there are, and '--without-threads' that there are none."
        )
    if asked is None:
        return threads is not None or bool(getattr(app, "config", {}).get("THREADED", True))
    return asked


def _server_options(given: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what `run_simple` is told: ours, that it need not know, only where they are asked for."""
    told = {name: given.pop(name) for name in ("extra_files", "exclude_patterns")}
    given["reloader_type"] = given.pop("reload_type")
    told |= {name: value for name, value in given.items() if value is not None}
    if told.get("access_log") == "off":
        told["access_log"] = False
    return told
