"""The Bayesian signed-rank test over data sets."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.errors import InputError
from protocols.inputs import Seed, checked_positive
from protocols.intervals.draws import generator

from .paired_values import paired_differences, rounding
from .posteriors import Posterior, checked_rope

METHOD = "Bayesian signed rank"
BLOCK = 2**20  # weights drawn at a time: 8 MiB


class SignedRankMoments(NamedTuple):
    """Posterior means of the three theta of the Bayesian signed-rank test; they sum to 1."""

    a_better: float
    equivalent: float
    b_better: float


def bayesian_signed_rank(a: ArrayLike, b: ArrayLike | None = None, *, rope: float, prior_weight: float = 0.5,
                         n_draws: int = 50_000, seed: Seed = 0) -> Posterior:  # fmt: skip
    r"""Return how probable it is that a is better, alike or worse on a further data set: signed ranks, Bayes [1]_.

    The differences :math:`z_1, \dots, z_N` of the data sets, with a pseudo-observation :math:`z_0 = 0`, have weights
    :math:`w \sim Dirichlet(s, 1, \dots, 1)`, and
    :math:`\theta_a = \sum_{ij} w_i w_j I(z_i + z_j > 2\,rope)`, :math:`\theta_b` likewise below -2 rope,
    :math:`\theta_{equivalent}` the rest; a sum on the boundary counts half on either side. The probabilities are how
    often each theta is the largest of the three; thetas that agree share the draw.

    Parameters
    ----------
    a, b
        One value a data set, shape (N,), N >= 1; without ``b``, ``a`` are the differences.
    rope
        Half-width of the region of practical equivalence; with 0 nothing is equivalent.
    prior_weight
        s, the weight of the pseudo-observation, above 0.
    n_draws
        Draws of the weights; the Monte Carlo error of a probability is at most 0.5 / sqrt(n_draws). Memory does not
        grow with it.
    seed
        Of the draws. With the same seed, exchanging a and b exchanges the probabilities exactly.

    Returns
    -------
    Posterior
        ``mean`` is the mean difference; ``scale`` and ``df`` are NaN, for this posterior has none. ``undefined``
        without data sets. :func:`signed_rank_moments` gives the exact means of the thetas.

    Raises
    ------
    InputError
        Lengths differ, a value is not finite, or ``rope``, ``prior_weight`` or ``n_draws`` is out of range.

    References
    ----------
    .. [1] Benavoli, Mangili, Corani, Zaffalon & Ruggeri (2014), A Bayesian Wilcoxon signed-rank test based on the
       Dirichlet process.

    Examples
    --------
    >>> p = bayesian_signed_rank([0.03, 0.05, 0.02, 0.04, 0.03, -0.02], rope=0.01, n_draws=20000)
    >>> p.p_a_better > 0.9, p.p_b_better < 0.01
    (True, True)
    """
    z, tolerance, width, s = _checked(a, b, rope, prior_weight)
    if isinstance(n_draws, bool) or int(n_draws) != n_draws or n_draws < 1:
        raise InputError("n_draws", n_draws, "a whole number of 1 or more", "Use 50000.", code="OutOfRange")
    nan = math.nan
    if not len(z):
        return Posterior(nan, nan, nan, nan, nan, nan, width, METHOD, "undefined", ("no data set",))
    points = np.concatenate([[0.0], z[np.argsort(np.abs(z), kind="stable")]])  # the order of data sets is no matter
    shape = np.ones(len(points))
    shape[0] = s
    order = np.argsort(points, kind="stable")
    rng = generator(seed, METHOD)
    wins = np.zeros(3)
    size = max(1, BLOCK // len(points))
    for start in range(0, int(n_draws), size):
        w = rng.standard_gamma(shape, (min(size, int(n_draws) - start), len(points)))
        w /= w.sum(axis=1, keepdims=True)
        above = _share_above(points[order], w[:, order], 2 * width, tolerance)
        below = _share_above(-points[order][::-1], w[:, order[::-1]], 2 * width, tolerance)
        theta = np.stack([above, np.maximum(1 - above - below, 0.0), below], axis=1)
        largest = theta >= theta.max(axis=1, keepdims=True) - 1e-12
        wins += (largest / largest.sum(axis=1, keepdims=True)).sum(axis=0)
    p = wins / n_draws
    return Posterior(float(p[0]), float(p[1]), float(p[2]), float(z.mean()), nan, nan, width, METHOD)


def signed_rank_moments(a: ArrayLike, b: ArrayLike | None = None, *, rope: float,
                        prior_weight: float = 0.5) -> SignedRankMoments:  # fmt: skip
    r"""Return the exact posterior means of the thetas of :func:`bayesian_signed_rank`.

    With :math:`\alpha = (s, 1, \dots, 1)` and :math:`A = s + N`,
    :math:`E[w_i w_j] = (\alpha_i \alpha_j + [i = j]\, \alpha_i) / (A (A + 1))`.

    Parameters
    ----------
    a, b, rope, prior_weight
        As of :func:`bayesian_signed_rank`.

    Returns
    -------
    SignedRankMoments
        ``a_better``, ``equivalent``, ``b_better``.

    Raises
    ------
    InputError
        There is no data set.

    References
    ----------
    Benavoli, Mangili, Corani, Zaffalon & Ruggeri (2014), A Bayesian Wilcoxon signed-rank test based on the Dirichlet
    process.

    Examples
    --------
    >>> [round(theta, 6) for theta in signed_rank_moments([0.03, 0.05], rope=0.01)]
    [0.914286, 0.085714, 0.0]
    """
    z, tolerance, width, s = _checked(a, b, rope, prior_weight)
    if not len(z):
        raise InputError("a", "no value", "one value a data set", "Give at least one data set.", code="TooFewDatasets")
    points = np.concatenate([[0.0], z])
    alpha = np.ones(len(points))
    alpha[0] = s
    order = np.argsort(points, kind="stable")
    total = alpha.sum() * (alpha.sum() + 1)

    def above(x: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
        diagonal = _step(2 * x, 2 * width, tolerance) @ weights
        return float((_share_above(x, weights[None, :], 2 * width, tolerance)[0] + diagonal) / total)

    a_better = above(points[order], alpha[order])
    b_better = above(-points[order][::-1], alpha[order[::-1]])
    return SignedRankMoments(a_better, max(0.0, 1 - a_better - b_better), b_better)


def _checked(
    a: ArrayLike, b: ArrayLike | None, rope: float, prior_weight: float
) -> tuple[NDArray[np.float64], float, float, float]:
    z = paired_differences(a, b, unit="data set")
    width = checked_rope(rope)
    values = np.asarray(a, np.float64)
    tolerance = rounding(values, np.array([width]), *(() if b is None else (np.asarray(b, np.float64),)))
    return z, tolerance, width, checked_positive(prior_weight, "prior_weight")


def _step(sums: NDArray[np.float64], bound: float, tolerance: float) -> NDArray[np.float64]:
    """Return 1 above the bound, 1/2 on it, 0 below."""
    return np.where(np.abs(sums - bound) <= tolerance, 0.5, np.where(sums > bound, 1.0, 0.0))


def _share_above(
    points: NDArray[np.float64], weights: NDArray[np.float64], bound: float, tolerance: float
) -> NDArray[np.float64]:
    """Return sum_ij w_i w_j step(x_i + x_j > bound) of each row of weights; points ascending.

    By cumulated weights and look-ups: no matrix of pairs, so that memory grows with the number of points only.
    """
    beyond = np.searchsorted(points, bound - points + tolerance, side="right")  # first that is clearly above
    at_least = np.searchsorted(points, bound - points - tolerance, side="left")  # first that is on the bound
    cumulative = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights, axis=1)], axis=1)
    total = cumulative[:, -1:]
    pairs = total - (cumulative[:, beyond] + cumulative[:, at_least]) / 2
    return np.asarray((weights * pairs).sum(axis=1))
