"""Estimates of one partition: AUROC and rates with intervals over objects."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .intervals.clustered_delong import clustered_delong_interval
from .intervals.delong import delong_interval
from .intervals.proportions import clustered_proportion_interval
from .results import Estimate
from .scores import ScoreTable
from .units import Units, grouped, object_level_differs

# Metrics that are a share of the units of one class: (the class, whether a call of "anomalous" counts).
PROPORTIONS = {"sensitivity": (1, True), "escape": (1, False), "overkill": (0, True), "specificity": (0, False)}


def auroc_estimate(units: Units, *, level: float) -> Estimate:
    """Return the AUROC: Obuchowski's clustered DeLong interval where objects have several units, else DeLong."""
    if units.clustered:
        estimate = clustered_delong_interval(units.labels, units.scores, units.objects, level=level)
    else:
        estimate = delong_interval(units.labels, units.scores, level=level)
    return with_counts(estimate, units)


def proportion_estimate(units: Units, threshold: float, metric: str, *, level: float) -> Estimate:
    """Return a rate of one class at a fixed threshold: Wilson with the effective number of units."""
    label, called = PROPORTIONS[metric]
    rows = units.labels == label
    outcomes = ((units.scores[rows] >= threshold) == called).astype(np.int64)
    return with_counts(clustered_proportion_interval(outcomes, units.objects[rows], level=level), units)


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
