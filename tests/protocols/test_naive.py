import numpy as np
import pandas as pd
import pytest

from protocols.errors import InputError, SplitError
from protocols.metrics import auroc
from protocols.naive import Naive
from protocols.samples import SampleTable
from protocols.scores import ScoreTable
from protocols.thresholds import select_threshold


def make_frame(views=3, seed=0, leak=0, n_good_test=8):
    rows = [(f"d{o}v{v}", f"d{o}", 1, "test") for o in range(8) for v in range(views)]
    rows += [(f"t{o}v{v}", f"g{o}", 0, "test") for o in range(n_good_test) for v in range(views)]
    first = n_good_test - leak
    rows += [(f"r{o}v{v}", f"g{o}", 0, "train") for o in range(first, first + 12) for v in range(views)]
    frame = pd.DataFrame(rows, columns=["sample_id", "object_id", "label", "source"])
    frame["score"] = np.random.default_rng(seed).normal(size=len(frame)) + 1.2 * frame.label
    return frame


def with_checkpoints(frame, n=4):
    rng = np.random.default_rng(5)
    noise = [frame.assign(step=10 * (k + 1), score=frame.score + rng.normal(0, 0.7, len(frame))) for k in range(n)]
    return ScoreTable.checked(pd.concat([*noise, frame.assign(step=-1)]))


def planned(frame, **options):
    protocol = Naive(**{"n_resamples": 200} | options)
    return protocol, protocol.plan(SampleTable.checked(frame), seed=0)[0]


def one(rows, **wanted):
    found = [r for r in rows if all(getattr(r, k) == v for k, v in wanted.items())]
    assert len(found) == 1, (wanted, len(found))
    return found[0]


def test_the_whole_test_set_judges_and_every_nominal_training_image_trains():
    frame = make_frame()
    _, split = planned(frame)
    assert set(split.test) == set(frame.sample_id[frame.source == "test"])
    assert set(split.train) == set(frame.sample_id[frame.source == "train"])
    assert split.notes == ()


def test_without_nominal_test_images_a_share_of_the_images_is_held_out_at_random():
    frame = make_frame(n_good_test=0)
    _, split = planned(frame, nominal_test_share=0.25)
    held_out = [i for i in split.test if i[0] == "r"]
    assert len(held_out) == 9
    assert "9 of 36 nominal images held out at random" in " ".join(split.notes)
    assert "leaking" in " ".join(split.notes)
    other = Naive(nominal_test_share=0.25).plan(SampleTable.checked(frame), seed=1)[0]
    assert other.fingerprint != split.fingerprint


def test_shared_objects_are_noted_in_every_row():
    frame = make_frame(leak=3)
    protocol, split = planned(frame)
    rows = protocol.evaluate(split, ScoreTable.checked(frame))
    assert all("leaking: 3 objects in train and test" in r.estimate.notes for r in rows)


def test_images_as_objects_are_noted_in_every_row():
    frame = make_frame(views=1)
    protocol, split = planned(frame, object_policy="image_is_object")
    rows = protocol.evaluate(split, ScoreTable.checked(frame))
    assert all("grouping=none" in r.estimate.notes for r in rows)
    frame["object_id"] = ""
    protocol, split = planned(frame)
    rows = protocol.evaluate(split, ScoreTable.checked(frame))
    assert all(r.estimate.notes.count("grouping=none") == 1 for r in rows)


@pytest.mark.parametrize("level_of_analysis", ["image", "object"])
def test_the_best_checkpoint_is_the_largest_test_auroc_and_optimism_the_gap_to_the_last(level_of_analysis):
    frame = make_frame()
    protocol, split = planned(frame)
    table = with_checkpoints(frame)
    rows = protocol.evaluate(split, table)
    values = {}
    for step in table.steps:
        part = table.at(step).of(split.test).frame
        if level_of_analysis == "object":
            part = part.groupby("object_id").agg({"label": "max", "score": "max"})
        values[step] = auroc(part.label, part.score)
    at = {"level_of_analysis": level_of_analysis}
    last, best = one(rows, metric="auroc", **at), one(rows, metric="auroc_best_checkpoint", **at)
    gap = one(rows, metric="optimism", **at)
    assert last.estimate.value == pytest.approx(values[-1])
    assert best.estimate.value == pytest.approx(max(values.values()))
    assert gap.estimate.value == pytest.approx(max(values.values()) - values[-1])
    assert (last.optimistic, best.optimistic, gap.optimistic) == (False, True, False)
    assert 0 <= gap.estimate.low <= gap.estimate.value <= gap.estimate.high
    assert gap.estimate.low < gap.estimate.high


def test_a_detector_without_checkpoints_has_no_best_one():
    frame = make_frame()
    protocol, split = planned(frame)
    metrics = {r.metric for r in protocol.evaluate(split, ScoreTable.checked(frame))}
    assert "auroc" in metrics
    assert not metrics & {"auroc_best_checkpoint", "optimism"}


def test_the_threshold_is_chosen_on_the_test_set_and_flagged():
    frame = make_frame()
    protocol, split = planned(frame, prevalence=0.05)
    rows = protocol.evaluate(split, ScoreTable.checked(frame))
    part = frame[frame.sample_id.isin(split.test)]
    chosen = select_threshold(part.label, part.score)
    row = one(rows, metric="youden_j", level_of_analysis="image")
    assert row.threshold == chosen.value
    assert row.estimate.value == pytest.approx(chosen.apparent)
    assert row.estimate.low < row.estimate.value < row.estimate.high
    assert all(r.optimistic for r in rows if r.threshold_rule)
    assert "ppv_at_prevalence" in {r.metric for r in rows}
    assert {(r.repeat, r.partition) for r in rows} == {(0, "test")}


def test_perfect_separation_has_a_bound():
    frame = make_frame()
    frame["score"] += 100 * frame.label
    protocol, split = planned(frame)
    for row in protocol.evaluate(split, with_checkpoints(frame)):
        assert row.estimate.status == "undefined" or row.estimate.low < row.estimate.high, row


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda f: f[f.label == 0], "SingleClassPartition"),
        (lambda f: f[(f.label == 1) | (f.source == "test")], "EmptyTraining"),
        (lambda f: f.assign(source="train"), "AnomalyInTrain"),
    ],
    ids=["no anomalies", "no training", "anomalies in train"],
)
def test_impossible_data_are_refused(change, code):
    with pytest.raises(SplitError) as error:
        planned(change(make_frame()))
    assert error.value.code == code


def test_an_impossible_share_is_refused():
    with pytest.raises(InputError, match="nominal_test_share"):
        planned(make_frame(), nominal_test_share=1.0)
