"""The Bayesian correlated t test of the repeats of one data set."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from protocols.results import Status

from .corrected_t import variance_excess
from .paired_values import paired_differences, rounding
from .posteriors import Posterior, checked_rope

METHOD = "Bayesian correlated t"


def correlated_bayes_ttest(a: ArrayLike, b: ArrayLike | None = None, *, rho: float, rope: float) -> Posterior:
    r"""Return how probable it is that the mean difference a - b over repeats is above, within or below a region [1]_.

    The posterior of the mean difference is Student's t with J - 1 degrees of freedom, location :math:`\bar x` and
    scale :math:`\sqrt{S^2 (1/J + \rho/(1-\rho))}`: the numbers of the corrected resampled t test, read as a
    posterior. The region of practical equivalence is [-rope, rope].

    Without variance (S within rounding of 0) the posterior is a point mass at the mean, ``degenerate``; a mean on the
    boundary is equivalent.

    Parameters
    ----------
    a, b
        Values per repeat on the same splits, shape (J,). Without ``b``, ``a`` are the differences.
    rho
        Correlation of the repeats, in [0, 1), as of
        :func:`~protocols.comparisons.class_resolved.class_resolved_rho`; 1/k for k-fold cross-validation.
    rope
        Half-width of the region of practical equivalence, in units of the metric; 0.01 is usual for AUROC.

    Returns
    -------
    Posterior
        ``undefined`` with fewer than two repeats. :meth:`Posterior.decide` names the region, if one is clear.

    Raises
    ------
    UndefinedError
        Code ``CorrectionUndefined``: ``rho`` is 1 or more.

    References
    ----------
    .. [1] Corani & Benavoli (2015), A Bayesian approach for comparing cross-validated algorithms on multiple data
       sets.

    Examples
    --------
    >>> p = correlated_bayes_ttest([0.02, 0.01, 0.03, 0, 0.04], rho=0.2, rope=0.01)
    >>> round(p.p_b_better, 6), round(p.p_equivalent, 6), round(p.p_a_better, 6), p.decide()
    (0.02371, 0.17587, 0.800419, 'undecided')
    """
    x = paired_differences(a, b)
    excess = variance_excess(rho, None)
    width = checked_rope(rope)
    j, nan = len(x), math.nan
    if j < 2:
        mean = float(x.mean()) if j else nan
        return Posterior(nan, nan, nan, mean, nan, nan, width, METHOD, "undefined",
                         (f"the posterior needs two repeats; got {j}",))  # fmt: skip
    mean, sd, df = float(x.mean()), float(x.std(ddof=1)), float(j - 1)
    tolerance = rounding(x) if b is None else rounding(np.asarray(a, np.float64), np.asarray(b, np.float64))
    if sd <= tolerance:
        above, below = float(mean - width > tolerance), float(mean + width < -tolerance)
        status: Status = "degenerate"
        return Posterior(above, 1 - above - below, below, mean, 0.0, df, width, METHOD, status,
                         (f"all differences equal {mean:.6g}: a point mass",))  # fmt: skip
    scale = sd * float(np.sqrt(1 / j + excess))
    above = float(special.stdtr(df, (mean - width) / scale))
    below = float(special.stdtr(df, (-width - mean) / scale))
    return Posterior(above, max(0.0, 1 - above - below), below, mean, scale, df, width, METHOD)
