"""Paired values as users give them: one number a repeat, fold or data set for each of two detectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.errors import InputError
from protocols.inputs import checked_numbers


def paired_differences(a: ArrayLike, b: ArrayLike | None, *, unit: str = "repeat") -> NDArray[np.float64]:
    """Return a - b, or ``a`` as it is where there is no ``b``; shape (n,), finite.

    Parameters
    ----------
    a, b
        Shape (n,) each; None: ``a`` are the differences.
    unit
        What one value stands for, for the messages.

    Raises
    ------
    InputError
        Code ``LengthMismatch``, ``NotNumeric``, ``NotOneDimensional`` or ``NonFiniteValue``.
    """
    x = checked_numbers(a, "a")
    if b is not None:
        other = checked_numbers(b, "b")
        if x.shape != other.shape:
            raise InputError("b", f"shape {other.shape}", f"shape {x.shape}, as a", f"Give one value a {unit} in each.",
                             code="LengthMismatch")  # fmt: skip
        x = x - other
    bad = np.flatnonzero(~np.isfinite(x))
    if len(bad):
        raise InputError(f"a, position {bad[0]}", float(x[bad[0]]), "finite values",
                         f"Leave out the {len(bad)} {unit}s in which the metric is undefined, in a and in b.",
                         code="NonFiniteValue")  # fmt: skip
    return x


def fold_differences(differences: ArrayLike) -> NDArray[np.float64]:
    """Return the differences of repeated cross-validation as floats, shape (runs, folds), finite.

    Raises
    ------
    InputError
        Code ``NotRunsByFolds`` or ``NonFiniteValue``.
    """
    try:
        x = np.asarray(differences, np.float64)
    except (TypeError, ValueError):  # rows of unequal length, or text
        raise InputError("differences", type(differences).__name__, "numbers of shape (runs, folds)",
                         "Give every run the same number of folds.", code="NotRunsByFolds") from None  # fmt: skip
    if x.ndim != 2 or not x.size:
        raise InputError("differences", f"shape {x.shape}", "shape (runs, folds)", "Put each run in a row.",
                         code="NotRunsByFolds")  # fmt: skip
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        run, fold = (int(i) for i in bad[0])
        raise InputError(f"differences, run {run}, fold {fold}", float(x[run, fold]), "finite values",
                         f"Leave out the runs in which the metric is undefined ({len(bad)} values).",
                         code="NonFiniteValue")  # fmt: skip
    return x


def rounding(*values: NDArray[np.float64]) -> float:
    """Return what rounding may have done to sums and differences: 1e-12 of the largest absolute value."""
    return 1e-12 * max((float(np.abs(v).max()) for v in values if v.size), default=0.0)
