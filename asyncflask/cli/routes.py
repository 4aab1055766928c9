"""``routes``: prints the rules of the application."""

from __future__ import annotations

import typing as t
from functools import partial

import click

from ..globals import current_app
from .groups import with_appcontext
from .options import EnvOption

if t.TYPE_CHECKING:
    from werkzeug.routing import Rule

    from ..app import App
    from ..pipeline.hooks import Plan

_AUTOMATIC = frozenset({"HEAD", "OPTIONS"})


def _columns(app: App, hidden: frozenset[str]) -> dict[str, tuple[str, t.Callable[[Rule], str]]]:
    """Return what to show: the name to sort by, its headline, and how to get it from a rule."""
    url_map = app.url_map
    by_host = url_map.host_matching
    place: t.Callable[[Rule], str] = lambda rule: (rule.host if by_host else rule.subdomain) or ""  # noqa: E731
    columns: dict[str, tuple[str, t.Callable[[Rule], str]]] = {
        "endpoint": ("Endpoint", lambda rule: str(rule.endpoint)),
        "methods": ("Methods", lambda rule: ", ".join(sorted(set(rule.methods or ()) - hidden))),
    }
    if any(map(place, url_map.iter_rules())):
        columns["domain"] = ("Host" if by_host else "Subdomain", place)
    columns["rule"] = ("Rule", lambda rule: rule.rule)
    if any(map(partial(_kind, app), url_map.iter_rules())):
        columns["view"] = ("View", partial(_kind, app))
        columns["place"] = ("Runs in", partial(_place, app))
    return columns


def _plan(app: App, rule: Rule) -> Plan:
    return app.plan_for(rule, app.websocket_stages if rule.websocket else app.stages)


def _kind(app: App, rule: Rule) -> str:
    """Return what the view of a rule is; nothing where there is no view."""
    plan = _plan(app, rule)
    if plan.view is None:
        return ""
    kind = "async" if plan.view_is_async else "sync"
    return f"{kind} websocket" if rule.websocket else kind


def _place(app: App, rule: Rule) -> str:
    plan = _plan(app, rule)
    if plan.view is None:
        return ""
    return "loop" if plan.lane.on_loop else "thread"


@click.command("routes", short_help="Show the routes for the app.")
@click.option(
    "--sort",
    "-s",
    cls=EnvOption,
    type=click.Choice(("endpoint", "methods", "domain", "rule", "match")),
    default="endpoint",
    help="The column to sort by; 'match' is the order in which rules are tried.",
)
@click.option("--all-methods", cls=EnvOption, is_flag=True, help="Show HEAD and OPTIONS too.")
@with_appcontext
def routes_command(sort: str, all_methods: bool) -> None:
    """Show the rules of the application, with their endpoints and methods, what each view is, and where it runs."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    columns = _columns(app, frozenset() if all_methods else _AUTOMATIC)
    table = [[value(rule) for _, value in columns.values()] for rule in app.url_map.iter_rules()]
    if not table:
        click.echo("No routes were registered.")
        return
    if sort in columns:  # else in the order of matching
        at = list(columns).index(sort)
        table.sort(key=lambda row: row[at])
    head = [title for title, _ in columns.values()]
    widths = [max(map(len, column)) for column in zip(head, *table, strict=True)]
    styles: list[dict[str, bool]] = [{"bold": True}, {"dim": True}, *({} for _ in table)]
    for style, row in zip(styles, (head, ["-" * width for width in widths], *table), strict=True):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(click.style(line, **style) if style else line)
