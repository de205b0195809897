"""Comparisons of detectors, as a table and in words."""

from __future__ import annotations

import math
import re

import pandas as pd

from protocols.results import Estimate
from reports.data import ReportData
from reports.names import TESTS, metric_name, rule_name
from reports.rounding import show, show_number, show_p
from reports.table import Cell, Column, Table, value
from reports.tables.honest import category_cell, category_column


def comparisons(data: ReportData) -> Table:
    """Return every stored comparison."""
    columns = (*category_column(data), Column("metric", "Metric"), Column("threshold_rule", "Threshold rule"),
               Column("detector_a", "A"), Column("detector_b", "B"), Column("difference", "A − B", "estimate"),
               Column("p_adjusted", "p, adjusted"), Column("decision", "Decision", "long"), Column("test", "Test"),
               Column("replicability", "Replicability", "estimate"),
               Column("n_repeats", "Repeats", "number"))  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for _, r in data.comparisons.iterrows():
        rows.append((*category_cell(data, r["category"]), _metric(r), rule_name(r["threshold_rule"]),
                     r["detector_a"], r["detector_b"], value(_difference(r, data.level), sign=True),
                     show_p(_p(r)), r["decision"], TESTS.get(r["test"], r["test"]),
                     value(_replicability(r, data.level)), _count(r["n_repeats"])))  # fmt: skip
    adjusted = sorted({a for a in data.comparisons["adjust"] if a})
    how = f" Adjusted: {', '.join(_capital(a) for a in adjusted)}, over the pairs of a metric." if adjusted else ""
    caption = (
        "Differences on identical repeats. The test allows for objects that occur in several repeats."
        + how
        + " A difference not shown is not evidence that there is none."
    )
    if data.comparisons["replicability"].notna().any():
        caption += (
            " Replicability: the chance that the whole experiment, done again, comes to the same outcome (one better, "
            "the other, or nothing shown). It is high for a test that never finds anything."
        )
    return Table("comparisons", "Comparisons", caption, columns, tuple(rows)).without_empty_columns()


def sentences(data: ReportData, *, thresholds: bool) -> tuple[tuple[str, str], ...]:
    """Return (decision, sentence) for every comparison at thresholds, or for every one without."""
    found = []
    for _, r in data.comparisons.iterrows():
        if bool(r["threshold_rule"]) != thresholds:
            continue
        where = f"{r['category']}: " if len(data.categories) > 1 else ""
        rule = f" at the {rule_name(r['threshold_rule'])} threshold" if r["threshold_rule"] else ""
        a, b = r["detector_a"], r["detector_b"]
        difference = _difference(r, data.level)
        percent = show_number(100 * difference.level)
        if math.isnan(difference.value):
            reason = r["notes"] or "the test is undefined for these data"
            text = f"{where}{a} and {b}, {_metric(r)}{rule}: not comparable ({reason})."
        else:
            shown = show(difference, sign=True)
            p = show_p(_p(r))
            p_text = "p undefined" if p == "undefined" else f"p {p if p.startswith('<') else '= ' + p}"
            if r["adjust"] and not math.isnan(r["n_tests"]) and r["n_tests"] > 1:
                p_text += f", {_capital(r['adjust'])} over {int(r['n_tests'])} comparisons"
            interval = f", {percent} % interval {shown.interval.strip('[]').replace(', ', ' to ')}"
            text = (f"{where}{a} minus {b}, {_metric(r)}{rule}: {shown.value}"
                    f"{interval if not math.isnan(difference.low) else ''} ({p_text}).")  # fmt: skip
        text += _replicability_in_words(r, data.level)
        decision = r["decision"] or "no decision"
        if decision.startswith(("no ", "equivalent ")):  # not a detector's label
            decision = _capital(decision)
        found.append((decision, text))
    return tuple(found)


def _metric(row: pd.Series) -> str:
    level = str(row["level_of_analysis"])
    metric = str(row["metric"]).removeprefix(f"{level}_") if level else str(row["metric"])
    return metric_name(metric, level)


def _difference(row: pd.Series, level: float) -> Estimate:
    stated = level if math.isnan(row["level"]) else float(row["level"])
    return Estimate(float(row["difference"]), float(row["low"]), float(row["high"]), stated)


def _replicability(row: pd.Series, level: float) -> Estimate | None:
    if math.isnan(row["replicability"]):
        return None
    stated = level if math.isnan(row["level"]) else float(row["level"])
    return Estimate(row["replicability"], row["replicability_low"], row["replicability_high"], stated)


def _replicability_in_words(row: pd.Series, level: float) -> str:
    """Say how replicable a comparison is, and beside it how often it found something: stored, not computed."""
    found = _replicability(row, level)
    if found is None:
        return ""
    said = re.search(
        r"replicability of (\d+) experiments of (\d+) repeats each: rejection rate ([\d.e-]+)", row["notes"]
    )
    given = " given the trained models" if "replicability given the trained models" in row["notes"] else ""
    rest = ""
    if said is not None:
        n = int(said[1])
        some = round(n * float(said[3])) or "none"
        rest = f"; {some} of {n} experiments ({said[2]} repeats each) found a difference"
        if found.value < found.low:
            rest += "; so few experiments may give a value below its interval"
    shown = show(found)
    return f" Replicability{given} {shown.value} {shown.interval}{rest}."


def _p(row: pd.Series) -> float:
    return float(row["p_value"] if math.isnan(row["p_adjusted"]) else row["p_adjusted"])


def _count(x: float) -> int | None:
    return None if math.isnan(x) else int(x)


def _capital(text: str) -> str:
    return {"bh": "Benjamini-Hochberg"}.get(text, text[:1].upper() + text[1:])
