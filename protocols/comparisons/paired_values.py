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
    return finite_table(differences, "differences", ("run", "fold"), code="NotRunsByFolds",
                        without="Leave out the runs in which the metric is undefined")  # fmt: skip


def finite_table(values: ArrayLike, what: str, axes: tuple[str, str], *, code: str, without: str,
                 least_columns: int = 1) -> NDArray[np.float64]:  # fmt: skip
    """Return a table of finite numbers as floats.

    Parameters
    ----------
    values
        Shape (rows, columns), at least one row.
    what, axes
        How errors call the table, its rows and its columns.
    code
        Of the error for another shape.
    without
        What to do about a number that is not finite.
    least_columns
        Columns that there must be.

    Raises
    ------
    InputError
        ``code``, or ``NonFiniteValue``.
    """
    row, column = axes
    expected = f"numbers of shape ({row}s, {column}s)"
    expected += f" with at least {least_columns} {column}s" if least_columns > 1 else ""
    try:
        x = np.asarray(values, np.float64)
    except (TypeError, ValueError):  # rows of unequal length, or text
        raise InputError(what, type(values).__name__, expected, f"Give every {row} the same number of {column}s.",
                         code=code) from None  # fmt: skip
    if x.ndim != 2 or not x.size or x.shape[1] < least_columns:
        raise InputError(what, f"shape {x.shape}", expected, f"Put each {row} in a row.", code=code)
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        i, j = (int(at) for at in bad[0])
        raise InputError(f"{what}, {row} {i}, {column} {j}", float(x[i, j]), "finite values",
                         f"{without} ({len(bad)} values).", code="NonFiniteValue")  # fmt: skip
    return x


def rounding(*values: NDArray[np.float64]) -> float:
    """Return what rounding may have done to sums and differences: 1e-12 of the largest absolute value."""
    return 1e-12 * max((float(np.abs(v).max()) for v in values if v.size), default=0.0)
