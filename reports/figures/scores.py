"""Where the scores of each class and of each type of defect lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from reports.data import ReportData
from reports.figures.style import ANOMALOUS, INK, NOMINAL, axes_or_new, shorten, spread

POINTS_AT_MOST = 1500  # a group; beyond it a point says nothing, and the file grows
NOMINAL_NAME = "nominal"


def score_numbers(data: ReportData, category: str, detector: str) -> pd.DataFrame:
    """Return the scores of the judged images: inference part of all repeats, else the naive test set."""
    of = data.scores[(data.scores["category"] == category) & (data.scores["detector"] == detector)]
    judged = of[(of["protocol"] == "three_way") & (of["partition"] == "inference")]
    if not len(judged):
        judged = of[(of["protocol"] == "naive") & (of["partition"] == "test")]
    kind = np.where(
        judged["label"] == 0, NOMINAL_NAME, judged["defect_type"].where(judged["defect_type"] != "", "anomalous")
    )
    columns = ["protocol", "repeat", "partition", "sample_id", "object_id", "label", "group", "score"]
    grouped: pd.DataFrame = judged.assign(group=kind).sort_values(
        ["label", "group", "repeat", "sample_id"], kind="stable"
    )[columns]
    return grouped


def score_thresholds(data: ReportData, category: str, detector: str) -> pd.DataFrame:
    """Return the finite image thresholds of the first rule: repeat, threshold."""
    if not data.rules:
        return pd.DataFrame({"repeat": [], "threshold": []})
    rows = data.per_repeat(category, detector, "three_way", "inference", "image", "sensitivity", data.rules[0])
    finite: pd.DataFrame = rows.loc[np.isfinite(rows["threshold"]), ["repeat", "threshold"]]
    return finite


def plot_score_histogram(numbers: pd.DataFrame, thresholds: pd.DataFrame | None = None, rule: str = "",
                         ax: Axes | None = None) -> Axes:  # fmt: skip
    """Draw the distribution of scores of both classes, each to an area of one.

    Parameters
    ----------
    numbers, thresholds
        From :func:`score_numbers` and :func:`score_thresholds`.
    rule
        Name of the thresholds' rule, for the legend.
    ax
        Where to draw; None = a new figure.
    """
    ax = axes_or_new(ax, height=2.4)
    scores = numbers["score"].to_numpy()
    if scores.size:
        low, high = float(scores.min()), float(scores.max())
        bins = np.linspace(low, high, 31) if high > low else np.array([low - 0.5, low + 0.5])
        for label, colour, name, hatch in ((0, NOMINAL, "nominal", ""), (1, ANOMALOUS, "anomalous", "////")):
            of = numbers.loc[numbers["label"] == label, "score"].to_numpy()
            if of.size:
                sns.histplot(x=of, bins=bins, stat="density", element="step", color=colour, alpha=0.28, linewidth=1.4,
                             label=name, ax=ax)  # fmt: skip
                ax.collections[-1].set_hatch(hatch)
    if thresholds is not None:
        for index, threshold in enumerate(thresholds["threshold"]):
            ax.axvline(threshold, color=INK, linewidth=0.8, linestyle="--",
                       label=f"thresholds ({shorten(rule, 20)})" if index == 0 else None)  # fmt: skip
    ax.set_ylabel("density")
    ax.set_xlabel("score")
    ax.set_yticks([])
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=0.9, handlelength=1.4)
    return ax


def plot_scores_by_type(numbers: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw every score, a row a type of defect, with median and quartiles.

    Parameters
    ----------
    numbers
        From :func:`score_numbers`.
    ax
        Where to draw; None = a new figure.
    """
    groups = list(dict.fromkeys(numbers["group"]))
    ax = axes_or_new(ax, height=0.8 + 0.42 * max(len(groups), 1))
    for index, group in enumerate(groups):
        of = numbers[numbers["group"] == group]
        colour = NOMINAL if (of["label"] == 0).all() else ANOMALOUS
        scores = np.sort(of["score"].to_numpy())
        # Evenly through the ranks: both ends are always drawn.
        drawn = scores[np.unique(np.linspace(0, scores.size - 1, min(scores.size, POINTS_AT_MOST)).astype(int))]
        ax.plot(drawn, index + np.asarray(spread(drawn.size, 0.26)), linestyle="none", marker="o", markersize=2.6,
                color=colour, alpha=0.4, markeredgewidth=0, rasterized=True)  # fmt: skip
        quartiles = np.quantile(scores, [0.25, 0.5, 0.75])
        ax.plot(quartiles[[0, 2]], [index, index], color=INK, linewidth=2.2, solid_capstyle="butt")
        ax.plot(quartiles[1], index, marker="o", color="white", markeredgecolor=INK, markersize=5.5, zorder=3)
    ax.set_yticks(range(len(groups)), [f"{shorten(g, 18)} ({(numbers['group'] == g).sum()})" for g in groups])
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("score")
    return ax
