"""From scores of images to one score an object: an object is what a factory accepts or rejects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, UndefinedError
from .inputs import admitted_rows, object_index

_CALL = re.compile(r"(quantile|topk_mean|k_of_n)\(\s*([^()\s]+)\s*\)")


def aggregate_by_object(labels: ArrayLike, scores: ArrayLike, objects: Iterable[Any], *, method: str = "max",
                        nan_policy: str = "error", inf_policy: str = "error"
                        ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[Any]]:  # fmt: skip
    """Return one label and one score an object.

    The label is the largest of the views' labels: one defective view makes a defective object. Where views are
    missing, those that are there count. An object score is ``>= threshold`` under ``max`` if any view is, under
    ``k_of_n(k)`` if at least k views are. Thresholds must be chosen again at object level: with n independent views
    of false alarm rate f the maximum has 1 - (1 - f)^n.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    objects
        Object ids, shape (n,), any hashable type.
    method
        ``max`` (an object is rejected when any view is), ``mean``, ``median``, ``quantile(q)``, ``topk_mean(k)``
        (mean of the k highest), ``k_of_n(k)`` (k-th highest: rejected when at least k views are).
    nan_policy
        ``error``, or ``drop``: a view whose score is NaN counts as missing, and so does its label.
    inf_policy
        ``error``, or ``rank``: infinite scores are the lowest and the highest; ``max`` and ``k_of_n`` only need that.

    Returns
    -------
    tuple
        Labels, scores and ids, each of shape (number of objects,), sorted by id.

    Raises
    ------
    UndefinedError
        Code ``TooFewViews``: an object has fewer than k views under ``k_of_n(k)``. Code ``InfiniteMean``: a method
        that averages meets an infinite score.
    InputError
        The method is not known, or the arrays are wrong.

    References
    ----------
    Hyndman & Fan (1996), Sample quantiles in statistical packages, definition 7: ``median`` and ``quantile``.

    Examples
    --------
    >>> labels, scores, objects = aggregate_by_object([1, 0, 0], [0.9, 0.2, 0.4], ["b", "b", "a"])
    >>> labels.tolist(), scores.tolist(), objects.tolist()
    ([0, 1], [0.4, 0.9], ['a', 'b'])
    """
    rows = admitted_rows(labels, scores, nan_policy=nan_policy, inf_policy=inf_policy)
    y, s = rows.labels, rows.scores
    combine, least_views = _aggregator(method)
    if method != "max" and not method.startswith("k_of_n") and np.isinf(s).any():
        raise UndefinedError(f"{method} of infinite scores; got {int(np.isinf(s).sum())} of them", code="InfiniteMean")
    ids, index = object_index(rows.of(objects, "objects"), len(y))
    order = np.lexsort((s, index))  # by object, then by score, rising
    sizes = np.bincount(index, minlength=len(ids))
    few = np.flatnonzero(sizes < least_views)
    if len(few):
        named = ", ".join(str(ids[i]) for i in few[:5])
        raise UndefinedError(f"{method} needs {least_views} views an object; {len(few)} objects have fewer: {named}"
                             f"{', ...' if len(few) > 5 else ''}", code="TooFewViews")  # fmt: skip
    ends = np.cumsum(sizes)
    label = np.zeros(len(ids), np.int64)
    np.maximum.at(label, index, y)
    if method == "max":
        return label, s[order][ends - 1], ids
    views = np.split(s[order], ends[:-1]) if len(ids) else []
    return label, np.array([combine(v) for v in views], np.float64), ids


def _aggregator(method: str) -> tuple[Callable[[NDArray[np.float64]], float], int]:
    """Return the function of the rising view scores, and how many views it needs."""
    simple: dict[str, Callable[[NDArray[np.float64]], float]] = {
        "max": lambda v: float(v[-1]),
        "mean": lambda v: float(v.mean()),
        "median": lambda v: float(np.median(v)),
    }
    if method in simple:
        return simple[method], 1
    call = _CALL.fullmatch(method)
    if call:
        name, text = call.groups()
        try:
            if name == "quantile" and 0 <= float(text) <= 1:
                q = float(text)
                return (lambda v: float(np.quantile(v, q))), 1
            if name != "quantile" and int(text) >= 1:
                k = int(text)
                if name == "topk_mean":
                    return (lambda v: float(v[-k:].mean())), 1
                return (lambda v: float(v[-k])), k
        except ValueError:
            pass  # text that is no number: the message below names it
    raise InputError("object score", method, "max, mean, median, quantile(0.9), topk_mean(3) or k_of_n(2)",
                     "q is in [0, 1]; k is 1 or more.", code="UnknownAggregator")  # fmt: skip
