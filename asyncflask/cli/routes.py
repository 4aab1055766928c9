"""``routes``: prints the rules of the application."""

from __future__ import annotations

import typing as t

import click

from ..globals import current_app
from .groups import with_appcontext
from .options import EnvOption

if t.TYPE_CHECKING:
    from werkzeug.routing import Map, Rule

_AUTOMATIC = frozenset({"HEAD", "OPTIONS"})


def _columns(url_map: Map, hidden: frozenset[str]) -> dict[str, tuple[str, t.Callable[[Rule], str]]]:
    """Return what to show: the name to sort by, its headline, and how to get it from a rule."""
    by_host = url_map.host_matching
    place: t.Callable[[Rule], str] = lambda rule: (rule.host if by_host else rule.subdomain) or ""  # noqa: E731
    columns: dict[str, tuple[str, t.Callable[[Rule], str]]] = {
        "endpoint": ("Endpoint", lambda rule: str(rule.endpoint)),
        "methods": ("Methods", lambda rule: ", ".join(sorted(set(rule.methods or ()) - hidden))),
    }
    if any(map(place, url_map.iter_rules())):
        columns["domain"] = ("Host" if by_host else "Subdomain", place)
    columns["rule"] = ("Rule", lambda rule: rule.rule)
    return columns


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
    """Show the rules of the application, with their endpoints and methods."""
    url_map = current_app.url_map
    columns = _columns(url_map, frozenset() if all_methods else _AUTOMATIC)
    table = [[value(rule) for _, value in columns.values()] for rule in url_map.iter_rules()]
    if not table:
        click.echo("No routes were registered.")
        return
    if sort in columns:  # else in the order of matching
        at = list(columns).index(sort)
        table.sort(key=lambda row: row[at])
    head = [title for title, _ in columns.values()]
    widths = [max(map(len, column)) for column in zip(head, *table, strict=True)]
    for row in (head, ["-" * width for width in widths], *table):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
