"""The field's usual number, leaks and all, made visible: best checkpoint and best threshold on the test set."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import InputError, SplitError
from .partition import Split, require_objects
from .samples import SampleTable
from .splits import Draw


@dataclass(frozen=True)
class Naive:
    """Train on the nominal training images, judge on the whole test set, choose everything there.

    Parameters
    ----------
    nominal_test_share
        Share of the nominal images that is held out at random where the data have no nominal test image.
    level
        Confidence level of the intervals.
    n_resamples
        Bootstrap replicates.
    object_score
        How the views of an object become one score: ``max``, ``mean``, ...
    prevalence
        Share of anomalous parts on the factory floor; None: no prevalence-dependent metric.
    object_policy
        ``required`` or ``image_is_object``; the latter is noted as ``grouping=none``.
    """

    nominal_test_share: float = 0.2
    level: float = 0.95
    n_resamples: int = 2000
    object_score: str = "max"
    prevalence: float | None = None
    object_policy: str = "required"

    def plan(self, samples: SampleTable, seed: int) -> list[Split]:
        """Return the one split: the data set's own, or a random one of images where it has no nominal test image."""
        if not 0 < self.nominal_test_share < 1:
            raise InputError(
                "nominal_test_share", self.nominal_test_share, "a share between 0 and 1", "The default is 0.2."
            )
        if self.object_policy == "image_is_object":
            samples = require_objects(samples, self.object_policy)
        frame = samples.frame
        anomalous, nominal = frame[frame["label"] == 1], frame[frame["label"] == 0]
        contaminated = anomalous[anomalous["source"] == "train"]
        if len(contaminated):
            raise SplitError(
                f"samples, {contaminated['sample_id'].iloc[0]}",
                f"{len(contaminated)} anomalous images in source train",
                "nominal training images only",
                "Correct the label or the source.",
                "AnomalyInTrain",
            )
        notes = ["grouping=none"] if self.object_policy == "image_is_object" or not samples.has_objects else []
        held_out = list(nominal["sample_id"][nominal["source"] == "test"])
        if not held_out and len(nominal):
            n = max(1, math.floor(self.nominal_test_share * len(nominal) + 1e-9))
            held_out = Draw(seed, 0).order(nominal["sample_id"], "N")[:n]
            notes.append(f"no nominal test images: {n} of {len(nominal)} nominal images held out at random")
        train = sorted(set(nominal["sample_id"]) - set(held_out))
        if not train:
            raise SplitError(
                "samples", f"{len(nominal)} nominal images", "nominal images to train on", "Add some.", "EmptyTraining"
            )
        split = Split(0, tuple(train), (), (), test=tuple([*anomalous["sample_id"], *held_out]))
        shared = split.shared_objects(samples)
        if shared:
            notes.append(f"leaking: {len(shared)} objects in train and test")
        split = Split(0, split.train, (), (), notes=tuple(notes), test=split.test)
        split.check(samples)
        return [split]
