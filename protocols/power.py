"""Planning by simulation: what half width, and what power, an experiment of a given design has.

The formulas of :mod:`protocols.sample_size` know one split and independent parts. Here the protocol itself is run on
made-up factories (:mod:`protocols.simulation`): its splits, its threshold rules, its intervals and tests. The same
seed gives the same result, with any number of workers. :mod:`protocols.enough_objects` turns the question round: how
many objects give a half width or a power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .inputs import Seed, checked_fraction
from .sample_size import two_sided
from .simulated_studies import Job, Progress, checked_count, run_studies
from .simulation import Detector, StudyDesign, checked_metric

__all__ = ["HalfWidthSimulation", "PowerSimulation", "StudyDesign", "simulate_half_width", "simulate_power"]

INTERVALS = ("bootstrap", "corrected_t", "sampling")
TESTS = ("corrected_t", "bootstrap")
_FIXED_SCORER = "scores are fixed: what training anew adds to the spread is not in it"
_MODEL = "normal scores with equal variances"


@dataclass(frozen=True)
class HalfWidthSimulation:
    """What half width an experiment gives, measured on simulated ones.

    Parameters
    ----------
    half_width, half_width_se
        Mean half width of the interval, and its Monte-Carlo standard error.
    coverage, coverage_se
        Share of the intervals that hold the truth, and its standard error; NaN for ``sampling``.
    estimate, sd
        Mean and standard deviation of the estimate over the studies.
    n_studies, n_undefined
        Studies simulated, and those of them without an interval.
    design, metric, value, level, interval
        What was asked.
    notes
        Assumptions, as sentences.
    """

    half_width: float
    half_width_se: float
    coverage: float
    coverage_se: float
    estimate: float
    sd: float
    n_studies: int
    n_undefined: int
    design: StudyDesign
    metric: str
    value: float
    level: float
    interval: str
    notes: tuple[str, ...] = ()

    def as_row(self, question: str) -> dict[str, object]:
        """Return the result as a row of a table of plans, like :meth:`protocols.SampleSize.as_row`."""
        return _row(self.design, question, self.half_width, self.level, f"simulation, {self.interval}", self.notes)


@dataclass(frozen=True)
class PowerSimulation:
    """How often an experiment finds a difference between two detectors, measured on simulated ones.

    Parameters
    ----------
    power, power_se
        Share of the studies in which the better detector was called better (without a difference: in which any was),
        and its Monte-Carlo standard error.
    difference, sd
        Mean and standard deviation of the estimated difference, second minus first.
    half_width
        Mean half width of the difference's interval.
    n_studies, n_undefined
        Studies simulated, and those of them without a test; these count as not found.
    design, metric, value, other, correlation, level, test
        What was asked.
    notes
        Assumptions, as sentences.
    """

    power: float
    power_se: float
    difference: float
    sd: float
    half_width: float
    n_studies: int
    n_undefined: int
    design: StudyDesign
    metric: str
    value: float
    other: float
    correlation: float
    level: float
    test: str
    notes: tuple[str, ...] = ()

    def as_row(self, question: str) -> dict[str, object]:
        """Return the result as a row of a table of plans, like :meth:`protocols.SampleSize.as_row`."""
        return _row(self.design, question, self.half_width, self.level, f"simulation, {self.test}", self.notes)


def simulate_half_width(design: StudyDesign, metric: str, value: float, *, interval: str = "bootstrap",
                        level: float = 0.95, n_studies: int = 200, n_resamples: int = 200, seed: Seed = 0,
                        workers: int = 1, progress: Progress | None = None) -> HalfWidthSimulation:  # fmt: skip
    r"""Run an experiment many times on made-up factories and measure the half width of its interval.

    Every study draws new objects, splits them as :func:`~protocols.grouped_three_way` does, chooses the threshold on
    the threshold partition, judges on the inference partition and averages over the repeats.

    Parameters
    ----------
    design
        The experiment.
    metric, value
        What is estimated (``auroc``, ``sensitivity``, ``escape``, ``specificity``, ``overkill``,
        ``balanced_accuracy``, ``youden_j``), and what it is with endless data: a sensitivity at the design's
        ``other_rate`` of overkill, a specificity at that escape rate, balanced accuracy and J at their best.
    interval
        ``bootstrap``: the protocol bootstrap. ``corrected_t``: from the repeats. ``sampling``: none; :math:`z` times
        the standard deviation of the estimate over the studies, the half width of a perfect interval.
    level
        Confidence level.
    n_studies
        Simulated experiments, 2 or more.
    n_resamples
        Of the bootstrap.
    seed
        int, SeedSequence or Generator.
    workers
        Processes; above 1, a script has to call this below ``if __name__ == "__main__":``. The result does not depend
        on them.
    progress
        Called with the number of studies done and the number of all.

    Returns
    -------
    HalfWidthSimulation
        With Monte-Carlo standard errors.

    Raises
    ------
    InputError
        A value is out of range, or the metric cannot be simulated.
    SplitError
        The design has too few objects to be split.

    References
    ----------
    Obuchowski & McClish (1997), Sample size determination for diagnostic accuracy studies involving binormal ROC
    curve indices (the model); statistics of the protocol as in :func:`~protocols.protocol_bootstrap`.

    Examples
    --------
    >>> design = StudyDesign(n_objects_anomalous=40, n_objects_nominal=80, views=5, icc=0.5)
    >>> s = simulate_half_width(design, "auroc", 0.9, interval="sampling", n_studies=100)
    >>> s.n_studies, 0.03 < s.half_width < 0.06
    (100, True)
    """
    name, target = checked_metric(metric), checked_fraction(value, "value")
    _check_choice(interval, "interval", INTERVALS)
    z = two_sided(level)
    _need_repeats(design, interval)
    n_draws = checked_count(n_resamples, "n_resamples", 20) if interval == "bootstrap" else 0
    detector = Detector.of(name, target, design)
    job = Job(design, name, (detector,), 0.0, interval, level, n_draws)
    rows = run_studies(job, n_studies, seed, workers, progress)  # (n_studies, 3): estimate, low, high
    estimates = rows[:, 0]
    defined = np.isfinite(rows).all(axis=1) if interval != "sampling" else np.isfinite(estimates)
    n_undefined = int((~defined).sum())
    if int(defined.sum()) < 2:
        raise InputError("design", f"{n_undefined} of {n_studies} studies without an interval", "studies with one",
                         "Give more objects.", code="TooFewObjects")  # fmt: skip
    n = int(defined.sum())
    sd = float(np.std(estimates[defined], ddof=1))
    notes: tuple[str, ...] = (_MODEL, _FIXED_SCORER, *_notes_of(design))
    truth = detector.truth
    if truth is None:
        truth = float(estimates[defined].mean())
        notes = (*notes, "coverage is that of the mean estimate: the value depends on how the threshold is chosen")
    if n_undefined:
        notes = (*notes, f"{n_undefined} of {n_studies} studies had no interval and are left out")
    if interval == "sampling":
        # The standard error of a standard deviation of about normal values.
        half_width, se, coverage, coverage_se = z * sd, z * sd / math.sqrt(2 * (n - 1)), math.nan, math.nan
    else:
        widths = (rows[defined, 2] - rows[defined, 1]) / 2
        half_width, se = float(widths.mean()), float(np.std(widths, ddof=1)) / math.sqrt(n)
        held = (rows[defined, 1] <= truth) & (truth <= rows[defined, 2])
        coverage, coverage_se = _share(held)
    return HalfWidthSimulation(half_width, se, coverage, coverage_se, float(estimates[defined].mean()), sd, n_studies,
                               n_undefined, design, name, target, level, interval, notes)  # fmt: skip


def simulate_power(design: StudyDesign, metric: str, value: float, other: float, *, correlation: float = 0.5,
                   test: str = "corrected_t", level: float = 0.95, n_studies: int = 200, n_resamples: int = 200,
                   seed: Seed = 0, workers: int = 1,
                   progress: Progress | None = None) -> PowerSimulation:  # fmt: skip
    r"""Run a comparison of two detectors many times on made-up factories and count how often it finds the better one.

    Both detectors judge the same objects on the same splits, each at its own threshold. Their latent scores
    correlate by ``correlation``.

    Parameters
    ----------
    design, metric, value
        As in :func:`simulate_half_width`; ``value`` is the first detector's.
    other
        The second detector's value; the same as ``value``: the power is the Type I error.
    correlation
        Of the two detectors' scores within a class, in (-1, 1).
    test
        ``corrected_t``: the corrected resampled t test with the class-resolved correlation. ``bootstrap``: the
        interval of the paired protocol bootstrap leaves 0 out.
    level
        1 minus the significance level.
    n_studies, n_resamples, seed, workers, progress
        As in :func:`simulate_half_width`.

    Returns
    -------
    PowerSimulation
        With its Monte-Carlo standard error.

    Raises
    ------
    InputError
        A value is out of range, or the metric cannot be simulated.
    SplitError
        The design has too few objects to be split.

    References
    ----------
    Nadeau & Bengio (2003), Inference for the generalization error (the test); Obuchowski & McClish (1997), Sample size
    determination for diagnostic accuracy studies involving binormal ROC curve indices (the model).

    Examples
    --------
    >>> design = StudyDesign(n_objects_anomalous=60, n_objects_nominal=120, repeats=5)
    >>> s = simulate_power(design, "auroc", 0.75, 0.95, n_studies=40)
    >>> s.power > 0.9
    True
    """
    name = checked_metric(metric)
    first, second = checked_fraction(value, "value"), checked_fraction(other, "other")
    _check_choice(test, "test", TESTS)
    checked_fraction(level, "level")
    _need_repeats(design, test)
    if not -1 < correlation < 1:
        raise InputError("correlation", correlation, "a number between -1 and 1", "Correct the value.",
                         code="OutOfRange")  # fmt: skip
    n_draws = checked_count(n_resamples, "n_resamples", 20) if test == "bootstrap" else 0
    detectors = Detector.of(name, second, design), Detector.of(name, first, design)
    job = Job(design, name, detectors, float(correlation), test, level, n_draws)
    rows = run_studies(job, n_studies, seed, workers, progress)  # (n_studies, 4): difference, low, high, p value
    differences, p = rows[:, 0], rows[:, 3]
    found = p < 1 - level  # NaN compares false
    if first != second:
        found &= np.sign(differences) == np.sign(second - first)
    power, power_se = _share(found)
    n_undefined = int(np.isnan(p).sum())
    notes: tuple[str, ...] = (_MODEL, _FIXED_SCORER, *_notes_of(design), f"scores correlated by {correlation:g}")
    if n_undefined:
        notes = (*notes, f"{n_undefined} of {n_studies} studies had no test: counted as not found")
    halves = (rows[:, 2] - rows[:, 1]) / 2
    half_width = float(np.nanmean(halves)) if np.isfinite(halves).any() else math.nan
    return PowerSimulation(power, power_se, float(np.nanmean(differences)), float(np.nanstd(differences, ddof=1)),
                           half_width, n_studies, n_undefined, design, name, first, second, float(correlation), level,
                           test, notes)  # fmt: skip


def _share(found: NDArray[np.bool_]) -> tuple[float, float]:
    """Return a share and its standard error, which is not 0 where all or none were found."""
    n, k = found.size, int(found.sum())
    smooth = (k + 1) / (n + 2)
    return k / n, math.sqrt(smooth * (1 - smooth) / n)


def _notes_of(design: StudyDesign) -> tuple[str, ...]:
    views = f"{design.views} views an object, intraclass correlation of the scores {design.icc:g}"
    return (views if design.views > 1 else "one image an object",
            f"{design.repeats} repeats; good objects include those that train")  # fmt: skip


def _row(design: StudyDesign, question: str, half_width: float, level: float, method: str,
         notes: tuple[str, ...]) -> dict[str, object]:  # fmt: skip
    return {
        "question": question,
        "objects_anomalous": design.n_objects_anomalous,
        "objects_nominal": design.n_objects_nominal,
        "images_anomalous": design.n_objects_anomalous * design.views,
        "images_nominal": design.n_objects_nominal * design.views,
        "half_width": None if math.isnan(half_width) else half_width,
        "level": level,
        "method": method,
        "assumptions": list(notes),
    }


def _check_choice(value: str, what: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(what, value, f"one of {', '.join(known)}", "Correct the name.")


def _need_repeats(design: StudyDesign, method: str) -> None:
    if method == "corrected_t" and design.repeats < 2:
        raise InputError("repeats", design.repeats, "2 or more for a corrected t", "Use bootstrap, or more repeats.")
