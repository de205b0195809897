import numpy as np
import pandas as pd
import pytest

from protocols.comparisons.class_resolved import auroc_weight, class_resolved_rho, overlap, smooth_weight
from protocols.comparisons.corrected_t import corrected_resampled_ttest
from protocols.errors import InputError, UndefinedError
from protocols.samples import SampleTable
from protocols.scores import ScoreTable
from protocols.splits import Split, grouped_three_way
from protocols.units import Units, units_of


def table(n_defective=60, n_good=400, views=1, n_test=0):
    rows = [(f"d{o:03}v{v}", f"d{o:03}", 1, "test") for o in range(n_defective) for v in range(views)]
    rows += [
        (f"g{o:03}v{v}", f"g{o:03}", 0, "test" if o < n_test else "train") for o in range(n_good) for v in range(views)
    ]
    return SampleTable.checked(pd.DataFrame(rows, columns=["sample_id", "object_id", "label", "source"]))


@pytest.fixture(scope="module")
def design():
    samples = table()
    return grouped_three_way(samples, repeats=4), samples


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("sensitivity", 0.5),
        ("recall", 0.5),
        ("escape", 0.5),
        ("escapes_per_million", 0.5),
        ("specificity", 30 / 400),
        ("fpr", 30 / 400),
        ("precision", 0.5),
        ("balanced_accuracy", 0.5),
        ("auroc", 0.5),
    ],
)
def test_each_class_has_its_own_rho_and_what_is_not_known_the_larger(design, metric, expected):
    assert class_resolved_rho(*design, metric=metric) == pytest.approx(expected)


def test_half_of_the_anomalies_gives_the_factor_1_over_j_plus_1(design):
    x = np.array([0.02, 0.01, 0.03, 0, 0.04])
    result = corrected_resampled_ttest(x, rho=class_resolved_rho(*design, metric="sensitivity"))
    assert result.statistic == pytest.approx(1.154701, abs=1e-6)
    assert result.p_value == pytest.approx(0.3125, abs=1e-6)


def test_other_corrections(design):
    splits, samples = design
    n_inference, n_train = len(splits[0].inference), len(splits[0].train)
    assert class_resolved_rho(splits, samples, metric="tpr", correction="none") == 0
    assert class_resolved_rho(splits, samples, metric="tnr", correction="max") == 0.5
    ratio = class_resolved_rho(splits, samples, metric="tpr", correction="image_ratio")
    assert ratio / (1 - ratio) == pytest.approx(n_inference / (n_train + n_inference))
    ratio = class_resolved_rho(splits, samples, metric="average_precision", correction="image_ratio")
    assert ratio == class_resolved_rho(splits, samples, metric="auroc", correction="image_ratio")
    assert ratio / (1 - ratio) == pytest.approx(n_inference / n_train)


def test_nominal_test_objects_are_the_pool_where_only_they_are_drawn():
    samples = table(n_defective=12, n_good=40, n_test=10, views=2)
    assert class_resolved_rho(grouped_three_way(samples), samples, metric="tnr") == 0.5
    merged = grouped_three_way(samples, merge_nominal_test=True)
    assert class_resolved_rho(merged, samples, metric="tnr") == pytest.approx(6 / 40)


def test_objects_not_images_are_counted():
    samples = table(n_defective=7, n_good=20, views=5)
    splits = grouped_three_way(samples)
    found = overlap(splits, samples)
    mean = np.mean([len({i[:4] for i in s.inference if i[0] == "d"}) for s in splits])
    assert found.anomalous == pytest.approx(mean / 7)
    assert found.nominal == pytest.approx(3 / 20)


def test_repeats_that_all_use_all_defective_objects_are_refused():
    samples = table(n_defective=4, n_good=8)
    ids = list(samples.frame.sample_id)
    split = Split(0, (), (), tuple(ids))
    with pytest.raises(UndefinedError, match="protocol_bootstrap") as error:
        class_resolved_rho([split, split], samples, metric="sensitivity")
    assert error.value.code == "CorrectionUndefined"


def test_smooth_weights_are_the_derivatives_of_the_metric(design):
    found = overlap(*design)
    p, q, n_a, n_n = 0.8, 0.1, 30, 30
    expected = p * (1 - p) / n_a / (p * (1 - p) / n_a + q * (1 - q) / n_n)
    for metric in ("balanced_accuracy", "youden_j"):
        assert smooth_weight(metric, found, [p], [q]) == pytest.approx(expected, rel=1e-6)
    costs = {"prevalence": 0.1, "missed": 50, "false_alarm": 2}
    a, b = (50 * 0.1) ** 2 * p * (1 - p) / n_a, (2 * 0.9) ** 2 * q * (1 - q) / n_n
    assert smooth_weight("cost", found, [p], [q], costs=costs) == pytest.approx(a / (a + b), rel=1e-6)
    # F1 = 2 P p / (P p + N q + P): by hand
    top, bottom = 2 * n_a * p, n_a * p + n_n * q + n_a
    dp, dq = 2 * n_a / bottom - top * n_a / bottom**2, -top * n_n / bottom**2
    a, b = dp**2 * p * (1 - p) / n_a, dq**2 * q * (1 - q) / n_n
    assert smooth_weight("f1", found, [p], [q]) == pytest.approx(a / (a + b), rel=1e-5)


def test_paired_weights_are_the_share_of_what_new_units_would_add(design):
    found = overlap(*design)
    rng = np.random.default_rng(0)
    tpr, fpr, tpr_b, fpr_b = rng.uniform(0.1, 0.9, (4, 8))
    seen = np.var(tpr - tpr_b, ddof=1), np.var(fpr - fpr_b, ddof=1)
    new = seen[0] / (1 - found.anomalous), seen[1] / (1 - found.nominal)
    weight = smooth_weight("balanced_accuracy", found, tpr, fpr, tpr_b, fpr_b)
    assert weight == pytest.approx(new[0] / sum(new), rel=1e-6)
    assert smooth_weight("balanced_accuracy", found, tpr, fpr, tpr, fpr) is None


def test_auroc_weight_of_singletons_is_the_share_of_delong_components():
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    scores = np.array([1, 2, 2, 3, 2, 3, 4.0])
    names = np.array(list("abcdefg"), object)
    weight = auroc_weight([Units(labels, scores, names, names)])
    s10, s01 = 0.0677083 / 3, 0.0439815 / 4
    assert weight == pytest.approx(s10 / (s10 + s01), rel=1e-5)


def test_the_mixture_of_paired_rates_is_each_class_s_own_factor(design):
    """rho / (1 - rho) is then the mean of both classes' factors, weighted by the variances that were seen."""
    splits, samples = design
    found = overlap(splits, samples)
    rng = np.random.default_rng(1)
    tpr, fpr, tpr_b, fpr_b = rng.uniform(0.1, 0.9, (4, 8))
    rho = class_resolved_rho(splits, samples, metric="balanced_accuracy", sensitivity=tpr, overkill=fpr,
                             other_sensitivity=tpr_b, other_overkill=fpr_b)  # fmt: skip
    seen = np.array([np.var(tpr - tpr_b, ddof=1), np.var(fpr - fpr_b, ddof=1)])
    factors = [r / (1 - r) for r in (found.anomalous, found.nominal)]
    assert rho / (1 - rho) == pytest.approx(np.average(factors, weights=seen), rel=1e-6)


def test_auroc_mixture_lies_between_the_classes(design):
    splits, samples = design
    rng = np.random.default_rng(0)
    frame = samples.frame.assign(score=rng.normal(size=len(samples)) + samples.labels)
    tables = [ScoreTable.checked(frame)] * len(splits)
    rho = class_resolved_rho(splits, samples, metric="auroc", tables=tables)
    weight = auroc_weight([units_of(t, s, "inference") for t, s in zip(tables, splits, strict=True)])
    assert rho == pytest.approx(weight * 0.5 + (1 - weight) * 30 / 400)
    assert class_resolved_rho(splits, samples, metric="auroc", tables=tables[0]) == rho
    other = [ScoreTable.checked(frame.assign(score=rng.normal(size=len(samples)) + samples.labels))] * len(splits)
    assert 30 / 400 < class_resolved_rho(splits, samples, metric="auroc", tables=tables, other_tables=other) < 0.5


@pytest.mark.parametrize("options", [{"metric": "tpr", "correction": "guess"}, {"metric": "tprr"}], ids=str)
def test_unknown_names_are_refused(design, options):
    with pytest.raises(InputError):
        class_resolved_rho(*design, **options)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_type_i_errors_are_those_of_the_simulation():
    """2 minutes. statistics.md 6.3: two equally good fixed detectors, 60 defective and 400 good objects, J = 10."""
    n_a, n_n, j, runs = 60, 400, 10, 3000
    samples = table(n_a, n_n)
    labels = samples.labels
    rng = np.random.default_rng(63)
    anomalous, nominal = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    rejected = {metric: {} for metric in ("tpr", "tnr", "ba", "auroc")}
    found = overlap(grouped_three_way(samples, repeats=10), samples)
    for _ in range(runs):
        scores = rng.normal(size=(2, labels.size)) + 1.5 * labels
        inference_a = np.array([rng.permutation(anomalous)[:30] for _ in range(j)])
        inference_n = np.array([rng.permutation(nominal)[:30] for _ in range(j)])
        called = scores >= 0.75
        tpr, tnr = (called[:, inference_a]).mean(-1), 1 - (called[:, inference_n]).mean(-1)
        d_tpr, d_tnr = tpr[0] - tpr[1], tnr[0] - tnr[1]
        share = smooth_weight("balanced_accuracy", found, tpr[0], 1 - tnr[0], tpr[1], 1 - tnr[1])
        x, y = scores[:, inference_a], scores[:, inference_n]
        wins = (x[..., :, None] > y[..., None, :]).mean((-1, -2))
        parts = [
            [Units(np.repeat([1, 0], 30), np.concatenate([x[d, k], y[d, k]]), NAMES, NAMES) for k in range(j)]
            for d in (0, 1)
        ]
        for metric, difference, rho in (
            ("tpr", d_tpr, found.anomalous),
            ("tnr", d_tnr, found.nominal),
            ("ba", (d_tpr + d_tnr) / 2, found.mixture(share)),
            ("auroc", wins[0] - wins[1], found.mixture(auroc_weight(*parts))),
        ):
            for name, r in (("class_resolved", rho), ("none", 0.0), ("max", found.largest)):
                p = corrected_resampled_ttest(difference, rho=r).p_value
                rejected[metric].setdefault(name, []).append(p < 0.05)
    rate = {m: {name: float(np.mean(v)) for name, v in by.items()} for m, by in rejected.items()}
    assert rate["tpr"]["class_resolved"] == pytest.approx(0.044, abs=0.015)
    assert rate["tnr"]["class_resolved"] == pytest.approx(0.041, abs=0.015)
    assert rate["ba"]["class_resolved"] <= 0.06 + 2 * np.sqrt(0.06 * 0.94 / runs)
    assert rate["auroc"]["class_resolved"] == pytest.approx(0.045, abs=0.02)
    assert rate["tpr"]["none"] == pytest.approx(0.51, abs=0.05)
    assert rate["ba"]["max"] == pytest.approx(0.015, abs=0.015)


NAMES = np.array([f"u{i}" for i in range(60)], object)
