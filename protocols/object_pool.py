"""Pool: which objects may be judged and which may train, with the images of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from .errors import SplitError
from .samples import SampleTable


@dataclass(frozen=True)
class Pool:
    """What may go where: object id to sample ids.

    Parameters
    ----------
    anomalous
        Defective objects: their anomalous images.
    hidden
        Defective objects: nominal images that may be judged under ``ndo="evaluate"``.
    judged, training
        Good objects that may be judged, and that may train: the images that may.
    strata
        Defect type: its defective objects.
    pooled
        Whether judged and training objects come from one pool.
    notes
        What was done to make the pool.
    """

    anomalous: dict[str, list[str]]
    hidden: dict[str, list[str]]
    judged: dict[str, list[str]]
    training: dict[str, list[str]]
    strata: dict[str, list[str]]
    pooled: bool
    notes: tuple[str, ...] = ()

    @property
    def n_anomalous(self) -> int:
        """Number of anomalous images."""
        return sum(map(len, self.anomalous.values()))

    def n_images(self, objects: Iterable[str]) -> int:
        """Return the number of anomalous images of these objects."""
        return sum(len(self.anomalous[o]) for o in objects)

    def warnings(self, *, repeats: int, h: int, nominal_ratio: float, object_policy: str) -> tuple[str, ...]:
        """Return the notes of every split drawn from this pool, ``h`` good objects in an evaluation partition."""
        notes = ["grouping=none"] if object_policy == "image_is_object" else []
        notes += self.notes
        if nominal_ratio != 1:
            notes.append(f"departs_from_paper=true: nominal_ratio {nominal_ratio}")
        if len(self.anomalous) < 10:
            notes.append(f"{len(self.anomalous)} defective objects: sensitivity intervals will be very wide")
        single = sorted(name for name, objects in self.strata.items() if len(objects) == 1)
        if single:
            notes.append(f"defect types with one object, each on one side only: {', '.join(single)}")
        if repeats < 5:
            notes.append(f"{repeats} repeats, fewer than 5")
        if h < 5:
            notes.append(f"{h} good objects in an evaluation partition, fewer than 5")
        return tuple(notes)


def object_pool(samples: SampleTable, *, merge: bool, allow_contaminated: bool = False) -> Pool:
    """Return who may be judged and who may train.

    Parameters
    ----------
    samples
        The images with their objects.
    merge
        Whether nominal test images and nominal training images are one pool; without nominal test images of good
        objects they are, whatever is said here.
    allow_contaminated
        Move anomalous training images to the test images, with a note, instead of refusing them.

    Raises
    ------
    SplitError
        Code ``AnomalyInTrain``.
    """
    frame = samples.frame
    notes: tuple[str, ...] = ()
    contaminated = frame[(frame["label"] == 1) & (frame["source"] == "train")]
    if len(contaminated):
        if not allow_contaminated:
            raise SplitError(
                f"samples, {contaminated['sample_id'].iloc[0]}",
                f"{len(contaminated)} anomalous images in source train",
                "nominal training images only",
                "Correct the label or the source, or set allow_contaminated_train.",
                "AnomalyInTrain",
            )
        notes += (f"{len(contaminated)} anomalous training images moved to the test images",)
        frame = frame.assign(source=frame["source"].where(frame["label"] == 0, "test"))
    defective = set(frame["object_id"][frame["label"] == 1])
    is_good = ~frame["object_id"].isin(defective)
    nominal = frame[frame["label"] == 0]
    good = frame[is_good]
    has_test = bool((good["source"] == "test").any())
    pooled = merge or not has_test
    if not has_test:
        which = " of good objects" if (nominal["source"] == "test").any() else ""
        notes += (f"no nominal test images{which}: the nominal partitions are drawn from the training images",)
    hidden = nominal[nominal["object_id"].isin(defective)]
    if len(hidden):
        n_removed = int((hidden["source"] == "train").sum())
        notes += (f"{len(hidden)} nominal images of defective objects, {n_removed} of them removed from training",)
    tested = set(good["object_id"][good["source"] == "test"])
    if pooled:
        judged = training = good
    else:
        # A good test object that is not drawn stays unused with all its images (2.6).
        hidden, judged = hidden[hidden["source"] == "test"], good[good["source"] == "test"]
        training = good[(good["source"] == "train") & ~good["object_id"].isin(tested)]
    anomalous = frame[frame["label"] == 1]
    return Pool(
        _by_object(anomalous),
        _by_object(hidden),
        _by_object(judged),
        _by_object(training),
        strata(anomalous),
        pooled,
        notes,
    )


def pool_of_split(samples: SampleTable, judged_ids: Iterable[str]) -> Pool:
    """Return the pool of what a split judges: nobody trains, and every judged image may be judged again.

    The strata are those of all samples, so that an object stays in its own.
    """
    frame = samples.frame
    anomalous = frame[frame["label"] == 1]
    defective = set(anomalous["object_id"])
    part = frame[frame["sample_id"].isin(set(judged_ids))]
    mine = part[part["label"] == 1]
    nominal = part[part["label"] == 0]
    there = set(mine["object_id"])
    return Pool(
        _by_object(mine),
        _by_object(nominal[nominal["object_id"].isin(defective)]),
        _by_object(nominal[~nominal["object_id"].isin(defective)]),
        {},
        {name: kept for name, objects in strata(anomalous).items() if (kept := [o for o in objects if o in there])},
        True,
    )


def _by_object(frame: pd.DataFrame) -> dict[str, list[str]]:
    return {str(name): list(ids) for name, ids in frame.groupby("object_id")["sample_id"]}


def strata(anomalous: pd.DataFrame) -> dict[str, list[str]]:
    """Return the defective objects of each defect type; of several types the one that fewest objects have."""
    types = {str(o): set(t) - {""} for o, t in anomalous.groupby("object_id")["defect_type"]}
    bearers = Counter(t for found in types.values() for t in found)
    found_strata: dict[str, list[str]] = {}
    for name, found in types.items():
        stratum = min(found, key=lambda t: (bearers[t], t)) if found else "unknown"
        found_strata.setdefault(stratum, []).append(name)
    return found_strata
