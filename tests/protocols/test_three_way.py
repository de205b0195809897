from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from protocols.aggregate import aggregate_by_object
from protocols.decisions import confusion, decision_metrics
from protocols.errors import InputError
from protocols.metrics import auroc, average_precision
from protocols.results import RESULT_COLUMNS
from protocols.rotation import rotations
from protocols.samples import SampleTable
from protocols.scores import ScoreTable
from protocols.three_way import ThreeWay
from protocols.thresholds import select_threshold

RULES = (("youden", {}), ("max_fpr", {"value": 0.1}), ("f1", {}))


def make_frame(seed=0, shift=1.5, views=4, n_defective=10, n_good=24, hidden=1):
    rng = np.random.default_rng(seed)
    rows = []
    for o in range(n_defective):
        rows += [(f"d{o:02}/a{v}", f"d{o:02}", 1, "test") for v in range(views)]
        rows += [(f"d{o:02}/h{v}", f"d{o:02}", 0, "test") for v in range(hidden)]
    rows += [(f"g{o:02}/{v}", f"g{o:02}", 0, "train") for o in range(n_good) for v in range(views)]
    frame = pd.DataFrame(rows, columns=["sample_id", "object_id", "label", "source"])
    of_object = dict(zip(frame.object_id.unique(), rng.normal(0, 0.7, frame.object_id.nunique()), strict=True))
    frame["score"] = frame.object_id.map(of_object) + rng.normal(size=len(frame)) + shift * frame.label
    return frame


def planned(frame, **options):
    protocol = ThreeWay(**{"repeats": 3, "n_resamples": 200, "thresholds": RULES} | options)
    splits = protocol.plan(SampleTable.checked(frame), seed=1)
    return protocol, splits, ScoreTable.checked(frame)


@pytest.fixture(scope="module")
def rows_of_all():
    protocol, splits, table = planned(make_frame(), prevalence=0.01)
    each = [protocol.evaluate(split, table) for split in splits]
    return protocol, splits, table, each, protocol.summarise(splits, [table] * 3, seed=4)


def one(rows, **wanted):
    found = [r for r in rows if all(getattr(r, k) == v for k, v in wanted.items())]
    assert len(found) == 1, (wanted, len(found))
    return found[0]


def part(frame, ids):
    chosen = frame[frame.sample_id.isin(ids)]
    return chosen.label.to_numpy(), chosen.score.to_numpy()


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r[0])
def test_values_of_a_repeat_are_those_of_the_threshold_partition_moved_to_the_inference_partition(rows_of_all, rule):
    protocol, splits, table, each, _ = rows_of_all
    frame = table.frame
    name, parameters = rule
    for split, rows in zip(splits, each, strict=True):
        threshold = select_threshold(*part(frame, split.threshold), name, **parameters).value
        apparent = decision_metrics(confusion(*part(frame, split.threshold), threshold))
        transported = decision_metrics(confusion(*part(frame, split.inference), threshold))
        label = name if not parameters else "max_fpr(value=0.1)"
        for metric, value in transported.items():
            if f"optimism_{metric}" not in {r.metric for r in rows}:
                continue
            at = {"level_of_analysis": "image", "threshold_rule": label}
            row = one(rows, metric=metric, partition="inference", **at)
            assert row.estimate.value == pytest.approx(value)
            assert row.threshold == threshold
            assert not row.optimistic
            seen = one(rows, metric=metric, partition="threshold", **at)
            assert seen.estimate.value == pytest.approx(apparent[metric])
            assert seen.optimistic
            gap = one(rows, metric=f"optimism_{metric}", partition="threshold-inference", **at)
            assert gap.estimate.value == pytest.approx(apparent[metric] - value)
            for r in (row, seen, gap):
                assert r.estimate.low <= r.estimate.value <= r.estimate.high
                assert r.estimate.low < r.estimate.high


def test_ranking_metrics_are_those_of_the_inference_partition(rows_of_all):
    _, splits, table, each, _ = rows_of_all
    for split, rows in zip(splits, each, strict=True):
        y, s = part(table.frame, split.inference)
        at = {"level_of_analysis": "image", "partition": "inference", "threshold_rule": ""}
        row = one(rows, metric="auroc", **at)
        assert row.estimate.value == pytest.approx(auroc(y, s))
        assert "Obuchowski" in row.estimate.method or "clustered" in row.estimate.method.lower()
        assert one(rows, metric="average_precision", **at).estimate.value == pytest.approx(average_precision(y, s))


def test_object_level_takes_hidden_defect_views_with_their_object_and_selects_its_own_threshold(rows_of_all):
    _, splits, table, each, _ = rows_of_all
    frame = table.frame
    for split, rows in zip(splits, each, strict=True):
        sides = []
        for ids in (split.threshold, split.inference):
            objects = set(frame.object_id[frame.sample_id.isin(ids)])
            views = frame[frame.object_id.isin(objects)]
            sides.append(aggregate_by_object(views.label, views.score, views.object_id)[:2])
        threshold = select_threshold(*sides[0]).value
        row = one(
            rows, level_of_analysis="object", metric="sensitivity", partition="inference", threshold_rule="youden"
        )
        assert row.threshold == threshold
        assert row.estimate.value == pytest.approx(confusion(*sides[1], threshold).tp / sides[1][0].sum())
        assert row.estimate.n_anomalous == row.estimate.n_objects_anomalous == 5
        assert row.estimate.n_nominal == 5
        assert "object score: max" in row.estimate.notes


def test_rows_over_all_repeats_are_means_with_both_standard_errors(rows_of_all):
    _, _, _, each, rows = rows_of_all
    for row in rows:
        assert row.repeat is None
        assert row.threshold is None
        assert row.n_repeats == 3
        if row.metric == "threshold_sd":
            continue
        key = {k: getattr(row, k) for k in ("partition", "level_of_analysis", "metric", "threshold_rule", "optimistic")}
        values = [one(rows_, **key).estimate.value for rows_ in each]
        if not np.isnan(values).any():
            assert row.estimate.value == pytest.approx(np.mean(values))
            assert row.estimate.low <= row.estimate.value <= row.estimate.high
            assert row.estimate.low < row.estimate.high
            notes = " ".join(row.estimate.notes)
            assert "SE_boot" in notes
            assert "SE_total" in notes
            assert "plain bootstrap [" in notes


def test_metrics_that_depend_on_prevalence_need_one():
    protocol, splits, table = planned(make_frame())
    names = {r.metric for r in protocol.evaluate(splits[0], table)}
    assert not names & {"ppv_at_prevalence", "rejects_per_thousand", "escapes_per_million", "cost"}
    cost = ("cost", {"missed": 100, "false_alarm": 2, "prevalence": 0.01})
    protocol, splits, table = planned(make_frame(), thresholds=(("youden", {}), cost))
    rows = protocol.evaluate(splits[0], table)
    at_cost = {r.metric for r in rows if r.threshold_rule == "cost(false_alarm=2,missed=100,prevalence=0.01)"}
    assert {"ppv_at_prevalence", "rejects_per_thousand", "escapes_per_million", "cost"} <= at_cost
    assert "cost" not in {r.metric for r in rows if r.threshold_rule == "youden"}


def test_cost_uses_the_evaluation_prevalence_but_is_named_as_given():
    cost = ("cost", {"missed": 100, "false_alarm": 2})
    protocol, splits, table = planned(make_frame(), thresholds=(cost,), prevalence=0.2)
    rows = protocol.evaluate(splits[0], table)
    row = one(rows, metric="cost", partition="inference", level_of_analysis="image")
    y, s = part(table.frame, splits[0].threshold)
    assert row.threshold_rule == "cost(false_alarm=2,missed=100)"
    assert row.threshold == select_threshold(y, s, "cost", missed=100, false_alarm=2, prevalence=0.2).value


def test_images_as_objects_say_so_in_every_row_and_have_no_object_level():
    frame = make_frame(hidden=0)
    protocol, splits, table = planned(frame, object_policy="image_is_object")
    rows = [*protocol.evaluate(splits[0], table), *protocol.summarise(splits, [table] * 3)]
    assert all("grouping=none" in r.estimate.notes for r in rows)
    assert {r.level_of_analysis for r in rows} == {"image"}


def test_one_image_an_object_has_no_object_level():
    protocol, splits, table = planned(make_frame(views=1, hidden=0))
    assert {r.level_of_analysis for r in protocol.evaluate(splits[0], table)} == {"image"}


def test_undefined_precision_keeps_its_reason():
    frame = make_frame(hidden=0)
    protocol, splits, _ = planned(frame, thresholds=(("max_fpr", {"value": 0.0}),))
    frame.loc[frame.sample_id.isin(splits[0].inference), "score"] -= 100
    row = one(
        protocol.evaluate(splits[0], ScoreTable.checked(frame)),
        metric="precision",
        partition="inference",
        level_of_analysis="image",
    )
    assert row.estimate.status == "undefined"
    assert np.isnan(row.estimate.value)
    assert "TP + FP = 0" in " ".join(row.estimate.notes)


def test_repeats_without_scores_are_left_out():
    protocol, splits, table = planned(make_frame())
    rows = protocol.summarise(splits, [table, None, table])
    assert {r.n_repeats for r in rows} == {2}
    assert protocol.summarise(splits, [None, None, None]) == []


def test_one_repeat_says_that_training_is_not_covered():
    protocol, splits, table = planned(make_frame())
    row = one(protocol.summarise(splits[:1], [table]), metric="auroc", level_of_analysis="image")
    assert "randomness of training is not covered" in " ".join(row.estimate.notes)


def test_perfect_separation_is_degenerate_with_a_bound_and_never_of_zero_width():
    protocol, splits, table = planned(make_frame(shift=100))
    for rows in (protocol.evaluate(splits[0], table), protocol.summarise(splits, [table] * 3)):
        for row in rows:
            e = row.estimate
            if row.metric in ("auroc", "sensitivity", "specificity", "youden_j", "optimism_f1", "mcc"):
                assert e.low < e.high, row
        perfect = [r for r in rows if r.metric == "auroc"]
        assert all(r.estimate.status == "degenerate" and r.estimate.high == 1 for r in perfect)
    over_all = one(rows, metric="auroc", level_of_analysis="image")
    assert over_all.estimate.low == pytest.approx(0.05 ** (1 / 10))


def test_a_monotone_map_of_the_scores_changes_no_rank_metric_or_interval():
    frame = make_frame()
    protocol, splits, table = planned(frame, object_score="median")
    other = ScoreTable.checked(frame.assign(score=np.exp(frame.score / 2)))
    at = {"metric": "auroc", "level_of_analysis": "image"}
    a, b = (one(protocol.summarise(splits, [t] * 3), **at).estimate for t in (table, other))
    assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high))


def test_the_order_of_the_rows_changes_nothing():
    frame = make_frame()
    protocol, splits, table = planned(frame)
    other = ScoreTable.checked(frame.sample(frac=1, random_state=3))
    a, b = ([r.as_dict() for r in protocol.summarise(splits, [t] * 3)] for t in (table, other))
    pd.testing.assert_frame_equal(pd.DataFrame(a), pd.DataFrame(b))


def test_the_same_seed_gives_the_same_rows_and_another_seed_other_intervals():
    protocol, splits, table = planned(make_frame())
    first, again, other = (protocol.summarise(splits, [table] * 3, seed=seed) for seed in (0, 0, 1))
    frames = [pd.DataFrame([r.as_dict() for r in rows]) for rows in (first, again, other)]
    pd.testing.assert_frame_equal(frames[0], frames[1])
    assert not frames[0]["low"].equals(frames[2]["low"])
    assert frames[0]["value"].equals(frames[2]["value"])


def test_rows_have_the_columns_of_the_result_table(rows_of_all):
    row = rows_of_all[3][0][0].as_dict(category="c", detector="d", seed=1, job_key="k")
    assert tuple(row) == RESULT_COLUMNS


def test_too_few_views_leave_the_object_level_undefined_with_the_reason():
    protocol, splits, table = planned(make_frame(hidden=0), object_score="k_of_n(9)")
    for rows in (protocol.evaluate(splits[0], table), protocol.summarise(splits, [table] * 3)):
        at_object = [r for r in rows if r.level_of_analysis == "object"]
        assert at_object
        assert all(r.estimate.status == "undefined" for r in at_object)
        assert all("k_of_n(9) needs 9 views" in " ".join(r.estimate.notes) for r in at_object)


def test_thresholds_that_spread_are_stated(rows_of_all):
    _, _, _, each, rows = rows_of_all
    at = {"level_of_analysis": "image", "threshold_rule": "youden"}
    row = one(rows, metric="threshold_sd", **at)
    cuts = [one(r, metric="f1", partition="inference", **at).threshold for r in each]
    assert row.estimate.value == pytest.approx(np.std(cuts, ddof=1))
    assert "IQR" in " ".join(row.estimate.notes)


def test_thresholds_that_do_not_vary_have_no_interval():
    frame = make_frame(hidden=0)
    protocol, splits, table = planned(frame.assign(score=frame.label.astype(float)))
    row = one(protocol.summarise(splits, [table] * 3), metric="threshold_sd", level_of_analysis="image",
              threshold_rule="youden")  # fmt: skip
    assert (row.estimate.value, row.estimate.status) == (0, "degenerate")
    assert np.isnan([row.estimate.low, row.estimate.high]).all()
    assert "no interval" in " ".join(row.estimate.notes)


def test_a_parameter_of_none_is_one_that_was_not_given():
    written_out = ("cost", {"missed": 100, "false_alarm": 2, "prevalence": None})
    left_out = ("cost", {"missed": 100, "false_alarm": 2})
    a, b = (ThreeWay(thresholds=(rule,), prevalence=0.2).criteria[0] for rule in (written_out, left_out))
    assert (a.name, a.parameters, a.factory, a.metrics) == (b.name, b.parameters, b.factory, b.metrics)
    assert a.parameters["prevalence"] == 0.2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"design": "shuffle"}, "design"),
        ({"repeats": 0}, "repeats"),
        ({"ndo": "no"}, "ndo"),
        ({"blocks": 0}, "blocks"),
        ({"conditional": True}, "at least 2 blocks"),
        ({"design": "rotate", "swap": True}, "swap"),
        ({"design": "rotate", "conditional": True, "blocks": 2}, "conditional"),
        ({"design": "rotate", "folds": 1}, "folds"),
        ({"design": "rotate", "runs": 0}, "runs"),
    ],
    ids=str,
)
def test_impossible_plans_are_refused(options, text):
    with pytest.raises(InputError, match=text):
        planned(make_frame(), **options)


def test_an_unknown_rule_is_found_before_anything_runs():
    with pytest.raises(InputError, match="youden"):
        _ = ThreeWay(thresholds=(("yuden", {}),)).criteria
    with pytest.raises(InputError, match="value"):
        _ = ThreeWay(thresholds=(("max_fpr", {}),)).criteria


def test_a_missing_score_is_named():
    frame = make_frame()
    protocol, splits, _ = planned(frame)
    lost = splits[0].inference[0]
    with pytest.raises(InputError, match=lost):
        protocol.evaluate(splits[0], ScoreTable.checked(frame[frame.sample_id != lost]))


# -- designs -------------------------------------------------------------------------------------------------------


def test_the_design_rotate_plans_runs_of_folds_and_blocks_multiply_them():
    samples = SampleTable.checked(make_frame(n_good=40))
    rotate = ThreeWay(design="rotate", runs=2, folds=4, ndo="evaluate")
    assert rotate.plan(samples, 3) == rotations(samples, runs=2, folds=4, seed=3, ndo="evaluate")
    blocks = replace(rotate, blocks=3).plan(samples, 3)
    assert [s.run for s in blocks] == [run for run in range(6) for _ in range(4)]
    # The first run of a block is drawn as any run is; only the note on few repeats differs.
    assert [s.fingerprint for s in blocks[:8]] == [s.fingerprint for s in rotate.plan(samples, 3)]


def test_blocks_are_fresh_repeats_and_conditional_ones_no_trainings():
    samples = SampleTable.checked(make_frame())
    plain, fresh = ThreeWay(repeats=3), ThreeWay(repeats=3, blocks=4)
    splits = plain.plan(samples, 1)
    assert len({s.fingerprint for s in fresh.plan(samples, 1)}) == 12
    assert [s.fingerprint for s in fresh.plan(samples, 1)[:3]] == [s.fingerprint for s in splits]
    assert fresh.rehalved(fresh.plan(samples, 1), samples, 1) == []
    conditional = replace(fresh, conditional=True)
    assert conditional.plan(samples, 1) == splits
    blocks = conditional.rehalved(splits, samples, 1)
    assert [len(block) for block in blocks] == [3, 3, 3]
    assert len({s.fingerprint for s in [*splits, *(s for block in blocks for s in block)]}) == 12
    assert all(a.train == b.train for block in blocks for a, b in zip(block, splits, strict=True))


def test_swapped_values_are_the_means_of_both_directions_with_both_thresholds_in_the_notes():
    frame = make_frame()
    protocol, splits, table = planned(frame, swap=True)
    each = [protocol.evaluate(split, table) for split in splits]
    plain = ThreeWay(repeats=3, n_resamples=20, thresholds=RULES)
    for split, rows in zip(splits, each, strict=True):
        ways = [plain.evaluate(way, table) for way in (split, split.mirrored())]
        assert len(rows) == len(ways[0])
        for row in rows:
            key = {k: getattr(row, k) for k in ("partition", "level_of_analysis", "metric", "threshold_rule")}
            a, b = (one(way, **key) for way in ways)
            values = a.estimate.value, b.estimate.value
            assert row.estimate.value == pytest.approx(np.mean(values), nan_ok=True)
            assert row.threshold is None
            assert "swap: mean of both directions" in row.estimate.notes
            if row.threshold_rule:
                both = f"thresholds of both directions: {a.threshold:.6g} and {b.threshold:.6g}"
                assert both in row.estimate.notes
            if not np.isnan(values).any():
                assert row.estimate.low <= row.estimate.value <= row.estimate.high
                assert row.estimate.low < row.estimate.high
            if row.level_of_analysis == "image":
                assert row.estimate.n_objects_anomalous == 10
                assert row.estimate.n_anomalous == frame.label.sum()


def test_over_all_repeats_swapped_values_are_averaged_and_vary_less():
    protocol, splits, table = planned(make_frame(n_defective=16, n_good=60), swap=True, repeats=6)
    rows = protocol.summarise(splits, [table] * 6)
    each = [protocol.evaluate(split, table) for split in splits]
    plain = replace(protocol, swap=False)
    once = plain.summarise(splits, [table] * 6)
    at = {"partition": "inference", "level_of_analysis": "image", "threshold_rule": "youden"}
    for metric in ("sensitivity", "balanced_accuracy"):
        values = [one(rows_, metric=metric, **at).estimate.value for rows_ in each]
        row = one(rows, metric=metric, **at)
        assert row.estimate.value == pytest.approx(np.mean(values))
        assert "swap: mean of both directions" in row.estimate.notes
        assert row.n_repeats == 6
        spread = [one(r, metric=metric, **at).estimate.high - one(r, metric=metric, **at).estimate.low
                  for r in (rows, once)]  # fmt: skip
        assert spread[0] < spread[1]
    cuts = [select_threshold(*part(table.frame, ids)).value for s in splits for ids in (s.threshold, s.inference)]
    row = one(rows, metric="threshold_sd", **{**at, "partition": "threshold"})
    assert row.estimate.value == pytest.approx(np.std(cuts, ddof=1))
