"""The table of a measurement in Markdown, and its place in the README: between two marker lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

START, END = "<!-- benchmarks: made by tests/benchmarks/run.py -->", "<!-- end of benchmarks -->"
Rows = Mapping[str, Mapping[str, float]]
#: what ratios are to, in the rows where it is measured
BASE = "raw"
TITLES = {
    "raw": "bare ASGI",
    "flask": "Flask + gunicorn gthread",
    "asyncflask": "**asyncflask**",
    "asyncflask_hooks": "asyncflask, with hooks",
    "asyncflask_fast": "asyncflask[fast]",
    "blacksheep": "BlackSheep",
    "fastapi": "FastAPI",
}


def title(name: str) -> str:
    """Return what a name is called in tables."""
    return TITLES.get(name, name.capitalize())


def _columns(rows: Rows) -> list[str]:
    names = dict.fromkeys(name for row in rows.values() for name in row)
    return list(names)


def _grid(head: Iterable[str], lines: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(line)} |" for line in lines)]


def rates(rows: Rows) -> list[str]:
    """Return lines of a table: requests per second, and the ratio to bare ASGI where there is one."""
    rows = {work: row for work, row in rows.items() if work != "hello beside sleep"}
    columns = _columns(rows)

    def cell(row: Mapping[str, float], name: str) -> str:
        if name not in row:
            return ""
        return f"{row[name]:,.0f}" + (f" ({row[name] / row[BASE]:.2f})" if BASE in row else "")

    lines = ([work, *(cell(row, name) for name in columns)] for work, row in rows.items())
    return _grid(["requests/s", *map(title, columns)], lines)


def costs(rows: Rows) -> list[str]:
    """Return lines of a table: microseconds of CPU per request."""
    columns = _columns(rows)
    lines = ([work, *(f"{row[n]:.1f}" if n in row else "" for n in columns)] for work, row in rows.items())
    return _grid(["µs of CPU", *map(title, columns)], lines)


def markdown(result: Mapping[str, Any]) -> str:
    """Return the whole text for the README."""
    packages = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    text = [f"Measured {result['date']} at {result['commit']} on {result['machine']}; {packages}."]
    if result["load before"] > 0.5:
        text += [f"Other work was going on there (load {result['load before']}): trust ratios more than rates."]
    if result.get("rates"):
        text += ["", "Behind a server, one process on one core; in brackets the ratio to bare ASGI:", ""]
        text += rates(result["rates"])
        beside = result["rates"].get("hello beside sleep")
        if beside:
            text += [
                "",
                f"An async `hello` beside 128 clients of `sleep`: {beside['hello beside sleep']:,.0f} requests/s,",
            ]
            text += [f"{beside['hello alone']:,.0f} alone; `sleep` meanwhile {beside['sleep beside hello']:,.0f}."]
    if any(result.get("server costs", {}).values()):
        text += ["", "What the server's process spends on a request, the kernel's part included:", ""]
        text += costs(result["server costs"])
    if result.get("costs"):
        text += ["", "What the application itself spends, called in-process without a server:", ""]
        text += costs(result["costs"])
    return "\n".join(text) + "\n"


def put_into(readme: Path, text: str) -> None:
    """Replace what is between the markers of `readme`; without markers it goes to the end, with them."""
    old = readme.read_text(encoding="utf-8")
    block = f"{START}\n\n{text}\n{END}"
    if START not in old:
        readme.write_text(f"{old.rstrip()}\n\n## Benchmarks\n\n{block}\n", encoding="utf-8")
        return
    before, _, rest = old.partition(START)
    if END not in rest:
        raise ValueError(f"{readme} has the line {START!r} but not {END!r} after it; put it where the table ends")
    readme.write_text(before + block + rest.partition(END)[2], encoding="utf-8")
