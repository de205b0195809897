"""Which detector may be printed bold: one that the stored comparisons tell apart from every other."""

from __future__ import annotations

import math

from reports.data import ReportData


def best_detector(data: ReportData, category: str, metric: str, level: str, rule: str = "") -> str | None:
    """Return the detector that is better than each other one, or None.

    Better means: the pair was compared on this metric at this level with this rule, the adjusted p value is below
    one minus the confidence level, and the difference points its way. One missing pair, and nobody is best.

    Parameters
    ----------
    category, metric, level, rule
        As in the result table.
    """
    c = data.comparisons
    of = c[(c["category"] == category) & (c["metric"].isin([metric, f"{level}_{metric}"]))
           & (c["level_of_analysis"].isin([level, ""])) & (c["threshold_rule"] == rule)
           & (c["protocol"].isin(["three_way", ""]))]  # fmt: skip
    compared = sorted({*of["detector_a"], *of["detector_b"]})
    judged = [d for d in data.detectors
              if data.estimate(category, d, "three_way", "inference", level, metric, rule) is not None]  # fmt: skip
    if len(judged) < 2 or not set(judged) <= set(compared):
        return None
    wins: dict[str, set[str]] = {d: set() for d in compared}
    for _, row in of.iterrows():
        p = row["p_adjusted"] if not math.isnan(row["p_adjusted"]) else row["p_value"]
        alpha = 1 - (row["level"] if not math.isnan(row["level"]) else data.level)
        if math.isnan(p) or p >= alpha or not row["difference"]:
            continue
        a, b = str(row["detector_a"]), str(row["detector_b"])
        higher, lower = (a, b) if row["difference"] > 0 else (b, a)
        better, worse = (lower, higher) if metric in SMALLER_IS_BETTER else (higher, lower)
        wins[better].add(worse)
    champions = [d for d in judged if wins[d] >= set(judged) - {d}]
    return champions[0] if len(champions) == 1 else None


SMALLER_IS_BETTER = frozenset({
    "overkill", "escape", "cost", "rejects_per_thousand", "escapes_per_million",
})  # fmt: skip
