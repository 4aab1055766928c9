"""``python -m asyncflask.serving``: serve an application that is named on the command line."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import sys
import traceback
import typing as t

import click

from ..app import App
from . import is_running_from_reloader, run_simple
from .explain import from_application, made_on_a_loop, summary, why
from .options import ACCESS_LOGS, RELOADERS, BadOption


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("app", metavar="MODULE:APP")
@click.option(
    "-b",
    "--bind",
    metavar="HOST:PORT",
    default="127.0.0.1:5000",
    show_default=True,
    help="Where to listen; also [IPv6]:PORT, unix:PATH or fd:NUMBER. Port 0 takes a free one.",
)
@click.option("-d", "--debug", is_flag=True, help="Debug mode, with errors shown in the browser.")
@click.option("-r", "--reload", is_flag=True, help="Restart when a file of the code changes.")
@click.option("--reload-type", type=click.Choice(RELOADERS), default="auto", show_default=True)
@click.option("--extra-file", multiple=True, metavar="PATH", help="One more file that restarts it; may be repeated.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Files that do not; may be repeated.")
@click.option("--threads", type=int, help="Threads for 'def' handlers [default: as configured, 40]; 0 for none.")
@click.option("--processes", type=int, default=1, show_default=True, help="Processes that share the socket.")
@click.option(
    "--graceful-timeout",
    type=float,
    default=30.0,
    show_default=True,
    help="Seconds for requests in flight to end when the server stops.",
)
@click.option("--cert", metavar="FILE", help="Use TLS, with this certificate; 'adhoc' makes one.")
@click.option("--key", metavar="FILE", help="The certificate's key, if it is in a file of its own.")
@click.option("--http2", is_flag=True, help="Speak HTTP/2 too; needs zttp.")
@click.option(
    "--access-log", type=click.Choice([*ACCESS_LOGS, "off"]), default="werkzeug", show_default=True, help="Its format."
)
@click.version_option(package_name="asyncflask")
def main(app: str, bind: str, **options: t.Any) -> None:
    """Serve an App, an ASGI application or a WSGI callable.

    MODULE:APP names it, such as 'shop.web:app', or calls what makes it: 'shop.web:create_app("test")'.
    """
    sys.path.insert(0, os.getcwd())
    host, port = _split(bind)
    debug, threads, reloads = options["debug"], options["threads"], options["reload"]
    # The process that only watches does not import what the one under it imports anew each time.
    found = _watched_only if reloads and not is_running_from_reloader() else load(app, reloads)
    if debug and isinstance(found, App):
        found.debug = True
    run_simple(
        host,
        port,
        found,
        use_reloader=reloads,
        use_debugger=debug,
        reloader_type=options["reload_type"],
        extra_files=options["extra_file"],
        exclude_patterns=options["exclude"],
        threaded=threads != 0,
        threads=threads or None,
        processes=options["processes"],
        graceful_timeout=options["graceful_timeout"],
        ssl_context=_tls(options["cert"], options["key"]),
        http2=options["http2"],
        access_log=False if options["access_log"] == "off" else options["access_log"],
    )


async def _watched_only(scope: t.Any, receive: t.Any, send: t.Any) -> None:
    """Stand for an application that is served by another process."""


def _split(bind: str) -> tuple[str, int]:
    for kind in ("unix", "fd"):
        if bind.startswith(f"{kind}:"):
            return f"{kind}://{bind.removeprefix(f'{kind}:').removeprefix('//')}", 0
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isdecimal():
        raise click.BadParameter(f"{bind!r} is not HOST:PORT, such as 127.0.0.1:5000.", param_hint="--bind")
    return host.strip("[]") or "0.0.0.0", int(port)


def _tls(cert: str | None, key: str | None) -> t.Any:
    if cert is None:
        if key is not None:
            raise click.UsageError("--key needs the certificate that it is for: --cert FILE.")
        return None
    return cert if cert == "adhoc" else (cert, key)


def load(name: str, shows_traceback: bool = False) -> t.Any:
    """Import an application.

    Args:
        name: ``module:attribute``, or ``module:function(arguments)`` with literal arguments.
        shows_traceback: print that of an error inside the module too.

    Raises BadOption if it cannot be had.
    """
    module_name, colon, wanted = name.partition(":")
    if not colon or not wanted:
        raise BadOption(f"{name!r} does not name an application: say MODULE:APP, such as 'app:app'.")
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        if shows_traceback:
            traceback.print_exc()
        raise BadOption(f"Module {module_name!r} cannot be imported: {_told(error, module_name)}") from None
    return _attribute(module, wanted)


def _attribute(module: t.Any, wanted: str) -> t.Any:
    try:
        expression = ast.parse(wanted.strip(), mode="eval").body
    except SyntaxError:
        raise BadOption(f"{wanted!r} is neither a name nor a call.") from None
    call = expression if isinstance(expression, ast.Call) else None
    path = ast.unparse(call.func if call is not None else expression)
    found = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise BadOption(f"Module {module.__name__!r} has no {path!r}.") from None
    if call is None:
        return found
    try:
        arguments = [ast.literal_eval(argument) for argument in call.args]
        named = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
        inspect.signature(found).bind(*arguments, **named)
    except (ValueError, TypeError) as error:
        raise BadOption(f"{wanted!r} cannot be called: {error}.") from None
    return _made(found, arguments, named, f"{wanted!r} of module {module.__name__!r}")


def _made(factory: t.Any, arguments: list[t.Any], named: dict[str, t.Any], called: str) -> t.Any:
    try:
        made = factory(*arguments, **named)
    except (Exception, SystemExit) as error:
        error.__traceback__ = from_application(error.__traceback__)
        traceback.print_exception(error)
        raise BadOption(f"The factory {called} has failed: {why(error)}") from None
    if inspect.iscoroutine(made):
        made.close()
        raise BadOption(made_on_a_loop(factory.__name__))
    return made


def _told(error: BaseException, module: str) -> str:
    if isinstance(error, ModuleNotFoundError) and module.partition(".")[0] == error.name:
        return f"{summary(error.with_traceback(None))}. It is looked for in {os.getcwd()!r} and on sys.path."
    return why(error)


if __name__ == "__main__":
    main(prog_name="python -m asyncflask.serving")
