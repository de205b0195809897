"""From stored scores to result tables: needs no detector and trains nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from protocols.metrics import METRICS, resolve_metric
from protocols.results import COMPARISON_COLUMNS, RESULT_COLUMNS, ResultRow

AVERAGE = "(mean)"  # the category of unweighted means over categories


@dataclass(frozen=True)
class Tagged:
    """A result row with what the run knows about it."""

    row: ResultRow
    category: str
    detector: str
    job_key: str = ""


def results_frame(rows: Iterable[Tagged], seed: int, remarks: Sequence[str] = ()) -> pd.DataFrame:
    """Return ``results.csv`` as a frame; `remarks` are added to the notes of every row."""
    records = []
    for tagged in rows:
        row = tagged.row
        if remarks:
            row = replace(
                row, estimate=replace(row.estimate, notes=tuple(dict.fromkeys((*remarks, *row.estimate.notes))))
            )
        records.append(
            row.as_dict(category=tagged.category, detector=tagged.detector, seed=seed, job_key=tagged.job_key)
        )
    frame = pd.DataFrame.from_records(records, columns=list(RESULT_COLUMNS))
    for column in ("repeat", "n_nominal", "n_anomalous", "n_objects_nominal", "n_objects_anomalous", "n_repeats"):
        frame[column] = frame[column].astype("Int64")
    frame["threshold"] = frame["threshold"].astype("float64")
    return frame


def comparisons_frame(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Return ``comparisons.csv`` as a frame."""
    return pd.DataFrame.from_records(list(rows), columns=list(COMPARISON_COLUMNS))


def category_means(rows: Sequence[Tagged], level: float) -> list[Tagged]:
    """Return unweighted means over categories of all rows over repeats (naive: of its only value).

    Categories share no object, so their errors are independent: se of the mean = sqrt(sum se^2) / k. The interval is
    the normal one; a category whose standard error is unknown leaves the mean without an interval's worth of
    support, and the mean is then undefined.
    """
    groups: dict[tuple[object, ...], list[Tagged]] = {}
    for tagged in rows:
        r = tagged.row
        if r.repeat is None or r.protocol == "naive":
            key = (tagged.detector, r.protocol, r.partition, r.level_of_analysis, r.metric, r.threshold_rule)
            groups.setdefault(key, []).append(tagged)
    categories = {tagged.category for tagged in rows}
    means = []
    for members in groups.values():
        if len(members) == len(categories):
            means.append(_mean_of(members, level))
    return means


def _mean_of(members: Sequence[Tagged], level: float) -> Tagged:
    estimates = [m.row.estimate for m in members]
    first = members[0].row
    z = float(stats.norm.ppf(0.5 + level / 2))
    # Where a method has no standard error, half the interval's width stands for z of them.
    errors = [e.se if math.isfinite(e.se) else (e.high - e.low) / (2 * z) for e in estimates]
    value = float(np.mean([e.value for e in estimates]))
    se = float(np.sqrt(np.sum(np.square(errors))) / len(members))
    undefined = [m.category for m in members if m.row.estimate.status == "undefined"]
    counts: dict[str, Any] = {
        name: sum(getattr(e, name) for e in estimates) if all(getattr(e, name) is not None for e in estimates) else None
        for name in ("n_nominal", "n_anomalous", "n_objects_nominal", "n_objects_anomalous")
    }
    notes: tuple[str, ...] = (f"unweighted mean over {len(members)} categories",)
    if undefined:
        notes = (*notes, f"undefined in {', '.join(undefined)}")
    low, high = value - z * se, value + z * se
    if first.metric in METRICS and "-" not in first.protocol:
        lowest, highest = METRICS[first.metric].range
        low, high = max(low, lowest), min(high, highest)
    estimate = replace(
        estimates[0], value=value, low=low, high=high, method="mean over categories, normal", se=se, notes=notes,
        status="undefined" if undefined else "approximate", **counts,
    )  # fmt: skip
    row = replace(first, estimate=estimate, repeat=first.repeat, threshold=None)
    return Tagged(row, AVERAGE, members[0].detector)


def requirement_verdicts(results: pd.DataFrame, requirements: Mapping[str, float], rule: str) -> pd.DataFrame:
    """Say per detector and category whether each requirement is ``met``, ``not met`` or ``not shown``.

    A requirement such as ``object_sensitivity: 0.95`` is met when the whole interval of the honest estimate is on
    the right side of it, not met when the whole interval is on the wrong side, and otherwise not shown.

    Parameters
    ----------
    results
        The frame of ``results.csv``.
    requirements
        Level and metric joined by ``_``, and the value required.
    rule
        Name of the threshold rule that thresholded metrics are judged at.
    """
    columns = ["category", "detector", "requirement", "required", "value", "low", "high", "verdict"]
    honest = results[
        (results["protocol"] == "three_way") & results["repeat"].isna() & (results["partition"] == "inference")
    ]
    found = []
    for name, required in requirements.items():
        level, metric = split_metric(name)
        kind = resolve_metric(metric)
        rules = {rule} if kind.needs_threshold else {""}
        of = honest[
            (honest["level_of_analysis"] == level)
            & (honest["metric"] == kind.name)
            & honest["threshold_rule"].isin(rules)
        ]
        higher = kind.direction == "higher"
        for _, row in of.iterrows():
            if not np.isfinite([row["low"], row["high"]]).all():
                verdict = "not shown"
            elif row["low"] >= required if higher else row["high"] <= required:
                verdict = "met"
            elif row["high"] < required if higher else row["low"] > required:
                verdict = "not met"
            else:
                verdict = "not shown"
            found.append(
                [row["category"], row["detector"], name, required, row["value"], row["low"], row["high"], verdict]
            )
    return pd.DataFrame(found, columns=columns)


def split_metric(name: str) -> tuple[str, str]:
    """Split ``object_sensitivity`` into level and metric; without a level it is the image's."""
    level, _, metric = name.partition("_")
    return (level, metric) if level in ("image", "object", "pixel") else ("image", name)
