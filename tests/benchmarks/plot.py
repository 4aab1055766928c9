"""Bars of a measurement as PNG: ``plot.py RESULT.json PICTURE.png``, in the benchmarks' environment (matplotlib)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from table import title

COLOURS = {"asyncflask": "#d1495b", "asyncflask_fast": "#e08e9b", "raw": "#999999"}
OTHERS = ("#30638e", "#00798c", "#edae49", "#66a182", "#8d6a9f", "#c8963e", "#5b7553")


def draw(result: dict[str, Any], picture: Path) -> None:
    """Draw a panel of bars for each workload: requests per second, or microseconds where only these were measured."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = result.get("rates") or result["costs"]
    rows = {work: row for work, row in rows.items() if row and work != "hello beside sleep"}
    others = [name for name in dict.fromkeys(n for row in rows.values() for n in row) if name not in COLOURS]
    colours = COLOURS | {name: OTHERS[at % len(OTHERS)] for at, name in enumerate(others)}
    across = min(4, len(rows))
    down = -(-len(rows) // across)
    figure, panels = pyplot.subplots(
        down, across, figsize=(4 * across, 2.6 * down), squeeze=False, layout="constrained"
    )
    for panel in list(panels.flat)[len(rows) :]:
        panel.axis("off")
    for (work, row), panel in zip(rows.items(), panels.flat, strict=False):
        names = sorted(row, key=row.__getitem__, reverse=not result.get("rates"))
        panel.barh(
            [title(name).strip("*") for name in names], [row[n] for n in names], color=[colours[n] for n in names]
        )
        panel.set_title(work, fontsize=10)
        panel.tick_params(labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
    unit = "requests per second" if result.get("rates") else "microseconds of CPU per request"
    figure.suptitle(f"{unit}, {result['date']}, {result['machine']}", fontsize=9)
    figure.savefig(picture, dpi=130)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
