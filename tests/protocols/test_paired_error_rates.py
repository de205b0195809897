"""How often the paired tests reject a true null hypothesis, and how often their intervals hold the truth.

Two detectors of equal AUROC score the same images of the same objects: normal scores 1.5 sd apart, correlated 0.5
between the detectors, with the stated intra-object correlation (ICC).
"""

import math

import numpy as np
import pytest

from protocols import (
    bootstrap_test,
    delong_test,
    discordant_objects,
    equivalence_test,
    mcnemar_exact,
    object_ks_test,
    paired_object_ks_test,
    permutation_test,
    sign_flip_test,
)

SETTINGS = [  # defective objects, good objects, views, ICC
    (30, 60, 1, 0.0), (30, 60, 10, 0.0), (30, 60, 10, 0.5), (10, 10, 1, 0.0), (10, 10, 10, 0.0), (10, 10, 10, 0.5),
]  # fmt: skip
TESTS = {
    "delong": lambda y, a, b, o, seed: delong_test(y, a, b, objects=o),
    "bootstrap": lambda y, a, b, o, seed: bootstrap_test(y, a, b, objects=o, n_resamples=1000, seed=seed),
    "permutation": lambda y, a, b, o, seed: permutation_test(y, a, b, objects=o, n_resamples=499, seed=seed),
}
RUNS = {"delong": 2000, "bootstrap": 1000, "permutation": 1000}


def paired(rng, size):
    shared = rng.normal(size=size)
    return [math.sqrt(0.5) * (shared + rng.normal(size=size)) for _ in range(2)]


def factory(rng, bad, good, views, icc, shift=(1.5, 1.5)):
    index = np.repeat(np.arange(bad + good), views)
    labels = (index < bad).astype(int)
    of_object, of_image = paired(rng, bad + good), paired(rng, len(index))
    scores = [
        shift[k] * labels + math.sqrt(icc) * of_object[k][index] + math.sqrt(1 - icc) * of_image[k] for k in (0, 1)
    ]
    return labels, *scores, index


def allowed(runs):
    return 0.06 + 2 * math.sqrt(0.06 * 0.94 / runs)


@pytest.mark.slow  # 2 minutes together
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("name", TESTS)
def test_type_one_error_and_coverage(name, setting):
    rng = np.random.default_rng(11)
    runs = RUNS[name]
    results = [TESTS[name](*factory(rng, *setting), seed) for seed in range(runs)]
    rejected = np.mean([r.p_value <= 0.05 for r in results])
    covered = np.mean([r.low <= 0 <= r.high for r in results])
    assert rejected <= allowed(runs)
    assert covered >= 1 - allowed(runs)
    if setting[0] >= 30:  # where objects are many the tests are not merely timid
        assert rejected >= 0.025


@pytest.mark.slow  # 10 seconds together
@pytest.mark.parametrize("icc", [0.0, 0.5])
@pytest.mark.parametrize("skewed", [False, True])
def test_type_one_error_with_objects_of_1_to_60_views(icc, skewed):
    rng = np.random.default_rng(17)
    runs, plain, careful = 2000, 0, 0
    for _ in range(runs):
        views = np.ceil(np.exp(rng.normal(1.5, 1.2, 60))).clip(max=60) if skewed else rng.integers(1, 61, 60)
        y, a, b, o = factory(rng, 20, 40, views.astype(int), icc)
        plain += delong_test(y, a, b, objects=o).p_value <= 0.05
        careful += delong_test(y, a, b, objects=o, small_sample=True).p_value <= 0.05
    assert careful / runs <= allowed(runs)
    if not skewed:  # else up to 8 %, and a note says so
        assert plain / runs <= allowed(runs)


@pytest.mark.slow  # 1 minute together
@pytest.mark.parametrize("name", TESTS)
def test_power_at_a_real_difference(name):
    rng = np.random.default_rng(12)
    results = [TESTS[name](*factory(rng, 30, 60, 10, 0.5, (1.0, 2.0)), seed) for seed in range(200)]
    assert np.mean([r.p_value <= 0.05 and r.difference < 0 for r in results]) > 0.8


@pytest.mark.slow  # seconds
def test_views_taken_for_objects_reject_far_too_often():
    rng = np.random.default_rng(13)
    data = [factory(rng, 30, 60, 10, 0.5) for _ in range(500)]
    assert np.mean([delong_test(y, a, b).p_value <= 0.05 for y, a, b, _ in data]) > 0.25


@pytest.mark.slow  # 1 minute together
@pytest.mark.parametrize("bad", [10, 30])
@pytest.mark.parametrize("icc", [0.0, 0.5])
def test_type_one_error_at_fixed_thresholds(bad, icc):
    rng = np.random.default_rng(14)
    runs, flipped, mcnemar = 2000, 0, 0
    for seed in range(runs):
        y, a, b, o = factory(rng, bad, bad, 10, icc)
        right = ((a >= 1) == y).astype(float) - ((b >= 1) == y)
        per_object = np.bincount(o, right) / 10
        flipped += sign_flip_test(per_object[:bad], n_resamples=499, seed=seed).p_value <= 0.05
        pair = discordant_objects(y, a, b, threshold_a=2, threshold_b=2, objects=o, of="defective")
        mcnemar += mcnemar_exact(*pair).p_value <= 0.05
    assert flipped / runs <= allowed(runs)
    assert mcnemar / runs <= allowed(runs)


@pytest.mark.slow  # 1 minute together
@pytest.mark.parametrize(("first", "second", "views"), [(12, 40, 10), (10, 10, 1)])
def test_type_one_error_of_the_distribution_tests(first, second, views):
    rng = np.random.default_rng(15)
    runs, apart, together = 1000, 0, 0
    for seed in range(runs):
        _, x, y, o = factory(rng, 0, first + second, views, 0.5)
        mine = o < first
        apart += object_ks_test(x[mine], o[mine], x[~mine], o[~mine], n_resamples=199, seed=seed).p_value <= 0.05
        together += paired_object_ks_test(x, y, o, n_resamples=199, seed=seed).p_value <= 0.05
    assert apart / runs <= allowed(runs)
    assert together / runs <= allowed(runs)


@pytest.mark.slow  # seconds
def test_equivalence_is_wrongly_shown_at_the_margin_in_one_of_twenty():
    rng = np.random.default_rng(16)
    runs, n, margin = 4000, 25, 0.02
    d = rng.normal(margin, 0.03, (runs, n))
    ses = d.std(axis=1, ddof=1) / math.sqrt(n)
    p = [equivalence_test(m, s, margin=margin, df=n - 1).p_value for m, s in zip(d.mean(axis=1), ses, strict=True)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / runs))
