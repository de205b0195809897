"""What a statistic returns, and the columns of the two result tables.

An :class:`Estimate` has no form without an interval: a bare number cannot be stored. The columns are those of
``results.csv`` and ``comparisons.csv``; fractions, never per cent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["ok", "approximate", "degenerate", "undefined"]

RESULT_COLUMNS = (
    "category", "detector", "protocol", "repeat", "partition", "level_of_analysis", "metric", "threshold_rule",
    "threshold", "value", "low", "high", "level", "method", "status", "n_nominal", "n_anomalous",
    "n_objects_nominal", "n_objects_anomalous", "n_repeats", "optimistic", "seed", "job_key", "notes",
)  # fmt: skip
COMPARISON_COLUMNS = (
    "category", "metric", "detector_a", "detector_b", "value_a", "value_b", "difference", "low", "high", "level",
    "test", "statistic", "df", "p_value", "p_adjusted", "adjust", "n_tests", "decision", "p_a_better",
    "p_equivalent", "p_b_better", "rope", "replicability", "replicability_low", "replicability_high", "n_repeats",
    "correction", "protocol", "level_of_analysis", "threshold_rule", "notes",
)  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """A value with its interval and with what it rests on.

    Parameters
    ----------
    value, low, high
        The estimate and its interval; NaN when ``status`` is ``undefined``.
    level
        Confidence level of the interval, for example 0.95.
    method
        How the interval was made, for example ``DeLong, logit``.
    status
        ``ok``, ``approximate``, ``degenerate`` (exists, but is doubtful) or ``undefined``.
    n_nominal, n_anomalous
        Images (or objects, at object level) of each class.
    n_objects_nominal, n_objects_anomalous
        Objects of each class; None where objects are unknown.
    notes
        Sentences: why it is undefined, what to distrust.
    se
        Standard error; NaN where the method has none.
    """

    value: float
    low: float
    high: float
    level: float = 0.95
    method: str = ""
    status: Status = "ok"
    n_nominal: int | None = None
    n_anomalous: int | None = None
    n_objects_nominal: int | None = None
    n_objects_anomalous: int | None = None
    notes: tuple[str, ...] = ()
    se: float = math.nan

    @classmethod
    def undefined(cls, reason: str, *, level: float = 0.95, method: str = "", value: float = math.nan,
                  n_nominal: int | None = None, n_anomalous: int | None = None,
                  n_objects_nominal: int | None = None,
                  n_objects_anomalous: int | None = None) -> Estimate:  # fmt: skip
        """Return an estimate that does not exist, with the reason in ``notes``."""
        return cls(value, math.nan, math.nan, level, method, "undefined", n_nominal, n_anomalous,
                   n_objects_nominal, n_objects_anomalous, (reason,))  # fmt: skip


@dataclass(frozen=True)
class TestResult:
    """Outcome of a test of the difference ``a - b``.

    Parameters
    ----------
    difference, low, high
        The difference a - b and its interval.
    level
        Confidence level of the interval.
    statistic, df, p_value
        The test statistic, its degrees of freedom (NaN: none) and the p value (NaN: undefined).
    method
        Name of the test.
    status, notes
        As in :class:`Estimate`.
    """

    __test__ = False  # pytest: not a test class

    difference: float
    low: float
    high: float
    level: float
    statistic: float
    df: float
    p_value: float
    method: str
    status: Status = "ok"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Threshold:
    """A selected threshold: anomalous if and only if ``score >= value``.

    Parameters
    ----------
    value
        The threshold; ``inf`` is legal (nothing is anomalous), NaN is undefined.
    rule, parameters
        What selected it.
    status, notes
        As in :class:`Estimate`.
    apparent
        The criterion's value on the data it was selected on: optimistic.
    """

    value: float
    rule: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    status: Status = "ok"
    notes: tuple[str, ...] = ()
    apparent: float = math.nan


@dataclass(frozen=True)
class ResultRow:
    """One row of ``results.csv`` before the run adds category, detector, seed and job key.

    Parameters
    ----------
    protocol
        ``naive``, ``three_way``, ``naive-three_way``, ``three_way_ungrouped``, ...
    repeat
        Index of the repeat; None = over all repeats.
    partition
        ``test``, ``threshold``, ``inference`` or ``threshold-inference``.
    level_of_analysis
        ``image``, ``object`` or ``pixel``.
    metric
        A name of ``metrics.METRICS``, possibly behind ``optimism_``.
    estimate
        The value with its interval.
    threshold_rule, threshold
        The rule's name with its parameters and the threshold it gave; empty and None without one.
    n_repeats
        Number of repeats behind the value.
    optimistic
        Whether the value was judged on data that also chose something.
    """

    protocol: str
    repeat: int | None
    partition: str
    level_of_analysis: str
    metric: str
    estimate: Estimate
    threshold_rule: str = ""
    threshold: float | None = None
    n_repeats: int = 1
    optimistic: bool = False

    def as_dict(self, *, category: str = "", detector: str = "", seed: int | None = None,
                job_key: str = "") -> dict[str, object]:  # fmt: skip
        """Return the row as a dict with the keys of ``RESULT_COLUMNS``, in that order."""
        e = self.estimate
        return {
            "category": category, "detector": detector, "protocol": self.protocol, "repeat": self.repeat,
            "partition": self.partition, "level_of_analysis": self.level_of_analysis, "metric": self.metric,
            "threshold_rule": self.threshold_rule, "threshold": self.threshold, "value": e.value, "low": e.low,
            "high": e.high, "level": e.level, "method": e.method, "status": e.status, "n_nominal": e.n_nominal,
            "n_anomalous": e.n_anomalous, "n_objects_nominal": e.n_objects_nominal,
            "n_objects_anomalous": e.n_objects_anomalous, "n_repeats": self.n_repeats,
            "optimistic": self.optimistic, "seed": seed, "job_key": job_key, "notes": "; ".join(e.notes),
        }  # fmt: skip
