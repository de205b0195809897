"""Units: what is judged in a partition, its images or its objects."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .aggregate import aggregate_by_object
from .errors import InputError
from .partition import Split
from .scores import LAST, ScoreTable

LEVELS = ("image", "object")


@dataclass(frozen=True)
class Units:
    """Labels and scores of the units of a partition, with the object each belongs to.

    Parameters
    ----------
    labels, scores, objects
        Shape (n,). At object level one entry an object; the objects are what is resampled.
    ids
        Names of the units, shape (n,): sample ids, or object ids.
    """

    labels: NDArray[np.int64]  # (n,)
    scores: NDArray[np.float64]  # (n,)
    objects: NDArray[np.object_]  # (n,)
    ids: NDArray[np.object_]  # (n,)

    @property
    def n(self) -> tuple[int, int]:
        """Number of nominal and of anomalous units."""
        anomalous = int(self.labels.sum())
        return self.labels.size - anomalous, anomalous

    @property
    def n_objects(self) -> tuple[int, int]:
        """Number of objects with a nominal unit and with an anomalous unit."""
        return len(set(self.objects[self.labels == 0])), len(set(self.objects[self.labels == 1]))

    @property
    def clustered(self) -> bool:
        """Whether some object has more than one unit."""
        return len(set(self.objects)) < self.objects.size


def grouped(table: ScoreTable, object_policy: str = "required") -> bool:
    """Return whether objects are known; otherwise each image is its own."""
    return object_policy != "image_is_object" and table.has_objects


def object_level_differs(table: ScoreTable, object_policy: str = "required") -> bool:
    """Return whether objects are known and some has more than one image."""
    return grouped(table, object_policy) and bool(table.at(LAST).frame["object_id"].duplicated().any())


def units_of(
    table: ScoreTable,
    split: Split,
    partition: str,
    *,
    level_of_analysis: str = "image",
    object_score: str = "max",
    object_policy: str = "required",
    step: int = LAST,
) -> Units:
    """Return the units of one partition at one checkpoint.

    At object level the unused nominal views of a defective object of the partition join it.

    Raises
    ------
    InputError
        A sample of the partition has no score (code ``MissingScore``).
    """
    rows = table.at(step).frame
    wanted = set(split.partitions()[partition])
    judged = rows["sample_id"].isin(wanted)
    _require_scores(wanted, rows["sample_id"][judged], f"split {split.repeat}, {partition}")
    if level_of_analysis == "object":
        defective = set(rows["object_id"][judged & (rows["label"] == 1)])
        hidden = rows["sample_id"].isin(set(split.unused)) & (rows["label"] == 0) & rows["object_id"].isin(defective)
        judged |= hidden
    part = rows[judged]
    labels, scores = part["label"].to_numpy(np.int64), part["score"].to_numpy(np.float64)
    names = part["object_id" if grouped(table, object_policy) else "sample_id"].to_numpy(object)
    ids = part["sample_id"].to_numpy(object)
    if level_of_analysis == "object":
        labels, scores, names = aggregate_by_object(labels, scores, names, method=object_score)
        names = ids = names.astype(object)
    return Units(labels, scores, names, ids)


def count_distinct(parts: Iterable[Units]) -> tuple[int, int]:
    """Return the number of distinct nominal and anomalous units of several partitions or repeats."""
    found: tuple[set[object], set[object]] = (set(), set())
    for part in parts:
        for label in (0, 1):
            found[label].update(part.ids[part.labels == label])
    return len(found[0]), len(found[1])


def _require_scores(ids: Collection[str], scored: Collection[str], where: str) -> None:
    missing = sorted(set(ids) - set(scored))
    if missing:
        raise InputError(
            where, missing[0], "a score for every sample", f"Score the {len(missing)} missing samples.", "MissingScore"
        )
