"""What a report is made of: stored results, and nothing that has to be computed from scores again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from protocols.errors import InputError
from protocols.results import COMPARISON_COLUMNS, RESULT_COLUMNS, Estimate, Status

AVERAGE = "(mean)"
"""Category of rows that hold the unweighted mean over all categories; shown first."""

SCORE_COLUMNS = ("category", "detector", "protocol", "repeat", "partition", "sample_id", "object_id", "label",
                 "defect_type", "score")  # fmt: skip
ROC_COLUMNS = ("category", "detector", "protocol", "level_of_analysis", "fpr", "tpr", "low", "high")
REQUIREMENT_COLUMNS = ("category", "detector", "requirement", "required", "value", "low", "high", "verdict")
SPLIT_COLUMNS = ("protocol", "repeat", "partition", "n_images", "n_nominal", "n_anomalous", "n_objects")
JOB_COLUMNS = ("detector", "protocol", "repeat", "key", "status", "message", "fit_seconds", "score_seconds",
               "peak_memory_bytes", "weights_sha256")  # fmt: skip

_NUMBERS = frozenset({
    "threshold", "value", "low", "high", "level", "n_nominal", "n_anomalous", "n_objects_nominal",
    "n_objects_anomalous", "n_repeats", "value_a", "value_b", "difference", "statistic", "df", "p_value", "p_adjusted",
    "n_tests", "p_a_better", "p_equivalent", "p_b_better", "rope", "replicability", "replicability_low",
    "replicability_high", "label", "score", "fpr", "tpr", "required", "n_images", "n_objects", "fit_seconds",
    "score_seconds", "peak_memory_bytes", "repeat",
})  # fmt: skip


@dataclass(frozen=True, eq=False)
class WorstImage:
    """One image that was judged wrongly, or that shows best what the detector looks at.

    Parameters
    ----------
    category, detector, sample_id, object_id, label, defect_type, score
        As in the score table.
    threshold
        The threshold that it was judged with.
    kind
        In words: ``false alarm``, ``escape``, ``caught``, ...
    image
        The photograph, uint8, shape (height, width, 3).
    heat
        The anomaly map at the image's size, or None.
    mask
        The true defect mask at the image's size, or None.
    """

    category: str
    detector: str
    sample_id: str
    object_id: str
    label: int
    defect_type: str
    score: float
    threshold: float
    kind: str
    image: NDArray[np.uint8]
    heat: NDArray[np.floating] | None = None
    mask: NDArray[np.bool_] | None = None


def _empty(columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame({c: pd.Series(dtype="float64" if c in _NUMBERS else "object") for c in columns})


def _checked(name: str, frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the columns in order: numbers as float64 (empty = NaN), texts as str (empty = "")."""
    missing = [c for c in columns if c not in frame]
    if missing:
        raise InputError(f"report data, table {name!r}", list(frame.columns), f"the columns {missing}",
                         "Add them; they may be empty.")  # fmt: skip
    clean: dict[str, object] = {}
    for c in columns:
        if c == "optimistic":
            clean[c] = frame[c].map(lambda v: str(v).lower() in {"true", "1", "1.0"}).astype(bool).to_numpy()
        elif c in _NUMBERS:
            texts = frame[c].map(lambda v: math.nan if v is None or v is pd.NA or v == "" else v)
            clean[c] = pd.to_numeric(texts).astype("float64").to_numpy()
        else:
            clean[c] = np.array(["" if _is_missing(v) else str(v) for v in frame[c]], dtype=object)
    return pd.DataFrame(clean, columns=list(columns))


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


_TABLES = {
    "results": RESULT_COLUMNS, "comparisons": COMPARISON_COLUMNS, "scores": SCORE_COLUMNS, "roc": ROC_COLUMNS,
    "requirements": REQUIREMENT_COLUMNS, "splits": SPLIT_COLUMNS, "jobs": JOB_COLUMNS,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class ReportData:
    """All that a report shows. Only `title` and `results` are needed; the rest may be empty.

    Parameters
    ----------
    title
        Name of the run.
    results
        The columns of ``results.csv``; ``repeat`` is empty in rows over all repeats.
    comparisons
        The columns of ``comparisons.csv``.
    scores
        ``SCORE_COLUMNS``: one row an image, repeat and partition; final checkpoint only.
    roc
        ``ROC_COLUMNS``: sensitivity with its band at each false alarm rate.
    requirements
        ``REQUIREMENT_COLUMNS``; verdict ``met``, ``not met`` or ``not shown``.
    worst
        Images to look at, in the order to be shown.
    splits
        ``SPLIT_COLUMNS``: sizes of the partitions.
    jobs
        ``JOB_COLUMNS``: one row a training; status ``done`` or ``failed``.
    parameters
        The resolved configuration.
    environment
        Software versions, devices, times, command: shown as given.
    dataset
        Counts and names of the data set: shown as given; the integers also on top of the page.
    banner
        Sentences that must stand on top of everything.
    warnings
        Further sentences for *What to distrust*.
    detectors
        Labels in the order to be shown; by default as they first occur in `results`.

    Raises
    ------
    InputError
        A table lacks a column.
    """

    title: str
    results: pd.DataFrame
    comparisons: pd.DataFrame = field(default_factory=lambda: _empty(COMPARISON_COLUMNS))
    scores: pd.DataFrame = field(default_factory=lambda: _empty(SCORE_COLUMNS))
    roc: pd.DataFrame = field(default_factory=lambda: _empty(ROC_COLUMNS))
    requirements: pd.DataFrame = field(default_factory=lambda: _empty(REQUIREMENT_COLUMNS))
    worst: tuple[WorstImage, ...] = ()
    splits: pd.DataFrame = field(default_factory=lambda: _empty(SPLIT_COLUMNS))
    jobs: pd.DataFrame = field(default_factory=lambda: _empty(JOB_COLUMNS))
    parameters: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict)
    dataset: Mapping[str, object] = field(default_factory=dict)
    banner: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, columns in _TABLES.items():
            object.__setattr__(self, name, _checked(name, getattr(self, name), columns))
        seen = [*self.results["detector"], *self.jobs["detector"]]
        object.__setattr__(self, "detectors", tuple(dict.fromkeys([*self.detectors, *(d for d in seen if d)])))

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Categories in order, the mean over all first; ``("",)`` where the data set has none."""
        found = sorted(set(self.results["category"]) - {AVERAGE})
        return tuple([*([AVERAGE] if (self.results["category"] == AVERAGE).any() else []), *found]) or ("",)

    @cached_property
    def real_categories(self) -> tuple[str, ...]:
        """The categories without the mean over them."""
        return tuple(c for c in self.categories if c != AVERAGE)

    @cached_property
    def level(self) -> float:
        """Confidence level of the intervals (the first stored one)."""
        levels = self.results["level"].dropna()
        return float(levels.iloc[0]) if len(levels) else 0.95

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """Threshold rules of the three-way protocol, in order of appearance."""
        of = self.results[self.results["protocol"].str.startswith("three_way")]
        return tuple(dict.fromkeys(r for r in of["threshold_rule"] if r))

    @cached_property
    def _index(self) -> dict[tuple[str, ...], list[int]]:
        keys = ("category", "detector", "protocol", "partition", "level_of_analysis", "metric", "threshold_rule")
        index: dict[tuple[str, ...], list[int]] = {}
        for position, key in enumerate(zip(*(self.results[k] for k in keys), strict=True)):
            index.setdefault(tuple(key), []).append(position)
        return index

    def rows(self, category: str, detector: str, protocol: str, partition: str, level: str, metric: str,
             rule: str = "") -> pd.DataFrame:  # fmt: skip
        """Return the result rows of one quantity: per repeat, and over repeats."""
        found = self._index.get((category, detector, protocol, partition, level, metric, rule), [])
        return self.results.iloc[found]

    def estimate(self, category: str, detector: str, protocol: str, partition: str, level: str, metric: str,
                 rule: str = "") -> Estimate | None:  # fmt: skip
        """Return one quantity over all repeats (naive: its only value), or None if it was not stored."""
        rows = self.rows(category, detector, protocol, partition, level, metric, rule)
        over = rows[rows["repeat"].isna()]
        chosen = over if len(over) else rows if protocol.startswith("naive") else over
        return to_estimate(chosen.iloc[0]) if len(chosen) else None

    def per_repeat(self, category: str, detector: str, protocol: str, partition: str, level: str, metric: str,
                   rule: str = "") -> pd.DataFrame:  # fmt: skip
        """Return the rows of the single repeats, in order."""
        rows = self.rows(category, detector, protocol, partition, level, metric, rule)
        return rows[rows["repeat"].notna()].sort_values("repeat", kind="stable")

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """Levels of analysis to show: ``image`` alone where every image is an object of its own."""
        of = self.results[(self.results["protocol"] == "three_way") & (self.results["level_of_analysis"] == "image")]
        counts = of[["n_nominal", "n_anomalous", "n_objects_nominal", "n_objects_anomalous"]].dropna()
        same = (counts["n_nominal"] == counts["n_objects_nominal"]) & (
            counts["n_anomalous"] == counts["n_objects_anomalous"])  # fmt: skip
        if len(counts) and same.all():
            return ("image",)
        return tuple(lv for lv in ("object", "image") if lv in self.levels_of("three_way", "auroc")) or ("image",)

    def levels_of(self, protocol: str, metric: str) -> tuple[str, ...]:
        """Return the levels of analysis (image, object, pixel) at which a metric was stored."""
        of = self.results[(self.results["protocol"] == protocol) & (self.results["metric"] == metric)]
        return tuple(lv for lv in ("image", "object", "pixel") if (of["level_of_analysis"] == lv).any())


def to_estimate(row: pd.Series) -> Estimate:
    """Return a row of the result table as an Estimate."""

    def count(name: str) -> int | None:
        return None if math.isnan(row[name]) else int(row[name])

    statuses: dict[str, Status] = {"approximate": "approximate", "degenerate": "degenerate", "undefined": "undefined"}
    status: Status = statuses.get(str(row["status"]), "ok")
    return Estimate(
        float(row["value"]), float(row["low"]), float(row["high"]), float(row["level"]), str(row["method"]),
        "undefined" if math.isnan(row["value"]) else status,
        count("n_nominal"), count("n_anomalous"), count("n_objects_nominal"), count("n_objects_anomalous"),
        (str(row["notes"]),) if row["notes"] else (),
    )  # fmt: skip
