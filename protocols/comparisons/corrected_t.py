"""The corrected resampled t test: repeats that share images are not independent."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from protocols.errors import InputError, UndefinedError
from protocols.inputs import checked_fraction
from protocols.results import TestResult

from .paired_values import paired_differences, rounding
from .ranks import one_of


def corrected_resampled_ttest(a: ArrayLike, b: ArrayLike | None = None, *, rho: float | None = None,
                              test_train_ratio: float | None = None, level: float = 0.95,
                              compat: str | None = None) -> TestResult:  # fmt: skip
    r"""Test whether the mean of a - b over repeats is zero, allowing for the overlap of the repeats [1]_.

    :math:`t = \bar x / \sqrt{S^2 (1/J + \rho/(1-\rho))}` with J - 1 degrees of freedom; Nadeau and Bengio set
    :math:`\rho/(1-\rho) = n_{test}/n_{train}`. The interval of the mean difference uses the same standard error.

    Parameters
    ----------
    a, b
        Values per repeat on the same splits, shape (J,). Without ``b``, ``a`` are the differences.
    rho
        Correlation of the repeats, in [0, 1): the chance that a test unit is shared by two splits.
    test_train_ratio
        n_test / n_train, 0 or more. Exactly one of ``rho`` and ``test_train_ratio``; 0 is the uncorrected test.
    level
        Confidence level of the interval.
    compat
        ``weka``: p is 0 where all differences are equal and not 0, as Weka has it. None: such a p is NaN.

    Returns
    -------
    TestResult
        ``undefined`` with fewer than two repeats; ``degenerate`` when all differences are equal (p is 1 when they
        are all 0, else NaN or, with ``compat="weka"``, 0). Equal means within 1e-12 of the largest value given.

    Raises
    ------
    InputError
        Lengths differ, a value is not finite, or an option is not one of those above.
    UndefinedError
        Code ``CorrectionUndefined``: ``rho`` is 1, every repeat uses all test units; use the protocol bootstrap.

    References
    ----------
    .. [1] Nadeau & Bengio (2003), Inference for the generalization error.

    Examples
    --------
    >>> r = corrected_resampled_ttest([0.02, 0.01, 0.03, 0, 0.04], test_train_ratio=20 / 80)
    >>> round(r.statistic, 6), round(r.p_value, 6), round(r.low, 6), round(r.high, 6)
    (1.885618, 0.132419, -0.009449, 0.049449)
    """
    x = paired_differences(a, b)
    extra = variance_excess(rho, test_train_ratio)
    checked_fraction(level, "level")
    if compat is not None:
        one_of("compat", compat, ("weka",))
    method = "corrected resampled t" if extra else "paired t, uncorrected"
    j = len(x)
    nan = math.nan
    if j < 2:
        mean = float(x.mean()) if j else nan
        return TestResult(mean, nan, nan, level, nan, nan, nan, method, "undefined",
                          (f"a t test needs two repeats; got {j}",))  # fmt: skip
    mean, sd, df = float(x.mean()), float(x.std(ddof=1)), float(j - 1)
    tolerance = rounding(x) if b is None else rounding(np.asarray(a, np.float64), np.asarray(b, np.float64))
    if sd <= tolerance:  # so also when all are 0
        nothing = abs(mean) <= tolerance if b is not None else mean == 0
        equal = "all differences are 0" if nothing else f"all differences equal {mean:.6g}: no variance to test by"
        p, t = (1.0, 0.0) if nothing else (nan, nan)
        notes: tuple[str, ...] = (equal,)
        if compat == "weka" and not nothing:
            p, notes = 0.0, (equal, "compat=weka: Weka gives p = 0 here")
        return TestResult(mean, nan, nan, level, t, df, p, method, "degenerate", notes)
    se = sd * math.sqrt(1 / j + extra)
    t = mean / se
    half = float(special.stdtrit(df, (1 + level) / 2)) * se
    p = float(2 * special.stdtr(df, -abs(t)))
    return TestResult(mean, mean - half, mean + half, level, t, df, p, method)


def variance_excess(rho: float | None, test_train_ratio: float | None) -> float:
    """Return what the overlap adds to 1 / J: rho / (1 - rho), or n_test / n_train."""
    if (rho is None) == (test_train_ratio is None):
        raise InputError("correction", {"rho": rho, "test_train_ratio": test_train_ratio}, "exactly one of the two",
                         "Give rho or test_train_ratio.")  # fmt: skip
    if rho is not None:
        if rho >= 1:
            raise UndefinedError(
                f"the correction is infinite at rho = {rho}: every repeat uses all test units, so the variance over "
                "repeats does not see their sampling. Use protocol_bootstrap.", code="CorrectionUndefined")  # fmt: skip
        if not rho >= 0:
            raise InputError("rho", rho, "a number in [0, 1)", "Correct the value.", code="OutOfRange")
        return rho / (1 - rho)
    ratio = float(test_train_ratio)  # type: ignore[arg-type]  # not None: checked above
    if not 0 <= ratio < math.inf:
        raise InputError("test_train_ratio", ratio, "a finite number of 0 or more", "Correct it.", code="OutOfRange")
    return ratio
