"""Degrees of freedom that give a t test on repeated cross-validation its nominal rate of false alarms."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from protocols.errors import InputError, UndefinedError
from protocols.inputs import Seed, checked_fraction
from protocols.intervals.draws import generator

from .ranks import one_of
from .run_by_fold import SCHEMES, scheme_sample

BLOCK = 2**21  # values shuffled at a time: 16 MiB


def calibrate_df(runs: int, folds: int, n: int, *, scheme: str = "use_all", level: float = 0.95,
                 n_simulations: int = 10_000, seed: Seed = 0) -> float:  # fmt: skip
    r"""Find the degrees of freedom with which a scheme's t test rejects a true null at the rate 1 - level [1]_.

    The calibrated test :math:`t = \bar v \sqrt{df + 1} / S` on :math:`t_{df}` has them in both places. Its rate of
    false alarms is found by simulating the model of fixed learners: n independent normal differences a data set, one
    an object, dealt out anew in each run; a fold's value is the mean of its objects. With q the ``level`` quantile of
    :math:`|\bar v| / S` over the simulations, df solves :math:`t_{df, (1 + level)/2} / \sqrt{df + 1} = q`.

    For one run it is k - 1, the ordinary t test; for all folds of 10 runs of 10 folds about 10 [1]_.

    Parameters
    ----------
    runs, folds
        r >= 1 and k >= 2.
    n
        Objects that the folds are made of, n >= k; folds differ by at most one object.
    scheme
        As in :func:`~protocols.comparisons.run_by_fold.run_by_fold_test`.
    level
        1 minus the wanted rate of false alarms.
    n_simulations
        Simulated data sets: the rate has a standard error of sqrt(level (1 - level) / n_simulations), 0.002 for
        10,000. Ten runs of 300 objects take about a second; nothing is kept between calls.
    seed
        Of the simulation.

    Returns
    -------
    float
        Pass it as ``df`` to :func:`~protocols.comparisons.run_by_fold.run_by_fold_test`.

    Raises
    ------
    InputError
        A number is out of range, or the scheme is not known.
    UndefinedError
        The scheme leaves no variance to test by (``avg_folds``: every run averages the same objects).

    References
    ----------
    .. [1] Bouckaert (2003), Choosing between two learning algorithms based on calibrated tests.

    Examples
    --------
    >>> 8 < calibrate_df(10, 10, 100, n_simulations=2000) < 12
    True
    """
    r, k, size = _count("runs", runs, 1), _count("folds", folds, 2), _count("n", n, 2)
    simulations = _count("n_simulations", n_simulations, 100)
    one_of("scheme", scheme, SCHEMES)
    checked_fraction(level, "level")
    if size < k:
        raise InputError("n", size, f"at least {k}, one object a fold", "Use fewer folds.", code="OutOfRange")
    rng = generator(seed, "calibrate_df")
    shuffles = generator(int(rng.integers(2**63)), "calibrate_df")  # of its own, so that blocks change nothing
    block = max(1, BLOCK // (r * size))
    ratios = []
    for start in range(0, simulations, block):
        values = rng.standard_normal((min(block, simulations - start), size))
        sample = scheme_sample(fixed_learner_folds(values, r, k, shuffles), scheme)
        if sample.shape[-1] < 2:
            raise UndefinedError(f"{scheme} leaves {sample.shape[-1]} value: a t test needs two")
        sd = sample.std(axis=-1, ddof=1)
        if (sd <= 1e-12).any():
            raise UndefinedError(f"{scheme} leaves no variance when learners are fixed: no df calibrates it")
        ratios.append(np.abs(sample.mean(axis=-1)) / sd)
    q = float(np.quantile(np.concatenate(ratios), level))
    low, high = -7.0, 14.0  # log df; the left side falls as df grows
    for _ in range(80):
        middle = (low + high) / 2
        df = math.exp(middle)
        too_large = float(special.stdtrit(df, (1 + level) / 2)) / math.sqrt(df + 1) > q
        low, high = (middle, high) if too_large else (low, middle)
    return math.exp((low + high) / 2)


def fixed_learner_folds(values: NDArray[np.float64], runs: int, folds: int,
                        rng: np.random.Generator) -> NDArray[np.float64]:  # fmt: skip
    """Deal objects out to folds anew in each run and return the means of the folds.

    Parameters
    ----------
    values
        Differences of the objects, shape (..., n).
    runs, folds
        r and k <= n; folds differ by at most one object.
    rng
        Generator.

    Returns
    -------
    ndarray
        Shape (..., runs, folds).
    """
    n = values.shape[-1]
    dealt = np.broadcast_to(values[..., None, :], (*values.shape[:-1], runs, n))
    sizes = np.array([len(part) for part in np.array_split(np.arange(n), folds)])
    firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return np.asarray(np.add.reduceat(rng.permuted(dealt, axis=-1), firsts, axis=-1) / sizes)


def _count(what: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(what, value, f"a whole number of {least} or more", "Correct the value.", code="OutOfRange")
    return int(value)
