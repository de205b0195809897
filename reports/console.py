"""The end of a run on a terminal: naive beside honest, one line a detector; also as plain text and for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from protocols.results import Estimate
from reports.data import AVERAGE, ReportData
from reports.rounding import show
from reports.tables.honest import checkpoint_optimism, gap, honest_figure, leakage, naive_figure, verdict, why

if TYPE_CHECKING:
    from rich.table import Table

Summary = dict[str, object]


def summary(data: ReportData) -> Summary:
    """Return naive and honest figures for ``--json``: undefined numbers are None."""
    rows = []
    for category in data.categories:
        for detector in data.detectors:
            naive, honest = naive_figure(data, category, detector), honest_figure(data, category, detector)
            by_object = honest_figure(data, category, detector, "object")
            if naive is None and honest is None and by_object is None:
                continue
            rows.append({
                "category": category, "detector": detector, "naive_image_auroc": _plain(naive),
                "honest_image_auroc": _plain(honest), "honest_object_auroc": _plain(by_object),
                "naive_minus_honest": _plain(gap(data, category, detector)),
                "ungrouped_minus_grouped": _plain(leakage(data, category, detector)),
                "why": list(why(data, category, detector)),
            })  # fmt: skip
    return {"title": data.title, "level": data.level, "banner": list(data.banner), "detectors": rows}


def _plain(estimate: Estimate | None) -> dict[str, float | str | None] | None:
    if estimate is None:
        return None
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {**{k: v if math.isfinite(v) else None for k, v in numbers.items()}, "status": estimate.status}


def summary_table(data: ReportData) -> Table:
    """Return the summary as a table for a terminal."""
    return _rich("Naive and honest image AUROC", *_grid([(data.title, data)], name_runs=False, objects=False))


def summary_text(data: ReportData) -> str:
    """Return the summary as plain text, for where there is no terminal."""
    return _text(*_grid([(data.title, data)], name_runs=False))


def demo(leaky: ReportData, clean: ReportData) -> Summary:
    """Return both runs of the demo for ``--json``."""
    return {"leaky": summary(leaky), "clean": summary(clean)}


def demo_table(leaky: ReportData, clean: ReportData) -> Table:
    """Return one table for both runs of the demo: the leaky set-up, and the same with the leak off."""
    return _rich(
        "Naive and honest image AUROC", *_grid([("leaky", leaky), ("clean", clean)], name_runs=True, objects=False)
    )


def demo_text(leaky: ReportData, clean: ReportData) -> str:
    """Return the demo's table as plain text."""
    return _text(*_grid([("leaky", leaky), ("clean", clean)], name_runs=True))


def _grid(
    runs: Sequence[tuple[str, ReportData]], *, name_runs: bool, objects: bool = True
) -> tuple[list[str], list[list[str]]]:
    several = any(len(data.categories) > 1 for _, data in runs)
    by_object = objects and any("object" in data.levels for _, data in runs)
    header = [*(["set-up"] if name_runs else []), *(["category"] if several else []), "detector", "naive", "honest",
              "naive - honest",
              *(["honest per object"] if by_object else []), "why"]  # fmt: skip
    rows = []
    for name, data in runs:
        for category in data.categories:
            for detector in data.detectors:
                naive, honest = naive_figure(data, category, detector), honest_figure(data, category, detector)
                per_object = honest_figure(data, category, detector, "object")
                if naive is None and honest is None and per_object is None:
                    continue
                rows.append([
                    *([name] if name_runs else []), *([_category(category)] if several else []), _line(detector),
                    _shown(naive), _shown(honest), _shown(gap(data, category, detector), sign=True),
                    *([_shown(per_object)] if by_object else []), _short_why(data, category, detector),
                ])  # fmt: skip
    return header, rows


def _short_why(data: ReportData, category: str, detector: str) -> str:
    """Return the verdict on the difference, and the causes whose interval excludes zero."""
    difference = gap(data, category, detector)
    words = list(verdict(difference))
    causes = (("best checkpoint", checkpoint_optimism(data, category, detector)),
              ("objects on both sides", leakage(data, category, detector)))  # fmt: skip
    words += [f"{name} {show(e, sign=True)}" for name, e in causes if e is not None and e.low > 0]
    return "; ".join(words)


def _category(category: str) -> str:
    return "mean" if category == AVERAGE else _line(category)


def _line(text: str) -> str:
    """Return text on one line, without control characters that a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _shown(estimate: Estimate | None, *, sign: bool = False) -> str:
    return "-" if estimate is None else str(show(estimate, sign=sign))


def _text(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in [header, *rows]]
    return "\n".join([lines[0], "-" * min(len(lines[0]), 120), *lines[1:]]) + "\n"


def _rich(title: str, header: list[str], rows: list[list[str]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0))
    for name in header:
        table.add_column(name, no_wrap=name not in {"why", "detector", "category"})
    previous = rows[0][0] if rows else ""
    for row in rows:
        if header[0] == "set-up" and row[0] != previous:
            table.add_section()
            previous = row[0]
        # Text: brackets are no markup. The interval goes below its value, so that 80 columns are enough.
        table.add_row(*(Text(c.replace(" [", "\n[") if n != "why" else c) for n, c in zip(header, row, strict=True)))
    return table
