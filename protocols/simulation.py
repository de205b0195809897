"""A made-up factory on which the three-way protocol is run many times: the ground on which power is measured.

Scores are normal in both classes with equal variances. An object's share ``icc`` of the variance is common to its
views. The scorer is fixed: nothing is trained, so what training adds to the spread has to be added by judgement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from .comparisons.class_resolved import SMOOTH, Overlap, auroc_weight, overlap, rho_of, smooth_weight
from .comparisons.corrected_t import corrected_resampled_ttest
from .errors import InputError
from .inputs import Seed, checked_fraction
from .intervals.object_auroc import ObjectAuroc
from .intervals.protocol_bootstrap import KEY, Judged, Replicates, judge, weigh
from .intervals.resampling import Resampling, resample_objects
from .intervals.stretched import Scale, stretched_interval
from .judging import Criterion, Weighted, limits
from .metrics import resolve_metric, weighted_auroc
from .results import Estimate, TestResult
from .samples import SampleTable
from .splits import grouped_three_way
from .units import Units

METRICS = ("auroc", "sensitivity", "escape", "specificity", "overkill", "balanced_accuracy", "youden_j")
FIXED = "fixed"

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class StudyDesign:
    """An experiment that might be run: how many parts, how photographed, how judged.

    Values are those of images. For decisions on whole objects plan with one view and the value expected of objects.

    Parameters
    ----------
    n_objects_anomalous
        Defective objects, 2 or more; half of them are judged in a repeat.
    n_objects_nominal
        Good objects, those that train included, 4 or more.
    views
        Images an object.
    icc
        Share of the variance of the scores within a class that is between objects, in [0, 1]. (The calls at a
        threshold, and the components of an AUROC, correlate less than the scores.)
    repeats
        Repeats of the three-way protocol.
    rule, parameters
        Threshold rule and its parameters. None: what fits the metric, that is ``max_fpr`` for sensitivity and escape,
        ``min_tpr`` for specificity and overkill, both at ``other_rate``, else ``youden``. ``fixed``: a given threshold.
    other_rate
        The overkill at which a sensitivity is meant, or the escape rate at which a specificity is.
    min_train_share
        Least share of the good objects that stays for training, in [0, 1).
    """

    n_objects_anomalous: int
    n_objects_nominal: int
    views: int = 1
    icc: float = 0
    repeats: int = 10
    rule: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    other_rate: float = 0.05
    min_train_share: float = 0.5

    def __post_init__(self) -> None:
        for name, least in (("n_objects_anomalous", 2), ("n_objects_nominal", 4), ("views", 1), ("repeats", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or value != int(value) or value < least:
                raise InputError(name, value, f"a whole number of {least} or more", "Correct the value.",
                                 code="OutOfRange")  # fmt: skip
        checked_fraction(self.icc, "icc", closed=True)
        checked_fraction(self.other_rate, "other_rate")

    def criterion(self, metric: str) -> Criterion | None:
        """Return the threshold rule for a metric; None if it needs none or the threshold is given."""
        if metric == "auroc" or self.rule == FIXED:
            return None
        if self.rule is not None:
            return Criterion(self.rule, dict(self.parameters))
        if metric in ("sensitivity", "escape"):
            return Criterion("max_fpr", {"value": self.other_rate})
        if metric in ("specificity", "overkill"):
            return Criterion("min_tpr", {"value": 1 - self.other_rate})
        return Criterion("youden")

    def with_objects(self, n_objects_anomalous: int) -> StudyDesign:
        """Return the design with so many defective objects and good ones in proportion."""
        ratio = self.n_objects_nominal / self.n_objects_anomalous
        n_nominal = max(4, math.ceil(ratio * n_objects_anomalous - 1e-9))
        return replace(self, n_objects_anomalous=n_objects_anomalous, n_objects_nominal=n_nominal)


@dataclass(frozen=True)
class Detector:
    """A detector as its scores: how far the classes are apart, and a threshold at which it has the value asked for.

    Parameters
    ----------
    shift
        Distance of the class means in standard deviations.
    cut
        The threshold of a rule that is given, on the scale on which nominal scores have mean 0.
    truth
        The value that an endless experiment would find; None where it depends on how the threshold is chosen.
    """

    shift: float
    cut: float
    truth: float | None

    @classmethod
    def of(cls, metric: str, value: float, design: StudyDesign) -> Detector:
        """Return the detector that has this value: of the AUROC, of a rate at the other rate, of the best J."""
        v, other = checked_fraction(value, "value"), design.other_rate
        normal = float(special.ndtri(1 - other))  # the same for the 1 - other quantile of either class
        fixed = design.rule == FIXED
        if metric == "auroc":
            shift = math.sqrt(2) * float(special.ndtri(v))
            return cls(shift, shift / 2, v)
        if metric in ("sensitivity", "escape"):
            shift = normal + float(special.ndtri(v if metric == "sensitivity" else 1 - v))
            return cls(shift, normal, v if fixed else None)
        if metric in ("specificity", "overkill"):
            shift = normal + float(special.ndtri(v if metric == "specificity" else 1 - v))
            return cls(shift, shift - normal, v if fixed else None)
        shift = 2 * float(special.ndtri(v if metric == "balanced_accuracy" else (1 + v) / 2))
        return cls(shift, shift / 2, v if fixed else None)


def checked_metric(metric: str) -> str:
    """Return the name of a metric that can be simulated."""
    name = resolve_metric(metric).name
    if name not in METRICS:
        raise InputError("metric", metric, f"one of {', '.join(METRICS)}", "Choose one that needs no prevalence.")
    return name


class Plan:
    """The splits of one study, made by the protocol's own splitter, ready to take scores.

    Objects are interchangeable, so the scores of many studies may be laid over the same splits.

    Parameters
    ----------
    design
        The experiment.
    seed
        Of the splitter.
    """

    def __init__(self, design: StudyDesign, seed: int) -> None:
        self.design = design
        n_defective, n_objects = design.n_objects_anomalous, design.n_objects_anomalous + design.n_objects_nominal
        names = np.array([f"{i:07}" for i in range(n_objects)], object)
        self.defective = np.arange(n_objects) < n_defective
        # Whole objects are drawn, so that one row an object is enough: its views go where it goes.
        frame = pd.DataFrame({"sample_id": names, "object_id": names, "label": self.defective.astype(np.int64)})
        samples = SampleTable.checked(frame, "simulated samples")
        self.splits = grouped_three_way(samples, repeats=design.repeats, seed=seed, quota_unit="object",
                                        min_train_share=design.min_train_share)  # fmt: skip
        self.overlap: Overlap = overlap(self.splits, samples)
        self._sides = [tuple(self._side(ids) for ids in (s.threshold, s.inference)) for s in self.splits]

    def _side(self, sample_ids: Sequence[str]) -> tuple[Units, NDArray[np.int64]]:
        """Return the units of a partition without scores, and where their scores are."""
        objects, views = np.array([int(i) for i in sample_ids]), self.design.views
        at = (objects[:, None] * views + np.arange(views)).ravel()
        names = np.repeat(np.array(sample_ids, object), views)
        labels = self.defective[np.repeat(objects, views)].astype(np.int64)
        return Units(labels, np.zeros(at.size), names, at.astype(object)), at

    def judged(self, scores: FloatArray) -> list[Judged]:
        """Return the evaluation partitions of each repeat with these scores, shape (objects * views,)."""
        return [Judged(*(replace(units, scores=scores[at]) for units, at in sides)) for sides in self._sides]


def draw_scores(plan: Plan, detectors: Sequence[Detector], correlation: float, rng: np.random.Generator) -> FloatArray:
    """Return scores of one study, shape (detectors, objects * views).

    The latent scores of two detectors correlate by ``correlation``, between objects and between views alike.
    """
    design, n_objects = plan.design, plan.defective.size
    common = rng.normal(size=(len(detectors), n_objects, 1)) * math.sqrt(design.icc)
    own = rng.normal(size=(len(detectors), n_objects, design.views)) * math.sqrt(1 - design.icc)
    latent = common + own
    if len(detectors) == 2:
        latent[1] = correlation * latent[0] + math.sqrt(1 - correlation**2) * latent[1]
    shifts = np.array([d.shift for d in detectors])
    scores = latent + shifts[:, None, None] * plan.defective[None, :, None]
    return np.asarray(scores.reshape(len(detectors), -1))


@dataclass(frozen=True)
class Studied:
    """A metric of one detector in one study.

    Parameters
    ----------
    repeats
        What was judged.
    values
        The metric of each repeat, with replicates if there are any; the replicates else are empty.
    rates
        Sensitivity and overkill of each repeat; None for the AUROC.
    """

    repeats: list[Judged]
    values: Replicates
    rates: tuple[FloatArray, FloatArray] | None


def study(repeats: list[Judged], metric: str, detector: Detector, criterion: Criterion | None,
          resampling: Resampling | None) -> Studied:  # fmt: skip
    """Judge one detector as the three-way protocol does."""

    def of(drawn: Resampling | None, repeat: Judged) -> Mapping[str, FloatArray]:
        if metric == "auroc":
            return {metric: _auroc(repeat.inference, drawn)}
        tuning, test = weigh(repeat, drawn)
        if criterion is None:
            return _at_given(test, detector.cut)
        found = judge(tuning, test, (criterion,))
        return {name: values for (part, name, _), values in found.items() if part == "inference"}

    plain = [of(None, repeat) for repeat in repeats]
    drawn = [of(resampling, repeat)[metric] for repeat in repeats] if resampling else []
    values = np.array([p[metric][0] for p in plain])
    replicates = np.array(drawn) if drawn else np.empty((len(repeats), 0))
    rates = None
    if metric != "auroc":
        rates = np.array([p["sensitivity"][0] for p in plain]), np.array([p["overkill"][0] for p in plain])
    return Studied(repeats, Replicates(values, replicates), rates)


def _auroc(units: Units, drawn: Resampling | None) -> FloatArray:
    """Return the AUROC of each replicate: what the protocol bootstrap finds, without the other metrics beside it."""
    if drawn is None:
        return weighted_auroc(units.labels, units.scores, np.ones((1, units.labels.size), np.int64))
    index = np.array([drawn.index[name] for name in units.objects])
    return ObjectAuroc(units.labels, units.scores, index, len(drawn.index)).values(drawn.weights)


def _at_given(test: Weighted, cut: float) -> Mapping[str, FloatArray]:
    return test.decisions(np.full(test.weights.shape[0], cut), Criterion("youden"))


def interval_of(plan: Plan, metric: str, found: Studied, criterion: Criterion | None, resampling: Resampling | None,
                level: float) -> Estimate:  # fmt: skip
    """Return the estimate of one study: the protocol bootstrap's, or without draws the corrected t interval."""
    if resampling is not None:
        scale = Scale.of(metric, resampling.n_objects, criterion)
        return stretched_interval(found.values.mean(resampling), [found.values.values], resampling, scale, level=level)
    test = corrected_resampled_ttest(found.values.values, rho=_rho(plan, metric, found), level=level)
    low, high = (float(np.clip(limit, *limits(metric))) for limit in (test.low, test.high))
    return Estimate(test.difference, low, high, level, test.method, test.status, notes=test.notes)


def paired_test(plan: Plan, metric: str, a: Studied, b: Studied, resampling: Resampling | None, level: float
                ) -> TestResult:  # fmt: skip
    """Test the difference between two detectors in one study: bootstrap interval, or corrected t without draws."""
    difference = a.values.minus(b.values)
    if resampling is None:
        return corrected_resampled_ttest(difference.values, rho=_rho(plan, metric, a, b), level=level)
    scale = Scale.of(metric, resampling.n_objects).as_difference()
    e = stretched_interval(difference.mean(resampling), [difference.values], resampling, scale, level=level)
    # The interval decides; the p value only says on which side of 1 - level it is.
    p = 0.0 if e.low > 0 or e.high < 0 else 1.0
    return TestResult(e.value, e.low, e.high, level, math.nan, math.nan, p, e.method, e.status, e.notes)


def _rho(plan: Plan, metric: str, a: Studied, b: Studied | None = None) -> float:
    weight = None
    if metric == "auroc":
        others = None if b is None else [r.inference for r in b.repeats]
        weight = auroc_weight([r.inference for r in a.repeats], others)
    elif metric in SMOOTH and a.rates is not None:
        weight = smooth_weight(metric, plan.overlap, *a.rates, *(b.rates if b is not None and b.rates else ()))
    return rho_of(plan.overlap, metric, weight)


def draw_resampling(repeats: Sequence[Judged], n_resamples: int, seed: Seed) -> Resampling:
    """Return the draws of objects of one study."""
    parts = [part for repeat in repeats for part in (repeat.threshold, repeat.inference)]
    return resample_objects(parts, n_resamples=n_resamples, seed=seed, key=KEY)
