"""The worked examples of the statistical protocols, to the printed digits, through the public names only."""

import math

import numpy as np
import pytest

import protocols as p

LABELS = [0, 0, 0, 0, 1, 1, 1]
SCORES = [1, 2, 2, 3, 2, 3, 4]
SECOND = [1, 1, 3, 2, 3, 2, 5]
VIEW_LABELS = [1, 1, 0, 1, 0, 0, 0, 0]
VIEW_SCORES = [0.9, 0.6, 0.5, 0.7, 0.8, 0.2, 0.3, 0.4]
VIEW_OBJECTS = list("AAABBCCD")
FIVE = [0.02, 0.01, 0.03, 0.0, 0.04]
RUNS = [[0.03, -0.01, 0.02], [0.0, 0.04, 0.01]]


def near(value, digits):
    return pytest.approx(value, abs=0.5000001 * 10**-digits)


def above(value):
    return np.nextafter(float(value), np.inf)


def test_1_point_values():
    assert p.auroc(LABELS, SCORES) == near(0.7916667, 7)
    assert p.auroc_bounds(LABELS, SCORES) == (pytest.approx(8 / 12), pytest.approx(11 / 12))
    assert p.average_precision(LABELS, SCORES) == near(0.7222222, 7)
    assert p.partial_auroc(LABELS, SCORES, max_fpr=0.5) == near(0.3125, 7)
    assert p.partial_auroc(LABELS, SCORES, max_fpr=0.5, standardised=True) == near(0.75, 7)
    curve = p.roc_curve(LABELS, SCORES)
    assert np.allclose(curve.fpr, [0, 0, 0.25, 0.75, 1])
    assert np.allclose(curve.tpr, [0, 1 / 3, 2 / 3, 1, 1])
    assert curve.thresholds[0] == math.inf


def samples_of(n_defective, n_good):
    import pandas as pd

    names = [f"o{i}" for i in range(1, n_defective + 1)] + [f"g{i}" for i in range(1, n_good + 1)]
    labels = [1] * n_defective + [0] * n_good
    frame = pd.DataFrame({"sample_id": names, "object_id": names, "label": labels})
    return p.SampleTable.checked(frame, "example")


def test_2_1_deterministic_permutation():
    split = p.grouped_three_way(samples_of(6, 40), repeats=2, seed=42)[0]
    assert {i for i in split.threshold if i.startswith("o")} == {"o6", "o3", "o4"}
    assert {i for i in split.inference if i.startswith("o")} == {"o2", "o1", "o5"}


def test_2_2_sizes_of_image_level_splits():
    import pandas as pd

    source = ["train"] * 3424 + ["test"] * 568
    frame = pd.DataFrame({"sample_id": [f"i{i:04d}" for i in range(3992)], "source": source})
    frame["object_id"] = frame["sample_id"]
    frame["label"] = [0] * 3424 + [1] * 165 + [0] * 403
    split = p.grouped_three_way(p.SampleTable.checked(frame, "x"), repeats=1, merge_nominal_test=True)[0]
    assert len(split.train) == 3663
    assert sorted([len(split.threshold), len(split.inference)]) == [164, 165]


@pytest.mark.parametrize(
    ("rule", "parameters", "value"),
    [
        ("youden", {}, 2.5),
        ("topleft", {}, 2.5),
        ("gmean", {}, 2.5),
        ("fbeta", {}, 1.5),
        ("fbeta", {"prefer": "specificity"}, 2.5),
        ("fbeta", {"beta": 2}, 1.5),
        ("cost", {"missed": 10, "false_alarm": 1, "prevalence": 0.02}, 3.5),
        ("cost", {"missed": 10, "false_alarm": 1, "prevalence": 0.5}, 1.5),
    ],
)
def test_3_1_rules(rule, parameters, value):
    assert p.select_threshold(LABELS, SCORES, rule, **parameters).value == value


def ranked(n, label):
    return np.full(n, label), np.arange(1.0, n + 1)


@pytest.mark.parametrize(
    ("n", "value", "delta", "k"),
    [(59, 0.05, 0.05, 59), (100, 0.05, 0.05, 99), (200, 0.05, 0.05, 196), (100, 0.1, 0.05, 96), (22, 0.1, 0.1, 22)],
)
def test_3_2_neyman_pearson_umbrella(n, value, delta, k):
    labels, scores = ranked(n, 0)
    assert p.select_threshold(labels, scores, "np_umbrella", value=value, delta=delta).value == above(k)
    assert p.select_threshold(labels, scores, "target_overkill", value=value, guarantee=delta).value == above(k)


def test_3_2_the_guarantee_says_how_many_it_needs():
    with pytest.raises(p.UndefinedError, match="59") as caught:
        p.select_threshold(*ranked(58, 0), "np_umbrella", value=0.05)
    assert caught.value.code == "GuaranteeInfeasible"


@pytest.mark.parametrize(("n", "value", "k"), [(60, 0.05, 1), (100, 0.05, 2), (100, 0.1, 5)])
def test_3_2_escape_guarantee(n, value, k):
    labels, scores = ranked(n, 1)
    chosen = p.select_threshold(np.append(labels, 0), np.append(scores, 0.0), "target_escape", value=value,
                                guarantee=0.05)  # fmt: skip
    assert chosen.value == k


@pytest.mark.parametrize(("n", "value", "k"), [(9, 0.1, 9), (19, 0.05, 19), (20, 0.05, 20), (100, 0.05, 96)])
def test_3_3_conformal(n, value, k):
    assert p.select_threshold(*ranked(n, 0), "conformal", value=value).value == above(k)


def test_3_3_conformal_with_too_few():
    chosen = p.select_threshold(*ranked(8, 0), "conformal", value=0.1)
    assert (chosen.value, chosen.status) == (math.inf, "degenerate")


@pytest.mark.parametrize(("value", "expected"), [(0.25, above(9)), (0.4, above(5)), (0.2, math.inf)])
def test_3_4_hierarchical_conformal(value, expected):
    chosen = p.select_threshold([0] * 6, [1, 5, 2, 3, 4, 9], "conformal", objects=list("aabccc"), value=value)
    assert chosen.value == expected


def test_4_1_and_4_2_decisions():
    labels = [1] * 10 + [0] * 20
    scores = [1] * 9 + [0] + [1] * 3 + [0] * 17
    found = p.decision_metrics(p.confusion(labels, scores, 0.5))
    expected = {"sensitivity": 0.9, "specificity": 0.85, "precision": 0.75, "accuracy": 0.866667,
                "balanced_accuracy": 0.875, "f1": 0.818182, "mcc": 0.721688}  # fmt: skip
    assert {name: found[name] for name in expected} == {name: near(v, 6) for name, v in expected.items()}
    factory = p.at_prevalence(p.confusion(labels, scores, 0.5), prevalence=0.01, missed=100, false_alarm=2)
    assert factory["ppv_at_prevalence"] == near(0.0571429, 7)
    assert factory["npv_at_prevalence"] == near(0.998813, 6)
    assert factory["cost"] == near(0.397, 9)


def test_4_3_many_views_make_an_object_false_reject():
    assert 1 - (1 - 0.01) ** 120 == near(0.70062, 5)
    labels, scores, objects = p.aggregate_by_object([0, 0, 1, 0], [1, 4, 2, 3], list("bbaa"), method="k_of_n(2)")
    assert (labels.tolist(), scores.tolist(), list(objects)) == ([1, 0], [2, 1], ["a", "b"])


def test_5_1_delong():
    e = p.delong_interval(LABELS, SCORES)
    assert (e.se**2, e.se) == (near(0.0335648, 7), near(0.183207, 6))
    assert (e.low, e.high) == (near(0.30108, 5), near(0.97103, 5))
    wald = p.delong_interval(LABELS, SCORES, scale="identity")
    assert (wald.low, wald.high) == (near(0.4326, 4), 1.0)
    second = p.delong_interval(LABELS, SECOND)
    assert (second.value, second.se**2) == (near(0.833333, 6), near(0.0260417, 7))
    test = p.delong_test(LABELS, SCORES, SECOND)
    assert (test.difference, test.statistic, test.p_value) == (
        near(-0.0416667, 7),
        near(-0.180579, 6),
        near(0.856698, 6),
    )


def test_5_2_hanley_mcneil():
    e = p.hanley_mcneil_interval(0.871, 403, 165)
    assert (e.se, e.low, e.high) == (near(0.018697, 6), near(0.8344, 4), near(0.9076, 4))
    assert p.hanley_mcneil_interval(0.9, 50, 50).se == near(0.032124, 6)


def test_5_3_obuchowski():
    e = p.clustered_delong_interval(VIEW_LABELS, VIEW_SCORES, VIEW_OBJECTS)
    assert (e.value, e.se**2, e.se) == (near(0.866667, 6), near(0.0307358, 7), near(0.175316, 6))
    assert p.delong_interval(VIEW_LABELS, VIEW_SCORES).se ** 2 == near(0.0222222, 7)
    assert p.clustered_delong_interval(LABELS, SCORES, range(7)).se ** 2 == near(0.0335648, 7)


@pytest.mark.parametrize(
    ("k", "n", "wilson", "exact"),
    [
        (9, 10, (0.59585, 0.98212), (0.55498, 0.99747)),
        (10, 10, (0.72247, 1), (0.69150, 1)),
        (0, 10, (0, 0.27753), None),
        (1, 58, (0.00305, 0.09141), (0.00044, 0.09236)),
    ],
)
def test_5_4_proportions(k, n, wilson, exact):
    e = p.wilson_interval(k, n)
    assert (e.low, e.high) == (near(wilson[0], 5), near(wilson[1], 5))
    if exact is not None:
        e = p.clopper_pearson_interval(k, n)
        assert (e.low, e.high) == (near(exact[0], 5), near(exact[1], 5))


def test_5_4_clustered_proportion():
    outcomes = [1] * 8 + [0] * 2 + [1] * 5 + [0] * 5 + [1] * 9 + [0]
    e = p.clustered_proportion_interval(outcomes, [i // 10 for i in range(30)])
    assert (e.value, e.se**2) == (near(0.733333, 6), near(0.0144444, 7))
    assert (e.low, e.high) == (near(0.46756, 5), near(0.89596, 5))
    plain = p.wilson_interval(22, 30)
    assert (plain.low, plain.high) == (near(0.55552, 5), near(0.85817, 5))


def test_5_7_sign_flips_and_mcnemar():
    assert p.sign_flip_test([0.1, 0.2, 0.3]).p_value == near(0.25, 12)
    assert p.mcnemar_exact(8, 1).p_value == near(0.0390625, 12)


def test_5_8_equivalence():
    test = p.equivalence_test(0.005, 0.008, margin=0.02)
    assert (test.p_value, test.low, test.high) == (near(0.0304, 4), near(-0.00816, 5), near(0.01816, 5))


def test_5_9_sample_sizes():
    assert p.sample_size_proportion(0.95, 0.03).n_objects == 203
    assert p.sample_size_proportion(0.9, 0.05).n_objects == 139
    assert p.zero_failure_size(0.01).n_objects == 299
    assert p.sample_size_auroc(0.9, 0.05).n_objects_anomalous == 79
    assert p.sample_size_auroc(0.95, 0.03).n_objects_anomalous == 110


@pytest.mark.parametrize(
    ("given", "t", "p_value", "low", "high"),
    [
        ({"rho": 0}, 2.828427, 0.047421, None, None),
        ({"test_train_ratio": 20 / 80}, 1.885618, 0.132419, -0.009449, 0.049449),
        ({"rho": 0.5}, 1.154701, 0.312500, -0.028089, 0.068089),
    ],
)
def test_6_1_corrected_resampled_t(given, t, p_value, low, high):
    test = p.corrected_resampled_ttest(FIVE, **given)
    assert (test.statistic, test.p_value, test.df) == (near(t, 6), near(p_value, 6), 4)
    if low is not None:
        assert (test.low, test.high) == (near(low, 6), near(high, 6))


@pytest.mark.parametrize(
    ("scheme", "t", "df", "p_value"),
    [("use_all", 1.963961, 5, 0.106746), ("avg_folds", 9.0, 1, 0.070447), ("sorted_runs", 1.299038, 2, 0.323519)],
)
def test_6_2_run_by_fold(scheme, t, df, p_value):
    test = p.run_by_fold_test(RUNS, scheme=scheme)
    assert (test.statistic, test.df, test.p_value) == (near(t, 6), df, near(p_value, 6))
    assert test.difference == near(0.015, 12)


def test_6_2_averages_over_runs_that_are_equal_are_degenerate():
    assert p.run_by_fold_test(RUNS, scheme="avg_runs").status == "degenerate"


def test_6_3_replicability():
    def of(q, n):
        return p.replicability([True] * q + [False] * (n - q))

    assert of(7, 10).value == near(0.533333, 6)
    assert of(154, 1000).value == near(0.739171, 6)
    assert of(5, 10).value == near(0.444444, 6)
    assert of(1, 4).value == near(0.5, 12)
    assert of(0, 10).value == 1
    assert (of(7, 10).low, of(7, 10).high) == (near(0.5, 12), near(0.8754, 4))


def test_6_4_bayesian_correlated_t():
    b = p.correlated_bayes_ttest(FIVE, None, rho=0.2, rope=0.01)
    assert (b.p_b_better, b.p_equivalent, b.p_a_better) == (near(0.023710, 6), near(0.175870, 6), near(0.800419, 6))


def test_6_5_nemenyi():
    assert p.nemenyi_critical_difference(4, 14) == near(1.253559, 6)
    q = [p.nemenyi_critical_difference(k, 1) / math.sqrt(k * (k + 1) / 6) for k in range(2, 7)]
    assert q == [near(v, 3) for v in (1.960, 2.344, 2.569, 2.728, 2.850)]


def test_6_7_multiplicity():
    raw = [0.01, 0.04, 0.03, 0.005]
    assert np.allclose(p.adjust_p_values(raw), [0.03, 0.06, 0.06, 0.02])
    assert np.allclose(p.adjust_p_values(raw, "bh"), [0.02, 0.04, 0.04, 0.02])


def test_8_1_pixels():
    mask, scores = [[1, 0, 1, 1, 0, 0, 0, 0]], [[0.9, 0.1, 0.8, 0.3, 0.5, 0.2, 0.1, 0.0]]
    assert p.pixel_auroc([mask], [scores]) == near(0.933333, 6)
    assert p.aupro([mask], [scores]) == near(0.833333, 6)
