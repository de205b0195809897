"""The honest protocol: train on nominals, set the threshold on one part, judge it on another, repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import InputError
from .partition import Split
from .samples import SampleTable
from .splits import grouped_three_way

Rules = tuple[tuple[str, Mapping[str, object]], ...]


@dataclass(frozen=True)
class ThreeWay:
    """Object-grouped repeated three-way splits, thresholds chosen on one part and judged on another.

    Parameters
    ----------
    thresholds
        Rules with their parameters; each is selected on the threshold partition.
    repeats, design, nominal_ratio, quota_unit, merge_nominal_test, min_train_share, ndo, object_policy
        As in :func:`~protocols.splits.grouped_three_way`; the design is ``resample``.
    level
        Confidence level of the intervals.
    n_resamples
        Bootstrap replicates.
    object_score
        How the views of an object become one score: ``max``, ``mean``, ...
    prevalence
        Share of anomalous parts on the factory floor; None: no prevalence-dependent metric.
    name
        The ``protocol`` of the rows; ``three_way_ungrouped`` for the same on images as objects.
    """

    thresholds: Rules = (("youden", {}),)
    repeats: int = 10
    design: str = "resample"
    nominal_ratio: float = 1
    quota_unit: str | None = None
    merge_nominal_test: bool = False
    min_train_share: float = 0.5
    ndo: str = "exclude"
    object_policy: str = "required"
    level: float = 0.95
    n_resamples: int = 2000
    object_score: str = "max"
    prevalence: float | None = None
    name: str = "three_way"

    def plan(self, samples: SampleTable, seed: int) -> list[Split]:
        """Return one split a repeat."""
        if self.design != "resample":
            raise InputError("design", self.design, "resample", "This version has no other design.")
        return grouped_three_way(
            samples,
            repeats=self.repeats,
            seed=seed,
            nominal_ratio=self.nominal_ratio,
            quota_unit=self.quota_unit,
            merge_nominal_test=self.merge_nominal_test,
            min_train_share=self.min_train_share,
            ndo=self.ndo,
            object_policy=self.object_policy,
        )
