"""The figures of a report: what is drawn, in which order, and with which numbers beside it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from weakref import WeakKeyDictionary

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.data import ReportData, WorstImage
from reports.escape import guard_formula
from reports.figures.forest import forest_numbers, plot_forest
from reports.figures.repeats import plot_repeats, repeat_numbers
from reports.figures.roc import plot_roc, roc_numbers
from reports.figures.scores import plot_score_histogram, plot_scores_by_type, score_numbers, score_thresholds
from reports.figures.style import WIDTH, style
from reports.figures.transfer import plot_transfer, transfer_numbers
from reports.figures.worst import heat_limits, plot_worst
from reports.files import write_file
from reports.names import file_name, rule_name

DPI = 170


@dataclass(frozen=True, eq=False)
class Drawing:
    """One figure to be drawn.

    Parameters
    ----------
    name
        File name without suffix.
    section
        ``forest``, ``roc``, ``scores``, ``transfer``, ``repeats`` or ``worst``.
    category, detector, level
        What it shows; empty = all.
    caption
        How to read it.
    numbers
        What is drawn, for the CSV beside it.
    size
        Width and height in inches.
    draw
        Draws it into a figure.
    """

    name: str
    section: str
    category: str
    detector: str
    level: str
    caption: str
    numbers: pd.DataFrame
    size: tuple[float, float]
    draw: Callable[[Figure], None]

    @cached_property
    def figure(self) -> Figure:
        """The figure, drawn once."""
        with style():
            made = Figure(figsize=self.size, layout="constrained")
            self.draw(made)
            made.draw_without_rendering()
            made.set_layout_engine("none")  # the layout is found: saving twice need not find it again
        return made

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG, without dates or versions: equal input gives equal bytes."""
        return self._saved("png", {"Software": None})

    def pdf(self) -> bytes:
        """Return the figure as PDF, without dates."""
        return self._saved("pdf", {"CreationDate": None, "Producer": None, "Creator": None})

    def csv(self) -> str:
        """Return the numbers as CSV, texts escaped as in the tables."""
        safe = self.numbers.copy()
        for column in safe.columns:
            if not pd.api.types.is_numeric_dtype(safe[column]):
                safe[column] = [guard_formula(str(v)) for v in safe[column]]
        return safe.to_csv(index=False, lineterminator="\n")

    def _saved(self, kind: str, metadata: dict[str, None]) -> bytes:
        stream = io.BytesIO()
        with style():
            self.figure.savefig(stream, format=kind, dpi=DPI, metadata=metadata)
        return stream.getvalue()


_DRAWN: WeakKeyDictionary[ReportData, tuple[Drawing, ...]] = WeakKeyDictionary()


def drawings(data: ReportData) -> tuple[Drawing, ...]:
    """Return the figures of a report, in the order shown; each is drawn when first used, and only once."""
    if data not in _DRAWN:
        found: dict[str, Drawing] = {}
        for category in data.categories:
            for made in _of_category(data, category):
                name, number = made.name, 2
                while name in found:  # labels that differ only in characters that no file name has
                    name, number = f"{made.name}-{number}", number + 1
                found[name] = made if name == made.name else Drawing(
                    name, made.section, made.category, made.detector, made.level, made.caption, made.numbers,
                    made.size, made.draw)  # fmt: skip
        _DRAWN[data] = tuple(found.values())
    return _DRAWN[data]


def _of_category(data: ReportData, category: str) -> list[Drawing]:
    found: list[Drawing] = []

    def add(section: str, detector: str, level: str, caption: str, numbers: pd.DataFrame, height: float,
            draw: Callable[..., Axes]) -> None:  # fmt: skip
        if len(numbers):
            found.append(Drawing(file_name(section, category, detector, level), section, category, detector, level,
                                 caption, numbers, (WIDTH, height),
                                 lambda figure: _draw_one(figure, draw)))  # fmt: skip

    numbers = forest_numbers(data, category)
    add("forest", "", "", "AUROC with its interval: naive (open diamonds) and honest (filled).", numbers,
        1.1 + 0.62 * numbers["detector"].nunique(), partial(plot_forest, numbers))  # fmt: skip
    for detector in data.detectors:
        for level in reversed(data.levels):
            curve = roc_numbers(data, category, detector, level)
            add("roc", detector, level,
                f"{detector}, {level} level. Mean honest curve with its band; each marker is the threshold of one "
                "repeat as it worked on the inference part.",
                curve if (curve["kind"] != "threshold").any() else curve[:0], 4.4,
                partial(plot_roc, curve))  # fmt: skip
    for detector in data.detectors:
        found.extend(_scores(data, category, detector))
    for detector in data.detectors:
        for level in reversed(data.levels):
            moved = transfer_numbers(data, category, detector, level)
            add("transfer", detector, level,
                f"{detector}, {level} level. Large markers: mean over repeats, with the interval of the judged value; "
                "small ones: single repeats.", moved, 1.0 + 0.8 * moved["rule"].nunique(),
                partial(plot_transfer, moved))  # fmt: skip
    for level in reversed(data.levels):
        each = repeat_numbers(data, category, level)
        if each["repeat"].notna().any():
            add("repeats", "", level, f"AUROC of each repeat at {level} level, and the mean with its interval.", each,
                1.0 + 0.62 * each["detector"].nunique(), partial(plot_repeats, each, level))  # fmt: skip
    for detector in data.detectors:
        items = tuple(w for w in data.worst if w.category == category and w.detector == detector)
        if items:
            found.append(_worst(category, detector, items))
    return found


def _draw_one(figure: Figure, draw: Callable[..., Axes]) -> None:
    draw(ax=figure.add_subplot())


def _scores(data: ReportData, category: str, detector: str) -> list[Drawing]:
    numbers = score_numbers(data, category, detector)
    if not len(numbers):
        return []
    thresholds = score_thresholds(data, category, detector)
    rule = rule_name(data.rules[0]) if data.rules else ""
    groups = numbers["group"].nunique()
    heights = (1.9, 0.5 + 0.36 * groups)

    def draw(figure: Figure) -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=heights)
        plot_score_histogram(numbers, thresholds, rule, top)
        top.set_xlabel("")
        plot_scores_by_type(numbers, bottom)

    three_way = (numbers["protocol"] == "three_way").all()
    where = "inference part, all repeats together" if three_way else "test set"
    caption = (f"{detector}: scores of the {where}. Below: nominal images and each type of defect, with median and "
               "quartiles; in brackets the number of scores.")  # fmt: skip
    return [Drawing(file_name("scores", category, detector), "scores", category, detector, "image", caption, numbers,
                    (WIDTH, sum(heights) + 0.9), draw)]  # fmt: skip


def _worst(category: str, detector: str, items: tuple[WorstImage, ...]) -> Drawing:
    limits = heat_limits(items)
    columns = min(len(items), 4)
    lines = -(-len(items) // columns)

    def draw(figure: Figure) -> None:
        for ax, item in zip(figure.subplots(lines, columns, squeeze=False).flat, items, strict=False):
            plot_worst(item, limits, ax)
        for ax in figure.axes[len(items) :]:
            ax.set_axis_off()

    numbers = pd.DataFrame({
        "sample_id": [i.sample_id for i in items], "object_id": [i.object_id for i in items],
        "label": [i.label for i in items], "defect_type": [i.defect_type for i in items],
        "kind": [i.kind for i in items], "score": [i.score for i in items], "threshold": [i.threshold for i in items],
    })  # fmt: skip
    caption = f"{detector}: worst images with their maps, all on one scale; the outline is the true defect."
    return Drawing(file_name("worst", category, detector), "worst", category, detector, "image", caption, numbers,
                   (1.9 * columns, 1.75 * lines), draw)  # fmt: skip


def write(data: ReportData, out_dir: Path) -> list[Path]:
    """Write ``figures/<name>.pdf``, ``.png`` and ``.csv`` for every figure."""
    written = []
    for drawing in drawings(data):
        for suffix, content in (("pdf", drawing.pdf()), ("png", drawing.png), ("csv", drawing.csv())):
            written.append(write_file(out_dir / "figures" / f"{drawing.name}.{suffix}", content))
    return written
