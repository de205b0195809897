"""The correlation between repeats of the three-way protocol, resolved by class.

In the corrected resampled t test rho is the chance that a test unit is shared by two splits. The anomalies are
halved from the same small pool in every repeat, the nominals drawn from a large one, so one ratio of image counts
is badly wrong: each class has its own rho, in objects, and a metric that depends on both classes a mixture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.decisions import rates_from_counts
from protocols.errors import InputError, UndefinedError
from protocols.intervals.delong import placement_values
from protocols.judging import OF_ANOMALOUS, OF_NOMINAL
from protocols.metrics import METRICS, resolve_metric
from protocols.partition import Split
from protocols.samples import SampleTable
from protocols.scores import ScoreTable
from protocols.units import Units, units_of

CORRECTIONS = ("class_resolved", "max", "image_ratio", "none")
SMOOTH = ("balanced_accuracy", "youden_j", "cost", "f1", "mcc")


@dataclass(frozen=True)
class Overlap:
    """How much of its pool an inference partition takes.

    Parameters
    ----------
    anomalous
        Defective objects in inference / all defective objects; mean over the splits.
    nominal
        Good objects in inference / good objects that could have been drawn.
    n_anomalous, n_nominal
        Mean number of objects of each class in inference.
    image_ratio, image_ratio_ranking
        Images in inference / images in training and threshold (for the ranking: in training).
    """

    anomalous: float
    nominal: float
    n_anomalous: float
    n_nominal: float
    image_ratio: float
    image_ratio_ranking: float

    @property
    def largest(self) -> float:
        """The conservative choice."""
        return max(self.anomalous, self.nominal)

    def mixture(self, weight: float | None) -> float:
        """Return the mixture with this weight of the anomalous class; the larger rho if it is not known."""
        return self.largest if weight is None else weight * self.anomalous + (1 - weight) * self.nominal


def overlap(splits: Sequence[Split], samples: SampleTable, *, value_per: str = "repeat") -> Overlap:
    """Count how much of each class the inference partitions behind a value take.

    The nominals' pool is what inference objects are drawn from: all good objects, or the good objects with test
    images where nominal test images are kept apart from training (then no test image ever trains).

    A split and its mirror image make one value, the mean of both directions, which rests on the objects of both;
    with ``value_per="run"`` so do the folds of a run. Then every value uses all defective objects.
    """
    if not splits:
        raise InputError("splits", "no split", "at least one", "Plan the protocol first.")
    frame = samples.frame
    defective = set(frame["object_id"][frame["label"] == 1])
    good = frame[~frame["object_id"].isin(defective)]
    tested = set(good["object_id"][good["source"] == "test"])
    judged = set(good["sample_id"]) & {i for split in splits for i in split.threshold + split.inference}
    judged_objects = set(good["object_id"][good["sample_id"].isin(judged)])
    trained = {i for split in splits for i in split.train}
    mixed = bool(set(good["sample_id"][good["source"] == "test"]) & trained)
    pool = tested if tested and not mixed and judged_objects <= tested else set(good["object_id"])
    object_of = dict(zip(frame["sample_id"], frame["object_id"], strict=True))
    anomalous_ids = set(frame["sample_id"][frame["label"] == 1])
    counts = np.array(
        [
            (
                len({object_of[i] for i in inference if i in anomalous_ids}),
                len({object_of[i] for i in inference if object_of[i] not in defective}),
                np.mean([len(s.inference) / max(1, len(s.train) + len(s.threshold)) for s in behind]),
                np.mean([len(s.inference) / max(1, len(s.train)) for s in behind]),
            )
            for behind in _values(splits, value_per)
            for inference in ({i for split in behind for i in split.inference},)
        ]
    ).mean(axis=0)
    n_a, n_n, ratio, ratio_ranking = (float(c) for c in counts)
    return Overlap(n_a / len(defective), n_n / max(1, len(pool)), n_a, n_n, ratio, ratio_ranking)


def _values(splits: Sequence[Split], value_per: str) -> list[list[Split]]:
    """Return the splits behind each value of the test."""
    if value_per not in ("repeat", "run"):
        raise InputError("value_per", value_per, "repeat or run", "Correct the name.")
    found: dict[object, list[Split]] = {}
    for split in splits:
        if value_per == "run" and split.run is None:
            raise InputError(f"split {split.repeat}", "no run", "the run of each split", "Draw them with rotations.")
        sides = sorted((split.threshold, split.inference))
        found.setdefault(split.run if value_per == "run" else (split.repeat, *sides), []).append(split)
    return list(found.values())


def class_resolved_rho(
    splits: Sequence[Split],
    samples: SampleTable,
    *,
    metric: str,
    correction: str = "class_resolved",
    value_per: str = "repeat",
    tables: ScoreTable | Sequence[ScoreTable] | None = None,
    other_tables: ScoreTable | Sequence[ScoreTable] | None = None,
    sensitivity: ArrayLike | None = None,
    overkill: ArrayLike | None = None,
    other_sensitivity: ArrayLike | None = None,
    other_overkill: ArrayLike | None = None,
    costs: Mapping[str, float] | None = None,
) -> float:
    """Return rho for :func:`~protocols.comparisons.corrected_t.corrected_resampled_ttest`.

    Parameters
    ----------
    splits, samples
        The repeats and the images with their objects.
    metric
        Sensitivity and its like take the anomalous class's rho, specificity and its like the nominal one's; AUROC a
        mixture by the clustered components of its variance; smooth functions of both rates (balanced accuracy, J,
        cost, F1, MCC) a mixture by what each rate contributes. Anything else, or without what the mixture needs: the
        larger of the two.
    correction
        ``class_resolved``; ``max``; ``image_ratio``: images in inference to images that decided (as usually coded,
        not recommended); ``none``: 0, to demonstrate the error.
    value_per
        ``repeat``: one value a split (a split with its mirror image: the mean of both). ``run``: one value a run, the
        mean over its folds; that is refused, as mirrored splits are.
    tables, other_tables
        For AUROC: the scores of each repeat, or one table for all if the scorer is fixed; of both detectors for a
        paired comparison.
    sensitivity, overkill, other_sensitivity, other_overkill
        For smooth functions: the rates of each repeat, shape (J,); of both detectors for a paired comparison.
    costs
        For ``cost``: prevalence, missed, false_alarm.

    Returns
    -------
    float
        In [0, 1).

    Raises
    ------
    UndefinedError
        Code ``CorrectionUndefined``: every value uses all objects of a class that matters.

    References
    ----------
    Nadeau & Bengio (2003), Inference for the generalization error: rho as the share of test units that two splits have
    in common. Taking it class by class, in objects, and its mixtures, are this project's: see docs/statistics.md.

    Examples
    --------
    Half of the defective objects are judged in every repeat:

    >>> import pandas as pd
    >>> from protocols import grouped_three_way
    >>> names = [f"o{i:02}" for i in range(30)]
    >>> frame = pd.DataFrame({"sample_id": names, "object_id": names, "label": [1] * 10 + [0] * 20})
    >>> samples = SampleTable.checked(frame)
    >>> splits = grouped_three_way(samples, repeats=10)
    >>> [class_resolved_rho(splits, samples, metric=metric) for metric in ("sensitivity", "overkill")]
    [0.5, 0.25]
    """
    name = resolve_metric(metric).name
    found = overlap(splits, samples, value_per=value_per)
    weight = None
    if name == "auroc" and tables is not None:
        others = None if other_tables is None else _inference(splits, other_tables)
        weight = auroc_weight(_inference(splits, tables), others)
    elif name in SMOOTH and sensitivity is not None and overkill is not None:
        weight = smooth_weight(name, found, sensitivity, overkill, other_sensitivity, other_overkill, costs=costs)
    return rho_of(found, name, weight, correction)


def rho_of(found: Overlap, metric: str, weight: float | None, correction: str = "class_resolved") -> float:
    """Return rho for a metric; ``weight`` is the anomalous class's where both classes matter."""
    if correction not in CORRECTIONS:
        raise InputError("correction", correction, f"one of {', '.join(CORRECTIONS)}", "Correct the name.")
    if correction == "none":
        return 0.0
    if correction == "image_ratio":
        ratio = found.image_ratio if METRICS[metric].needs_threshold else found.image_ratio_ranking
        return ratio / (1 + ratio)
    if correction == "max" or found.anomalous >= 1:  # then no value sees the sampling of defective objects
        return _checked(found.largest)
    if metric in OF_ANOMALOUS:
        return _checked(found.anomalous)
    return _checked(found.nominal if metric in OF_NOMINAL else found.mixture(weight))


def _inference(splits: Sequence[Split], tables: ScoreTable | Sequence[ScoreTable]) -> list[Units]:
    each = [tables] * len(splits) if isinstance(tables, ScoreTable) else tables
    return [units_of(table, split, "inference") for split, table in zip(splits, each, strict=True)]


def auroc_weight(units: Sequence[Units], others: Sequence[Units] | None = None) -> float | None:
    """Return the anomalous class's share S10/P of the variance S10/P + S01/N of an AUROC, mean over repeats.

    With a second detector on the same units: of the AUROC difference. None if no repeat has the components.
    """
    shares = []
    for j, part in enumerate(units):
        placed = placement_values(part.labels, part.scores)
        if others is not None:
            placed_b = placement_values(others[j].labels, others[j].scores)
            placed = placed[0] - placed_b[0], placed[1] - placed_b[1]
        s10, s01 = (
            _clustered_variance(values, part.objects[part.labels == label])
            for values, label in zip(placed, (1, 0), strict=True)
        )
        if s10 + s01 > 0:
            shares.append(s10 / (s10 + s01))
    return float(np.mean(shares)) if shares else None


def _clustered_variance(values: NDArray[np.float64], objects: NDArray[np.object_]) -> float:
    """Return I/(I-1) sum_i (X_i - m_i A)^2 / M^2: the variance of a mean of clustered values; NaN for one object."""
    _, index = np.unique(objects.astype(str), return_inverse=True)
    sums = np.bincount(index, values - values.mean())
    if sums.size < 2:
        return float("nan")
    return float(sums.size / (sums.size - 1) * np.sum(sums**2) / values.size**2)


def smooth_weight(
    metric: str,
    found: Overlap,
    sensitivity: ArrayLike,
    overkill: ArrayLike,
    other_sensitivity: ArrayLike | None = None,
    other_overkill: ArrayLike | None = None,
    *,
    costs: Mapping[str, float] | None = None,
) -> float | None:
    """Return the anomalous class's share of the variance of a smooth function f of both rates.

    One detector: proportional to (df/dTPR)^2 TPR (1 - TPR) / n. Two: to (df/dTPR)^2 S^2 / (1 - rho) with S^2 the
    variance of the paired differences over the repeats and rho that of the class: repeats that share units differ by
    less than new units would, by 1 - rho. Left out, the defective class, of which half is shared, counts too little,
    and the type I error for balanced accuracy is .07 to .09 instead of .05 to .06. None if there is no variance.
    """
    tpr, fpr = np.asarray(sensitivity, np.float64), np.asarray(overkill, np.float64)
    if other_sensitivity is None or other_overkill is None:
        centre = float(tpr.mean()), float(fpr.mean())
        variances = [
            p * (1 - p) / max(n, 1.0) for p, n in zip(centre, (found.n_anomalous, found.n_nominal), strict=True)
        ]
    else:
        tpr_b, fpr_b = np.asarray(other_sensitivity, np.float64), np.asarray(other_overkill, np.float64)
        centre = float(tpr.mean() + tpr_b.mean()) / 2, float(fpr.mean() + fpr_b.mean()) / 2
        seen = [float(np.var(tpr - tpr_b, ddof=1)), float(np.var(fpr - fpr_b, ddof=1))] if tpr.size > 1 else [0.0, 0.0]
        new = [1 - found.anomalous, 1 - found.nominal]
        # Where a class is used whole in every repeat there is no correction anyway: rho_of refuses it.
        variances = [v / share for v, share in zip(seen, new, strict=True)] if min(new) > 0 else seen
    slopes = _slopes(metric, centre, (found.n_anomalous, found.n_nominal), costs or {})
    parts = [slope**2 * variance for slope, variance in zip(slopes, variances, strict=True)]
    total = sum(parts)
    return parts[0] / total if np.isfinite(total) and total > 0 else None


def _slopes(
    metric: str, centre: tuple[float, float], n: tuple[float, float], costs: Mapping[str, float]
) -> tuple[float, float]:
    """Return df/dTPR and df/dFPR by central differences, inside the open unit square."""
    step = 1e-5

    def f(tpr: float, fpr: float) -> float:
        counts = (n[0] * tpr, n[1] * fpr, n[0] * (1 - tpr), n[1] * (1 - fpr))
        return float(rates_from_counts(*counts, **costs).get(metric, np.array(np.nan)))

    tpr, fpr = (min(max(p, 2 * step), 1 - 2 * step) for p in centre)
    return (
        (f(tpr + step, fpr) - f(tpr - step, fpr)) / (2 * step),
        (f(tpr, fpr + step) - f(tpr, fpr - step)) / (2 * step),
    )


def _checked(rho: float) -> float:
    if rho >= 1:
        raise UndefinedError(
            "every repeat uses all objects of a class (rho = 1): the spread over repeats does not see their sampling. "
            "Use protocol_bootstrap.",
            code="CorrectionUndefined",
        )
    return rho
