"""Exchanges of whole objects: every pattern of them where they are few, random ones where they are many."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from protocols.errors import InputError
from protocols.metrics import blocks

EXACT = 100_000  # patterns up to which all are enumerated


def enumerable(n_objects: int) -> bool:
    """Whether all 2^G patterns are enumerated."""
    return n_objects < 64 and 2**n_objects <= EXACT


def exchanges(n_objects: int, n_resamples: int, rng: np.random.Generator, size: int = 0
              ) -> Iterator[NDArray[np.float64]]:  # fmt: skip
    """Yield blocks of patterns, 1 where an object is exchanged: all of them, or ``n_resamples`` random ones.

    Parameters
    ----------
    n_objects
        Number of objects, G.
    n_resamples
        Patterns to draw where they are too many to enumerate.
    rng
        Generator; each row takes whole words from it, so the blocks do not change the patterns.
    size
        Numbers that one pattern needs in memory beyond its own G.

    Yields
    ------
    ndarray
        Shape (b, G), 0 or 1; the blocks together have :func:`n_patterns` rows.
    """
    exact = enumerable(n_objects)
    words = -(-n_objects // 64)
    total = n_patterns(n_objects, n_resamples)
    for rows in blocks(total, n_objects + size):
        count = min(rows.stop, total) - rows.start
        if exact:
            number = np.arange(rows.start, rows.start + count, dtype=np.uint64).reshape(count, 1)
        else:
            number = rng.integers(0, 2**64, size=(count, words), dtype=np.uint64)
        octets = number.astype("<u8").view(np.uint8)
        bits = np.unpackbits(octets, axis=1, count=n_objects, bitorder="little")
        yield bits.astype(np.float64)


def n_patterns(n_objects: int, n_resamples: int) -> int:
    """Return how many patterns :func:`exchanges` gives."""
    return 2**n_objects if enumerable(n_objects) else n_resamples


def share(extreme: int, total: int, exact: bool) -> float:
    """Return the p value: the share of the patterns, the identity included, that are as extreme.

    Among all patterns the identity is one of them; random patterns are joined by it, so p is never 0.
    """
    return extreme / total if exact else (1 + extreme) / (total + 1)


def flipped_p_value(contributions: NDArray[np.float64], n_resamples: int, rng: np.random.Generator) -> float:
    """Return the two-sided p of a sum when exchanging an object turns the sign of its contribution.

    Parameters
    ----------
    contributions
        Shape (G,). Sums equal to 1e-12 of the sum of sizes are equal; whole numbers are compared exactly. Their
        order changes nothing, nor does the sign of all.
    n_resamples
        As in :func:`exchanges`.
    rng
        Generator.
    """
    ordered = np.sort(-contributions if contributions.sum() < 0 else contributions)
    observed, slack = float(ordered.sum()), 1e-12 * float(np.abs(ordered).sum())
    extreme = total = 0
    for pattern in exchanges(len(ordered), n_resamples, rng):
        sums = observed - 2 * (pattern @ ordered)
        extreme += int((np.abs(sums) >= observed - slack).sum())
        total += len(pattern)
    return share(extreme, total, enumerable(len(contributions)))


def checked_count(n_resamples: int) -> int:
    """Return a number of resamples of 1 or more."""
    if isinstance(n_resamples, bool) or not isinstance(n_resamples, (int, np.integer)) or n_resamples < 1:
        raise InputError("n_resamples", n_resamples, "a whole number of 1 or more", "Correct the value.")
    return int(n_resamples)
