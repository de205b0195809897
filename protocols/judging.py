"""All metrics of a partition in one pass, for one set of weights or for thousands of bootstrap replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .candidates import Candidates, candidates
from .decisions import rates_from_counts
from .errors import UndefinedError
from .metrics import METRICS, weighted_auroc, weighted_average_precision
from .thresholds import CONVENTIONS_OF_ALL, chosen_cuts, prepared_rule, rule_name, select_threshold, selected_cuts
from .units import Units

FREE = ("auroc", "average_precision")
DECISION = (
    "sensitivity",
    "specificity",
    "overkill",
    "escape",
    "precision",
    "npv",
    "accuracy",
    "balanced_accuracy",
    "f1",
    "mcc",
    "youden_j",
)
FACTORY = ("ppv_at_prevalence", "rejects_per_thousand", "escapes_per_million", "cost")
OF_ANOMALOUS = ("sensitivity", "escape", "escapes_per_million")
OF_NOMINAL = ("specificity", "overkill")

# Counts of up to this many weights are kept for all rules (128 MB); beyond, each rule counts in blocks of replicates.
SHARED = 4_000_000

Values = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Criterion:
    """A threshold rule with its parameters, as the protocols use it.

    Parameters
    ----------
    rule, given
        Name of the rule and its parameters as the user gave them.
    prevalence
        Share of anomalous parts on the factory floor: used by the rule ``cost`` unless it was given one of its
        own, and by the metrics that depend on it.
    """

    rule: str
    given: Mapping[str, object] = field(default_factory=dict)
    prevalence: float | None = None

    @property
    def name(self) -> str:
        """Return the name in the result table, for example ``max_fpr(value=0.05)``."""
        return rule_name(self.rule, self.given)

    @property
    def _stated(self) -> dict[str, object]:
        """Return the parameters that were given a value: None is as good as left out."""
        return {name: value for name, value in self.given.items() if value is not None}

    @property
    def parameters(self) -> dict[str, object]:
        """Return the parameters of the rule, the prevalence filled in where costs need it."""
        found = self._stated
        if self.rule == "cost" and self.prevalence is not None:
            found.setdefault("prevalence", self.prevalence)
        return found

    @property
    def factory(self) -> dict[str, float]:
        """Return the prevalence and the costs at which factory figures are stated; empty without a prevalence."""
        stated = self._stated
        prevalence = stated.get("prevalence", self.prevalence)
        if prevalence is None:
            return {}
        costs = {name: stated[name] for name in ("missed", "false_alarm") if name in stated}
        return {"prevalence": float(str(prevalence))} | {name: float(str(value)) for name, value in costs.items()}

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the metrics that can be stated at this threshold."""
        if not self.factory:
            return DECISION
        return DECISION + (FACTORY if len(self.factory) == 3 else FACTORY[:-1])

    def limits(self, metric: str) -> tuple[float, float]:
        """Return the least and the largest value that a metric can have here."""
        at = self.factory
        largest = {
            "rejects_per_thousand": 1e3,
            "escapes_per_million": 1e6 * at.get("prevalence", 1.0),
            "cost": at.get("missed", 0.0) * at.get("prevalence", 0.0)
            + at.get("false_alarm", 0.0) * (1 - at.get("prevalence", 0.0)),
        }
        return (0.0, largest[metric]) if metric in largest else limits(metric)


def limits(metric: str) -> tuple[float, float]:
    """Return the range of a metric."""
    low, high = METRICS[metric].range
    return float(low), float(high)


def criteria(thresholds: Sequence[tuple[str, Mapping[str, object]]], prevalence: float | None) -> tuple[Criterion, ...]:
    """Return the criteria of a protocol, each tried once so that a wrong name or parameter is found at once."""
    found = tuple(Criterion(rule, dict(parameters), prevalence) for rule, parameters in thresholds)
    for criterion in found:
        try:
            select_threshold([0, 1], [0.0, 1.0], criterion.rule, **criterion.parameters)  # type: ignore[arg-type]
        except UndefinedError as error:
            if error.code != "GuaranteeInfeasible":  # two points carry no guarantee; the partitions may
                raise
    return found


class Weighted:
    """Units with multiplicities, sorted once so that counts at any cut are a look-up.

    Parameters
    ----------
    units
        Labels and scores, shape (n,).
    weights
        Multiplicities, shape (B, n); None: one row of ones.
    """

    def __init__(self, units: Units, weights: NDArray[np.int64] | None = None) -> None:
        self.units = units
        self.weights = np.ones((1, units.labels.size), np.int64) if weights is None else weights
        self._candidates: Candidates | None = None
        order = np.argsort(units.scores, kind="stable")
        self._scores = units.scores[order]
        labels, w = units.labels[order], self.weights[:, order]
        self._anomalous = _running_sum(w * labels)  # (B, n + 1): weight of anomalous units below a position
        self._nominal = _running_sum(w * (1 - labels))

    def counts(self, cuts: NDArray[np.float64]) -> tuple[NDArray[np.int64], ...]:
        """Return tp, fp, fn, tn at one cut a replicate, each of shape (B,)."""
        position = np.searchsorted(self._scores, cuts, side="left")  # scores below the cut
        rows = np.arange(self.weights.shape[0])
        fn, tn = self._anomalous[rows, position], self._nominal[rows, position]
        return self._anomalous[:, -1] - fn, self._nominal[:, -1] - tn, fn, tn

    def select(self, criterion: Criterion) -> NDArray[np.float64]:
        """Return the threshold that the criterion chooses in each replicate, shape (B,); NaN where it has none."""
        y, s, parameters = self.units.labels, self.units.scores, criterion.parameters
        rule, own, _, _ = prepared_rule(criterion.rule, parameters)
        by_object = rule.by_object and self.units.clustered
        if self.weights.size > SHARED or by_object or not parameters.keys().isdisjoint(CONVENTIONS_OF_ALL):
            objects = self.units.objects if by_object else None
            return selected_cuts(y, s, self.weights, criterion.rule, objects=objects, **parameters)
        if self._candidates is None:  # the counts serve all rules
            self._candidates = candidates(y, s, self.weights)
        return chosen_cuts(self._candidates, rule, own)

    def decisions(self, cuts: NDArray[np.float64], criterion: Criterion) -> Values:
        """Return the metrics at one cut a replicate, each of shape (B,); NaN where undefined, or the cut is NaN."""
        rates = rates_from_counts(*self.counts(cuts), **criterion.factory)
        return {name: np.where(np.isnan(cuts), np.nan, rates[name]) for name in criterion.metrics}

    def free(self) -> Values:
        """Return the metrics that need no threshold, each of shape (B,)."""
        y, s = self.units.labels, self.units.scores
        return {
            "auroc": np.asarray(weighted_auroc(y, s, self.weights), np.float64),
            "average_precision": np.asarray(weighted_average_precision(y, s, self.weights), np.float64),
        }


def _running_sum(values: NDArray[np.int64]) -> NDArray[np.int64]:
    out = np.zeros((values.shape[0], values.shape[1] + 1), np.int64)
    np.cumsum(values, axis=1, out=out[:, 1:])
    return out


def chance_level(*parts: Units) -> str:
    """Say what average precision a random ranking has: the share of anomalous units (mean over the parts)."""
    return f"chance level {np.mean([part.labels.mean() for part in parts]):.4g}: the share of anomalous units"


def reason_undefined(metric: str) -> str:
    """Say why a metric does not exist for these counts."""
    reasons = {
        "precision": "nothing was called anomalous (TP + FP = 0)",
        "ppv_at_prevalence": "nothing was called anomalous (TP + FP = 0)",
        "npv": "nothing was called nominal (TN + FN = 0)",
        "mcc": "a row or column of the confusion matrix is empty",
        "f1": "no anomalous unit and none called so (TP + FP + FN = 0)",
    }
    return f"{metric}: {reasons.get(metric, 'a class is missing')}"
