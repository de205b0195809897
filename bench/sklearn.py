"""The object-grouped three-way split as a scikit-learn cross-validator. Imports nothing of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.errors import InputError

Indices = NDArray[np.intp]


class ThreeWaySplitter:
    """Train on nominals, set the threshold on one part, judge it on another; no object on two sides.

    ``split`` yields pairs (train, inference), as scikit-learn's cross-validators do: good for threshold-free scores
    such as the area under the ROC curve. ``three_way`` yields triples (train, threshold, inference) of the same
    splits, for everything that needs a threshold. Some samples may be in none of them (``statistics.md`` 2.2: other
    views of defective objects; images over the quota).

    Parameters
    ----------
    repeats
        Number of splits.
    seed
        0 is a seed. The splits depend on the rows' positions, labels and groups alone.
    design
        ``resample``: ``repeats`` independent splits. ``rotate``: ``runs`` runs of ``folds`` folds, in each run every
        defective object in one inference set.
    runs, folds
        Of the design ``rotate``.
    **options
        Further keywords of :func:`protocols.grouped_three_way` or :func:`protocols.rotations`, such as
        ``nominal_ratio`` or ``min_train_share``; with ``swap=True`` each split is followed by its mirror image.

    Examples
    --------
    >>> import numpy as np
    >>> groups = np.repeat(np.arange(20), 3)
    >>> y = (groups >= 12).astype(int)
    >>> splitter = ThreeWaySplitter(repeats=2, seed=0)
    >>> [(len(train), len(test)) for train, test in splitter.split(y, y, groups)]
    [(18, 21), (18, 21)]
    """

    def __init__(
        self, repeats: int = 10, *, seed: int = 0, design: str = "resample", runs: int = 10, folds: int = 5,
        **options: Any,
    ) -> None:  # fmt: skip
        if design not in ("resample", "rotate"):
            raise InputError("design", design, "resample or rotate", "The default is resample.")
        self.repeats = repeats
        self.seed = seed
        self.design = design
        self.runs = runs
        self.folds = folds
        self.options = options

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:  # noqa: N803
        """Return the number of splits."""
        if self.design == "rotate":
            return self.runs * self.folds
        return self.repeats * (2 if self.options.get("swap") else 1)

    def split(
        self,
        X: object,  # noqa: N803
        y: Sequence[int] | NDArray[np.integer] | None = None,
        groups: Sequence[object] | NDArray[Any] | None = None,
    ) -> Iterator[tuple[Indices, Indices]]:
        """Yield positions of (train, inference); see :meth:`three_way`."""
        for train, _, inference in self.three_way(X, y, groups):
            yield train, inference

    def three_way(
        self,
        X: object,  # noqa: N803
        y: Sequence[int] | NDArray[np.integer] | None = None,
        groups: Sequence[object] | NDArray[Any] | None = None,
    ) -> Iterator[tuple[Indices, Indices, Indices]]:
        """Yield positions of (train, threshold, inference), each sorted.

        Parameters
        ----------
        X
            Only its length is looked at, if it has one.
        y
            Labels, 0 nominal and 1 anomalous, shape (n,).
        groups
            The object photographed, shape (n,). Without it each sample must be its own object:
            ``object_policy="image_is_object"``.

        Raises
        ------
        InputError
            Labels or groups are missing or of another length.
        SplitError
            Too few objects of a kind.
        """
        from protocols import grouped_three_way, rotations

        samples = _samples(X, y, groups, self.options.get("object_policy", "required"))
        if self.design == "rotate":
            splits = rotations(samples, runs=self.runs, folds=self.folds, seed=self.seed, **self.options)
        else:
            splits = grouped_three_way(samples, repeats=self.repeats, seed=self.seed, **self.options)
        for split in splits:
            yield _positions(split.train), _positions(split.threshold), _positions(split.inference)


def _samples(X: object, y: object, groups: object, policy: object) -> Any:  # noqa: N803
    import pandas as pd

    from protocols import SampleTable

    if y is None:
        raise InputError("y", None, "labels, 0 nominal and 1 anomalous", "Give y: the split depends on it.")
    labels = np.asarray(y)
    if groups is None and policy != "image_is_object":
        raise InputError("groups", None, "the object of every sample",
                         'Give groups, or state object_policy="image_is_object".', "MissingObjectId")  # fmt: skip
    objects = np.arange(len(labels)) if groups is None else np.asarray(groups)
    lengths = {"y": len(labels), "groups": len(objects)}
    if hasattr(X, "__len__"):
        lengths["X"] = len(X)
    if len(set(lengths.values())) > 1:
        raise InputError("X, y, groups", lengths, "equal lengths", "Give one label and one object for each sample.")
    digits = len(str(len(labels)))
    ids = [f"{k:0{digits}d}" for k in range(len(labels))]
    return SampleTable.checked(pd.DataFrame({"sample_id": ids, "label": labels, "object_id": objects.astype(str)}))


def _positions(sample_ids: Sequence[str]) -> Indices:
    return np.sort(np.array([int(k) for k in sample_ids], np.intp))
