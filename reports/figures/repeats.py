"""The honest AUROC of every repeat."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from reports.data import ReportData
from reports.figures.style import HONEST, INK, axes_or_new, shorten, spread


def repeat_numbers(data: ReportData, category: str, level: str) -> pd.DataFrame:
    """Return detector, repeat (empty = over all), value, low, high."""
    rows = []
    for detector in data.detectors:
        where = (category, detector, "three_way", "inference", level, "auroc")
        rows += [
            (detector, r["repeat"], r["value"], r["low"], r["high"]) for _, r in data.per_repeat(*where).iterrows()
        ]
        over = data.estimate(*where)
        if over is not None:
            rows.append((detector, float("nan"), over.value, over.low, over.high))
    return pd.DataFrame(rows, columns=["detector", "repeat", "value", "low", "high"])


def plot_repeats(numbers: pd.DataFrame, level: str = "", ax: Axes | None = None) -> Axes:
    """Draw the values of the repeats, and the mean with its interval, a block a detector.

    Parameters
    ----------
    numbers
        From :func:`repeat_numbers`.
    level
        Level of analysis, for the axis.
    ax
        Where to draw; None = a new figure.
    """
    detectors = list(dict.fromkeys(numbers["detector"]))
    ax = axes_or_new(ax, height=1.0 + 0.62 * max(len(detectors), 1))
    for index, detector in enumerate(detectors):
        of = numbers[numbers["detector"] == detector]
        single = of[of["repeat"].notna()]
        ax.plot(single["value"], [index + 0.16 + o for o in spread(len(single), 0.13)], linestyle="none", marker="o",
                markersize=5, color=HONEST, alpha=0.55, markeredgecolor="white", markeredgewidth=0.5)  # fmt: skip
        for _, r in of[of["repeat"].isna()].iterrows():
            ax.plot([r["low"], r["high"]], [index - 0.2, index - 0.2], color=INK, linewidth=1.8, solid_capstyle="butt")
            ax.plot(r["value"], index - 0.2, marker="s", markersize=5.5, color=INK, linestyle="none", zorder=3)
    ax.plot([], [], linestyle="none", marker="o", color=HONEST, alpha=0.55, label="one repeat")
    ax.plot([], [], marker="s", color=INK, linewidth=1.8, label="mean with interval")
    ax.set_yticks(range(len(detectors)), [shorten(d) for d in detectors], fontsize=9)
    ax.set_ylim(len(detectors) - 0.4, -0.6)
    ax.set_xlim(right=1.005)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(f"{level} AUROC on the inference part".strip())
    if detectors:
        ax.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, columnspacing=1.0)
    return ax
