"""What a threshold promised where it was chosen, and what it kept where it was judged."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from reports.data import ReportData
from reports.figures.style import FAINT, HONEST, NAIVE, axes_or_new, shorten, spread
from reports.names import short_rule_name

METRIC = "balanced_accuracy"
_COLUMNS = ["rule", "repeat", "threshold", "apparent", "transported", "low", "high"]


def transfer_numbers(data: ReportData, category: str, detector: str, level: str) -> pd.DataFrame:
    """Return balanced accuracy on both parts: a row a rule and repeat, and one a rule over all (repeat empty)."""
    rows = []
    for rule in data.rules:
        there = (category, detector, "three_way", "inference", level, METRIC, rule)
        here = (category, detector, "three_way", "threshold", level, METRIC, rule)
        apparent = data.per_repeat(*here).set_index("repeat")["value"]
        for _, r in data.per_repeat(*there).iterrows():
            if r["repeat"] in apparent.index:
                rows.append((rule, r["repeat"], r["threshold"], apparent[r["repeat"]], r["value"], r["low"], r["high"]))
        mean_here, mean_there = data.estimate(*here), data.estimate(*there)
        if mean_here is not None and mean_there is not None:
            rows.append(
                (rule, float("nan"), float("nan"), mean_here.value, mean_there.value, mean_there.low, mean_there.high)
            )
    return pd.DataFrame(rows, columns=_COLUMNS)


def plot_transfer(numbers: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw, a block a rule, how far each repeat fell from the threshold part to the inference part.

    Parameters
    ----------
    numbers
        From :func:`transfer_numbers`.
    ax
        Where to draw; None = a new figure.
    """
    rules = list(dict.fromkeys(numbers["rule"]))
    ax = axes_or_new(ax, height=1.0 + 0.8 * max(len(rules), 1))
    for index, rule in enumerate(rules):
        of = numbers[numbers["rule"] == rule]
        single = of[of["repeat"].notna()]
        offsets = sorted(spread(len(single), 0.22))
        for (_, r), offset in zip(single.iterrows(), offsets, strict=True):
            y = index + 0.1 + offset
            ax.plot([r["apparent"], r["transported"]], [y, y], color=FAINT, linewidth=0.8)
            ax.plot(
                r["apparent"], y, marker="D", markersize=3.6, color=NAIVE, markerfacecolor="white", linestyle="none"
            )
            ax.plot(r["transported"], y, marker="o", markersize=3.8, color=HONEST, linestyle="none")
        for _, r in of[of["repeat"].isna()].iterrows():
            y = index - 0.3
            ax.plot([r["low"], r["high"]], [y, y], color=HONEST, linewidth=2.2, solid_capstyle="butt")
            ax.plot(r["apparent"], y, marker="D", markersize=6.5, color=NAIVE, markerfacecolor="white",
                    linestyle="none", markeredgewidth=1.6, zorder=3)  # fmt: skip
            ax.plot(r["transported"], y, marker="o", markersize=6.5, color=HONEST, linestyle="none", zorder=3)
    ax.plot([], [], marker="D", color=NAIVE, markerfacecolor="white", linestyle="none", label="where it was chosen")
    ax.plot([], [], marker="o", color=HONEST, linestyle="none", label="where it was judged")
    ax.set_yticks(range(len(rules)), [shorten(short_rule_name(r), 18) for r in rules])
    ax.set_ylim(len(rules) - 0.45, -0.55)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("balanced accuracy")
    if rules:
        ax.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, columnspacing=1.0, handletextpad=0.3)
    return ax
