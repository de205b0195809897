"""ROC curves with a band, and the thresholds chosen in each repeat."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from reports.data import ReportData
from reports.figures.style import FAINT, HONEST, INK, MARKERS, NAIVE, PALETTE, axes_or_new, shorten
from reports.names import short_rule_name

_COLUMNS = ["kind", "repeat", "rule", "fpr", "tpr", "low", "high"]


def roc_numbers(data: ReportData, category: str, detector: str, level: str) -> pd.DataFrame:
    """Return curves (kind ``three_way``, ``naive``) and where the chosen thresholds ended up (kind ``threshold``)."""
    of = data.roc[(data.roc["category"] == category) & (data.roc["detector"] == detector)
                  & (data.roc["level_of_analysis"] == level)]  # fmt: skip
    curves = of.assign(kind=of["protocol"], repeat=float("nan"), rule="").sort_values(
        ["kind", "fpr", "tpr"], kind="stable")[_COLUMNS]  # fmt: skip
    points = []
    for rule in data.rules:
        where = (category, detector, "three_way", "inference", level)
        sensitivity = data.per_repeat(*where, "sensitivity", rule).set_index("repeat")["value"]
        specificity = data.per_repeat(*where, "specificity", rule).set_index("repeat")["value"]
        for repeat in sensitivity.index.intersection(specificity.index):
            points.append(
                ("threshold", repeat, rule, 1 - specificity[repeat], sensitivity[repeat], float("nan"), float("nan"))
            )
    chosen = pd.DataFrame(points, columns=_COLUMNS)
    return pd.concat([t for t in (curves, chosen) if len(t)], ignore_index=True) if len(curves) or points else curves


def plot_roc(numbers: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the honest curve with its band, the naive one, and where each repeat's thresholds ended up.

    Parameters
    ----------
    numbers
        From :func:`roc_numbers`.
    ax
        Where to draw; None = a new figure.
    """
    ax = axes_or_new(ax, height=4.4)
    ax.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":")
    naive, honest = (numbers[numbers["kind"] == k] for k in ("naive", "three_way"))
    if len(honest):
        band = honest.dropna(subset=["low", "high"])
        ax.fill_between(
            band["fpr"], band["low"], band["high"], color=HONEST, alpha=0.18, linewidth=0, label="honest, band"
        )
        ax.plot(honest["fpr"], honest["tpr"], color=HONEST, linewidth=1.8, label="honest")
    if len(naive):
        ax.plot(naive["fpr"], naive["tpr"], color=NAIVE, linewidth=1.6, linestyle="--", label="naive")
    chosen = numbers[numbers["kind"] == "threshold"]
    colours = [PALETTE[3], PALETTE[2], PALETTE[4], PALETTE[5], PALETTE[6], PALETTE[8], PALETTE[9], INK]
    for index, rule in enumerate(dict.fromkeys(chosen["rule"])):
        of = chosen[chosen["rule"] == rule]
        ax.plot(of["fpr"], of["tpr"], linestyle="none", marker=MARKERS[index % len(MARKERS)], markersize=6.0,
                markerfacecolor="none", markeredgecolor=colours[index % len(colours)], markeredgewidth=1.3,
                label=shorten(short_rule_name(rule), 24), clip_on=False, zorder=3)  # fmt: skip
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    ax.set_aspect("equal")
    ax.set_xlabel("false alarm rate (overkill)")
    ax.set_ylabel("sensitivity")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="lower right")
    return ax
