"""Tests on repeated cross-validation: which values of the runs by folds are fed to which test."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from protocols.errors import InputError, UndefinedError
from protocols.inputs import checked_fraction
from protocols.results import Status, TestResult

from .paired_values import fold_differences, rounding
from .ranks import MAX_EXACT, ZERO_METHODS, midranks, one_of, signed_ranks
from .signs import SIGN_ZEROS, sign_counts

SCHEMES = ("resampling", "kfold", "use_all", "avg_folds", "avg_runs", "sorted_runs")
TESTS = ("t", "sign", "wilcoxon", "ranksum")
CORRECTIONS = ("none", "repeated_kfold")
ENOUGH = 5  # runs and folds from which sorted runs are the primary test

LIBERAL = {
    "resampling": "random splits overlap: too many false alarms; corrected_resampled_ttest allows for it",
    "use_all": "all folds as if independent: too many false alarms (0.56 at nominal 0.05 for 10 runs of 10 folds); "
    "df='calibrated' or correction='repeated_kfold' allows for it",
    "avg_folds": "the means of the runs share all objects: their spread does not see the sampling of objects",
    "avg_runs": "fold labels are arbitrary, so that means over runs vary too little: too many false alarms",
}  # fmt: skip


class TTests(NamedTuple):
    """t tests of one or more samples, each field of shape (...); p is NaN for a constant sample that is not 0."""

    mean: NDArray[np.float64]
    se: NDArray[np.float64]
    statistic: NDArray[np.float64]
    p_value: NDArray[np.float64]


def run_by_fold_test(differences: ArrayLike, *, scheme: str = "sorted_runs", test: str = "t",
                     df: float | str | None = None, correction: str = "none", zero_method: str | None = None,
                     other: ArrayLike | None = None, level: float = 0.95) -> TestResult:  # fmt: skip
    r"""Test repeated cross-validation for a difference, by Bouckaert's sampling schemes [1]_ [2]_.

    With :math:`x_{ij}` the difference in fold j of run i, the sample :math:`v` is: ``resampling``: every split;
    ``kfold``: the first run; ``use_all``: all :math:`x_{ij}`; ``avg_folds``: the mean of each run; ``avg_runs``: the
    mean of each fold position over runs; ``sorted_runs``: each run sorted, then the mean of the j-th smallest values
    over runs. Sorted runs with a t test are the primary choice where 5 runs and 5 folds can be afforded: about the
    right rate of false alarms, good power and replicability [2]_. Schemes that raise too many false alarms are
    labelled ``approximate`` and say so.

    ``t``: :math:`t = \bar v / (S / \sqrt n)` with n - 1 degrees of freedom. ``sign``: exact binomial. ``wilcoxon``:
    signed ranks, exact up to 25 values without ties and zeros, else normal with tie correction. ``ranksum``: the
    Mann-Whitney test of the two unpaired samples, which needs ``other``.

    Parameters
    ----------
    differences
        a - b of each fold, shape (runs, folds); for ``resampling`` and ``kfold`` (J,) will do. With ``other``: the
        values of a.
    scheme, test
        As above.
    df
        For ``t``. None: n - 1. A number (see :func:`~protocols.comparisons.calibrated_df.calibrate_df`): calibrated
        degrees of freedom [1]_, which also replace n: :math:`t = \bar v \sqrt{df + 1} / S`. ``calibrated``: the number
        of folds, the choice for ``use_all`` (10 for 10 runs of 10 folds).
    correction
        ``repeated_kfold``: for ``use_all`` with ``t``, the factor 1/(rk) + 1/(k-1) of
        :func:`~protocols.comparisons.repeated_kfold.repeated_kfold_ttest` in the place of 1/(rk).
    zero_method
        For ``sign``: ``split`` (default; half of the zeros to each side, an odd one left out) or ``drop``. For
        ``wilcoxon``: ``pratt`` (default), ``wilcox`` or ``zsplit``. Values within rounding (1e-12 of the largest) of
        0 are zeros, and as near to each other ties.
    other
        Values of b in the same folds, same shape.
    level
        Confidence level of the interval of the mean difference, which only ``t`` has.

    Returns
    -------
    TestResult
        ``statistic``: t; positive signs; the smaller sum of ranks; U of a. ``undefined`` for t with fewer than two
        values; ``degenerate`` when the sample is constant (p is 1 when it is 0; else t has p NaN).

    Raises
    ------
    InputError
        A wrong shape, a value that is not finite, an unknown name, or an option that does not go with the test.
    UndefinedError
        Code ``CorrectionUndefined``: the correction with a single fold.

    References
    ----------
    .. [1] Bouckaert (2003), Choosing between two learning algorithms based on calibrated tests.
    .. [2] Bouckaert (2004), Estimating replicability of classifier learning experiments.

    Examples
    --------
    >>> x = [[0.03, -0.01, 0.02], [0, 0.04, 0.01]]
    >>> r = run_by_fold_test(x)
    >>> round(r.statistic, 6), r.df, round(r.p_value, 6)
    (1.299038, 2.0, 0.323519)
    >>> r = run_by_fold_test(x, scheme="use_all")
    >>> round(r.statistic, 6), r.df, round(r.p_value, 6), r.method
    (1.963961, 5.0, 0.106746, 'use_all t, uncorrected')
    """
    one_of("scheme", scheme, SCHEMES)
    one_of("test", test, TESTS)
    one_of("correction", correction, CORRECTIONS)
    checked_fraction(level, "level")
    a = _runs_by_folds(differences, scheme)
    b = None if other is None else _runs_by_folds(other, scheme)
    if b is not None and b.shape != a.shape:
        raise InputError("other", f"shape {b.shape}", f"shape {a.shape}, as the values of a",
                         "Give one value a fold in each.", code="LengthMismatch")  # fmt: skip
    _refuse_idle_options(scheme, test, df, correction, zero_method, b is not None)
    x = a if b is None else a - b
    tolerance = rounding(a) if b is None else rounding(a, b)
    sample = scheme_sample(x, scheme)
    notes = _notes(scheme, x.shape, corrected=df is not None or correction != "none")
    if test == "t":
        return _t_result(x, sample, scheme, df, correction, tolerance, level, notes)
    if test == "ranksum" and b is not None:
        return _ranksum_result(scheme_sample(a, scheme), scheme_sample(b, scheme), scheme, tolerance, level, notes)
    return _signs_result(sample, scheme, test, zero_method, tolerance, level, notes)


def scheme_sample(x: NDArray[np.float64], scheme: str) -> NDArray[np.float64]:
    """Return the values that a scheme feeds to the test.

    Parameters
    ----------
    x
        Shape (..., runs, folds).
    scheme
        One of ``SCHEMES``.

    Returns
    -------
    ndarray
        Shape (..., n); n is runs * folds, folds or runs.

    Examples
    --------
    >>> scheme_sample(np.array([[0.03, -0.01, 0.02], [0, 0.04, 0.01]]), "sorted_runs").tolist()
    [-0.005, 0.015, 0.035]
    """
    if scheme == "kfold":
        return x[..., 0, :]
    if scheme in ("resampling", "use_all"):
        return x.reshape(*x.shape[:-2], -1)
    if scheme == "avg_folds":
        return np.asarray(x.mean(axis=-1))
    return np.asarray((np.sort(x, axis=-1) if scheme == "sorted_runs" else x).mean(axis=-2))


def t_tests(sample: NDArray[np.float64], *, df: float | None = None, factor: float | None = None,
            tolerance: float = 0.0) -> TTests:  # fmt: skip
    """Two-sided t test of the mean of each sample along the last axis.

    Parameters
    ----------
    sample
        Shape (..., n), n >= 2.
    df
        Degrees of freedom, n - 1 by default.
    factor
        Variance of the mean over the variance of a value: 1 / (df + 1) by default.
    tolerance
        A standard deviation or mean of no more than this is 0.
    """
    freedom = sample.shape[-1] - 1 if df is None else df
    scale = 1 / (freedom + 1) if factor is None else factor
    mean, sd = sample.mean(axis=-1), sample.std(axis=-1, ddof=1)
    se = sd * math.sqrt(scale)
    constant = sd <= tolerance
    statistic = np.divide(mean, se, out=np.full(np.shape(mean), np.nan), where=~constant & (se > 0))
    nothing = constant & (np.abs(mean) <= tolerance)
    statistic = np.where(nothing, 0.0, statistic)
    p = np.minimum(2 * special.stdtr(freedom, -np.abs(statistic)), 1.0)
    return TTests(mean, se, statistic, np.asarray(p))


def _runs_by_folds(values: ArrayLike, scheme: str) -> NDArray[np.float64]:
    x = values
    if scheme in ("resampling", "kfold") and np.ndim(x) == 1:
        x = np.asarray(values)[None, :]
    return fold_differences(x)


def _refuse_idle_options(scheme: str, test: str, df: float | str | None, correction: str, zero_method: str | None,
                         two_samples: bool) -> None:  # fmt: skip
    """Refuse options that this test would pass over in silence."""
    if (df is not None or correction != "none") and test != "t":
        raise InputError("test", test, "t, where df or correction are given", "Leave them out.", code="IdleOption")
    if df is not None and correction != "none":
        raise InputError("df", df, "either df or correction", "Leave one out.", code="IdleOption")
    if (df == "calibrated" or correction != "none") and scheme != "use_all":
        raise InputError("scheme", scheme, "use_all, which df='calibrated' and correction are for",
                         "Leave them out, or give df as a number.", code="IdleOption")  # fmt: skip
    if isinstance(df, str) and df != "calibrated":
        raise InputError("df", df, "None, 'calibrated' or a number above 0", "Correct the value.", code="OutOfRange")
    if zero_method is not None:
        if test not in ("sign", "wilcoxon"):
            raise InputError("test", test, "sign or wilcoxon, where zero_method is given", "Leave it out.",
                             code="IdleOption")  # fmt: skip
        one_of("zero_method", zero_method, SIGN_ZEROS if test == "sign" else ZERO_METHODS)
    if test == "ranksum" and not two_samples:
        raise InputError("other", None, "the values of b: ranksum compares two samples",
                         "Give the values of a first and those of b as other.", code="MissingSample")  # fmt: skip


def _notes(scheme: str, shape: tuple[int, ...], *, corrected: bool) -> tuple[str, ...]:
    runs, folds = shape
    notes = []
    if scheme in LIBERAL and not corrected:
        notes.append(LIBERAL[scheme])
    if scheme == "kfold" and runs > 1:
        notes.append(f"only the first of {runs} runs is used")
    if scheme == "resampling" and runs > 1:
        notes.append(f"all {runs * folds} values taken as splits of one series")
    if scheme == "sorted_runs" and min(runs, folds) < ENOUGH:
        notes.append(f"{runs} runs of {folds} folds: fewer than {ENOUGH} of each")
    return tuple(notes)


def _t_result(x: NDArray[np.float64], sample: NDArray[np.float64], scheme: str, df: float | str | None,
              correction: str, tolerance: float, level: float, notes: tuple[str, ...]) -> TestResult:  # fmt: skip
    nan, n, folds = math.nan, len(sample), x.shape[1]
    freedom, factor, label = float(n - 1), None, ", uncorrected" if scheme in LIBERAL else ""
    if df is not None:
        freedom = float(folds if isinstance(df, str) else df)
        if not 0 < freedom < math.inf:
            raise InputError("df", df, "a finite number above 0", "Correct the value.", code="OutOfRange")
        label = f", calibrated df {freedom:g}"
    elif correction == "repeated_kfold":
        if folds < 2:
            raise UndefinedError("the correction 1 / (k - 1) is infinite with k = 1 fold", code="CorrectionUndefined")
        factor, label = 1 / n + 1 / (folds - 1), ", repeated k-fold correction"
    method, mean = f"{scheme} t{label}", float(sample.mean())
    if n < 2:
        reason = f"a t test needs two values; {scheme} leaves {n}"
        return TestResult(mean, nan, nan, level, nan, nan, nan, method, "undefined", (reason, *notes))
    found = t_tests(sample, df=freedom, factor=factor, tolerance=tolerance)
    statistic, p, se = float(found.statistic), float(found.p_value), float(found.se)
    if not sample.std(ddof=1) > tolerance:
        equal = "all values are 0" if p == 1 else f"all values equal {mean:.6g}: no variance to test by"
        return TestResult(mean, nan, nan, level, statistic, freedom, p, method, "degenerate", (equal, *notes))
    half = float(special.stdtrit(freedom, (1 + level) / 2)) * se
    status: Status = "approximate" if label == ", uncorrected" else "ok"
    return TestResult(mean, mean - half, mean + half, level, statistic, freedom, p, method, status, notes)


def _signs_result(sample: NDArray[np.float64], scheme: str, test: str, zero_method: str | None, tolerance: float,
                  level: float, notes: tuple[str, ...]) -> TestResult:  # fmt: skip
    nan, mean = math.nan, float(sample.mean())
    status: Status = "approximate" if scheme in LIBERAL else "ok"
    if test == "sign":
        wins, n, found = sign_counts(sample, zero_method=zero_method or "split", tolerance=tolerance)
        statistic, p, remark = float(wins), float(found), f"{wins} positive of {n} signs"
    else:
        ranks = signed_ranks(sample, zero_method=zero_method or "pratt", tolerance=tolerance)
        statistic, p = float(min(ranks.positive, ranks.negative)), float(ranks.p_value)
        remark = "exact" if ranks.exact else "normal approximation with tie correction"
        if not ranks.exact and len(sample) <= MAX_EXACT:
            status = "approximate"
    if (np.abs(sample) <= tolerance).all():
        status, remark = "degenerate", "all values are 0"
    return TestResult(mean, nan, nan, level, statistic, nan, p, f"{scheme} {test}", status, (remark, *notes))


def _ranksum_result(a: NDArray[np.float64], b: NDArray[np.float64], scheme: str, tolerance: float, level: float,
                    notes: tuple[str, ...]) -> TestResult:  # fmt: skip
    from scipy import stats

    nan, mean = math.nan, float(a.mean() - b.mean())
    ranks, sizes = midranks(np.concatenate([a, b]), tolerance)
    exact = bool((sizes == 1).all()) and len(a) <= MAX_EXACT
    status: Status = "approximate" if scheme in LIBERAL or (not exact and len(a) <= MAX_EXACT) else "ok"
    remark = "exact" if exact else "normal approximation with tie correction"
    if (sizes == len(ranks)).all():  # one value only: nothing to rank
        return TestResult(mean, nan, nan, level, len(a) ** 2 / 2, nan, 1.0, f"{scheme} ranksum", "degenerate",
                          ("all values are equal", *notes))  # fmt: skip
    found = stats.mannwhitneyu(ranks[: len(a)], ranks[len(a) :], use_continuity=False,
                               method="exact" if exact else "asymptotic")  # fmt: skip
    return TestResult(mean, nan, nan, level, float(found.statistic), nan, float(found.pvalue), f"{scheme} ranksum",
                      status, (remark, *notes))  # fmt: skip
