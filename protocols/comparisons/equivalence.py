"""Equivalence and non-inferiority: showing that a difference is small, which no test of a difference can."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from protocols.errors import InputError
from protocols.results import TestResult


def equivalence_test(difference: float, se: float, *, margin: float | None = None, df: float | None = None,
                     level: float = 0.95) -> TestResult:  # fmt: skip
    r"""Test whether a difference lies within a margin fixed in advance: two one-sided tests [1]_.

    :math:`t_1 = (d + \Delta) / se` against a difference of :math:`-\Delta` or less, :math:`t_2 = (d - \Delta) / se`
    against :math:`\Delta` or more; p is the larger of the two one-sided p values. Equivalently, with
    :math:`\alpha` = 1 - level, the interval at :math:`1 - 2\alpha` lies inside the margins.

    A p above :math:`\alpha` shows nothing: neither that the detectors differ nor that they do not.

    Parameters
    ----------
    difference, se
        The difference a - b and its standard error, of any method that allows for objects and repeats.
    margin
        The largest difference that does not matter, above 0; there is no default.
    df
        Degrees of freedom of the standard error; None: the normal distribution.
    level
        1 - the chance of wrongly showing equivalence, above 0.5.

    Returns
    -------
    TestResult
        The interval is at 1 - 2 alpha, and ``level`` says so (0.90 for 0.95). ``statistic`` is the one behind p.
        ``undefined``: the difference or its standard error is NaN; ``degenerate``: the standard error is 0.

    Raises
    ------
    InputError
        Code ``NoMargin``: no margin was fixed.

    References
    ----------
    .. [1] Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach for assessing
       the equivalence of average bioavailability.

    Examples
    --------
    >>> r = equivalence_test(0.005, 0.008, margin=0.02)
    >>> round(r.p_value, 4), round(r.low, 5), round(r.high, 5)
    (0.0304, -0.00816, 0.01816)
    """
    d, se, margin, alpha = _checked(difference, se, margin, df, level)
    shown = round(1 - 2 * alpha, 12)
    method = f"equivalence within {margin:g} (two one-sided tests)"
    reason = _nothing(d, se)
    if reason:
        return _without_test(d, se, shown, df, method, reason)
    lower, upper = (d + margin) / se, (d - margin) / se
    p = max(_below(-lower, df), _below(upper, df))
    half = -se * _quantile(alpha, df)
    inside = f"the {shown:.0%} interval lies inside (-{margin:g}, {margin:g})"
    note = f"equivalent at level {level:g}: {inside}" if p <= alpha else (
        f"equivalence within {margin:g} is not shown, nor is a difference thereby")  # fmt: skip
    statistic = lower if _below(-lower, df) > _below(upper, df) else upper
    return TestResult(d, d - half, d + half, shown, statistic, _df(df), p, method, "ok", (note,))


def non_inferiority_test(difference: float, se: float, *, margin: float | None = None, df: float | None = None,
                         level: float = 0.95) -> TestResult:  # fmt: skip
    r"""Test whether a is worse than b by less than a margin fixed in advance: :math:`t_1 = (d + \Delta) / se` alone.

    Higher values must be better: for a metric where lower is better (overkill, escape, cost) give b - a.

    Parameters
    ----------
    difference, se, margin, df
        As in :func:`equivalence_test`.
    level
        1 - the chance of wrongly showing non-inferiority, above 0.5; the interval is one-sided at this level.

    Returns
    -------
    TestResult
        ``high`` is infinite. Statuses as in :func:`equivalence_test`.

    Raises
    ------
    InputError
        Code ``NoMargin``: no margin was fixed.

    References
    ----------
    Schuirmann (1987), as above, the first of the two tests.

    Examples
    --------
    >>> r = non_inferiority_test(0.005, 0.008, margin=0.02)
    >>> round(r.p_value, 6), round(r.low, 5)
    (0.000889, -0.00816)
    """
    d, se, margin, alpha = _checked(difference, se, margin, df, level)
    method = f"non-inferiority by {margin:g} (one-sided)"
    reason = _nothing(d, se)
    if reason:
        return _without_test(d, se, level, df, method, reason)
    t = (d + margin) / se
    p = _below(-t, df)
    note = f"not worse by {margin:g} or more, at level {level:g}" if p <= alpha else (
        f"non-inferiority by {margin:g} is not shown, nor is inferiority thereby")  # fmt: skip
    return TestResult(d, d + se * _quantile(alpha, df), math.inf, level, t, _df(df), p, method, "ok", (note,))


def _checked(difference: float, se: float, margin: float | None, df: float | None, level: float
             ) -> tuple[float, float, float, float]:  # fmt: skip
    if not _is_number(margin) or not 0 < margin < math.inf:  # type: ignore[operator]  # a number by then
        raise InputError("margin", margin, "a finite number above 0",
                         "Fix in advance the largest difference that does not matter.", code="NoMargin")  # fmt: skip
    if not _is_number(level) or not 0.5 < level < 1:
        raise InputError("level", level, "a fraction between 0.5 and 1", "Write 0.95 for 95 per cent.",
                         code="OutOfRange")  # fmt: skip
    if not _is_number(difference) or math.isinf(difference):
        raise InputError("difference", difference, "a finite number", "Correct the value.", code="OutOfRange")
    if not _is_number(se) or se < 0 or math.isinf(se):
        raise InputError("se", se, "a finite number of 0 or more", "Correct the value.", code="OutOfRange")
    if df is not None and (not _is_number(df) or not df > 0):
        raise InputError("df", df, "a number above 0, or none", "Correct the value.", code="OutOfRange")
    return float(difference), float(se), float(margin), 1 - float(level)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _nothing(d: float, se: float) -> str:
    if math.isnan(d) or math.isnan(se):
        return "the difference or its standard error is undefined"
    return "the standard error is 0: no variance to test by" if se == 0 else ""


def _without_test(d: float, se: float, level: float, df: float | None, method: str, reason: str) -> TestResult:
    nan = math.nan
    return TestResult(d, nan, nan, level, nan, _df(df), nan, method, "degenerate" if se == 0 else "undefined",
                      (reason,))  # fmt: skip


def _below(t: float, df: float | None) -> float:
    return float(special.ndtr(t) if _normal(df) else special.stdtr(df, t))


def _quantile(tail: float, df: float | None) -> float:
    return float(special.ndtri(tail) if _normal(df) else special.stdtrit(df, tail))


def _normal(df: float | None) -> bool:
    return df is None or math.isnan(df) or math.isinf(df)


def _df(df: float | None) -> float:
    return math.nan if df is None else float(df)
