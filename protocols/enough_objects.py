"""How many objects are enough, by simulation: a bracket of numbers of objects, narrowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from scipy import special

from .errors import InputError
from .inputs import Seed, checked_fraction
from .power import HalfWidthSimulation, PowerSimulation, simulate_half_width, simulate_power
from .sample_size import two_sided
from .simulated_studies import Progress
from .simulation import StudyDesign

R = TypeVar("R", HalfWidthSimulation, PowerSimulation)


def objects_for_half_width(design: StudyDesign, metric: str, value: float, half_width: float, *,
                           interval: str = "bootstrap", level: float = 0.95, n_studies: int = 100,
                           n_resamples: int = 200, seed: Seed = 0, workers: int = 1, tolerance: float = 0.03,
                           most: int = 20_000, progress: Progress | None = None) -> HalfWidthSimulation:  # fmt: skip
    r"""Fewest defective objects with which an experiment gives a half width, by simulation.

    Good objects grow in the proportion of ``design``; views, ICC and repeats stay. The half width falls with the
    number of objects, so a bracket is narrowed (first guesses by :math:`1/\sqrt n`) until it is ``tolerance`` wide.

    Parameters
    ----------
    design
        The experiment; its numbers of objects are the first guess.
    metric, value, interval, level, n_studies, n_resamples, seed, workers
        As in :func:`~protocols.power.simulate_half_width`.
    half_width
        The half width to reach, in (0, 1).
    tolerance
        Relative width of the bracket at which to stop.
    most
        Defective objects at which to give up.
    progress
        Called with the number of studies done and of all studies of the number of objects tried now.

    Returns
    -------
    HalfWidthSimulation
        Of the upper end of the bracket; the notes list all numbers tried.

    Raises
    ------
    InputError
        More than ``most`` objects are needed, or a value is out of range.

    References
    ----------
    As in :func:`~protocols.power.simulate_half_width`.

    Examples
    --------
    >>> design = StudyDesign(n_objects_anomalous=40, n_objects_nominal=80, repeats=2)
    >>> s = objects_for_half_width(design, "auroc", 0.9, 0.08, interval="sampling", n_studies=30, tolerance=0.2)
    >>> s.half_width <= 0.08, s.design.n_objects_nominal == 2 * s.design.n_objects_anomalous
    (True, True)
    """
    target = checked_fraction(half_width, "half_width")

    def tried(n: int) -> tuple[HalfWidthSimulation, bool, float]:
        s = simulate_half_width(design.with_objects(n), metric, value, interval=interval, level=level,
                                n_studies=n_studies, n_resamples=n_resamples, seed=seed, workers=workers,
                                progress=progress)  # fmt: skip
        return s, s.half_width <= target, (s.half_width / target) ** 2

    s, path = _narrow(tried, design.n_objects_anomalous, tolerance, most, "half_width", half_width)
    return _with_path(s, path, [f"{n}: {r.half_width:.4g}" for n, r in path])


def objects_for_power(design: StudyDesign, metric: str, value: float, other: float, power: float = 0.8, *,
                      correlation: float = 0.5, test: str = "corrected_t", level: float = 0.95, n_studies: int = 200,
                      n_resamples: int = 200, seed: Seed = 0, workers: int = 1, tolerance: float = 0.05,
                      most: int = 20_000, progress: Progress | None = None) -> PowerSimulation:  # fmt: skip
    """Fewest defective objects with which a comparison finds a difference with a given power, by simulation.

    Parameters
    ----------
    design, tolerance, most, progress
        As in :func:`objects_for_half_width`.
    metric, value, other, correlation, test, level, n_studies, n_resamples, seed, workers
        As in :func:`~protocols.power.simulate_power`; ``other`` differs from ``value``.
    power
        The power to reach, in (0, 1).

    Returns
    -------
    PowerSimulation
        Of the upper end of the bracket; the notes list all numbers tried.

    Raises
    ------
    InputError
        More than ``most`` objects are needed, or a value is out of range.

    References
    ----------
    As in :func:`~protocols.power.simulate_power`.

    Examples
    --------
    >>> design = StudyDesign(n_objects_anomalous=40, n_objects_nominal=80, repeats=3)
    >>> s = objects_for_power(design, "auroc", 0.7, 0.95, n_studies=20, tolerance=0.3)
    >>> s.power >= 0.8
    True
    """
    target = checked_fraction(power, "power")
    if value == other:
        raise InputError("other", other, f"another value than {value:g}", "Without a difference there is no power.")
    z, wanted = two_sided(level), float(special.ndtri(target))

    def tried(n: int) -> tuple[PowerSimulation, bool, float]:
        s = simulate_power(design.with_objects(n), metric, value, other, correlation=correlation, test=test,
                           level=level, n_studies=n_studies, n_resamples=n_resamples, seed=seed, workers=workers,
                           progress=progress)  # fmt: skip
        reached = float(special.ndtri(np.clip(s.power, 0.5 / n_studies, 1 - 0.5 / n_studies)))
        return s, s.power >= target, ((z + wanted) / max(z + reached, 0.5)) ** 2

    s, path = _narrow(tried, design.n_objects_anomalous, tolerance, most, "power", power)
    return _with_path(s, path, [f"{n}: {r.power:.3g}" for n, r in path])


def _narrow(tried: Callable[[int], tuple[R, bool, float]], start: int, tolerance: float, most: int, what: str,
            found: object) -> tuple[R, list[tuple[int, R]]]:  # fmt: skip
    """Narrow the bracket between too few objects and enough; ``tried`` also says by what factor to change."""
    checked_fraction(tolerance, "tolerance")
    low, high = 1, 0
    best: R | None = None
    path: list[tuple[int, R]] = []
    n = max(4, min(start, most))
    while True:
        result, enough, factor = tried(n)
        path.append((n, result))
        if enough:
            high, best = n, result
        else:
            low = n
        if low >= most:
            raise InputError(what, found, f"what {most} defective objects can reach", "Ask for less, or raise most.",
                             code="OutOfRange")  # fmt: skip
        if best is not None and (high <= 4 or high - low <= max(1, tolerance * high)):
            return best, path
        guess = round(n * min(max(factor, 0.25), 4))
        if best is None:
            n = min(max(guess, low + 1, math.ceil(low * (1 + tolerance))), most)
        elif low == 1:
            n = max(4, min(guess, math.floor(high * (1 - tolerance)), high - 1))
        else:
            # Not right beside an end, or the bracket would shrink by one object at a time.
            margin = max(1, round(0.2 * (high - low)))
            n = min(max(guess, low + margin), high - margin)


def _with_path(result: R, path: Sequence[tuple[int, R]], told: Sequence[str]) -> R:
    note = f"tried {len(path)} numbers of defective objects: {', '.join(told)}"
    return replace(result, notes=(*result.notes, note))
