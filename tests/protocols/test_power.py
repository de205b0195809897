"""Simulated plans against what is known: closed forms of normal scores, binomial variances, formulas of sample size."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from protocols import (
    SampleTable,
    ScoreTable,
    Split,
    StudyDesign,
    achieved_half_width,
    achieved_power,
    objects_for_half_width,
    objects_for_power,
    protocol_bootstrap,
    sample_size_proportion,
    simulate_half_width,
    simulate_power,
)
from protocols.errors import InputError, SplitError
from protocols.sample_size import auroc_variance
from protocols.simulation import Detector, Plan, draw_resampling, draw_scores, interval_of, paired_test, study

Z = stats.norm.ppf(0.975)


def both_below(h, k, correlation):
    if correlation >= 1 - 1e-12:
        return stats.norm.cdf(min(h, k))
    return stats.multivariate_normal.cdf([h, k], [0, 0], [[1, correlation], [correlation, 1]])


def auroc_sd(value, n_anomalous, n_nominal, views, icc):
    """The standard deviation of the AUROC of normal scores in objects: all pairs of pairs, by what they share."""
    h, variance = stats.norm.ppf(value), 0.0
    same_or_not = [(1.0, 1.0), (icc, views - 1.0)]  # of one object: correlation of two views, how many there are
    for n_first, n_second in ((n_anomalous, n_nominal),):
        first = [*same_or_not, (0.0, views * (n_first - 1.0))]
        second = [*same_or_not, (0.0, views * (n_second - 1.0))]
        for (r1, m1), (r2, m2) in ((a, b) for a in first for b in second):
            variance += m1 * m2 * (both_below(h, h, (r1 + r2) / 2) - value**2)
    return math.sqrt(variance / (n_anomalous * n_nominal * views**2))


def within(found, expected, n_studies, errors=4):
    """Whether a standard deviation of so many about normal values is the one expected."""
    return abs(found / expected - 1) < errors / math.sqrt(2 * n_studies)


# -- against formulas -------------------------------------------------------------------------------------------


def test_one_split_of_single_images_has_the_half_width_of_the_formula():
    n = 1500
    s = simulate_half_width(StudyDesign(100, 200, repeats=1), "auroc", 0.9, interval="sampling", n_studies=n)
    assert within(s.half_width, Z * math.sqrt(auroc_variance(0.9, 50, 50, variance="binormal")), n)
    plan = achieved_half_width("auroc", 0.9, n_objects_anomalous=50, n_objects_nominal=50)  # Hanley-McNeil
    assert s.half_width == pytest.approx(plan.half_width, rel=0.12)
    assert s.estimate == pytest.approx(0.9, abs=4 * s.sd / math.sqrt(n))


@pytest.mark.parametrize("icc", [0, 0.4, 1])
def test_views_of_objects_widen_one_split_as_the_closed_form_says(icc):
    n, views = 600, 6
    design = StudyDesign(40, 80, views=views, icc=icc, repeats=1)
    s = simulate_half_width(design, "auroc", 0.85, interval="sampling", n_studies=n)
    assert within(s.half_width, Z * auroc_sd(0.85, 20, 20, views, icc), n)
    plan = achieved_half_width("auroc", 0.85, n_objects_anomalous=20, n_objects_nominal=20, views=views, icc=icc,
                               variance="binormal")  # fmt: skip
    assert s.half_width <= plan.half_width * (1 + 4 / math.sqrt(2 * n))  # the planning form is cautious


@pytest.mark.parametrize("repeats", [1, 4, 10])
def test_the_information_tends_to_that_of_all_defective_objects(repeats):
    """At a given threshold the variance of the mean sensitivity is p(1-p)/n (1 + 1/J), n all defective objects."""
    n, p, n_objects = 500, 0.8, 60
    design = StudyDesign(n_objects, 120, repeats=repeats, rule="fixed")
    s = simulate_half_width(design, "sensitivity", p, interval="sampling", n_studies=n)
    assert within(s.sd, math.sqrt(p * (1 - p) / n_objects * (1 + 1 / repeats)), n)
    plan = achieved_half_width("sensitivity", p, n_objects_anomalous=n_objects)
    assert s.half_width == pytest.approx(plan.half_width * math.sqrt(1 + 1 / repeats), rel=4 / math.sqrt(2 * n))


def test_views_widen_a_rate_by_the_correlation_of_the_decisions():
    n, p, views, icc, repeats = 800, 0.8, 5, 0.5, 3
    design = StudyDesign(60, 120, views=views, icc=icc, repeats=repeats, rule="fixed")
    s = simulate_half_width(design, "sensitivity", p, interval="sampling", n_studies=n)
    h = stats.norm.ppf(p)
    of_decisions = (both_below(h, h, icc) - p * p) / (p * (1 - p))
    assert of_decisions < icc
    plan = achieved_half_width("sensitivity", p, n_objects_anomalous=60, views=views, icc=of_decisions)
    assert s.half_width == pytest.approx(plan.half_width * math.sqrt(1 + 1 / repeats), rel=4 / math.sqrt(2 * n))


def test_the_number_of_objects_found_is_that_of_the_formula():
    n = 200
    design = StudyDesign(60, 120, repeats=2, rule="fixed")
    s = objects_for_half_width(design, "sensitivity", 0.9, 0.05, interval="sampling", n_studies=n, seed=3,
                               tolerance=0.1)  # fmt: skip
    formula = sample_size_proportion(0.9, 0.05).n_objects * (1 + 1 / 2)
    assert s.design.n_objects_anomalous == pytest.approx(formula, rel=2 * 3 / math.sqrt(2 * n) + 0.1)
    assert s.half_width <= 0.05
    assert any(note.startswith("tried ") for note in s.notes)


def test_the_bootstrap_interval_is_about_as_wide_as_the_sampling_and_covers():
    n = 100
    design = StudyDesign(60, 120, repeats=4)
    s = simulate_half_width(design, "auroc", 0.85, n_studies=n, seed=2)
    assert s.half_width == pytest.approx(Z * s.sd, rel=0.12 + 3 / math.sqrt(2 * n))
    assert s.coverage > 0.95 - 3 * math.sqrt(0.05 * 0.95 / n)
    assert 0 < s.half_width_se < 0.1 * s.half_width
    t = simulate_half_width(design, "auroc", 0.85, n_studies=n, seed=2, interval="corrected_t")
    assert t.estimate == s.estimate  # the same studies
    assert t.half_width > s.half_width  # Student's quantile for few repeats


def test_equal_detectors_are_rarely_told_apart():
    n = 200
    s = simulate_power(StudyDesign(40, 80, repeats=4), "auroc", 0.85, 0.85, n_studies=n)
    assert s.power <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n)
    assert abs(s.difference) < 4 * s.sd / math.sqrt(n)


def test_power_at_a_given_threshold_is_that_of_the_formula():
    """10 repeats of half the objects are worth 1 / (1 + 1/10) of all of them; the test has 9 degrees of freedom."""
    n, first, second, correlation, n_objects, repeats = 250, 0.8, 0.9, 0.6, 100, 10
    design = StudyDesign(n_objects, 200, repeats=repeats, rule="fixed")
    s = simulate_power(design, "sensitivity", first, second, correlation=correlation, n_studies=n)
    both = both_below(stats.norm.ppf(first), stats.norm.ppf(second), correlation)
    of_decisions = (both - first * second) / math.sqrt(first * (1 - first) * second * (1 - second))
    plan = achieved_power(second - first, first, metric="sensitivity", correlation=of_decisions,
                          n_objects_anomalous=round(n_objects / (1 + 1 / repeats)))  # fmt: skip
    assert s.power == pytest.approx(plan.power, abs=0.08 + 3 * s.power_se)
    assert s.difference == pytest.approx(0.1, abs=4 * s.sd / math.sqrt(n))


@pytest.mark.slow  # 2 minutes
@pytest.mark.timeout(900)
def test_the_protocol_bootstrap_covers_where_thresholds_are_chosen_again():
    n = 200
    for metric in ("sensitivity", "specificity", "balanced_accuracy"):
        s = simulate_half_width(StudyDesign(60, 120, views=4, icc=0.3), metric, 0.85, n_studies=n)
        assert 0.88 - 3 * s.coverage_se < s.coverage, metric
        assert s.half_width > 0.9 * Z * s.sd, metric


@pytest.mark.slow  # 2 minutes
@pytest.mark.timeout(900)
def test_power_grows_with_objects_and_falls_with_correlated_views():
    options = {"n_studies": 200, "correlation": 0.5}
    few = simulate_power(StudyDesign(30, 60, views=10, icc=0.6), "auroc", 0.8, 0.87, **options)
    many = simulate_power(StudyDesign(120, 240, views=10, icc=0.6), "auroc", 0.8, 0.87, **options)
    alike = simulate_power(StudyDesign(30, 60, views=10, icc=0), "auroc", 0.8, 0.87, **options)
    assert many.power > few.power + 3 * few.power_se
    assert alike.power > few.power + 3 * few.power_se
    found = objects_for_power(StudyDesign(60, 120), "auroc", 0.8, 0.87, **options)
    assert found.power >= 0.8
    single = achieved_power(0.07, 0.8, n_objects_anomalous=found.design.n_objects_anomalous, correlation=0.45,
                            n_objects_nominal=found.design.n_objects_anomalous, variance="binormal")  # fmt: skip
    assert single.power == pytest.approx(0.8, abs=0.15)


# -- the model ---------------------------------------------------------------------------------------------------


def test_scores_have_the_value_the_correlations_and_the_shares_asked_for():
    design = StudyDesign(3000, 3000, views=3, icc=0.4, repeats=1)
    plan = Plan(design, 0)
    detectors = [Detector.of("sensitivity", v, design) for v in (0.7, 0.9)]
    scores = draw_scores(plan, detectors, 0.5, np.random.default_rng(0)).reshape(2, 6000, 3)
    for of_one, detector, value in zip(scores, detectors, (0.7, 0.9), strict=True):
        defective, good = of_one[plan.defective], of_one[~plan.defective]
        assert (defective >= detector.cut).mean() == pytest.approx(value, abs=0.02)
        assert (good >= detector.cut).mean() == pytest.approx(0.05, abs=0.01)
        assert good.std() == pytest.approx(1, abs=0.03)
        assert np.corrcoef(good[:, 0], good[:, 1])[0, 1] == pytest.approx(0.4, abs=0.06)
    assert np.corrcoef(scores[0, ~plan.defective].ravel(), scores[1, ~plan.defective].ravel())[0, 1] == pytest.approx(
        0.5, abs=0.05
    )


@pytest.mark.parametrize(
    ("metric", "value"),
    [("auroc", 0.9), ("sensitivity", 0.85), ("escape", 0.15), ("specificity", 0.9), ("overkill", 0.1),
     ("balanced_accuracy", 0.85), ("youden_j", 0.7)],
)  # fmt: skip
def test_every_metric_comes_out_as_it_was_put_in(metric, value):
    """With many objects the transported value of the chosen threshold is the value asked for."""
    s = simulate_half_width(StudyDesign(400, 800, repeats=2), metric, value, interval="sampling", n_studies=10)
    assert s.estimate == pytest.approx(value, abs=0.02)


def test_the_protocols_own_splits_are_used():
    plan = Plan(StudyDesign(11, 30, views=2, repeats=3), 5)
    for repeat in plan.judged(np.arange(82.0)):
        sides = [set(part.objects) for part in (repeat.threshold, repeat.inference)]
        assert not sides[0] & sides[1]
        assert {len(set(part.objects[part.labels == 1])) for part in (repeat.threshold, repeat.inference)} == {5, 6}
        for part in (repeat.threshold, repeat.inference):
            assert [int(o) for o in part.objects] == [int(s) // 2 for s in part.scores]
    assert plan.overlap.anomalous == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("metric", ["auroc", "sensitivity", "balanced_accuracy"])
def test_a_simulated_study_is_the_protocol_on_a_score_file(metric):
    """The same splits, scores and seed through the public functions give the same estimate, to the last bit."""
    design = StudyDesign(8, 20, views=3, icc=0.3, repeats=3)
    plan = Plan(design, 1)
    criterion = design.criterion(metric)
    detectors = [Detector.of(metric, value, design) for value in (0.8, 0.7)]
    both = draw_scores(plan, detectors, 0.5, np.random.default_rng(4))
    objects = np.repeat([f"{i:07}" for i in range(28)], 3)
    frame = pd.DataFrame({"object_id": objects, "label": np.repeat(plan.defective, 3).astype(int)})
    frame["sample_id"] = frame["object_id"] + "/" + (frame.index % 3).astype(str)
    tables = [ScoreTable.checked(frame.assign(score=scores)) for scores in both]
    splits = [
        Split.from_partitions(s.repeat, dict(zip(frame["sample_id"], map(s.partition_of().get, objects), strict=True)))
        for s in plan.splits
    ]
    for split in splits:
        split.check(SampleTable.checked(frame))
    options = {"metric": metric, "n_resamples": 60, "seed": 9}
    if criterion is not None:
        options |= {"rule": criterion.rule, "parameters": criterion.parameters}
    expected = protocol_bootstrap(splits, tables[0], **options)
    repeats = [plan.judged(scores) for scores in both]
    draws = draw_resampling(repeats[0], 60, 9)
    found = [study(r, metric, d, criterion, draws) for r, d in zip(repeats, detectors, strict=True)]
    e = interval_of(plan, metric, found[0], criterion, draws, 0.95)
    assert (e.value, e.low, e.high, e.se) == (expected.value, expected.low, expected.high, expected.se)
    expected = protocol_bootstrap(splits, tables[0], other=tables[1], **options)
    t = paired_test(plan, metric, *found, draws, 0.95)
    assert (t.difference, t.low, t.high) == (expected.value, expected.low, expected.high)
    assert t.p_value == (0 if expected.low > 0 or expected.high < 0 else 1)


# -- reproducibility ---------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_result_with_any_number_of_workers():
    design = StudyDesign(10, 20, repeats=2)
    seed = np.random.SeedSequence(7)
    one = simulate_half_width(design, "auroc", 0.8, interval="sampling", n_studies=12, seed=seed)
    again = simulate_half_width(design, "auroc", 0.8, interval="sampling", n_studies=12, seed=seed)
    two = simulate_half_width(design, "auroc", 0.8, interval="sampling", n_studies=12, seed=seed, workers=2)
    other = simulate_half_width(design, "auroc", 0.8, interval="sampling", n_studies=12, seed=8)
    assert repr(one) == repr(again)  # repr: NaN is not equal to itself
    assert repr(two) == repr(one)
    assert other.estimate != one.estimate
    generators = [np.random.default_rng(3) for _ in range(2)]
    a, b = (simulate_power(design, "auroc", 0.7, 0.9, n_studies=6, seed=rng) for rng in generators)
    assert a == b


def test_progress_is_told_study_by_study():
    told = []
    simulate_half_width(StudyDesign(10, 20, repeats=2), "auroc", 0.8, interval="sampling", n_studies=15,
                        progress=lambda done, total: told.append((done, total)))  # fmt: skip
    assert told == [(i, 15) for i in range(1, 16)]


def test_a_result_is_a_row_of_a_table_of_plans():
    design = StudyDesign(10, 20, views=3, icc=0.2, repeats=2)
    for row in (
        simulate_half_width(design, "auroc", 0.8, interval="sampling", n_studies=10).as_row("how well?"),
        simulate_power(design, "auroc", 0.7, 0.9, n_studies=10).as_row("which is better?"),
    ):
        assert (row["objects_anomalous"], row["images_nominal"]) == (10, 60)
        assert row["method"].startswith("simulation")
        assert any("fixed" in note for note in row["assumptions"])


def test_good_objects_grow_in_proportion():
    assert StudyDesign(10, 25).with_objects(30).n_objects_nominal == 75
    assert StudyDesign(10, 5).with_objects(2).n_objects_nominal == 4


D = StudyDesign(10, 20, repeats=2)


@pytest.mark.parametrize(
    "call",
    [
        lambda: StudyDesign(1, 20),
        lambda: StudyDesign(10, 3),
        lambda: StudyDesign(10, 20, views=0),
        lambda: StudyDesign(10, 20, icc=2),
        lambda: StudyDesign(10, 20, repeats=0),
        lambda: simulate_half_width(D, "f1", 0.9),
        lambda: simulate_half_width(D, "auroc", 90),
        lambda: simulate_half_width(D, "auroc", 0.9, interval="bca"),
        lambda: simulate_half_width(D, "auroc", 0.9, n_studies=1),
        lambda: simulate_half_width(D, "auroc", 0.9, seed=-1, interval="sampling"),
        lambda: simulate_half_width(D, "auroc", 0.9, workers=0, interval="sampling"),
        lambda: simulate_half_width(StudyDesign(10, 20, repeats=1), "auroc", 0.9, interval="corrected_t"),
        lambda: simulate_power(D, "auroc", 0.9, 1.0),
        lambda: simulate_power(D, "auroc", 0.9, 0.8, correlation=1),
        lambda: simulate_power(D, "auroc", 0.9, 0.8, test="delong"),
        lambda: objects_for_power(D, "auroc", 0.9, 0.9),
        lambda: objects_for_half_width(D, "auroc", 0.9, 0.001, interval="sampling", n_studies=4, most=40),
    ],
)
def test_impossible_questions_are_errors(call):
    with pytest.raises(InputError):
        call()


def test_a_design_that_cannot_be_split_is_an_error():
    with pytest.raises(SplitError):
        simulate_half_width(StudyDesign(10, 4, min_train_share=0.9), "auroc", 0.9, interval="sampling", n_studies=2)
