from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from protocols.differences import naive_minus_three_way, ungrouped_minus_grouped
from protocols.errors import InputError
from protocols.naive import Naive
from protocols.samples import SampleTable
from protocols.scores import ScoreTable
from protocols.three_way import ThreeWay


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    rows = [(f"d{o:02}v{v}", f"d{o:02}", 1, "test") for o in range(10) for v in range(3)]
    rows += [(f"t{o:02}v{v}", f"t{o:02}", 0, "test") for o in range(10) for v in range(3)]
    rows += [(f"r{o:02}v{v}", f"r{o:02}", 0, "train") for o in range(12) for v in range(3)]
    frame = pd.DataFrame(rows, columns=["sample_id", "object_id", "label", "source"])
    frame["score"] = rng.normal(size=len(frame)) + 1.2 * frame.label
    return frame


@pytest.fixture(scope="module")
def runs(data):
    samples = SampleTable.checked(data)
    naive, honest = Naive(n_resamples=300), ThreeWay(repeats=4, n_resamples=300)
    better = data.assign(score=data.score + 0.8 * data.label, step=5)
    table = ScoreTable.checked(pd.concat([better, data.assign(step=-1)]))
    splits = honest.plan(samples, 0)
    return naive, honest, naive.plan(samples, 0)[0], table, splits, [ScoreTable.checked(data)] * 4


def value_of(rows, **wanted):
    found = [r for r in rows if all(getattr(r, k) == v for k, v in wanted.items())]
    assert len(found) == 1
    return found[0].estimate.value


def test_naive_minus_honest_is_the_difference_of_what_both_report(runs):
    naive, honest, naive_split, naive_table, splits, tables = runs
    rows = naive_minus_three_way(*runs)
    reported, means = naive.evaluate(naive_split, naive_table), honest.summarise(splits, tables)
    assert {r.level_of_analysis for r in rows} == {"image", "object"}
    for row in rows:
        at = {"level_of_analysis": row.level_of_analysis}
        there = {**at, "threshold_rule": row.threshold_rule, "partition": "inference"}
        left = value_of(reported, metric=row.metric, **at)
        right = value_of(means, metric=row.metric.removesuffix("_best_checkpoint"), **there)
        assert row.estimate.value == pytest.approx(left - right)
        assert row.estimate.low <= row.estimate.value <= row.estimate.high
        assert row.estimate.low < row.estimate.high
        assert (row.protocol, row.repeat, row.n_repeats) == ("naive-three_way", None, 4)
    assert {r.metric for r in rows} >= {"auroc", "auroc_best_checkpoint", "balanced_accuracy"}


def test_the_same_scores_on_the_same_objects_differ_less_than_either_varies(runs):
    naive, honest, _, _, splits, tables = runs
    rows = naive_minus_three_way(*runs)
    gap = next(r.estimate for r in rows if (r.metric, r.level_of_analysis) == ("auroc", "image"))
    alone = next(
        r.estimate for r in honest.summarise(splits, tables) if (r.metric, r.level_of_analysis) == ("auroc", "image")
    )
    assert gap.high - gap.low < alone.high - alone.low
    assert gap.low < 0 < gap.high


def test_with_swap_the_honest_side_is_the_mean_of_both_directions(runs):
    naive, honest, naive_split, naive_table, splits, tables = runs
    both = replace(honest, swap=True)
    means = both.summarise(splits, tables)
    for row in naive_minus_three_way(naive, both, *runs[2:]):
        at = {"level_of_analysis": row.level_of_analysis, "threshold_rule": row.threshold_rule}
        right = value_of(means, metric=row.metric.removesuffix("_best_checkpoint"), partition="inference", **at)
        left = value_of(naive.evaluate(naive_split, naive_table), metric=row.metric, **at)
        assert row.estimate.value == pytest.approx(left - right)
        assert "swap: mean of both directions" in row.estimate.notes


def test_no_repeat_gives_no_difference(runs):
    assert naive_minus_three_way(*runs[:5], [None] * 4) == []


def test_ungrouped_minus_grouped_shows_a_memorising_detector(data, runs):
    _, honest, _, _, grouped_splits, _ = runs
    samples = SampleTable.checked(data)
    loose = ThreeWay(repeats=4, object_policy="image_is_object", name="three_way_ungrouped", merge_nominal_test=True)
    loose_splits = loose.plan(samples, 0)
    object_of = data.set_index("sample_id").object_id

    def memorised(split):
        """Nominal images of an object seen in training score lower."""
        known = data.object_id.isin(set(object_of[list(split.train)])) & (data.label == 0)
        return ScoreTable.checked(data.assign(score=data.score - 3 * known, object_id=data.sample_id))

    loose_tables = [memorised(s) for s in loose_splits]
    tables = [memorised(s) for s in grouped_splits]
    rows = ungrouped_minus_grouped(honest, loose_splits, loose_tables, grouped_splits, tables, samples)
    row = next(r for r in rows if r.metric == "auroc")
    assert row.protocol == "three_way_ungrouped-three_way"
    assert row.estimate.low > 0
    assert row.estimate.n_objects_anomalous == 10
    reported = value_of(loose.summarise(loose_splits, loose_tables), metric="auroc")
    strict = ThreeWay(repeats=4).summarise(grouped_splits, tables)
    value = value_of(strict, metric="auroc", level_of_analysis="image")
    assert row.estimate.value == pytest.approx(reported - value)
    assert ungrouped_minus_grouped(honest, loose_splits, [None] * 4, grouped_splits, tables, samples) == []


def test_true_objects_are_needed(data, runs):
    _, honest, _, _, splits, tables = runs
    with pytest.raises(InputError) as error:
        ungrouped_minus_grouped(honest, splits, tables, splits, tables, SampleTable.checked(data.assign(object_id="")))
    assert error.value.code == "MissingObjectId"


def test_too_few_views_leave_the_object_level_undefined_with_the_reason(runs):
    naive, honest = (replace(protocol, object_score="k_of_n(4)") for protocol in runs[:2])
    at_object = [r for r in naive_minus_three_way(naive, honest, *runs[2:]) if r.level_of_analysis == "object"]
    assert [r.estimate.status for r in at_object] == ["undefined"]
    assert "k_of_n(4) needs 4 views" in " ".join(at_object[0].estimate.notes)
