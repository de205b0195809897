"""Coverage of nominal 95 % intervals where the truth is known: two normal classes, objects with many views."""

import numpy as np
import pytest
from scipy import stats

from protocols.intervals.bootstrap import bootstrap_interval
from protocols.intervals.clustered_delong import clustered_delong_interval
from protocols.intervals.delong import delong_interval
from protocols.intervals.proportions import clustered_proportion_interval

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
