"""Running simulated studies: the same rows for the same seed, whoever does them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .inputs import Seed
from .intervals.draws import generator
from .simulation import Detector, Plan, StudyDesign, draw_resampling, draw_scores, interval_of, paired_test, study

PLANS = 8  # sets of splits in a simulation; objects are interchangeable, so that each may serve many studies
STUDIES_OF_PLAN = 10  # fewer studies have fewer sets of splits
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """What is simulated in every study; travels to the workers."""

    design: StudyDesign
    metric: str
    detectors: tuple[Detector, ...]
    correlation: float
    method: str
    level: float
    n_resamples: int

    def studies(self, plan_seed: int, seeds: Sequence[np.random.SeedSequence]) -> Iterator[list[float]]:
        """Yield one row a study, all on the splits of one plan."""
        plan, criterion = Plan(self.design, plan_seed), self.design.criterion(self.metric)
        for seed in seeds:
            for_scores, for_draws = seed.spawn(2)
            scores = draw_scores(plan, self.detectors, self.correlation, np.random.default_rng(for_scores))
            judged = [plan.judged(s) for s in scores]
            draws = draw_resampling(judged[0], self.n_resamples, for_draws) if self.n_resamples else None
            found = [study(repeats, self.metric, detector, criterion, draws)
                     for repeats, detector in zip(judged, self.detectors, strict=True)]  # fmt: skip
            if len(found) == 2:
                t = paired_test(plan, self.metric, found[0], found[1], draws, self.level)
                yield [t.difference, t.low, t.high, t.p_value]
            elif self.method == "sampling":
                yield [float(np.mean(found[0].values.values)), math.nan, math.nan]
            else:
                e = interval_of(plan, self.metric, found[0], criterion, draws, self.level)
                yield [e.value, e.low, e.high]


def _task(job: Job, plan_seed: int, seeds: Sequence[np.random.SeedSequence]) -> list[list[float]]:
    return list(job.studies(plan_seed, seeds))


def run_studies(job: Job, n_studies: int, seed: Seed, workers: int, progress: Progress | None) -> NDArray[np.float64]:
    """Return one row a study. A task is a plan with its share of the studies: the same whoever does it."""
    n, n_workers = checked_count(n_studies, "n_studies", 2), checked_count(workers, "workers", 1)
    root = _root(seed)
    n_plans = min(PLANS, math.ceil(n / STUDIES_OF_PLAN))
    shares = np.array_split(np.array(root.spawn(n), object), n_plans)
    plan_seeds = [int(s) for s in np.random.default_rng(root).integers(2**31, size=n_plans)]
    tasks = [(job, plan_seed, list(share)) for plan_seed, share in zip(plan_seeds, shares, strict=True)]
    rows: list[list[float]] = []
    report = progress or (lambda done, total: None)
    if n_workers == 1:
        for task in tasks:
            for row in job.studies(*task[1:]):
                rows.append(row)
                report(len(rows), n)
    else:
        # Spawned, not forked: the caller may have threads.
        with ProcessPoolExecutor(min(n_workers, len(tasks)), mp_context=get_context("spawn")) as pool:
            for future in [pool.submit(_task, *task) for task in tasks]:
                rows += future.result()
                report(len(rows), n)
    return np.array(rows)


def _root(seed: Seed) -> np.random.SeedSequence:
    """Return a fresh sequence, so that spawning from it leaves the caller's as it was."""
    if isinstance(seed, np.random.SeedSequence):
        return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size)
    if isinstance(seed, np.random.Generator):
        return np.random.SeedSequence(int(seed.integers(2**63)))
    generator(seed, "power")  # refuses what is no seed
    return np.random.SeedSequence(int(seed))


def checked_count(value: int, what: str, least: int) -> int:
    """Return a whole number of ``least`` or more; anything else is an error."""
    if isinstance(value, bool) or value != int(value) or value < least:
        raise InputError(what, value, f"a whole number of {least} or more", "Correct the value.", code="OutOfRange")
    return int(value)
