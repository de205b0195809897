"""The one primary test of a comparison, fixed by the design of the repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from protocols.errors import InputError
from protocols.intervals.protocol_bootstrap import Replicates
from protocols.intervals.resampling import Resampling
from protocols.intervals.stretched import Scale, stretched_interval
from protocols.partition import Split
from protocols.results import Estimate, TestResult

from .corrected_t import corrected_resampled_ttest
from .run_by_fold import ENOUGH, run_by_fold_test

TESTS = ("auto", "corrected_t", "sorted_runs", "bootstrap")


@dataclass(frozen=True)
class Differences:
    """Paired differences of two detectors, and what a test of them must know.

    Parameters
    ----------
    found
        a - b of every repeat, on the data and on the replicates.
    splits
        Of these repeats; under ``rotate`` whole runs.
    rho
        Correlation of the repeats; None: the correction is refused.
    remark
        The correlation in words, or the reason of the refusal.
    resampling, scale
        Of the replicates; no resampling: no bootstrap test.
    """

    found: Replicates
    splits: Sequence[Split]
    rho: float | None
    remark: str
    resampling: Resampling | None
    scale: Scale

    @property
    def runs(self) -> int:
        """Number of runs; 0 where the splits are not folds of runs."""
        return len({split.run for split in self.splits if split.run is not None})


@dataclass(frozen=True)
class Primary:
    """A test with its name in ``comparisons.csv``, and its standard error (NaN: none)."""

    name: str
    result: TestResult
    se: float = math.nan

    @property
    def notes(self) -> tuple[str, ...]:
        """What the test says of itself."""
        return self.result.notes

    def outcome(self, level: float) -> int | None:
        """Return 1 (a better), 0 (no difference shown), -1 (b better); None where the test has no p value."""
        if math.isnan(self.result.p_value):
            return None
        return int(np.sign(self.result.difference)) if self.result.p_value < 1 - level else 0


def primary_test(differences: Differences, *, level: float, test: str = "auto") -> Primary:
    """Test whether the mean difference is zero.

    ``auto``: under ``rotate`` with at least 5 runs of at least 5 folds the t test on sorted runs; where every repeat
    uses all defective objects, so that the corrected t test does not apply, the object bootstrap; else the corrected
    resampled t test.

    Parameters
    ----------
    differences
        Without undefined values.
    level
        Confidence level of the interval.
    test
        One of ``TESTS``.
    """
    if test not in TESTS:
        raise InputError("test", test, f"one of {', '.join(TESTS)}", "Correct the name.")
    d = differences
    folds = len(d.splits) // d.runs if d.runs else 0
    if test == "sorted_runs" or (test == "auto" and min(d.runs, folds) >= ENOUGH):
        return _sorted_runs(d, folds, level)
    if test == "bootstrap" or (test == "auto" and d.rho is None):
        return _bootstrap(d, level)
    return _corrected(d, level)


def object_bootstrap(differences: Differences, level: float) -> Estimate | None:
    """Return the mean difference with the object bootstrap's interval; None without replicates."""
    d = differences
    if d.resampling is None:
        return None
    return stretched_interval(d.found.mean(d.resampling), [d.found.values], d.resampling, d.scale, level=level)


def _corrected(d: Differences, level: float) -> Primary:
    values, nan = d.found.values, math.nan
    if d.rho is None:
        mean = float(values.mean())
        refused = TestResult(mean, nan, nan, level, nan, nan, nan, "corrected resampled t", "undefined", (d.remark,))
        return Primary("corrected_t", refused)
    result = corrected_resampled_ttest(values, rho=d.rho, level=level)
    if result.status != "ok":
        return Primary("corrected_t", result)
    se = float(np.std(values, ddof=1)) * math.sqrt(1 / values.size + d.rho / (1 - d.rho))
    return Primary("corrected_t", result, se)


def _sorted_runs(d: Differences, folds: int, level: float) -> Primary:
    if not d.runs:
        nan, reason = math.nan, "sorted runs need the design rotate"
        mean = float(d.found.values.mean())
        return Primary(
            "sorted_runs",
            TestResult(mean, nan, nan, level, nan, nan, nan, "sorted_runs t", "undefined", (reason,)),
        )
    order = sorted(range(len(d.splits)), key=lambda i: (d.splits[i].run, d.splits[i].fold))
    matrix = d.found.values[order].reshape(d.runs, folds)
    result = run_by_fold_test(matrix, scheme="sorted_runs", test="t", level=level)
    result = replace(result, notes=(f"{d.runs} runs of {folds} folds", *result.notes))
    if not result.high > result.low:
        return Primary("sorted_runs", result)
    half = float(special.stdtrit(result.df, (1 + level) / 2))
    return Primary("sorted_runs", result, (result.high - result.low) / 2 / half)


def _bootstrap(d: Differences, level: float) -> Primary:
    """Read p off the replicates, stretched as the interval is: 2 min(#<=0, #>=0) with one added, never 0."""
    nan, mean, method = math.nan, float(d.found.values.mean()), "protocol bootstrap of the paired difference"
    estimate = object_bootstrap(d, level)
    reasons = (d.remark,) if d.rho is None else ()
    if d.resampling is None or estimate is None:
        none = ("no bootstrap replicates", *reasons)
        return Primary("bootstrap", TestResult(mean, nan, nan, level, nan, nan, nan, method, "undefined", none))
    usable, _ = d.resampling.usable(d.found.mean(d.resampling))
    spread = float(np.std(usable, ddof=1)) if usable.size > 1 else 0.0
    if not spread > 1e-12 or not estimate.se > 0:
        same = usable.size > 0 and float(np.abs(usable).max()) <= 1e-12 and abs(mean) <= 1e-12
        p, statistic = (1.0, 0.0) if same else (nan, nan)
        reasons = ("the replicates do not vary: no test" if not same else "all differences are 0", *reasons)
        result = TestResult(mean, estimate.low, estimate.high, level, statistic, nan, p, method, "degenerate", reasons)
        return Primary("bootstrap", result)
    drawn = mean + (usable - mean) * estimate.se / spread
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (1 + tail) / (usable.size + 1))
    notes = (*reasons, "no correction applies: tested by the object bootstrap") if d.rho is None else reasons
    result = TestResult(
        mean, estimate.low, estimate.high, level, mean / estimate.se, nan, p, method, estimate.status, notes
    )
    return Primary("bootstrap", result, estimate.se)
