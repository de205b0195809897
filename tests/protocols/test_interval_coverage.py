"""Coverage of nominal 95 % intervals where the truth is known: two normal classes, objects with many views."""

import numpy as np
import pytest
from scipy import stats

from protocols.intervals.bootstrap import bootstrap_interval
from protocols.intervals.clustered_delong import clustered_delong_interval
from protocols.intervals.delong import delong_interval
from protocols.intervals.proportions import clustered_proportion_interval
from protocols.intervals.resampling import resample_objects
from protocols.intervals.stretched import Scale, stretched_interval
from protocols.judging import Criterion, Weighted
from protocols.naive import best_checkpoint
from protocols.units import Units

VIEWS, ICC, SHIFT = 20, 0.3, 1.5
TRUTH = stats.norm.cdf(SHIFT / np.sqrt(2))


def views_of_objects(rng, n_objects):
    """Half the objects defective; total variance 1, share ICC of it between objects."""
    objects = np.repeat(np.arange(n_objects), VIEWS)
    labels = (objects < n_objects // 2).astype(int)
    between = rng.normal(size=n_objects)[objects] * np.sqrt(ICC)
    return labels, between + rng.normal(size=len(objects)) * np.sqrt(1 - ICC) + SHIFT * labels, objects


def coverage(interval, runs, n_objects=60, truth=TRUTH):
    rng = np.random.default_rng(20240601)
    found = [interval(*views_of_objects(rng, n_objects)) for _ in range(runs)]
    return np.mean([e.low <= truth <= e.high for e in found])


@pytest.mark.slow  # 0.2 minutes
def test_obuchowski_covers_and_delong_on_images_does_not():
    runs = 2000
    error = 3 * np.sqrt(0.05 * 0.95 / runs)
    assert 0.93 - error <= coverage(clustered_delong_interval, runs) <= 0.97 + error
    naive = coverage(lambda y, s, _: delong_interval(y, s), runs)
    assert naive == pytest.approx(0.597, abs=3 * np.sqrt(0.6 * 0.4 * (1 / runs + 1 / 2000)))


@pytest.mark.slow  # 0.2 minutes
def test_student_quantiles_cover_with_few_objects():
    runs = 2000
    error = 3 * np.sqrt(0.05 * 0.95 / runs)
    assert coverage(clustered_delong_interval, runs, n_objects=16) >= 0.93 - error


@pytest.mark.slow  # 2 minutes
@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", ["bca", "studentised"])
def test_the_cluster_bootstrap_covers(method):
    runs = 300
    error = 3 * np.sqrt(0.05 * 0.95 / runs)

    def interval(labels, scores, objects):
        return bootstrap_interval(labels, scores, objects=objects, method=method, n_resamples=1000)

    assert 0.90 - error <= coverage(interval, runs) <= 0.98 + error


@pytest.mark.slow  # 0.1 minutes
@pytest.mark.parametrize("shift", [0, 0.5, 1.5])
def test_what_is_chosen_on_its_own_data_is_covered(shift):
    """Youden's J at its own threshold, the best of 10 checkpoints, its lead (plain percentiles: .885 to .99)."""
    n, runs, rng = 30, 200, np.random.default_rng(0)
    labels, names = np.repeat([1, 0], n), np.array([f"o{i:02}" for i in range(2 * n)], object)
    youden = Criterion("youden")
    found = {"youden_j": [], "auroc": [], "optimism_auroc": []}
    for seed in range(runs):
        scores = rng.normal(size=2 * n) + shift * labels
        last = Units(labels, scores, names, names)
        others = [Units(labels, 0.8 * scores + 0.6 * rng.normal(size=2 * n), names, names) for _ in range(9)]
        checkpoints = dict(enumerate(others)) | {-1: last}
        resampling = resample_objects([last], n_resamples=400, seed=seed, key="k")
        data, draws = Weighted(last), Weighted(last, resampling.of(last))
        best, drawn = best_checkpoint(checkpoints), best_checkpoint(checkpoints, resampling)
        for metric, value, replicates in (
            ("youden_j", *(w.decisions(w.select(youden), youden)["youden_j"] for w in (data, draws))),
            ("auroc", best.best, drawn.best),
            ("optimism_auroc", best.best - best.last, drawn.best - drawn.last),
        ):
            scale = Scale.of(metric, (n, n))
            found[metric].append(stretched_interval(replicates, [value], resampling, scale, level=0.95, widen=True))
    error = 3 * np.sqrt(0.05 * 0.95 / runs)
    for estimates in found.values():
        truth = np.mean([e.value for e in estimates])
        assert all(e.low <= e.value <= e.high for e in estimates)
        assert np.mean([e.low <= truth <= e.high for e in estimates]) >= 0.95 - error


@pytest.mark.slow  # 0.2 minutes
def test_clustered_proportions_cover():
    runs = 2000
    threshold = 1.0
    truth = stats.norm.sf(threshold - SHIFT)

    def interval(labels, scores, objects):
        caught = labels == 1
        return clustered_proportion_interval(scores[caught] >= threshold, objects[caught])

    error = 3 * np.sqrt(0.05 * 0.95 / runs)
    assert 0.91 - error <= coverage(interval, runs, truth=truth) <= 0.98 + error
