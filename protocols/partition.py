"""Split: which image trains, which sets the threshold, which judges."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pandas as pd

from .errors import InputError, LeakageError, SplitError
from .results import Status
from .samples import SampleTable

EVALUATION = ("threshold", "inference", "test")


@dataclass(frozen=True)
class Split:
    """Which image is in which partition, by sample id.

    Parameters
    ----------
    repeat
        Index of the repeat, from 0.
    train, threshold, inference, unused
        Sample ids, each image in exactly one. ``train`` is nominal only.
    fingerprint
        SHA-256 of the sorted lines ``sample_id TAB partition LF``; computed when not given.
    status, notes
        ``approximate`` where the anomalous images could not be halved well; warnings.
    test
        Sample ids of the naive protocol's test set; empty in a three-way split.
    run, fold
        Under the design ``rotate``, which fold of which run it is; None otherwise.
    """

    repeat: int
    train: tuple[str, ...]
    threshold: tuple[str, ...]
    inference: tuple[str, ...]
    unused: tuple[str, ...] = ()
    fingerprint: str = ""
    status: Status = "ok"
    notes: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    run: int | None = None
    fold: int | None = None

    def __post_init__(self) -> None:
        for name in ("train", "threshold", "inference", "unused", "test"):
            object.__setattr__(self, name, tuple(sorted(getattr(self, name))))
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", fingerprint(self.partition_of()))

    @classmethod
    def from_partitions(
        cls,
        repeat: int,
        partition_of: Mapping[str, str],
        *,
        status: Status = "ok",
        notes: tuple[str, ...] = (),
        run: int | None = None,
        fold: int | None = None,
    ) -> Self:
        """Return the split in which sample ``id`` is in partition ``partition_of[id]``."""
        sides: dict[str, list[str]] = {"train": [], "threshold": [], "inference": [], "unused": [], "test": []}
        for sample_id, partition in partition_of.items():
            if partition not in sides:
                raise InputError(
                    f"split {repeat}, {sample_id}", partition, f"one of {sorted(sides)}", "Correct the partition."
                )
            sides[partition].append(sample_id)
        train, threshold, inference, unused, test = (tuple(ids) for ids in sides.values())
        return cls(
            repeat, train, threshold, inference, unused, status=status, notes=notes, test=test, run=run, fold=fold
        )

    def mirrored(self) -> Self:
        """Return the split with threshold and inference exchanged: the same training, judged the other way round."""
        return type(self)(
            self.repeat, self.train, self.inference, self.threshold, self.unused, status=self.status,
            notes=(*self.notes, "swapped"), run=self.run, fold=self.fold,
        )  # fmt: skip

    def partitions(self) -> dict[str, tuple[str, ...]]:
        """Return the sample ids of each partition: train, test, unused, or train, threshold, inference, unused."""
        judged = {"test": self.test} if self.test else {"threshold": self.threshold, "inference": self.inference}
        return {"train": self.train, **judged, "unused": self.unused}

    def partition_of(self) -> dict[str, str]:
        """Return the partition of each sample id."""
        return {sample_id: name for name, ids in self.partitions().items() for sample_id in ids}

    def held_out(self, samples: SampleTable) -> tuple[str, ...]:
        """Return the sample ids to score: those judged, and the unused nominal views of judged defective objects."""
        frame = samples.frame
        partition = frame["sample_id"].map(self.partition_of())
        judged = partition.isin(EVALUATION)
        defective = set(frame["object_id"][judged & (frame["label"] == 1)]) - {""}
        hidden = (partition == "unused") & (frame["label"] == 0) & frame["object_id"].isin(defective)
        return tuple(frame["sample_id"][judged | hidden])

    def shared_objects(self, samples: SampleTable) -> tuple[str, ...]:
        """Return the objects with images in more than one of train, threshold, inference, test."""
        frame = samples.frame.assign(partition=samples.frame["sample_id"].map(self.partition_of()))
        used = frame[(frame["partition"] != "unused") & (frame["object_id"] != "")]
        sides = used.groupby("object_id")["partition"].nunique()
        return tuple(sorted(str(name) for name in sides.index[sides > 1]))

    def check(self, samples: SampleTable) -> None:
        """Check that the split is one of these samples and leaks nothing.

        In a naive split (one with ``test``) shared objects are not an error: that leak is what it shows.

        Raises
        ------
        LeakageError
            An object is on two sides, or an anomalous image or another view of a defective object trains.
        SplitError
            A partition lacks a class, or the two evaluation partitions are not balanced.
        InputError
            The split names other images than the samples, or one image twice.
        """
        where = f"split {self.repeat}"
        self._check_ids(samples, where)
        frame = samples.frame.assign(partition=samples.frame["sample_id"].map(self.partition_of()))
        train = frame[frame["partition"] == "train"]
        _refuse(train[train["label"] == 1], f"{where}, train", "only nominal images", "AnomalyInTrain")
        for name in ("test",) if self.test else ("threshold", "inference"):
            counts = Counter(frame["label"][frame["partition"] == name])
            if len(counts) < 2:
                raise SplitError(
                    f"{where}, {name}",
                    f"{counts[1]} anomalous and {counts[0]} nominal images",
                    "both classes",
                    "Give more objects of the missing class.",
                    "SingleClassPartition",
                )
        if not self.test:
            self._check_objects(frame, samples, where)

    def _check_ids(self, samples: SampleTable, where: str) -> None:
        listed = [sample_id for ids in self.partitions().values() for sample_id in ids]
        twice = [sample_id for sample_id, n in Counter(listed).items() if n > 1]
        if twice:
            raise InputError(
                where,
                twice[0],
                "each image in one partition",
                f"Remove the doubles ({len(twice)}).",
                "DuplicateSampleId",
            )
        odd = sorted(set(listed) ^ set(samples.frame["sample_id"]))
        if odd:
            side = "the samples do not have it" if odd[0] in set(listed) else "the split does not have it"
            raise InputError(
                where,
                odd[0],
                f"the images of the samples and no others ({side})",
                f"Make the splits again ({len(odd)} such images).",
                "UnknownSample",
            )
        if self.fingerprint != fingerprint(self.partition_of()):
            raise InputError(
                where,
                self.fingerprint,
                f"the fingerprint {fingerprint(self.partition_of())}",
                "The file was changed; make the splits again.",
                "FingerprintMismatch",
            )

    def _check_objects(self, frame: pd.DataFrame, samples: SampleTable, where: str) -> None:
        require_objects(samples, "required")
        shared = self.shared_objects(samples)
        if shared:
            raise LeakageError(
                f"{where}, object {shared[0]!r}",
                "images in several partitions",
                "all its images in one",
                f"Make the splits again ({len(shared)} such objects).",
                "ObjectLeak",
            )
        defective = set(frame["object_id"][frame["label"] == 1])
        hidden = frame[(frame["partition"] == "train") & frame["object_id"].isin(defective)]
        _refuse(hidden, f"{where}, train", "no view of a defective object", "HiddenDefectInTrain")
        objects = {name: frame[frame["partition"] == name] for name in ("threshold", "inference")}
        anomalous = [f["object_id"][f["label"] == 1].nunique() for f in objects.values()]
        if abs(anomalous[0] - anomalous[1]) > 1:
            raise SplitError(
                where,
                f"{anomalous[0]} and {anomalous[1]} defective objects",
                "numbers that differ by at most one",
                "Make the splits again.",
                "UnbalancedPartitions",
            )
        nominal = [f[f["label"] == 0] for f in objects.values()]
        good = [f["object_id"][~f["object_id"].isin(defective)].nunique() for f in nominal]
        if len(nominal[0]) != len(nominal[1]) and good[0] != good[1]:
            raise SplitError(
                where,
                f"{len(nominal[0])} and {len(nominal[1])} nominal images of {good[0]} and {good[1]} good objects",
                "as many nominal images or good objects on both sides",
                "Make the splits again.",
                "UnbalancedPartitions",
            )


def fingerprint(partition_of: Mapping[str, str]) -> str:
    """Return the SHA-256 of the sorted lines ``sample_id TAB partition LF``."""
    lines = sorted(f"{sample_id}\t{partition}\n" for sample_id, partition in partition_of.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def require_objects(samples: SampleTable, object_policy: str) -> SampleTable:
    """Return the samples with object ids as the policy has it, or raise ``MissingObjectId``."""
    if object_policy not in ("required", "image_is_object"):
        raise InputError("object_policy", object_policy, "required or image_is_object", "Choose one.")
    if object_policy == "image_is_object":
        return samples.with_images_as_objects()
    missing = samples.frame["sample_id"][samples.frame["object_id"] == ""]
    if len(missing):
        raise SplitError(
            f"samples, {missing.iloc[0]}",
            f"{len(missing)} of {len(samples)} images without object_id",
            "an object id for every image",
            "Add object_id, or state object_policy: image_is_object.",
            "MissingObjectId",
        )
    return samples


def _refuse(rows: pd.DataFrame, where: str, expected: str, code: str) -> None:
    if len(rows):
        raise LeakageError(
            where, rows["sample_id"].iloc[0], expected, f"Make the splits again ({len(rows)} such images).", code
        )
