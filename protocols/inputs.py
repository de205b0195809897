"""Arrays as users give them, checked once: labels first, scores second, then objects and weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, UndefinedError

Seed = int | np.random.SeedSequence | np.random.Generator
_INF = ("error", "rank")


def checked_scores(labels: ArrayLike, scores: ArrayLike, *, inf_policy: str = "error"
                   ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """Return labels as int64 and scores as float64.

    Parameters
    ----------
    labels
        Shape (n,); 0 or False nominal, 1 or True anomalous.
    scores
        Shape (n,); finite, higher means more anomalous. float32 and float16 are exact in float64.
    inf_policy
        ``error``, or ``rank``: infinite scores are the lowest and the highest.

    Raises
    ------
    InputError
        Code ``LabelsNotBinary``, ``NonFiniteScore``, ``NotNumeric``, ``NotOneDimensional`` or ``LengthMismatch``.
    """
    rows = admitted_rows(labels, scores, inf_policy=inf_policy)
    return rows.labels, rows.scores


@dataclass(frozen=True)
class Rows:
    """The rows that the policies admit.

    Parameters
    ----------
    labels, scores
        Shape (n_kept,).
    kept
        Positions of the rows kept, shape (n_kept,).
    notes
        What was dropped, by class; empty if nothing was.
    n_given
        Number of rows before.
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    kept: NDArray[np.int64]
    notes: tuple[str, ...] = ()
    n_given: int = 0

    def of(self, values: Iterable[Any], what: str) -> list[Any]:
        """Return the entries of these rows of a list with one entry a row given, for example of object ids."""
        every = list(values)
        _refuse_lengths(self.n_given, len(every), what)
        return [every[i] for i in self.kept]


def admitted_rows(labels: ArrayLike, scores: ArrayLike, *, nan_policy: str = "error", inf_policy: str = "error"
                  ) -> Rows:  # fmt: skip
    """Return labels and scores without the rows that a policy drops.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    nan_policy
        ``error``, or ``drop``: rows whose score is NaN are left out, and counted by class. Never imputed.
    inf_policy
        ``error``, or ``rank``: infinite scores are the lowest and the highest; fit for what only needs the order.

    Raises
    ------
    InputError
        As :func:`checked_scores`.
    """
    for name, policy, known in (("nan_policy", nan_policy, ("error", "drop")), ("inf_policy", inf_policy, _INF)):
        if policy not in known:
            raise InputError(name, policy, " or ".join(known), "Correct the value.")
    y = checked_binary(labels, "labels", "Labels come first, scores second: the two arguments may be swapped.")
    s = checked_numbers(scores, "scores")
    _refuse_lengths(len(y), len(s), "scores")
    absent = np.isnan(s)
    refused = absent & (nan_policy == "error")
    if inf_policy == "error":
        refused |= np.isinf(s)
    bad = np.flatnonzero(refused)
    if len(bad):
        where = ", ".join(map(str, bad[:5]))
        raise InputError(f"scores, position {bad[0]}", float(s[bad[0]]), "finite scores",
                         f"{len(bad)} scores are NaN or infinite (positions {where}{', ...' if len(bad) > 5 else ''}). "
                         "Remove these rows or score the images again.", code="NonFiniteScore")  # fmt: skip
    kept = np.flatnonzero(~absent)
    if len(kept) == len(y):
        return Rows(y, s, kept, (), len(y))
    gone = y[absent]
    note = f"{len(gone)} rows with a NaN score dropped: {int((gone == 0).sum())} nominal, {int(gone.sum())} anomalous"
    return Rows(y[kept], s[kept], kept, (note,), len(y))


def weighted_rows(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None, what: str, nan_policy: str,
                  inf_policy: str) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[Any]]:  # fmt: skip
    """Return what a rank statistic needs: the admitted rows with one weight each, both classes among them.

    Weights that are not whole are divided by a power of 2, which is exact, so that the largest is near 1 and products
    of sums of weights neither overflow nor vanish.

    Raises
    ------
    UndefinedError
        Code ``SingleClassPartition``: a class has no image, or none of weight above 0. The message begins with
        ``what``.
    """
    rows = admitted_rows(labels, scores, nan_policy=nan_policy, inf_policy=inf_policy)
    w = checked_weights(weights, rows.n_given)
    if w.ndim != 1:
        raise InputError("weights", w.shape, "shape (n,)", "Give one weight an image.", code="NotOneDimensional")
    w = w if len(rows.kept) == len(w) else w[rows.kept]
    if weights is None:
        need_both_classes(rows.labels, what)
    else:
        need_both_classes(rows.labels[w > 0], what, " of weight above 0")
    if w.dtype == np.float64:
        w = np.ldexp(w, -int(np.frexp(w.max())[1]))
    return rows.labels, rows.scores, w


def checked_binary(values: ArrayLike, what: str, hint: str = "") -> NDArray[np.int64]:
    """Return 0/1 values as int64, shape (n,); anything else is an error (code ``LabelsNotBinary``)."""
    try:
        raw = np.asarray(values)
        if first_text(raw) is not None:
            raise TypeError
        numbers = raw.astype(np.float64)
    except (TypeError, ValueError):
        numbers = np.full(np.shape(np.asarray(values, dtype=object))[:1], np.nan)
        raw = np.asarray(values, dtype=object)
    _refuse_dimensions(numbers, what)
    bad = np.flatnonzero((numbers != 0) & (numbers != 1))
    if len(bad):
        found = raw[bad[0]]
        raise InputError(f"{what}, position {bad[0]}", found.item() if isinstance(found, np.generic) else found,
                         "0 (nominal) or 1 (anomalous)", hint or "Map the values to 0 and 1.",
                         code="LabelsNotBinary")  # fmt: skip
    return numbers.astype(np.int64)


def checked_weights(weights: ArrayLike | None, n: int) -> NDArray[Any]:
    """Return weights of shape (n,) or (B, n): ones if None; integers stay integers, so that sums are exact."""
    if weights is None:
        return np.ones(n, np.int64)
    w = np.asarray(weights)
    if w.dtype.kind in "bui":
        w = w.astype(np.int64)
    elif w.dtype.kind == "f":
        w = w.astype(np.float64)
    else:
        raise InputError("weights", str(w.dtype), "numbers", "Give one weight an image.", code="NotNumeric")
    if w.ndim not in (1, 2):
        raise InputError("weights", w.shape, "shape (n,) or (replicates, n)", "Reshape the array.",
                         code="NotOneDimensional")  # fmt: skip
    _refuse_lengths(n, w.shape[-1], "weights")
    if w.size and not (w.min() >= 0 and np.isfinite(w.max())):  # NaN compares false
        raise InputError("weights", float(w.max() if w.min() >= 0 else w.min()), "finite weights of 0 or more",
                         "Correct the weights.", code="BadWeights")  # fmt: skip
    return w


def object_index(objects: Iterable[Any], n: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the distinct object ids in order and, for each image, the position of its object among them.

    Parameters
    ----------
    objects
        One id an image, any hashable type, shape (n,).
    n
        Number of images.

    Returns
    -------
    tuple
        Ids, shape (G,), sorted; index, shape (n,).

    Raises
    ------
    InputError
        Code ``EmptyObjectId`` when an id is missing: images without one must not become one big object;
        ``LengthMismatch``.
    """
    if isinstance(objects, np.ndarray) and objects.dtype.kind in "iu" and objects.ndim == 1:
        _refuse_lengths(n, len(objects), "objects")  # whole numbers are never missing
        ids_found, places = np.unique(objects, return_inverse=True)
        return ids_found, places.astype(np.int64)
    values = list(objects)
    _refuse_lengths(n, len(values), "objects")
    for position, value in enumerate(values):
        if _missing(value):
            raise InputError(f"objects, position {position}", value, "an object id",
                             "Give each image its object, or use the image's id where each is its own object.",
                             code="EmptyObjectId")  # fmt: skip
    try:
        ids = sorted(set(values))
    except TypeError:  # ids of several types have no order of their own
        ids = sorted(set(values), key=lambda v: (type(v).__name__, repr(v)))
    place = {v: i for i, v in enumerate(ids)}
    index = np.fromiter((place[v] for v in values), np.int64, n)
    if len({type(v) for v in ids}) == 1 and not isinstance(ids[0], tuple):
        return np.asarray(ids), index
    distinct = np.empty(len(ids), object)
    for i, v in enumerate(ids):
        distinct[i] = v
    return distinct, index


def _missing(value: object) -> bool:
    try:
        return value is None or bool(value == "") or bool(value != value)
    except TypeError:  # pandas.NA compares as neither true nor false
        return True


def checked_fraction(value: object, what: str, *, closed: bool = False) -> float:
    """Return a number inside (0, 1), or inside [0, 1] if ``closed``."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        number = float(value)
        if 0 < number < 1 or (closed and number in (0.0, 1.0)):
            return number
    raise InputError(what, value, "a fraction from 0 to 1" if closed else "a fraction between 0 and 1",
                     "Write 0.05 for 5 per cent.", code="OutOfRange")  # fmt: skip


def checked_positive(value: object, what: str) -> float:
    """Return a finite number above 0."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        number = float(value)
        if 0 < number < np.inf:
            return number
    raise InputError(what, value, "a finite number above 0", "Correct the value.", code="OutOfRange")


def need_both_classes(labels: NDArray[np.int64], what: str, of: str = "") -> tuple[int, int]:
    """Return the number of nominal and anomalous images; a missing class is an ``UndefinedError``.

    The message begins with ``what`` and ends with ``of``, which says what images were counted if not all.
    """
    n_anomalous = int(labels.sum())
    n_nominal = len(labels) - n_anomalous
    if not n_anomalous or not n_nominal:
        raise UndefinedError(one_class(what, n_nominal, n_anomalous) + of, code="SingleClassPartition")
    return n_nominal, n_anomalous


def one_class(what: str, n_nominal: int, n_anomalous: int) -> str:
    """Say that a class is missing."""
    return f"{what} needs both classes; got P={n_anomalous}, N={n_nominal}"


def doubts(scores: NDArray[np.float64]) -> tuple[str, ...]:
    """Return notes on the scores themselves: constant, or with the ties that half precision makes."""
    n_distinct = len(np.unique(scores))
    if n_distinct == 1 and len(scores) > 1:
        return ("all scores are equal",)
    if n_distinct < 0.5 * len(scores):
        return (f"only {n_distinct} of {len(scores)} scores are distinct: rounded, or stored as float16?",)
    return ()


def checked_numbers(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return numbers as float64, shape (n,), NaN and inf among them.

    Raises
    ------
    InputError
        Code ``NotNumeric`` for text, dates or complex numbers, ``NotOneDimensional``.
    """
    raw = np.asarray(values)
    if raw.dtype.kind in "US":  # one text in a list makes all of it text
        raw = np.asarray(values, dtype=object)
    text = first_text(raw)
    if text is not None:
        raise InputError(f"{what}, position {text}", str(raw.flat[text]), "numbers",
                         "Convert the values to numbers first.", code="NotNumeric")  # fmt: skip
    try:
        if raw.dtype.kind not in "biufO":
            raise TypeError
        numbers = raw.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(what, str(raw.dtype), "numbers", "Convert the values to numbers first.",
                         code="NotNumeric") from None  # fmt: skip
    _refuse_dimensions(numbers, what)
    return numbers


def first_text(values: NDArray[Any]) -> int | None:
    """Return the position of the first value that is text, even of a number: a comma may be decimal; None: no text."""
    if values.dtype.kind in "US":
        return 0 if values.size else None
    if values.dtype.kind != "O":
        return None
    return next((i for i, v in enumerate(values.flat) if isinstance(v, (str, bytes))), None)


def _refuse_dimensions(values: NDArray[Any], what: str) -> None:
    if values.ndim != 1:
        raise InputError(what, f"shape {values.shape}", "a one-dimensional array", "Flatten it.",
                         code="NotOneDimensional")  # fmt: skip


def _refuse_lengths(expected: int, found: int, what: str) -> None:
    if expected != found:
        raise InputError(what, f"length {found}", f"length {expected}, one entry a label", "Give equal lengths.",
                         code="LengthMismatch")  # fmt: skip
