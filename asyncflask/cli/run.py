"""``run``: serves the application while it is developed."""

from __future__ import annotations

import os
import traceback
import typing as t

import click

from ..helpers import get_debug_flag
from ..serving import is_running_from_reloader
from .groups import pass_script_info
from .locate import ScriptInfo
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


class _Broken:
    """Serves as the application that failed to load: every request gets the error, until a reload loads it."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.traceback = error.__traceback__

    async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None:
        # with the first traceback every time, which would grow by each raise
        raise self.error.with_traceback(self.traceback)


def _load(info: ScriptInfo) -> t.Any:
    try:
        return info.load_app()
    except Exception as error:
        if not is_running_from_reloader():
            raise
        traceback.print_exc()
        return _Broken(error)


@click.command("run", params=[debug_option], short_help="Run a development server.")
@click.option("--host", "-h", cls=EnvOption, default="127.0.0.1", help="The interface to bind to.")
@click.option("--port", "-p", cls=EnvOption, default=5000, help="The port to bind to.")
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

    app = _load(info)
    debug = get_debug_flag()
    threads: bool | None = options.pop("with_threads")
    show_server_banner(debug, info.app_import_path)
    run_simple(
        host,
        port,
        app,
        ssl_context=cert,
        use_reloader=debug if reload is None else reload,
        use_debugger=debug if debugger is None else debugger,
        threaded=getattr(app, "config", {}).get("THREADED", True) if threads is None else threads,
        **options,
    )
