"""Kolmogorov-Smirnov tests in which whole objects change sides: whether two sets of scores are distributed alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain, combinations, islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.errors import InputError
from protocols.inputs import Seed, object_index
from protocols.intervals.draws import generator, ordered_objects
from protocols.metrics import blocks
from protocols.results import TestResult

from .exchange import EXACT, checked_count, enumerable, exchanges, share
from .paired_delong import named_scores
from .paired_objects import paired_objects

LEVEL = 0.95
NO_INTERVAL = "a distance has no interval here"


def object_ks_test(scores_x: ArrayLike, objects_x: Iterable[Any], scores_y: ArrayLike, objects_y: Iterable[Any], *,
                   n_resamples: int = 10000, seed: Seed = 0) -> TestResult:  # fmt: skip
    r"""Test whether two sets of images in objects have the same distribution of scores.

    :math:`D = \max_s |F(s) - G(s)|` over the image scores, F and G the empirical distribution functions. Objects, with
    all their images, are dealt anew to the two sides, as many to each as there were. With
    :math:`\binom{G}{G_x} \le 10^5` all deals are enumerated and :math:`p = \#\{D^* \ge D\} / \binom{G}{G_x}`, the
    observed one included; else :math:`p = (1 + \#\{D^* \ge D\}) / (B + 1)`. Distances within 1e-12 are equal.

    An object with images on both sides is on neither: it is left out, with a note.

    Parameters
    ----------
    scores_x, objects_x
        Scores of the first set and their object ids, shape (n_x,).
    scores_y, objects_y
        Of the second, shape (n_y,).
    n_resamples
        Random deals where there are more than 10^5.
    seed
        As in :func:`~protocols.intervals.bootstrap.bootstrap_interval`.

    Returns
    -------
    TestResult
        ``statistic`` is D; ``difference`` is F - G where it is largest in size (first of equals), above 0 where the
        first set scores lower. No interval. ``undefined``: a side has no object of its own.

    Raises
    ------
    InputError
        Scores are not finite, lengths differ, or an object id is missing.

    References
    ----------
    Præstgaard (1995), Permutation and bootstrap Kolmogorov-Smirnov tests for the equality of two distributions.
    p: Phipson & Smyth (2010), Permutation p-values should never be zero.

    Examples
    --------
    Of the 6 deals of two objects a side, 2 keep the two sides apart:

    >>> r = object_ks_test([1, 2, 3, 4], list("aabb"), [5, 6, 7, 8], list("ccdd"))
    >>> r.statistic, round(r.p_value, 4)
    (1.0, 0.3333)
    """
    (x, ids_x), (y, ids_y) = _side(scores_x, objects_x, "x"), _side(scores_y, objects_y, "y")
    n_resamples = checked_count(n_resamples)
    both = set(ids_x) & set(ids_y)
    x, ids_x = x[[g not in both for g in ids_x]], [g for g in ids_x if g not in both]
    y, ids_y = y[[g not in both for g in ids_y]], [g for g in ids_y if g not in both]
    left_out = (f"{len(both)} objects are on both sides and left out",) if both else ()
    nan = math.nan
    if not ids_x or not ids_y:
        reason = f"each side needs objects of its own; got {len(set(ids_x))} and {len(set(ids_y))}"
        return TestResult(nan, nan, nan, LEVEL, nan, nan, nan, "object permutation KS", "undefined",
                          (reason, *left_out))  # fmt: skip
    scores = np.concatenate([x, y])
    index = ordered_objects(np.zeros(len(scores), np.int64), scores, [*ids_x, *ids_y])[1]
    n_objects, n_first = int(index.max()) + 1, len(set(ids_x))
    order, ends = _ranked(scores)
    index = index[order]
    observed = np.zeros((1, n_objects), bool)
    observed[0, np.unique(index[order < len(x)])] = True
    signed = _deviations(observed, index, ends)[0]
    difference = float(signed[np.argmax(np.abs(signed))])
    distance = abs(difference)
    exact = math.comb(n_objects, n_first) <= EXACT
    extreme = total = 0
    # The smaller side is dealt, so that it does not matter which is called the first.
    smaller = min(n_first, n_objects - n_first)
    for deal in _deals(n_objects, smaller, n_resamples, generator(seed, "object_ks"), len(scores)):
        extreme += int((np.abs(_deviations(deal, index, ends)).max(axis=1) >= distance - 1e-12).sum())
        total += len(deal)
    method = f"object permutation KS, {'exact' if exact else f'{n_resamples} resamples'}"
    return TestResult(difference, nan, nan, LEVEL, distance, nan, share(extreme, total, exact), method, "ok",
                      (NO_INTERVAL, *left_out))  # fmt: skip


def paired_object_ks_test(scores_x: ArrayLike, scores_y: ArrayLike, objects: Iterable[Any], *,
                          n_resamples: int = 10000, seed: Seed = 0) -> TestResult:  # fmt: skip
    r"""Test whether two scores of the same images have the same distribution, as before and after a transform.

    :math:`D = \max_s |F(s) - G(s)|`. The two scores of an image are exchanged for whole objects, each with
    probability 1/2; p as in :func:`~protocols.comparisons.sign_flip.sign_flip_test`.

    Parameters
    ----------
    scores_x, scores_y
        Two scores an image, on one scale, shape (n,).
    objects
        Object ids, shape (n,).
    n_resamples
        Random exchanges where :math:`2^G > 10^5`.
    seed
        As in :func:`~protocols.intervals.bootstrap.bootstrap_interval`.

    Returns
    -------
    TestResult
        As :func:`object_ks_test`. ``undefined``: there is no image.

    Raises
    ------
    InputError
        Scores are not finite, lengths differ, or an object id is missing.

    References
    ----------
    Præstgaard (1995), Permutation and bootstrap Kolmogorov-Smirnov tests for the equality of two distributions.

    Examples
    --------
    >>> r = paired_object_ks_test([1, 2, 3, 4], [3, 4, 5, 6], list("abcd"))
    >>> r.statistic, r.p_value
    (0.5, 0.875)
    """
    ids = list(objects)
    (x, _), (y, _) = _side(scores_x, ids, "x", "objects"), _side(scores_y, ids, "y", "objects")
    n_resamples = checked_count(n_resamples)
    nan = math.nan
    if not ids:
        return TestResult(nan, nan, nan, LEVEL, nan, nan, nan, "paired object permutation KS", "undefined",
                          ("there is no image",))  # fmt: skip
    index = paired_objects(np.zeros(len(ids), np.int64), x, y, ids)[1]
    n_objects = int(index.max()) + 1
    order, ends = _ranked(np.concatenate([x, y]))
    side = np.where(order < len(x), 1, -1)
    owner = np.concatenate([index, index])[order]

    def deviations(pattern: NDArray[np.float64]) -> NDArray[np.int64]:
        signs = (1 - 2 * pattern).astype(np.int64)
        return np.asarray(np.cumsum(signs[:, owner] * side, axis=1)[:, ends])

    signed = deviations(np.zeros((1, n_objects)))[0]
    largest = signed[np.argmax(np.abs(signed))]
    extreme = total = 0
    for pattern in exchanges(n_objects, n_resamples, generator(seed, "paired_object_ks"), 3 * len(owner)):
        extreme += int((np.abs(deviations(pattern)).max(axis=1) >= abs(largest)).sum())
        total += len(pattern)
    exact = enumerable(n_objects)
    method = f"paired object permutation KS, {'exact' if exact else f'{n_resamples} resamples'}"
    return TestResult(float(largest / len(x)), nan, nan, LEVEL, float(abs(largest) / len(x)), nan,
                      share(extreme, total, exact), method, "ok", (NO_INTERVAL,))  # fmt: skip


def _side(scores: ArrayLike, objects: Iterable[Any], name: str, objects_name: str = ""
          ) -> tuple[NDArray[np.float64], list[Any]]:  # fmt: skip
    ids = list(objects)
    s = np.asarray(scores)
    if s.ndim == 1 and len(s) != len(ids):
        raise InputError(objects_name or f"objects_{name}", f"length {len(ids)}", f"length {len(s)}, one entry a score",
                         "Give equal lengths.", code="LengthMismatch")  # fmt: skip
    checked = named_scores(np.zeros(len(ids), np.int64), scores, f"scores_{name}")[1]
    object_index(ids, len(ids))  # refuses missing ids
    return checked, ids


def _ranked(scores: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order of the scores and the last place of each run of equal ones."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))


def _deviations(first: NDArray[np.bool_], index: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return F - G at each distinct score, shape (b, distinct), when these objects are the first side."""
    below = np.cumsum(first[:, index], axis=1)
    n_x = below[:, -1:]
    below = below[:, ends]
    return np.asarray(below / n_x - (ends + 1 - below) / (len(index) - n_x))


def _deals(n_objects: int, n_first: int, n_resamples: int, rng: np.random.Generator, size: int
           ) -> Iterator[NDArray[np.bool_]]:  # fmt: skip
    """Yield blocks of deals, True where an object is on the first side; each row has ``n_first`` of them."""
    total = math.comb(n_objects, n_first)
    if total > EXACT:
        for rows in blocks(n_resamples, n_objects + 3 * size):
            draws = rng.random((min(rows.stop, n_resamples) - rows.start, n_objects))
            yield draws <= np.partition(draws, n_first - 1, axis=1)[:, n_first - 1 : n_first]
        return
    chosen = combinations(range(n_objects), n_first)
    for rows in blocks(total, n_objects + 3 * size):
        count = min(rows.stop, total) - rows.start
        picked = np.fromiter(chain.from_iterable(islice(chosen, count)), np.int64, count * n_first)
        deal = np.zeros((count, n_objects), bool)
        deal[np.repeat(np.arange(count), n_first), picked] = True
        yield deal
