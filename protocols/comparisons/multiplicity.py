"""Adjusting the p values of a family of tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.errors import InputError
from protocols.inputs import checked_numbers


def adjust_p_values(p: ArrayLike, method: str = "holm") -> NDArray[np.float64]:
    """Adjust p values for the number of tests.

    Holm (confirmatory): running maximum of min(1, (m - i + 1) p_(i)). Benjamini-Hochberg (exploratory): running
    minimum from the top of p_(i) m / i.

    Parameters
    ----------
    p
        Shape (m,), each in [0, 1]; NaN (undefined) stays NaN and is not counted.
    method
        ``holm`` or ``bh``.

    Returns
    -------
    ndarray
        Shape (m,), in the order given.

    Raises
    ------
    InputError
        A p value outside [0, 1], or an unknown method.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure. Benjamini & Hochberg (1995), Controlling
    the false discovery rate.

    Examples
    --------
    >>> adjust_p_values([0.01, 0.04, 0.03, 0.005]).tolist()
    [0.03, 0.06, 0.06, 0.02]
    >>> adjust_p_values([0.01, 0.04, 0.03, 0.005], "bh").tolist()
    [0.02, 0.04, 0.04, 0.02]
    """
    values = checked_numbers(p, "p values")
    wrong = np.flatnonzero((values < 0) | (values > 1))
    if len(wrong):
        raise InputError(f"p values, position {wrong[0]}", float(values[wrong[0]]), "a value in [0, 1]", "Correct it.")
    if method not in ("holm", "bh"):
        raise InputError("method", method, "holm or bh", "Correct the value.")
    counted = np.flatnonzero(~np.isnan(values))
    order = counted[np.argsort(values[counted], kind="stable")]
    m = len(order)
    rank = np.arange(1, m + 1)
    adjusted = np.full(len(values), np.nan)
    if method == "holm":
        adjusted[order] = np.maximum.accumulate(np.minimum((m - rank + 1) * values[order], 1.0))
    else:
        adjusted[order] = np.minimum.accumulate(np.minimum(values[order] * m / rank, 1.0)[::-1])[::-1]
    return adjusted
