"""The report as one file: no network, no script, no external font; readable on a phone and on paper."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from reports.caveats import caveats, failures
from reports.data import AVERAGE, ReportData, WorstImage
from reports.escape import guard_formula
from reports.explain import first_line, how_computed
from reports.files import write_file
from reports.reasons import DOUBTFUL, is_doubtful
from reports.rounding import UNDEFINED, show, show_number
from reports.table import Cell, Column, Table, Value, cell_text
from reports.tables import all_tables
from reports.tables.compared import sentences
from reports.tables.provenance import flat

SECTIONS = ("forest", "roc", "scores", "transfer", "repeats")
LONGEST_SIDE = 320  # pixels of an embedded photograph
_MARKS = {"met": "✓", "not met": "✗", "not shown": "?"}


@dataclass(frozen=True)
class HtmlCell:
    """A cell ready for the template: what to write, and how it looks."""

    kind: str
    css: str
    value: str = ""
    interval: str = ""
    label: str = ""
    verdict: str = ""
    mark: str = ""
    missing: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class HtmlTable:
    """A table ready for the template."""

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[HtmlCell, ...], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plot:
    """An embedded figure."""

    source: str
    width: int
    height: int
    caption: str


@dataclass(frozen=True)
class PlotGroup:
    """Figures under one heading; those of one category among several are folded away."""

    title: str
    folded: bool
    figures: tuple[Plot, ...]


@dataclass(frozen=True)
class Tile:
    """One photograph with its map."""

    photo: str
    overlay: str
    width: int
    height: int
    kind: str
    defect_type: str
    sample_id: str
    score: str
    threshold: str


@dataclass(frozen=True)
class TileGroup:
    """The photographs of one detector."""

    title: str
    tiles: tuple[Tile, ...]


def page(data: ReportData) -> str:
    """Return the report as HTML; every text from outside is escaped by the template engine."""
    tables = {name: html_table(table) for name, table in all_tables(data).items()}
    figures = _figures(data)
    worst = tuple(_tiles(data))
    compared, compared_at = (
        tuple((guard_formula(d), _minus_signs(guard_formula(s))) for d, s in sentences(data, thresholds=at))
        for at in (False, True)
    )
    failed = tuple(guard_formula(f) for f in failures(data))
    present = {
        "honest": "honest" in tables, "requirements": "requirements" in tables,
        "thresholds": "operating_points" in tables, "roc": bool(figures["roc"]) or "ranking" in tables,
        "scores": bool(figures["scores"]), "transfer": bool(figures["transfer"]) or "threshold_transfer" in tables,
        "repeats": bool(figures["repeats"]) or "repeats" in tables, "comparisons": bool(compared or compared_at),
        "worst": bool(worst), "failures": bool(failed),
    }  # fmt: skip
    columns = (Column("what", "What"), Column("value", "Value", "long"))
    dataset = Table("dataset", "Data set", "As found when the run was made.", columns, tuple(flat(data.dataset)))
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = environment.get_template("page.css").render()
    return environment.get_template("report.html").render(
        title=data.title, facts=_facts(data), banner=data.banner, first_line=first_line(data),
        contents=[(name, title) for name, title in _CONTENTS if present.get(name, True)],
        tables=tables, figures=figures, comparisons=compared, comparisons_at=compared_at, worst=worst,
        steps=how_computed(data),
        caveats=tuple(guard_formula(c) for c in caveats(data)), failures=failed, dataset=html_table(dataset),
        weights=_weights(data), css=Markup(css),  # noqa: S704 - our own file
    )  # fmt: skip


_CONTENTS = (
    ("honest", "Naive and honest"), ("requirements", "Requirements"), ("thresholds", "At the threshold"),
    ("roc", "ROC"),
    ("scores", "Scores"), ("transfer", "Threshold transfer"), ("repeats", "Repeats"), ("comparisons", "Comparisons"),
    ("worst", "Images"), ("how", "How computed"), ("distrust", "What to distrust"), ("failures", "Failures"),
    ("provenance", "Provenance"),
)  # fmt: skip


def html_table(table: Table) -> HtmlTable:
    """Return a table with its cells rounded and made safe for spreadsheets that it may be pasted into."""
    columns = tuple(Column(c.name, guard_formula(c.title), c.kind) for c in table.columns)
    rows = tuple(tuple(_cell(c, cell) for c, cell in zip(table.columns, row, strict=True)) for row in table.rows)
    return HtmlTable(
        table.name, table.title, table.caption, columns, rows, tuple(guard_formula(n) for n in table.notes())
    )


def _cell(column: Column, cell: Cell) -> HtmlCell:
    label = column.title if column.kind != "text" else ""
    if isinstance(cell, Value):
        shown = show(cell.estimate, sign=cell.sign)
        mark = f" {DOUBTFUL}" if is_doubtful(cell.estimate) else ""
        return HtmlCell("estimate", f"{column.kind}{' best' if cell.best else ''}", _minus(shown.value),
                        _minus(shown.interval) + mark, label, missing=shown.value == UNDEFINED)  # fmt: skip
    text = cell_text(cell)
    if isinstance(cell, tuple):
        return HtmlCell(
            "long", column.kind, label=label, lines=tuple(_minus_signs(guard_formula(line)) for line in cell)
        )
    if isinstance(cell, str):
        mark = _MARKS.get(text, "") if column.name == "verdict" else ""
        if column.name == "thresholds":
            text = _minus(text)
        css = f"{column.kind} key" if column.name in {"key", "weights_sha256"} else column.kind
        return HtmlCell("text", css, guard_formula(text), label=label, verdict=text.replace(" ", "-") if mark else "",
                        mark=mark)  # fmt: skip
    return HtmlCell("number", column.kind, _minus(text), label=label if text else "")


def _minus(text: str) -> str:
    return text.replace("-", "−").replace("inf", "∞")


def _minus_signs(text: str) -> str:
    return re.sub(r"(?<![\w.)-])-(?=\d)", "−", text)


def _figures(data: ReportData) -> dict[str, tuple[PlotGroup, ...]]:
    from reports.figures import drawings  # imports matplotlib

    found: dict[str, tuple[PlotGroup, ...]] = {}
    several = len(data.categories) > 1
    for section in SECTIONS:
        groups = []
        for category in data.categories:
            plots = tuple(_plot(d.png, d.caption) for d in drawings(data)
                          if d.section == section and d.category == category)  # fmt: skip
            if plots:
                title = "Mean over categories" if category == AVERAGE else category
                groups.append(
                    PlotGroup(
                        guard_formula(title) if several else "",
                        several and category != AVERAGE and section != "forest",
                        plots,
                    )
                )
        found[section] = tuple(groups)
    return found


def _plot(png: bytes, caption: str) -> Plot:
    with Image.open(io.BytesIO(png)) as image:
        width, height = image.size
    return Plot(_uri("image/png", png), width, height, guard_formula(caption))


def _tiles(data: ReportData) -> Iterable[TileGroup]:
    if not data.worst:
        return
    from reports.figures.worst import heat_limits, overlay  # imports matplotlib

    for category in data.categories:
        for detector in data.detectors:
            items = [w for w in data.worst if w.category == category and w.detector == detector]
            if not items:
                continue
            limits = heat_limits(items)
            tiles = []
            for w in items:
                photo = _jpeg(np.asarray(w.image)[..., :3])
                over = _jpeg(overlay(w, limits)) if w.heat is not None or w.mask is not None else None
                tiles.append(_tile(w, photo, over))
            name = f"{category}: {detector}" if len(data.categories) > 1 else detector
            yield TileGroup(guard_formula(name), tuple(tiles))


def _tile(w: WorstImage, photo: tuple[bytes, int, int], over: tuple[bytes, int, int] | None) -> Tile:
    raw, width, height = photo
    return Tile(
        _uri("image/jpeg", raw), _uri("image/jpeg", over[0]) if over else "", width, height,
        w.kind[:1].upper() + w.kind[1:],
        guard_formula(w.defect_type), guard_formula(w.sample_id), _minus(show_number(w.score)),
        _minus(show_number(w.threshold)),
    )  # fmt: skip


def _jpeg(picture: NDArray[np.uint8]) -> tuple[bytes, int, int]:
    image = Image.fromarray(np.ascontiguousarray(picture), mode=None)
    scale = LONGEST_SIDE / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=88)
    return stream.getvalue(), image.width, image.height


def _uri(kind: str, raw: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(raw).decode('ascii')}"


def _facts(data: ReportData) -> str:
    return ", ".join(f"{count} {name}" for name, count in data.dataset.items() if isinstance(count, int))


def _weights(data: ReportData) -> tuple[tuple[str, str], ...]:
    jobs = data.jobs[data.jobs["weights_sha256"] != ""]
    pairs = dict.fromkeys(zip(jobs["detector"], jobs["weights_sha256"], strict=True))
    return tuple((guard_formula(detector), sha) for detector, sha in pairs)


def write(data: ReportData, out_dir: Path) -> list[Path]:
    """Write ``index.html``."""
    return [write_file(out_dir / "index.html", page(data))]
