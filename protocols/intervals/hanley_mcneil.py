"""Hanley and McNeil's interval: an AUROC and two counts, when nothing else was published."""

from __future__ import annotations

import math

from scipy import special

from protocols.errors import InputError
from protocols.inputs import checked_fraction
from protocols.intervals.delong import auroc_limits
from protocols.results import Estimate


def hanley_mcneil_interval(auroc: float, n_nominal: int, n_anomalous: int, *, level: float = 0.95) -> Estimate:
    r"""Interval of a published AUROC from the numbers of images alone.

    :math:`Q_1 = A/(2-A)`, :math:`Q_2 = 2A^2/(1+A)`,
    :math:`Var = [A(1-A) + (P-1)(Q_1-A^2) + (N-1)(Q_2-A^2)] / (PN)`, Wald's interval clipped to [0, 1]. It assumes
    exponential scores and independent images, hence the status ``approximate``.

    Parameters
    ----------
    auroc
        In [0, 1].
    n_nominal, n_anomalous
        Images of each class, 1 or more.
    level
        Confidence level.

    Returns
    -------
    Estimate
        ``approximate``; at an AUROC of 0 or 1 ``degenerate``, with a one-sided bound.

    Raises
    ------
    InputError
        The AUROC is outside [0, 1], or a count is not a whole number of 1 or more (code ``OutOfRange``).

    References
    ----------
    Hanley & McNeil (1982), The meaning and use of the area under a receiver operating characteristic (ROC) curve.

    Examples
    --------
    >>> e = hanley_mcneil_interval(0.871, n_nominal=403, n_anomalous=165)
    >>> round(e.se, 6), round(e.low, 4), round(e.high, 4)
    (0.018697, 0.8344, 0.9076)
    """
    a = checked_fraction(auroc, "auroc", closed=True)
    checked_fraction(level, "level")
    for name, count in (("n_nominal", n_nominal), ("n_anomalous", n_anomalous)):
        if count != int(count) or count < 1:
            raise InputError(name, count, "a count of 1 or more", "Correct the value.", code="OutOfRange")
    p, n = int(n_anomalous), int(n_nominal)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    se = math.sqrt(max(a * (1 - a) + (p - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a), 0.0) / (p * n))
    low, high, status, notes = auroc_limits(a, se, float(special.ndtri((1 + level) / 2)), level, "identity",
                                            min(p, n), "images")  # fmt: skip
    if status == "ok":
        status = "approximate"
    return Estimate(a, low, high, level, "Hanley-McNeil", status, n, p, None, None,
                    (*notes, "assumes independent images"), se)  # fmt: skip
