"""What is judged in simulated factories: each function runs one setting and returns a row for each method."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy import special

from protocols import (
    auroc,
    bootstrap_interval,
    bootstrap_test,
    clopper_pearson_interval,
    clustered_delong_interval,
    clustered_proportion_interval,
    delong_interval,
    delong_test,
    hanley_mcneil_interval,
    mcnemar_exact,
    permutation_test,
    sign_flip_test,
    wilson_interval,
)
from protocols.comparisons.mcnemar import discordant_objects
from protocols.results import Estimate
from support.factories import Factory
from support.tally import Coverage, Rejections, Row

Setting = Mapping[str, Any]
Intervals = dict[str, Callable[[], Estimate]]

N_RESAMPLES = 500  # of a bootstrap interval, here
N_PERMUTATIONS = 999


def factory_of(setting: Setting) -> Factory:
    """Return the factory of a setting."""
    return Factory(*(setting[name] for name in ("n_defective", "n_good", "views", "icc", "auroc")))


def auroc_intervals(setting: Setting, runs: int, rng: np.random.Generator) -> dict[str, Row]:
    """Intervals of the image AUROC by formula."""
    factory = factory_of(setting)
    y, objects, independent = factory.labels, factory.objects, factory.views == 1

    def each() -> Iterator[Intervals]:
        for _ in range(runs):
            s = factory.scores(rng)
            clustered = partial(clustered_delong_interval, y, s, objects)
            if independent:
                yield {
                    "rows of the protocols": lambda s=s: delong_interval(y, s, small_sample=True),
                    "delong_interval": lambda s=s: delong_interval(y, s),
                    "hanley_mcneil_interval": lambda s=s: hanley_mcneil_interval(
                        auroc(y, s), factory.n_good, factory.n_defective
                    ),
                }
            else:
                yield {
                    "rows of the protocols": lambda f=clustered: f(small_sample=True),
                    "clustered_delong_interval": clustered,
                    "delong_interval, views as if independent": lambda s=s: delong_interval(y, s),
                }

    return _covered(each(), factory.auroc)


def auroc_bootstraps(setting: Setting, runs: int, rng: np.random.Generator) -> dict[str, Row]:
    """Bootstrap intervals of the image AUROC."""
    factory = factory_of(setting)

    def each() -> Iterator[Intervals]:
        for _ in range(runs):
            s = factory.scores(rng)
            yield {
                f"bootstrap_interval, {method}": partial(
                    bootstrap_interval, factory.labels, s, objects=factory.objects, method=method,
                    n_resamples=N_RESAMPLES, seed=rng,
                )
                for method in ("percentile", "bca", "studentised")
            }  # fmt: skip

    return _covered(each(), factory.auroc)


def rates(setting: Setting, runs: int, rng: np.random.Generator) -> dict[str, Row]:
    """Intervals of a sensitivity (or specificity: the same in mirror writing) at a fixed threshold.

    ``rate`` may be two numbers: the truth is then drawn between them anew for each factory.
    """
    n, rate = int(setting["n_objects"]), setting["rate"]
    factory = Factory(n, 0, setting["views"], setting["icc"], 0.5)
    found: dict[str, Coverage] = {}
    for _ in range(runs):
        truth = float(rng.uniform(*rate)) if isinstance(rate, list) else float(rate)
        outcomes = (factory.noise(rng) < special.ndtri(truth)).astype(np.int64)
        clustered = partial(clustered_proportion_interval, outcomes, factory.objects)
        k = int(outcomes.sum())
        intervals: Intervals = {"rows of the protocols": lambda f=clustered: f(method="score")}
        if factory.views == 1:
            intervals |= {
                "wilson_interval": partial(wilson_interval, k, n),
                "clopper_pearson_interval": partial(clopper_pearson_interval, k, n),
            }
        else:
            intervals |= {
                "clustered_proportion_interval": clustered,
                "clustered_proportion_interval, clopper_pearson": lambda f=clustered: f(method="clopper_pearson"),
            }
        for name, interval in intervals.items():
            e = interval()
            found.setdefault(name, Coverage()).add(e.low - truth, e.high - truth)
    return {name: coverage.counted(0.0) for name, coverage in found.items()}


def paired_tests(setting: Setting, runs: int, rng: np.random.Generator) -> dict[str, Row]:
    """Tests of two equally good detectors, on the same images."""
    factory = factory_of(setting)
    y = factory.labels
    objects = None if factory.views == 1 else factory.objects
    cut, defective = factory.cut(0.9), factory.objects[y == 1]
    found: dict[str, Rejections] = {}
    for _ in range(runs):
        a, b = factory.pair(rng)
        wins = (a[y == 1] >= cut).astype(np.float64) - (b[y == 1] >= cut)
        p = {
            "delong_test": delong_test(y, a, b, objects=objects),
            "permutation_test": permutation_test(y, a, b, objects=objects, n_resamples=N_PERMUTATIONS, seed=rng),
            "bootstrap_test": bootstrap_test(y, a, b, objects=objects, n_resamples=N_RESAMPLES, seed=rng),
            "sign_flip_test, share of each part's views caught": sign_flip_test(
                np.bincount(defective, wins) / np.bincount(defective), n_resamples=N_PERMUTATIONS, seed=rng
            ),
            "mcnemar_exact, parts caught": mcnemar_exact(
                *discordant_objects(y, a, b, threshold_a=cut, threshold_b=cut, objects=objects, of="defective")
            ),
        }
        if objects is not None:
            p["delong_test, views as if independent"] = delong_test(y, a, b)
        for name, result in p.items():
            found.setdefault(name, Rejections()).add(result.p_value)
    return {name: rejections.counted() for name, rejections in found.items()}


def _covered(each: Iterator[Intervals], truth: float) -> dict[str, Row]:
    found: dict[str, Coverage] = {}
    for intervals in each:
        for name, interval in intervals.items():
            e = interval()
            found.setdefault(name, Coverage()).add(e.low, e.high)
    return {name: coverage.counted(truth) for name, coverage in found.items()}
