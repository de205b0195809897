"""Naive and honest AUROC with their intervals, side by side."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from reports.data import ReportData
from reports.figures.style import HONEST, INK, NAIVE, PALETTE, axes_or_new, shorten
from reports.tables.honest import honest_figure, naive_figure

KINDS = ("naive, image", "honest, image", "honest, object")
_LOOK = {
    "naive, image": (NAIVE, "D", "white"),
    "honest, image": (HONEST, "o", HONEST),
    "honest, object": (PALETTE[2], "s", PALETTE[2]),
}


def forest_numbers(data: ReportData, category: str) -> pd.DataFrame:
    """Return detector, kind, value, low, high."""
    rows = []
    for detector in data.detectors:
        found = (naive_figure(data, category, detector), honest_figure(data, category, detector),
                 honest_figure(data, category, detector, "object") if "object" in data.levels else None)  # fmt: skip
        rows += [
            (detector, kind, e.value, e.low, e.high) for kind, e in zip(KINDS, found, strict=True) if e is not None
        ]
    return pd.DataFrame(rows, columns=["detector", "kind", "value", "low", "high"])


def plot_forest(numbers: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw naive and honest intervals, a block a detector.

    Parameters
    ----------
    numbers
        From :func:`forest_numbers`.
    ax
        Where to draw; None = a new figure.
    """
    detectors = list(dict.fromkeys(numbers["detector"]))
    ax = axes_or_new(ax, height=1.1 + 0.62 * max(len(detectors), 1))
    kinds = [k for k in KINDS if (numbers["kind"] == k).any()]
    step = 0.24
    for index, detector in enumerate(detectors):
        for rank, kind in enumerate(kinds):
            colour, marker, face = _LOOK[kind]
            of = numbers[(numbers["detector"] == detector) & (numbers["kind"] == kind)]
            y = index + (rank - (len(kinds) - 1) / 2) * step
            for _, r in of.iterrows():
                ax.plot([r["low"], r["high"]], [y, y], color=colour, linewidth=1.8, solid_capstyle="butt")
                ax.plot([r["value"]], [y], marker=marker, color=colour, markerfacecolor=face, markersize=5.5,
                        linestyle="none", zorder=3)  # fmt: skip
    for kind in kinds:
        colour, marker, face = _LOOK[kind]
        ax.plot([], [], color=colour, marker=marker, markerfacecolor=face, linewidth=1.8, label=kind)
    ax.set_yticks(range(len(detectors)), [shorten(d) for d in detectors], color=INK, fontsize=9)
    ax.set_ylim(len(detectors) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("AUROC")
    low = numbers["low"].min()
    ax.set_xlim(right=1.005)
    if pd.notna(low) and low < 0.55:
        ax.axvline(0.5, color=INK, linewidth=0.8, linestyle=":")
    if kinds:
        ax.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=len(kinds), columnspacing=1.0, handlelength=1.6,
                  borderaxespad=0.2)  # fmt: skip
    return ax
