import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from protocols import (
    achieved_half_width,
    achieved_power,
    design_effect,
    icc_from_design_effect,
    planning_design_effect,
    sample_size_auroc,
    sample_size_difference,
    sample_size_proportion,
    zero_failure_size,
)
from protocols.errors import InputError
from protocols.intervals.hanley_mcneil import hanley_mcneil_interval
from protocols.sample_size import auroc_variance

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
PROC = json.loads((GOLDEN / "sample_size_proc.json").read_text())
STATSMODELS = json.loads((GOLDEN / "sample_size_statsmodels.json").read_text())


# -- worked examples -------------------------------------------------------------------------------------------


def test_worked_numbers_of_proportions():
    assert sample_size_proportion(0.95, 0.03).n_objects == 203
    assert sample_size_proportion(0.90, 0.05).n_objects == 139
    assert zero_failure_size(0.01).n_objects == 299


def test_worked_numbers_of_the_auroc():
    assert sample_size_auroc(0.9, 0.05).n_objects == 79
    assert sample_size_auroc(0.95, 0.03).n_objects == 110
    assert auroc_variance(0.9, 1, 1, variance="obuchowski") == pytest.approx(0.0684346, abs=5e-8)


def test_worked_numbers_of_the_design_effect():
    effect = planning_design_effect(120, 0.3)
    assert effect == pytest.approx(36.7)
    assert 568 / effect == pytest.approx(15.5, abs=0.05)


# -- other programs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", STATSMODELS["rows"], ids=lambda r: f"{r['value']}-{r['half_width']}-{r['level']}")
def test_proportions_agree_with_statsmodels(row):
    size = sample_size_proportion(row["value"], row["half_width"], level=row["level"])
    assert size.n_objects == math.ceil(row["n"])
    exact = size.half_width * math.sqrt(size.n_objects / row["n"])
    assert exact == pytest.approx(row["half_width"], rel=1e-9)


@pytest.mark.parametrize("row", PROC["one_curve"], ids=lambda r: f"{r['auroc']}-{r['ratio']}")
def test_the_planning_variance_agrees_with_proc(row):
    ours = auroc_variance(row["auroc"], 1, row["ratio"], variance="obuchowski")
    assert ours == pytest.approx(row["variance"], rel=1e-10)


@pytest.mark.parametrize("row", PROC["two_curves"], ids=lambda r: f"{r['first']}-{r['second']}-{r['correlation']:.2f}")
def test_differences_agree_with_proc_up_to_its_rounded_constants(row):
    """The formula of one curve has rounded constants (0.0099, 1.414), that of two curves does not."""
    options = {"correlation": row["correlation"], "ratio": row["ratio"], "variance": "obuchowski"}
    ours = sample_size_difference(row["second"] - row["first"], row["first"], **options)
    assert ours.n_objects_anomalous == pytest.approx(row["n_cases"], rel=0.012, abs=1)
    del options["ratio"]
    have = achieved_power(row["second"] - row["first"], row["first"], n_objects_anomalous=200,
                          n_objects_nominal=int(200 * row["ratio"]), **options)  # fmt: skip
    assert have.power == pytest.approx(row["power_of_200"], abs=0.006)


# -- truth by brute force ---------------------------------------------------------------------------------------


def exact_mcnemar_power(first, second, correlation, n):
    """Power of McNemar's z test on n pairs, over all numbers of discordant pairs."""
    unit = math.sqrt(first * (1 - first) * second * (1 - second))
    both = first * second + correlation * unit
    cells = first - both, second - both
    b, c = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    there = b + c <= n
    b, c = b[there], c[there]
    chance = stats.multinomial.pmf(np.stack([b, c, n - b - c], 1), n, [*cells, 1 - sum(cells)])
    with np.errstate(invalid="ignore"):
        reject = np.where(b + c > 0, (b - c) ** 2 / (b + c), 0) >= stats.chi2.ppf(0.95, 1)
    return chance[reject].sum()


@pytest.mark.parametrize(
    ("first", "second", "correlation"), [(0.8, 0.9, 0), (0.8, 0.9, 0.4), (0.9, 0.8, 0.2), (0.6, 0.75, 0.5)]
)
def test_sizes_for_rates_have_the_power_asked_for(first, second, correlation):
    size = sample_size_difference(second - first, first, metric="sensitivity", correlation=correlation)
    assert size.power >= 0.8
    assert 0.77 < exact_mcnemar_power(first, second, correlation, size.n_objects) < 0.85  # steps of whole counts
    assert exact_mcnemar_power(first, second, correlation, size.n_objects // 2) < 0.65


def test_the_binormal_variance_is_that_of_normal_scores():
    """Simulated: mean squared error of the AUROC of 30 against 60 normal scores."""
    rng, value, runs = np.random.default_rng(1), 0.9, 4000
    x = rng.normal(size=(runs, 30)) + math.sqrt(2) * stats.norm.ppf(value)
    y = rng.normal(size=(runs, 60))
    found = (x[:, :, None] > y[:, None, :]).mean((1, 2))
    error = np.mean((found - value) ** 2)
    expected = auroc_variance(value, 30, 60, variance="binormal")
    assert error == pytest.approx(expected, rel=4 * math.sqrt(2 / runs) * 1.3)
    assert not error == pytest.approx(auroc_variance(value, 30, 60, variance="obuchowski"), rel=0.2)


def test_hanley_mcneil_is_that_of_the_interval():
    assert auroc_variance(0.871, 165, 403) ** 0.5 == pytest.approx(hanley_mcneil_interval(0.871, 403, 165).se, abs=0)


def test_the_planning_form_is_the_design_effect_of_data():
    """One mean over objects with unequal numbers of views; icc known by construction."""
    rng = np.random.default_rng(3)
    views = rng.integers(5, 40, 20000)
    objects = np.repeat(np.arange(views.size), views)
    values = rng.normal(size=views.size)[objects] * math.sqrt(0.3) + rng.normal(size=objects.size) * math.sqrt(0.7)
    sums = np.bincount(objects, values)
    clustered = (sums**2).sum() / objects.size**2
    planned = planning_design_effect(views.mean(), 0.3, views_cv=views.std() / views.mean())
    assert clustered / (1 / objects.size) == pytest.approx(planned, rel=0.03)
    assert icc_from_design_effect(planned, views=views.mean(), views_cv=views.std() / views.mean()) == pytest.approx(
        0.3
    )


def test_a_measured_design_effect_gives_a_correlation_to_plan_with():
    rng = np.random.default_rng(5)
    labels, objects = np.repeat([0, 1], 2000), np.repeat(np.arange(200), 20)
    scores = labels + rng.normal(size=200)[objects] * math.sqrt(0.4) + rng.normal(size=4000) * math.sqrt(0.6)
    icc = icc_from_design_effect(design_effect(labels, scores, objects), views=20)
    assert 0.25 < icc < 0.4  # the components of an AUROC correlate less than the scores


# -- properties -------------------------------------------------------------------------------------------------

VALUES = st.floats(0.55, 0.99)
WIDTHS = st.floats(0.01, 0.2)
CLUSTERS = st.tuples(st.integers(1, 60), st.floats(0, 1))


@given(VALUES, WIDTHS, st.sampled_from([0.5, 1, 2.5]), st.sampled_from(["hanley_mcneil", "obuchowski", "binormal"]))
def test_the_auroc_size_is_the_smallest_that_reaches_the_half_width(value, half_width, ratio, variance):
    size = sample_size_auroc(value, half_width, ratio=ratio, variance=variance)
    assert size.half_width <= half_width
    assert size.n_objects_nominal == max(1, math.ceil(ratio * size.n_objects - 1e-9))
    if size.n_objects > 1:
        less = size.n_objects - 1
        have = achieved_half_width("auroc", value, n_objects_anomalous=less, variance=variance,
                                   n_objects_nominal=max(1, math.ceil(ratio * less - 1e-9)))  # fmt: skip
        assert have.half_width > half_width


@given(VALUES, WIDTHS, CLUSTERS, st.sampled_from(["auroc", "sensitivity", "overkill"]))
def test_achieved_is_the_inverse_of_asked(value, half_width, clusters, metric):
    views, icc = clusters
    if metric == "auroc":
        size = sample_size_auroc(value, half_width, views=views, icc=icc)
    else:
        size = sample_size_proportion(value, half_width, views=views, icc=icc, metric=metric)
    assert size.half_width <= half_width * (1 + 1e-9)
    have = achieved_half_width(metric, value, n_objects_anomalous=size.n_objects_anomalous,
                               n_objects_nominal=size.n_objects_nominal, views=views, icc=icc)  # fmt: skip
    assert have.half_width <= size.half_width * (1 + 1e-12)  # the last object has all its views
    assert have.n_images == size.n_objects * views >= size.n_images > (size.n_objects - 1) * views
    if views == 1:
        assert have == size


@given(VALUES, WIDTHS, st.integers(2, 60))
def test_views_that_say_the_same_are_worth_one_and_views_that_differ_are_worth_all(value, half_width, views):
    one = sample_size_proportion(value, half_width)
    same = sample_size_proportion(value, half_width, views=views, icc=1)
    differ = sample_size_proportion(value, half_width, views=views, icc=0)
    assert (same.n_objects, same.n_images) == (one.n_objects, one.n_objects * views)
    assert (differ.n_objects, differ.n_images) == (math.ceil(one.n_objects / views), one.n_images)


def test_image_counts_are_multiplied_by_the_design_effect():
    size = sample_size_auroc(0.9, 0.05, views=20, icc=0.3)
    assert planning_design_effect(20, 0.3) == pytest.approx(6.7)
    assert (size.n_images, size.n_images_nominal) == (530, 530)  # 79 * 6.7 = 529.3
    assert (size.n_objects, size.n_objects_nominal) == (27, 27)
    rate = sample_size_proportion(0.95, 0.03, views=20, icc=0.3)
    assert (rate.n_images, rate.n_objects) == (1361, 69)  # 203 * 6.7 = 1360.1


@given(st.floats(0.01, 0.99), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_zero_failures_is_the_smallest_number_whose_limit_is_below_the_rate(rate, level):
    n = zero_failure_size(rate, level=level).n_objects
    assert (1 - rate) ** n <= (1 - level) * (1 + 1e-6)
    assert n == 1 or (1 - rate) ** (n - 1) > (1 - level) * (1 - 1e-6)


@given(st.floats(0.02, 0.1), VALUES.filter(lambda v: v < 0.88), st.floats(0.1, 0.9))
def test_correlated_detectors_need_fewer_objects(difference, value, correlation):
    alone = sample_size_difference(difference, value)
    paired = sample_size_difference(difference, value, correlation=correlation)
    assert paired.n_objects <= alone.n_objects
    assert paired.power >= 0.8


def test_power_and_size_are_inverses():
    for metric, power in product(("auroc", "sensitivity", "specificity"), (0.5, 0.8, 0.95)):
        for options in ({"correlation": 0.3}, {"correlation": 0.3, "views": 10, "icc": 0.2}):
            size = sample_size_difference(0.05, 0.85, metric=metric, power=power, **options)
            assert size.power >= power
            counts = {"n_objects_anomalous": size.n_objects_anomalous, "n_objects_nominal": size.n_objects_nominal}
            have = achieved_power(0.05, 0.85, metric=metric, **counts, **options)
            assert have == size if "views" not in options else have.power >= size.power
            fewer = {name: max(1, n - 1) for name, n in counts.items()}
            less = achieved_power(0.05, 0.85, metric=metric, **fewer, **options).power
            assert less < (have.power if "views" in options else power)


# -- what a plan shows ------------------------------------------------------------------------------------------


def test_a_size_is_a_row_of_a_table_of_plans():
    size = sample_size_auroc(0.9, 0.05, ratio=2, views=20, icc=0.3)
    row = size.as_row("AUROC 0.9 to +-0.05")
    assert list(row) == [
        "question", "objects_anomalous", "objects_nominal", "images_anomalous", "images_nominal", "half_width",
        "level", "method", "assumptions",
    ]  # fmt: skip
    assert json.loads(json.dumps(row)) == row
    assert (row["images_anomalous"], row["objects_anomalous"]) == (size.n_images, size.n_objects)
    assert any("design effect 6.7" in note for note in row["assumptions"])
    assert any("half of the defective objects" in note for note in row["assumptions"])


def test_each_metric_counts_its_own_class():
    for metric, anomalous in (("sensitivity", True), ("fnr", True), ("specificity", False), ("overkill", False)):
        size = sample_size_proportion(0.9, 0.05, metric=metric)
        assert (size.n_objects_anomalous, size.n_objects_nominal) == ((139, 0) if anomalous else (0, 139))
        assert size.n_objects == 139
    assert zero_failure_size(0.01, metric="overkill").n_objects_nominal == 299


def test_few_expected_events_are_noted():
    assert any("rough" in note for note in sample_size_proportion(0.99, 0.05).notes)
    assert not any("rough" in note for note in sample_size_proportion(0.9, 0.03).notes)


@pytest.mark.parametrize(
    "call",
    [
        lambda: sample_size_proportion(1, 0.05),
        lambda: sample_size_proportion(95, 3),
        lambda: sample_size_proportion(0.9, 0.05, level=95),
        lambda: sample_size_proportion(0.9, 0.05, views=0.5),
        lambda: sample_size_proportion(0.9, 0.05, views=float("nan")),
        lambda: sample_size_proportion(0.9, 0.05, icc=1.5),
        lambda: sample_size_proportion(0.9, 0.05, metric="f1"),
        lambda: sample_size_proportion(0.9, 1e-12),
        lambda: zero_failure_size(0),
        lambda: zero_failure_size(1e-12),
        lambda: zero_failure_size(0.01, level=1),
        lambda: sample_size_auroc(0.9, 0),
        lambda: sample_size_auroc(0.9, 1e-9),
        lambda: sample_size_auroc(0.9, 0.05, ratio=0),
        lambda: sample_size_auroc(0.9, 0.05, variance="delong"),
        lambda: achieved_half_width("sensitivity", 0.9),
        lambda: achieved_half_width("sensitivity", 0.9, n_objects_anomalous=2.5),
        lambda: achieved_half_width("auroc", 0.9, n_objects_anomalous=20),
        lambda: sample_size_difference(0, 0.9),
        lambda: sample_size_difference(0.2, 0.9),
        lambda: sample_size_difference(0.05, 0.9, correlation=1),
        lambda: sample_size_difference(0.05, 0.9, power=1),
        lambda: sample_size_difference(0.05, 0.9, metric="mcc"),
        lambda: sample_size_difference(0.05, 0.9, metric="sensitivity", correlation=-0.9),
        lambda: planning_design_effect(1, 0.3, views_cv=0.5),
        lambda: icc_from_design_effect(2, views=1),
    ],
)  # fmt: skip
def test_impossible_questions_are_errors(call):
    with pytest.raises(InputError):
        call()
