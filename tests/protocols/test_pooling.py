"""Whether nominal test and training images may be pooled: the check on the scores of both."""

import numpy as np
import pandas as pd
import pytest

from protocols.comparisons.two_sample import object_ks_test
from protocols.pooling import pooling_note, pooling_test
from protocols.samples import SampleTable
from protocols.scores import ScoreTable
from protocols.three_way import ThreeWay


def factory(shift=0.0, seed=0, n_good=40, views=4):
    """Good objects of both sources; those of the test source score higher by ``shift``."""
    rng = np.random.default_rng(seed)
    rows = [(f"d{o:02}v{v}", f"d{o:02}", 1, "test") for o in range(20) for v in range(views)]
    rows += [(f"g{o:02}v{v}", f"g{o:02}", 0, "test" if o % 2 else "train") for o in range(n_good) for v in range(views)]
    frame = pd.DataFrame(rows, columns=["sample_id", "object_id", "label", "source"])
    of_object = dict(zip(frame.object_id.unique(), rng.normal(size=frame.object_id.nunique()), strict=True))
    moved = shift * ((frame.label == 0) & (frame.source == "test"))
    return frame.assign(score=frame.object_id.map(of_object) + 0.3 * rng.normal(size=len(frame)) + moved)


def planned(frame, repeats=5):
    protocol = ThreeWay(repeats=repeats, merge_nominal_test=True)
    splits = protocol.plan(SampleTable.checked(frame), 0)
    return splits, [ScoreTable.checked(frame)] * repeats


def test_sources_that_score_alike_pass_and_others_do_not():
    alike, apart = (pooling_test(*planned(factory(shift))) for shift in (0.0, 3.0))
    assert alike.p_value > 0.05
    assert apart.p_value < 0.01
    note, refuted = pooling_note(apart)
    assert refuted
    assert note.startswith("nominal test differs from nominal train; pooling not supported (KS D=")
    assert f"p={apart.p_value:.4g}" in note
    note, refuted = pooling_note(alike)
    assert not refuted
    assert f"KS D={alike.statistic:.4g}, p={alike.p_value:.4g}" in note


def test_the_value_of_an_object_is_its_mean_rank_over_images_and_repeats():
    splits, tables = planned(factory(1.0), repeats=3)
    found = {}
    for split, table in zip(splits, tables, strict=True):
        frame = table.frame
        rows = frame[frame.sample_id.isin(split.threshold + split.inference) & (frame.label == 0)]
        ranks = (rows.score.rank() - 0.5) / len(rows)
        for o, source, rank in zip(rows.object_id, rows.source, ranks, strict=True):
            found.setdefault((source, o), []).append(rank)
    sides = [{o: np.mean(r) for (source, o), r in found.items() if source == side} for side in ("train", "test")]
    expected = object_ks_test(*(x for side in sides for x in (list(side.values()), list(side))))
    result = pooling_test(splits, tables)
    assert (result.statistic, result.p_value) == (expected.statistic, expected.p_value)


def test_scores_of_different_trainings_need_no_common_scale():
    splits, tables = planned(factory(1.0))
    stretched = [ScoreTable.checked(t.frame.assign(score=10**j * t.frame.score + j)) for j, t in enumerate(tables)]
    assert pooling_test(splits, stretched) == pooling_test(splits, tables)
    assert pooling_test(splits, [None, *tables[1:]]).p_value < 1


@pytest.mark.parametrize("source", ["train", "test"])
def test_one_source_alone_cannot_be_checked(source):
    frame = factory()
    splits, _ = planned(frame)
    tables = [ScoreTable.checked(frame.assign(source=frame.source.where(frame.label == 1, source)))] * 5
    result = pooling_test(splits, tables)
    assert result.status == "undefined"
    note, refuted = pooling_note(result)
    assert not refuted
    assert note.startswith("pooling of nominal images not checked: each side needs objects")
    assert pooling_test(splits, [None] * 5).status == "undefined"


def test_an_object_in_both_sources_is_on_neither_side():
    frame = factory(3.0)
    mixed = frame.assign(source=frame.source.where(frame.sample_id != "g00v0", "test"))
    splits, tables = planned(mixed, repeats=10)
    assert any("both sides" in note for note in pooling_test(splits, tables).notes)


def test_images_may_be_their_own_objects():
    frame = factory(3.0, views=1)
    protocol = ThreeWay(repeats=3, merge_nominal_test=True, object_policy="image_is_object")
    splits = protocol.plan(SampleTable.checked(frame), 0)
    anonymous = [ScoreTable.checked(frame.assign(object_id=""))] * 3
    named = [ScoreTable.checked(frame)] * 3
    kept = pooling_test(splits, named)
    assert pooling_test(splits, anonymous, object_policy="image_is_object").p_value == pytest.approx(kept.p_value)
