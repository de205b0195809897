"""What the statistics are measured against: other programs, and the formulas in as little NumPy as they take."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def loop_over_sklearn(labels: Integers, scores: Floats, weights: Integers) -> Floats:
    """Repeat the rows of each resample and judge them one resample after the other."""
    return np.array([roc_auc_score(np.repeat(labels, w), np.repeat(scores, w)) for w in weights])


def bare_clustered_auroc(labels: Integers, scores: Floats, index: Integers, weights: Integers) -> Floats:
    """Weights times the matrix of pairs; every object has images of one class, the good ones come first."""
    x, y = (np.flatnonzero(labels == c) for c in (1, 0))
    x, y = x[np.argsort(index[x], kind="stable")], y[np.argsort(index[y], kind="stable")]
    won = (scores[x][:, None] > scores[y]) + 0.5 * (scores[x][:, None] == scores[y])
    bad, starts_x = np.unique(index[x], return_index=True)
    good, starts_y = np.unique(index[y], return_index=True)
    pairs = np.add.reduceat(np.add.reduceat(won, starts_x, axis=0), starts_y, axis=1)
    w_bad, w_good = weights[:, bad].astype(float), weights[:, good].astype(float)
    sizes = np.bincount(index)
    return ((w_bad @ pairs) * w_good).sum(1) / ((w_bad @ sizes[bad]) * (w_good @ sizes[good]))


def bare_clustered_bootstrap(labels: Integers, scores: Floats, index: Integers, n_resamples: int,
                             rng: np.random.Generator) -> Floats:  # fmt: skip
    """Draw objects within both strata, judge all resamples and read off the limits."""
    n_bad = len(np.unique(index[labels == 1]))
    n_good = int(index.max()) + 1 - n_bad
    rows = np.arange(n_resamples)[:, None]
    sides = []
    for n in (n_good, n_bad):
        drawn = rng.integers(0, n, (n_resamples, n)) + n * rows
        sides.append(np.bincount(drawn.ravel(), minlength=n * n_resamples).reshape(n_resamples, n))
    return np.quantile(bare_clustered_auroc(labels, scores, index, np.hstack(sides)), [0.025, 0.975])


def auroc_by_ranks(x: Floats, y: Floats, axis: int = -1) -> Any:
    """Return the AUROC of anomalous scores x against nominal ones y, for many resamples at once."""
    n_x, n_y = x.shape[axis], y.shape[axis]
    ranks = stats.rankdata(np.concatenate([x, y], axis=axis), axis=axis)
    return (ranks[..., :n_x].sum(-1) - n_x * (n_x + 1) / 2) / (n_x * n_y)


def scipy_bootstrap(x: Floats, y: Floats, method: str, n_resamples: int, batch: int | None) -> tuple[float, float]:
    """Return the limits of SciPy's bootstrap of two samples."""
    interval = stats.bootstrap(
        (x, y), auroc_by_ranks, n_resamples=n_resamples, vectorized=True, batch=batch,
        method={"bca": "BCa"}.get(method, method), rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return float(interval.low), float(interval.high)


def bare_paired_delong(labels: Integers, a: Floats, b: Floats, rising: bool) -> float:
    """Return z of two detectors on the same images, by look-ups in sorted arrays, in rising order or as given."""
    placed = []
    for scores in (a, b):
        x, y = scores[labels == 1], scores[labels == 0]
        if rising:
            order_x, order_y = np.argsort(x), np.argsort(y)
            sorted_x, sorted_y = x[order_x], y[order_y]
            v10, v01 = np.empty(len(x)), np.empty(len(y))
            v10[order_x], v01[order_y] = _below(sorted_y, sorted_x), 1 - _below(sorted_x, sorted_y)
        else:
            v10, v01 = _below(np.sort(y), x), 1 - _below(np.sort(x), y)
        placed.append((v10, v01))
    d10, d01 = placed[0][0] - placed[1][0], placed[0][1] - placed[1][1]
    return float(d10.mean() / np.sqrt(d10.var(ddof=1) / len(d10) + d01.var(ddof=1) / len(d01)))


def _below(ranked: Floats, scores: Floats) -> Floats:
    return (np.searchsorted(ranked, scores, "left") + np.searchsorted(ranked, scores, "right")) / (2 * len(ranked))
