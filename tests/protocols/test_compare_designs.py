"""Comparisons under the designs: runs of folds, both directions, blocks of whole experiments."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from protocols.comparisons.corrected_t import corrected_resampled_ttest
from protocols.comparisons.detectors import compare_detectors
from protocols.comparisons.replication import p_value_replicability, replicability
from protocols.comparisons.run_by_fold import run_by_fold_test, scheme_sample, t_tests
from protocols.decisions import confusion
from protocols.errors import InputError
from protocols.intervals.protocol_bootstrap import protocol_bootstrap
from protocols.metrics import auroc
from protocols.samples import SampleTable
from protocols.scores import ScoreTable
from protocols.three_way import ThreeWay
from protocols.thresholds import select_threshold

OPTIONS = {"n_resamples": 100}


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(1)
    rows = [(f"d{o:02}v{v}", f"d{o:02}", 1) for o in range(20) for v in range(2)]
    rows += [(f"g{o:02}v{v}", f"g{o:02}", 0) for o in range(60) for v in range(2)]
    frame = pd.DataFrame(rows, columns=["sample_id", "object_id", "label"])
    frame["a"] = rng.normal(size=len(frame)) + 1.6 * frame.label
    frame["b"] = 0.7 * frame.a + 0.7 * rng.normal(size=len(frame)) + 0.2 * frame.label
    return frame


@pytest.fixture(scope="module")
def samples(frame):
    return SampleTable.checked(frame[["sample_id", "object_id", "label"]])


def tables_for(frame, splits):
    return {name: [ScoreTable.checked(frame.assign(score=frame[name]))] * len(splits) for name in ("a", "b")}


def auroc_differences(frame, splits):
    found = []
    for split in splits:
        part = frame[frame.sample_id.isin(split.inference)]
        found.append(auroc(part.label, part.a) - auroc(part.label, part.b))
    return np.array(found)


def pick(rows, metric="auroc", level="image"):
    found = [r for r in rows if (r["metric"], r["level_of_analysis"]) == (metric, level)]
    assert len(found) == 1
    return found[0]


def test_runs_of_folds_are_compared_by_the_t_test_on_sorted_runs(frame, samples):
    splits = ThreeWay(design="rotate", runs=5, folds=5).plan(samples, 0)
    rows = compare_detectors(tables_for(frame, splits), splits, samples, **OPTIONS)
    row = pick(rows)
    expected = run_by_fold_test(auroc_differences(frame, splits).reshape(5, 5))
    assert row["test"] == "sorted_runs"
    assert (row["difference"], row["statistic"], row["df"], row["p_value"], row["low"], row["high"]) == pytest.approx(
        (expected.difference, expected.statistic, 4, expected.p_value, expected.low, expected.high)
    )
    assert (row["n_repeats"], row["correction"]) == (25, "")
    assert "5 runs of 5 folds" in row["notes"]
    assert "object bootstrap [" in row["notes"]
    assert row["p_a_better"] + row["p_equivalent"] + row["p_b_better"] == pytest.approx(1)
    assert {r["test"] for r in rows} == {"sorted_runs"}
    backwards = compare_detectors(tables_for(frame, splits), splits, samples, baseline="b", **OPTIONS)
    assert pick(backwards)["p_value"] == pytest.approx(row["p_value"])


@pytest.mark.parametrize(("runs", "folds"), [(4, 5), (5, 4), (2, 10)])
def test_fewer_runs_or_folds_take_the_correction_of_repeated_k_fold(frame, samples, runs, folds):
    splits = ThreeWay(design="rotate", runs=runs, folds=folds).plan(samples, 0)
    row = pick(compare_detectors(tables_for(frame, splits), splits, samples, **OPTIONS), "sensitivity")
    assert row["test"] == "corrected_t"
    assert f"rho {1 / folds:.4g}" in row["notes"]
    differences = []
    for split in splits:
        tuning, test = (frame[frame.sample_id.isin(ids)] for ids in (split.threshold, split.inference))
        cuts = [select_threshold(tuning.label, tuning[name]).value for name in ("a", "b")]
        hits = [confusion(test.label, test[n], cut).tp / test.label.sum() for n, cut in zip("ab", cuts, strict=True)]
        differences.append(hits[0] - hits[1])
    expected = corrected_resampled_ttest(differences, test_train_ratio=1 / (folds - 1))
    assert (row["statistic"], row["p_value"]) == pytest.approx((expected.statistic, expected.p_value))


def test_a_run_with_a_failed_fold_is_left_out(frame, samples):
    splits = ThreeWay(design="rotate", runs=6, folds=5).plan(samples, 0)
    tables = tables_for(frame, splits)
    tables["b"] = [None if j == 7 else table for j, table in enumerate(tables["b"])]
    row = pick(compare_detectors(tables, splits, samples, **OPTIONS))
    kept = [s for s in splits if s.run != 1]
    assert row["p_value"] == pytest.approx(run_by_fold_test(auroc_differences(frame, kept).reshape(5, 5)).p_value)
    assert row["n_repeats"] == 25
    assert "runs left out because a fold lacks scores: 1" in row["notes"]
    tables["a"] = [None if j in (12, 14) else table for j, table in enumerate(tables["a"])]
    row = pick(compare_detectors(tables, splits, samples, **OPTIONS))
    assert (row["test"], row["n_repeats"]) == ("corrected_t", 20)


def test_a_bootstrap_that_had_to_be_drawn_again_too_often_is_called_doubtful(frame):
    few = frame[(frame.label == 0) | (frame.object_id < "d06")]
    samples = SampleTable.checked(few)
    splits = ThreeWay(design="rotate", runs=2, folds=3).plan(samples, 0)
    row = pick(compare_detectors(tables_for(few, splits), splits, samples, **OPTIONS))
    assert re.search(r"object bootstrap \[[^]]*\] \(doubtful: .*of the replicates were undefined", row["notes"])


def test_swapped_repeats_refuse_the_corrected_test_and_are_compared_by_the_object_bootstrap(frame, samples):
    splits = ThreeWay(repeats=6).plan(samples, 0)
    rows = compare_detectors(tables_for(frame, splits), splits, samples, swap=True, **OPTIONS)
    row = pick(rows)
    both = (auroc_differences(frame, splits) + auroc_differences(frame, [s.mirrored() for s in splits])) / 2
    assert row["difference"] == pytest.approx(both.mean())
    assert (row["test"], row["correction"]) == ("bootstrap", "")
    assert math.isnan(row["df"])
    assert 0 < row["p_value"] <= 1
    assert (row["p_value"] < 0.05) == (row["low"] > 0 or row["high"] < 0)
    assert "uses all objects of a class (rho = 1)" in row["notes"]
    assert f"object bootstrap [{row['low']:.6g}, {row['high']:.6g}]" in row["notes"]
    assert math.isnan(row["p_equivalent"])
    # Asked for in so many words, the corrected test has no p value.
    refused = pick(
        compare_detectors(tables_for(frame, splits), splits, samples, swap=True, test="corrected_t", **OPTIONS)
    )
    assert refused["test"] == "corrected_t"
    assert math.isnan(refused["p_value"])
    assert refused["decision"] == "no difference shown"


def test_the_bootstrap_test_has_the_interval_of_the_protocol_bootstrap(frame, samples):
    splits = ThreeWay(repeats=4).plan(samples, 0)
    tables = tables_for(frame, splits)
    row = pick(compare_detectors(tables, splits, samples, test="bootstrap", **OPTIONS))
    expected = protocol_bootstrap(splits, tables["a"], other=tables["b"], **OPTIONS)
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((expected.value, expected.low, expected.high))
    same = {"a": tables["a"], "b": tables["a"]}
    row = pick(compare_detectors(same, splits, samples, swap=True, **OPTIONS))
    assert (row["difference"], row["p_value"], row["decision"]) == (0, 1, "no difference shown")
    assert row["low"] < 0 < row["high"]


def test_the_bootstrap_test_keeps_its_level_where_the_detectors_are_equal(samples, frame):
    """30 worlds in which neither is better: .05 of them is 1.5, and 6 or more has a chance below 0.004."""
    splits = ThreeWay(repeats=3).plan(samples, 0)
    rejected = 0
    for world in range(30):
        rng = np.random.default_rng([7, world])
        of_object = dict(zip(frame.object_id.unique(), rng.normal(0, 0.7, (80, 2)), strict=True))
        scores = np.array([of_object[o] for o in frame.object_id]) + rng.normal(size=(len(frame), 2))
        scores += 1.5 * frame.label.to_numpy()[:, None]
        world_frame = frame.assign(a=scores[:, 0], b=scores[:, 1])
        rows = compare_detectors(tables_for(world_frame, splits), splits, samples, swap=True, **OPTIONS)
        rejected += pick(rows)["p_value"] < 0.05
    assert rejected < 6


def test_replicability_is_that_of_the_primary_test_on_each_block_alone(frame, samples):
    protocol = ThreeWay(repeats=4, blocks=5)
    splits = protocol.plan(samples, 0)
    tables = tables_for(frame, splits)
    row = pick(compare_detectors(tables, splits, samples, blocks=5, **OPTIONS))
    alone = []
    for b in range(5):
        part = slice(4 * b, 4 * b + 4)
        own = {name: each[part] for name, each in tables.items()}
        alone.append(pick(compare_detectors(own, splits[part], samples, **OPTIONS)))
    outcomes = [int(np.sign(r["difference"])) if r["p_value"] < 0.05 else 0 for r in alone]
    expected = replicability(outcomes, directions=True)
    assert (row["replicability"], row["replicability_low"], row["replicability_high"]) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    version = p_value_replicability([r["p_value"] for r in alone])
    for text in (
        "replicability of 5 experiments of 4 repeats each",
        f"rejection rate {np.mean(np.abs(outcomes)):.4g}",
        f"p-value version {version:.4g}",
        "near its critical value",
        "5 experiments: at least 10 are advised",
    ):
        assert text in row["notes"]
    assert "given the trained models" not in row["notes"]
    assert row["n_repeats"] == 20
    names = ("replicability", "replicability_low", "replicability_high")
    other_way = pick(compare_detectors(dict(reversed(tables.items())), splits, samples, blocks=5, **OPTIONS))
    assert [other_way[n] for n in names] == pytest.approx([row[n] for n in names])
    whole = pick(compare_detectors(tables, splits, samples, **OPTIONS))
    assert row["p_value"] == whole["p_value"]
    assert math.isnan(whole["replicability"])


@pytest.mark.parametrize(("options", "test"), [({"design": "rotate", "runs": 5, "folds": 5}, "sorted_runs"),
                                               ({"repeats": 3, "swap": True}, "bootstrap")])  # fmt: skip
def test_blocks_of_every_design_are_tested_by_its_primary_test(frame, samples, options, test):
    protocol = ThreeWay(blocks=2, **options)
    splits = protocol.plan(samples, 0)
    rows = compare_detectors(
        tables_for(frame, splits), splits, samples, blocks=2, swap=options.get("swap", False), **OPTIONS
    )
    for row in rows:
        assert row["test"] == test
        assert row["replicability"] in (0, 1)
        assert 0 <= row["replicability_low"] <= row["replicability_high"] <= 1


def test_a_block_that_lacks_a_repeat_is_left_out(frame, samples):
    splits = ThreeWay(repeats=3, blocks=3).plan(samples, 0)
    tables = tables_for(frame, splits)
    tables["a"] = [None if j == 4 else table for j, table in enumerate(tables["a"])]
    row = pick(compare_detectors(tables, splits, samples, blocks=3, **OPTIONS))
    assert "replicability of 2 experiments" in row["notes"]
    assert "1 blocks lack a repeat" in row["notes"]
    tables["a"] = [None if j in (4, 8) else table for j, table in enumerate(tables["a"])]
    row = pick(compare_detectors(tables, splits, samples, blocks=3, **OPTIONS))
    assert math.isnan(row["replicability"])
    assert "needs two whole experiments; got 1" in row["notes"]


@pytest.mark.parametrize("swap", [False, True])
def test_conditional_blocks_halve_anew_and_say_that_models_were_kept(frame, samples, swap):
    protocol = ThreeWay(repeats=4, blocks=3, conditional=True, swap=swap)
    splits = protocol.plan(samples, 0)
    resplits = protocol.rehalved(splits, samples, 0)
    tables = tables_for(frame, splits)
    row = pick(compare_detectors(tables, splits, samples, resplits=resplits, swap=swap, **OPTIONS))
    alone = [pick(compare_detectors(tables, drawn, samples, swap=swap, **OPTIONS)) for drawn in (splits, *resplits)]
    outcomes = [int(np.sign(r["difference"])) if r["p_value"] < 0.05 else 0 for r in alone]
    assert row["replicability"] == pytest.approx(replicability(outcomes).value)
    assert "given the trained models" in row["notes"]
    assert "3 experiments of 4 repeats each" in row["notes"]
    assert row["n_repeats"] == 4
    assert row["p_value"] == alone[0]["p_value"]


def test_impossible_blocks_and_tests_are_refused(frame, samples):
    splits = ThreeWay(repeats=4).plan(samples, 0)
    with pytest.raises(InputError, match="blocks"):
        compare_detectors(tables_for(frame, splits), splits, samples, blocks=3, **OPTIONS)
    with pytest.raises(InputError, match="sorted_runs"):
        compare_detectors(tables_for(frame, splits), splits, samples, test="anova", **OPTIONS)
    row = pick(compare_detectors(tables_for(frame, splits), splits, samples, test="sorted_runs", **OPTIONS))
    assert math.isnan(row["p_value"])
    assert "need the design rotate" in row["notes"]


@pytest.mark.parametrize(("n_defective", "n_good", "runs", "folds"), [(60, 400, 10, 10), (20, 100, 5, 5)])
def test_sorted_runs_keep_their_level_under_rotate(n_defective, n_good, runs, folds):
    """Two equally good fixed detectors, 400 worlds: at most .05 and two Monte-Carlo standard errors (.022)."""
    names = [f"d{o:03}" for o in range(n_defective)] + [f"g{o:03}" for o in range(n_good)]
    frame = pd.DataFrame({"sample_id": names, "object_id": names, "label": [int(n[0] == "d") for n in names]})
    position = {name: i for i, name in enumerate(names)}
    parts = [
        [np.array([position[i] for i in split.inference if i[0] == kind]) for kind in "dg"]
        for split in ThreeWay(design="rotate", runs=runs, folds=folds).plan(SampleTable.checked(frame), 1)
    ]
    rng = np.random.default_rng(0)
    n_worlds, metrics = 400, ("sensitivity", "specificity", "balanced_accuracy", "auroc")
    values = np.empty((len(metrics), n_worlds, len(parts)))
    for world in range(n_worlds):
        shared, own = rng.normal(size=(len(names), 1)), rng.normal(size=(len(names), 2))
        scores = 0.7 * shared + 0.7 * own + 1.5 * frame.label.to_numpy()[:, None]
        for j, (defective, good) in enumerate(parts):
            a, b = scores[defective], scores[good]
            tpr, tnr = (a >= 0.75).mean(axis=0), (b < 0.75).mean(axis=0)
            area = (a[:, None] > b[None]).mean(axis=(0, 1))
            values[:, world, j] = [v[0] - v[1] for v in (tpr, tnr, (tpr + tnr) / 2, area)]
    sample = scheme_sample(values.reshape(len(metrics), n_worlds, runs, folds), "sorted_runs")
    p = t_tests(sample, tolerance=1e-12).p_value
    rejected = dict(zip(metrics, (p < 0.05).mean(axis=1), strict=True))
    assert max(rejected.values()) <= 0.05 + 0.022, rejected
    assert rejected["sensitivity"] > 0.005  # it is a test, not a refusal
