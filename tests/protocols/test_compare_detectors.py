import math

import numpy as np
import pandas as pd
import pytest

from protocols.comparisons.corrected_t import corrected_resampled_ttest
from protocols.comparisons.detectors import compare_detectors
from protocols.comparisons.multiplicity import adjust_p_values
from protocols.errors import InputError
from protocols.results import COMPARISON_COLUMNS
from protocols.samples import SampleTable
from protocols.scores import ScoreTable
from protocols.splits import grouped_three_way
from protocols.three_way import ThreeWay

OPTIONS = {"n_resamples": 100}


@pytest.fixture(scope="module")
def arena():
    rng = np.random.default_rng(0)
    rows = [(f"d{o:02}v{v}", f"d{o:02}", 1) for o in range(16) for v in range(3)]
    rows += [(f"g{o:02}v{v}", f"g{o:02}", 0) for o in range(48) for v in range(3)]
    frame = pd.DataFrame(rows, columns=["sample_id", "object_id", "label"])
    good = rng.normal(size=len(frame)) + 2.5 * frame.label
    samples = SampleTable.checked(frame)
    splits = grouped_three_way(samples, repeats=6)
    scores = {"good": good, "twin": good + rng.normal(0, 0.01, len(frame)), "bad": rng.normal(size=len(frame))}
    tables = {name: [ScoreTable.checked(frame.assign(score=s))] * 6 for name, s in scores.items()}
    return tables, splits, samples


@pytest.fixture(scope="module")
def rows(arena):
    return compare_detectors(*arena, **OPTIONS)


def pick(rows, a, b, metric="auroc", level="image", rule=""):
    found = [
        r
        for r in rows
        if (r["detector_a"], r["detector_b"], r["metric"], r["level_of_analysis"], r["threshold_rule"])
        == (a, b, metric, level, rule)
    ]
    assert len(found) == 1
    return found[0]


def test_decisions_in_words(arena, rows):
    tables = {name: arena[0][name] for name in ("good", "twin")}
    close = compare_detectors(tables, *arena[1:], margin=0.02, **OPTIONS)
    assert pick(close, "good", "twin")["decision"] == "equivalent within 0.02"
    assert pick(rows, "good", "bad")["decision"] == "good better"
    assert pick(rows, "good", "twin")["decision"] == "no difference shown"
    backwards = {name: arena[0][name] for name in ("bad", "good")}
    row = pick(compare_detectors(backwards, *arena[1:], **OPTIONS), "bad", "good")
    assert row["decision"] == "good better"
    assert row["difference"] < 0


def test_rows_hold_the_corrected_t_test_of_the_values_per_repeat(arena, rows):
    tables, splits, _ = arena
    protocol = ThreeWay(repeats=6, n_resamples=20)
    values = {}
    for name in ("good", "bad"):
        each = [protocol.evaluate(s, t) for s, t in zip(splits, tables[name], strict=True)]
        values[name] = [
            next(
                r.estimate.value
                for r in rows_
                if (r.metric, r.partition, r.level_of_analysis) == ("sensitivity", "inference", "image")
            )
            for rows_ in each
        ]
    row = pick(rows, "good", "bad", "sensitivity", rule="youden")
    expected = corrected_resampled_ttest(values["good"], values["bad"], rho=0.5)
    assert row["value_a"] == pytest.approx(np.mean(values["good"]))
    assert (row["difference"], row["statistic"], row["p_value"]) == pytest.approx(
        (expected.difference, expected.statistic, expected.p_value)
    )
    assert (row["low"], row["high"]) == pytest.approx((expected.low, min(expected.high, 1)))
    assert row["df"] == 5
    assert "rho 0.5" in row["notes"]
    assert "object bootstrap [" in row["notes"]


def test_every_family_is_adjusted_over_its_pairs(rows):
    for metric, rule in (("auroc", ""), ("balanced_accuracy", "youden")):
        family = [
            r for r in rows if (r["metric"], r["threshold_rule"], r["level_of_analysis"]) == (metric, rule, "image")
        ]
        assert len(family) == 3
        assert {r["n_tests"] for r in family} == {3}
        expected = adjust_p_values([r["p_value"] for r in family])
        assert [r["p_adjusted"] for r in family] == pytest.approx(list(expected))


def test_rows_have_the_columns_of_the_comparison_table_at_both_levels(arena):
    rows = compare_detectors(*arena, category="c", **OPTIONS)
    assert all(tuple(row) == COMPARISON_COLUMNS for row in rows)
    assert {row["level_of_analysis"] for row in rows} == {"image", "object"}
    assert {row["metric"] for row in rows} == {"auroc", "balanced_accuracy", "sensitivity", "specificity"}
    assert all(-1 <= row["low"] <= row["high"] <= 1 for row in rows)


def test_with_a_baseline_all_others_are_compared_with_it(arena):
    rows = compare_detectors(*arena, baseline="bad", **OPTIONS)
    assert {(r["detector_a"], r["detector_b"]) for r in rows} == {("bad", "good"), ("bad", "twin")}
    with pytest.raises(InputError, match="baseline"):
        compare_detectors(*arena, baseline="worse", **OPTIONS)


def test_only_common_repeats_are_compared(arena):
    tables, splits, samples = arena
    some = {"good": [None, *tables["good"][1:]], "bad": [*tables["bad"][:-1], None]}
    rows = compare_detectors(some, splits, samples, **OPTIONS)
    assert {r["n_repeats"] for r in rows} == {4}
    none = {"good": [None] * 6, "bad": tables["bad"]}
    row = pick(compare_detectors(none, splits, samples, **OPTIONS), "good", "bad")
    assert math.isnan(row["p_value"])
    assert row["decision"] == "no difference shown"


def test_one_repeat_shows_no_difference_but_an_interval(arena):
    tables, splits, samples = arena
    row = pick(compare_detectors({n: t[:1] for n, t in tables.items()}, splits[:1], samples, **OPTIONS), "good", "bad")
    assert math.isnan(row["p_value"])
    assert row["low"] < row["difference"] < row["high"]
    assert "two repeats" in row["notes"]
    assert row["decision"] == "no difference shown"


def test_a_detector_against_itself_is_never_different(arena):
    tables, splits, samples = arena
    same = {"a": tables["good"], "b": tables["good"]}
    for row in compare_detectors(same, splits, samples, margin=0.5, **OPTIONS):
        assert row["difference"] == 0
        assert row["p_value"] == 1
        assert row["decision"] == "no difference shown"
        assert row["low"] < 0 < row["high"]


@pytest.mark.parametrize("change", ["drop", "flip"])
def test_different_samples_are_refused(arena, change):
    tables, splits, samples = arena
    frame = tables["bad"][0].frame
    lost = splits[2].inference[0]
    if change == "drop":
        frame = frame[frame.sample_id != lost]
    else:
        frame = frame.assign(label=np.where(frame.sample_id == lost, 1 - frame.label, frame.label))
    with pytest.raises(InputError, match=lost) as error:
        compare_detectors(tables | {"bad": [ScoreTable.checked(frame)] * 6}, splits, samples, **OPTIONS)
    assert error.value.code == "DifferentSamples"


def test_too_few_views_leave_the_object_level_undefined_with_the_reason(arena):
    found = compare_detectors(*arena, object_score="k_of_n(4)", **OPTIONS)
    at_object = [row for row in found if row["level_of_analysis"] == "object"]
    assert len(at_object) == len(found) / 2
    for row in at_object:
        assert math.isnan(row["difference"])
        assert row["decision"] == "no difference shown"
        assert "k_of_n(4) needs 4 views" in row["notes"]
