"""Tables about thresholds: what happens at each rule's threshold, and what its choice promised."""

from __future__ import annotations

import pandas as pd

from reports.data import ReportData
from reports.distinguished import best_detector
from reports.names import metric_name, rule_names
from reports.rounding import show_range
from reports.table import Cell, Column, Table, value
from reports.tables.honest import category_cell, category_column

OPERATING_METRICS = (
    "sensitivity", "overkill", "balanced_accuracy", "precision", "ppv_at_prevalence", "rejects_per_thousand",
    "escapes_per_million", "cost",
)  # fmt: skip
TRANSFER_METRICS = ("balanced_accuracy", "sensitivity", "specificity")


def threshold_range(rows: pd.DataFrame) -> str:
    """Return the lowest and highest threshold over the repeats."""
    thresholds = rows["threshold"].dropna()
    if not len(thresholds):
        return ""
    return show_range(float(thresholds.min()), float(thresholds.max()))


def operating_points(data: ReportData) -> Table:
    """Return the figures on the inference part at each rule's threshold, over all repeats."""
    columns = (*category_column(data), Column("detector", "Detector"), Column("level_of_analysis", "Level"),
               Column("threshold_rule", "Threshold rule"), Column("thresholds", "Thresholds"),
               *(Column(m, _capital(metric_name(m)), "estimate") for m in OPERATING_METRICS))  # fmt: skip
    names = rule_names(data.rules)
    rows: list[tuple[Cell, ...]] = []
    for category in data.categories:
        for level in data.levels:
            for rule in data.rules:
                best = {m: best_detector(data, category, m, level, rule) for m in OPERATING_METRICS}
                for detector in data.detectors:
                    found = {m: data.estimate(category, detector, "three_way", "inference", level, m, rule)
                             for m in OPERATING_METRICS}  # fmt: skip
                    if all(e is None for e in found.values()):
                        continue
                    each = data.per_repeat(category, detector, "three_way", "inference", level, "sensitivity", rule)
                    rows.append((*category_cell(data, category), detector, level, names[rule],
                                 threshold_range(each),
                                 *(value(e, best=best[m] == detector) for m, e in found.items())))  # fmt: skip
    caption = ("Thresholds were set on the threshold part and applied unchanged to the inference part, which neither "
               "training nor the choice of the threshold has seen. Overkill: share of nominal ones rejected. "
               "Thresholds: lowest and highest over the repeats.")  # fmt: skip
    return Table("operating_points", "At the threshold", caption, columns, tuple(rows)).without_empty_columns()


def threshold_transfer(data: ReportData) -> Table:
    """Return the figure where the threshold was chosen, where it was judged, and the difference."""
    columns = (*category_column(data), Column("detector", "Detector"), Column("level_of_analysis", "Level"),
               Column("threshold_rule", "Threshold rule"), Column("metric", "Metric"),
               Column("apparent", "Where it was chosen", "estimate"),
               Column("transported", "Where it was judged", "estimate"),
               Column("optimism", "Optimism", "estimate"))  # fmt: skip
    names = rule_names(data.rules)
    rows: list[tuple[Cell, ...]] = []
    for category in data.categories:
        for level in data.levels:
            for detector in data.detectors:
                for rule in data.rules:
                    for metric in TRANSFER_METRICS:
                        where = (category, detector, "three_way")
                        apparent = data.estimate(*where, "threshold", level, metric, rule)
                        there = data.estimate(*where, "inference", level, metric, rule)
                        lost = data.estimate(*where, "threshold-inference", level, f"optimism_{metric}", rule)
                        if apparent is not None or lost is not None:
                            rows.append((*category_cell(data, category), detector, level, names[rule],
                                         metric_name(metric), value(apparent), value(there),
                                         value(lost, sign=True)))  # fmt: skip
    caption = ("A threshold looks better on the data it was chosen on. Optimism is that figure minus the one on the "
               "inference part, mean over repeats.")  # fmt: skip
    return Table("threshold_transfer", "Threshold transfer", caption, columns, tuple(rows))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
