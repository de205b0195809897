"""Estimates of one partition: AUROC and rates with intervals over objects."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .intervals.clustered_delong import clustered_delong_interval
from .intervals.delong import delong_interval
from .intervals.proportions import clustered_proportion_interval
from .intervals.small_samples import rough_below
from .results import Estimate
from .scores import ScoreTable
from .units import Units, grouped, object_level_differs

# Metrics that are a share of the units of one class: (the class, whether a call of "anomalous" counts).
PROPORTIONS = {"sensitivity": (1, True), "escape": (1, False), "overkill": (0, True), "specificity": (0, False)}


def auroc_estimate(units: Units, *, level: float) -> Estimate:
    """Return the AUROC: Obuchowski's clustered DeLong interval where objects have several units, else DeLong.

    With Student's quantile by Satterthwaite, whatever the number of objects: that keeps the level from 20 defective
    objects on (docs/coverage.md). Fewer than 10 objects in a class are noted.
    """
    if units.clustered:
        estimate = clustered_delong_interval(units.labels, units.scores, units.objects, level=level, small_sample=True)
    else:
        estimate = delong_interval(units.labels, units.scores, level=level, small_sample=True)
    return _noted_after(with_counts(estimate, units), rough_below(*units.n_objects))


def proportion_estimate(units: Units, threshold: float, metric: str, *, level: float) -> Estimate:
    """Return a rate of one class at a fixed threshold with the score interval of units in objects.

    Where every unit is its own object that is Wilson's interval. Fewer than 10 objects in the class are noted.
    """
    label, called = PROPORTIONS[metric]
    rows = units.labels == label
    outcomes = ((units.scores[rows] >= threshold) == called).astype(np.int64)
    estimate = clustered_proportion_interval(outcomes, units.objects[rows], level=level, method="score")
    good, defective = units.n_objects
    few = rough_below(n_defective=defective) if label else rough_below(n_good=good)
    return _noted_after(with_counts(estimate, units), few)


def _noted_after(estimate: Estimate, notes: tuple[str, ...]) -> Estimate:
    """Return the estimate with notes on its interval, if it has one."""
    return estimate if estimate.status == "undefined" else replace(estimate, notes=(*estimate.notes, *notes))


def with_counts(estimate: Estimate, units: Units) -> Estimate:
    """Return the estimate with the numbers of units and objects of its partition."""
    (nominal, anomalous), (good, defective) = units.n, units.n_objects
    return replace(
        estimate,
        n_nominal=nominal,
        n_anomalous=anomalous,
        n_objects_nominal=good,
        n_objects_anomalous=defective,
    )


def noted(estimate: Estimate, notes: tuple[str, ...]) -> Estimate:
    """Return the estimate with notes put before its own."""
    return replace(estimate, notes=(*notes, *estimate.notes))


def undefined(reason: str, units: Units, *, level: float, method: str = "") -> Estimate:
    """Return an estimate that does not exist for these units."""
    return with_counts(Estimate(math.nan, math.nan, math.nan, level, method, "undefined", notes=(reason,)), units)


def levels_of(table: ScoreTable, object_policy: str) -> tuple[str, ...]:
    """Return the levels of analysis: objects only where they are known and differ from images."""
    return ("image", "object") if object_level_differs(table, object_policy) else ("image",)


def grouping_notes(table: ScoreTable, object_policy: str) -> tuple[str, ...]:
    """Return ``grouping=none`` where images are their own objects."""
    return () if grouped(table, object_policy) else ("grouping=none",)
