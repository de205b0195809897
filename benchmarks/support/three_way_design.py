"""Simulated factories under the three-way design: corrected tests, and the bootstrap of the whole protocol."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from protocols import (
    SampleTable,
    ScoreTable,
    auroc,
    corrected_resampled_ttest,
    grouped_three_way,
    protocol_bootstrap,
    select_threshold,
)
from protocols.comparisons.class_resolved import CORRECTIONS, Overlap, auroc_weight, overlap, rho_of, smooth_weight
from protocols.partition import Split
from protocols.units import Units
from support.factories import Factory
from support.judged import Setting, factory_of
from support.tally import Coverage, Rejections, Row

REPEATS = 10
DESIGNS = 100  # sets of splits that the factories take in turn: scores do not depend on splits
N_RESAMPLES = 500  # of the protocol bootstrap, here
PLAIN = "plain bootstrap "  # the note with the percentile interval that holds no randomness of training
Array = NDArray[np.float64]
METRICS = ("auroc", "sensitivity", "specificity", "balanced_accuracy")


@dataclass(frozen=True)
class Design:
    """The splits of one plan, as positions of images."""

    samples: SampleTable
    splits: Sequence[Split]
    factory: Factory

    @cached_property
    def found(self) -> Overlap:
        """How much of its pool an inference partition takes."""
        return overlap(self.splits, self.samples)

    @cached_property
    def partitions(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Positions of the images in threshold and inference, of each repeat."""
        position = {name: i for i, name in enumerate(image_ids(self.factory))}
        return [tuple(np.array(sorted(position[i] for i in part)) for part in (split.threshold, split.inference))
                for split in self.splits]  # type: ignore[misc]  # fmt: skip


def image_ids(factory: Factory) -> list[str]:
    """Return a name for each image."""
    return [f"i{i:06}" for i in range(factory.objects.size)]


def frame_of(factory: Factory) -> pd.DataFrame:
    """Return the images of a factory as the protocols read them; good images are training images."""
    names = [f"o{g:05}" for g in range(factory.sizes.size)]
    return pd.DataFrame(
        {
            "sample_id": image_ids(factory),
            "object_id": [names[g] for g in factory.objects],
            "label": factory.labels,
            "source": np.where(factory.labels == 1, "test", "train"),
        }
    )


def designs(factory: Factory, n: int) -> list[Design]:
    """Return n plans of the three-way protocol."""
    samples = SampleTable.checked(frame_of(factory))
    return [Design(samples, grouped_three_way(samples, repeats=REPEATS, seed=seed), factory) for seed in range(n)]


def corrected_tests(setting: Setting, runs: int, rng: np.random.Generator) -> dict[str, Row]:
    """The corrected resampled t test of two equally good fixed detectors, with every correction.

    The threshold is fixed, or with ``"rule": "youden"`` set anew for each detector on each threshold partition.
    """
    factory = factory_of(setting)
    plans = designs(factory, min(DESIGNS, runs))
    found: dict[str, Rejections] = {}
    for run in range(runs):
        plan = plans[run % len(plans)]
        values, inference = _both(plan, factory.pair(rng), setting.get("rule"), factory.cut(setting["specificity"]))
        rates = [1 - v["specificity"] if name == "overkill" else v["sensitivity"]
                 for v in values for name in ("sensitivity", "overkill")]  # fmt: skip
        for metric in METRICS:
            weight = None
            if metric == "auroc":
                weight = auroc_weight(*inference)
            elif metric == "balanced_accuracy":
                weight = smooth_weight(metric, plan.found, *rates)
            each = {correction: rho_of(plan.found, metric, weight, correction) for correction in CORRECTIONS}
            if metric == "balanced_accuracy":
                each["share of what was seen"] = plan.found.mixture(_seen_share(*rates))
            for correction, rho in each.items():
                test = corrected_resampled_ttest(values[0][metric], values[1][metric], rho=rho)
                found.setdefault(f"{metric}, {correction}", Rejections()).add(test.p_value)
    return {name: rejections.counted() for name, rejections in found.items()}


def _seen_share(tpr: Array, fpr: Array, tpr_b: Array, fpr_b: Array) -> float | None:
    """Return the weight of the specification's table: the share of the variance over repeats, as it is."""
    seen = np.var(tpr - tpr_b), np.var(fpr - fpr_b)
    return float(seen[0] / sum(seen)) if sum(seen) > 0 else None


def _both(plan: Design, scores: Sequence[NDArray[np.float64]], rule: str | None, cut: float
          ) -> tuple[list[dict[str, NDArray[np.float64]]], list[list[Units]]]:  # fmt: skip
    """Return the values of each repeat and the inference units, of each detector."""
    y, objects = plan.factory.labels, plan.factory.objects.astype(object)
    values, inference = [], []
    for s in scores:
        rows: list[Mapping[str, float]] = []
        units = []
        for tuning, test in plan.partitions:
            threshold = cut if rule is None else select_threshold(y[tuning], s[tuning], rule).value
            called, label = s[test] >= threshold, y[test]
            tpr, tnr = float(called[label == 1].mean()), float((~called[label == 0]).mean())
            rows.append({"auroc": auroc(label, s[test]), "sensitivity": tpr, "specificity": tnr,
                         "balanced_accuracy": (tpr + tnr) / 2})  # fmt: skip
            units.append(Units(label, s[test], objects[test], test.astype(object)))
        values.append({name: np.array([row[name] for row in rows]) for name in METRICS})
        inference.append(units)
    return values, inference


def bootstrapped_protocol(setting: Setting, runs: int, rng: np.random.Generator) -> dict[str, Row]:
    """The protocol bootstrap of the mean AUROC, or of a rate at thresholds chosen by Youden's rule.

    The truth of a rate is the mean over all factories of what the chosen thresholds do on the whole population.
    """
    factory, metric = factory_of(setting), str(setting["metric"])
    plans = designs(factory, min(DESIGNS, runs))
    frame = frame_of(factory)
    total, plain, truths = Coverage(), Coverage(), []
    for run in range(runs):
        plan, s = plans[run % len(plans)], factory.scores(rng)
        table = ScoreTable.checked(frame.assign(score=s))
        estimate = protocol_bootstrap(plan.splits, table, metric=metric, rule="youden", n_resamples=N_RESAMPLES,
                                      seed=int(rng.integers(2**31)))  # fmt: skip
        total.add(estimate.low, estimate.high)
        note = next(note for note in estimate.notes if note.startswith(PLAIN))
        low, high = json.loads(note.removeprefix(PLAIN))
        plain.add(low, high)
        truths.append(factory.auroc if metric == "auroc" else _population(plan, s, metric))
    truth = float(np.mean(truths))
    return {f"protocol_bootstrap, {metric}": total.counted(truth),
            f"the bootstrap alone, {metric}": plain.counted(truth)}  # fmt: skip


def _population(plan: Design, s: NDArray[np.float64], metric: str) -> float:
    """Return the sensitivity or specificity in the population, mean over the thresholds of the repeats."""
    y, factory = plan.factory.labels, plan.factory
    cuts = np.array([select_threshold(y[tuning], s[tuning], "youden").value for tuning, _ in plan.partitions])
    rate: Any = special.ndtr(factory.separation - cuts) if metric == "sensitivity" else special.ndtr(cuts)
    return float(np.mean(rate))
