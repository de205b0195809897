"""Tables of the single repeats."""

from __future__ import annotations

from reports.data import ReportData, to_estimate
from reports.names import rule_names
from reports.table import Cell, Column, Table, value
from reports.tables.honest import category_cell, category_column


def repeats(data: ReportData) -> Table:
    """Return the AUROC on the inference part, a row a repeat and a column a detector."""
    columns = (*category_column(data), Column("level_of_analysis", "Level"), Column("repeat", "Repeat", "number"),
               *(Column(d, d, "estimate") for d in data.detectors))  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for category in data.real_categories:
        for level in data.levels:
            by_detector = {
                d: {int(r["repeat"]): to_estimate(r) for _, r in
                    data.per_repeat(category, d, "three_way", "inference", level, "auroc").iterrows()}
                for d in data.detectors
            }  # fmt: skip
            for repeat in sorted({r for found in by_detector.values() for r in found}):
                rows.append((*category_cell(data, category), level, repeat,
                             *(value(by_detector[d].get(repeat)) for d in data.detectors)))  # fmt: skip
    caption = ("AUROC on the inference part of each repeat, with the interval of that repeat alone. The repeats share "
               "objects: their spread is not the uncertainty of the mean.")  # fmt: skip
    return Table("repeats", "Values per repeat", caption, columns, tuple(rows)).without_empty_columns()


def repeats_by_rule(data: ReportData) -> Table:
    """Return threshold and figures of each repeat, detector and rule."""
    metrics = ("sensitivity", "specificity", "balanced_accuracy")
    columns = (*category_column(data), Column("detector", "Detector"), Column("level_of_analysis", "Level"),
               Column("threshold_rule", "Threshold rule"), Column("repeat", "Repeat", "number"),
               Column("threshold", "Threshold", "number"), Column("sensitivity", "Sensitivity", "estimate"),
               Column("specificity", "Specificity", "estimate"),
               Column("balanced_accuracy", "Balanced accuracy", "estimate"))  # fmt: skip
    names = rule_names(data.rules)
    rows: list[tuple[Cell, ...]] = []
    for category in data.real_categories:
        for level in data.levels:
            for detector in data.detectors:
                for rule in data.rules:
                    found = {m: {int(r["repeat"]): r for _, r in data.per_repeat(
                        category, detector, "three_way", "inference", level, m, rule).iterrows()}
                        for m in metrics}  # fmt: skip
                    for repeat in sorted({r for of in found.values() for r in of}):
                        row = {m: found[m].get(repeat) for m in metrics}
                        threshold = next((float(r["threshold"]) for r in row.values() if r is not None), None)
                        rows.append((*category_cell(data, category), detector, level, names[rule], repeat,
                                     threshold, *(None if (r := row[m]) is None else value(to_estimate(r))
                                                  for m in metrics)))  # fmt: skip
    caption = "On the inference part, at the threshold that the rule chose on the threshold part of the same repeat."
    return Table("repeats_by_rule", "Thresholds per repeat", caption, columns, tuple(rows)).without_empty_columns()
