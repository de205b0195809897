"""Runs of folds, and halving a trained repeat anew."""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import SampleTable, grouped_three_way, rotations
from protocols.comparisons.class_resolved import class_resolved_rho
from protocols.draw import Draw
from protocols.errors import InputError, SplitError, UndefinedError
from protocols.rehalving import rehalved

COLUMNS = ["sample_id", "object_id", "label", "source", "defect_type"]
CODES = {
    "TooFewGoodObjects",
    "InsufficientNominal",
    "EmptyTraining",
    "UnbalanceableGroups",
    "SingleClassPartition",
    "TooFewDefectiveObjects",
}


def table(rows):
    return SampleTable.checked(pd.DataFrame(rows, columns=COLUMNS))


def simple(n_defective=12, n_good=40, views=1, n_test=0, kinds=("scratch",)):
    rows = [
        (f"a{i:02}-{v}", f"o{i:02}", 1, "test", kinds[i % len(kinds)]) for i in range(n_defective) for v in range(views)
    ]
    rows += [
        (f"g{i:02}-{v}", f"g{i:02}", 0, "test" if i < n_test else "train", "")
        for i in range(n_good)
        for v in range(views)
    ]
    return table(rows)


@st.composite
def structures(draw):
    """Random object structures: views, several defect types, hidden defects, both sources."""
    rows = []
    for o in range(draw(st.integers(2, 11))):
        n_anomalous, n_hidden = draw(st.integers(1, 3)), draw(st.integers(0, 2))
        kind = draw(st.sampled_from(["", "dent", "scratch", "hole"]))
        rows += [(f"d{o}/a{v}", f"d{o}", 1, "test", kind) for v in range(n_anomalous)]
        rows += [(f"d{o}/n{v}", f"d{o}", 0, draw(st.sampled_from(["train", "test"])), "") for v in range(n_hidden)]
    for o in range(draw(st.integers(6, 30))):
        sources = draw(st.lists(st.sampled_from(["train", "test"]), min_size=1, max_size=3))
        rows += [(f"g{o}/{v}", f"g{o}", 0, s, "") for v, s in enumerate(sources)]
    return rows


OPTIONS = st.fixed_dictionaries(
    {
        "seed": st.integers(-3, 1000),
        "merge_nominal_test": st.booleans(),
        "ndo": st.sampled_from(["exclude", "evaluate"]),
        "quota_unit": st.sampled_from([None, "object", "image"]),
        "nominal_ratio": st.sampled_from([1, 0.5, 2]),
        "min_train_share": st.sampled_from([0, 0.3, 0.5, 0.7]),
        "object_policy": st.sampled_from(["required", "image_is_object"]),
    }
)
FOLDS = st.integers(2, 6)


@settings(max_examples=60, deadline=None)
@given(structures(), FOLDS, OPTIONS)
def test_post_conditions_hold_for_any_object_structure(rows, folds, options):
    samples = table(rows)
    try:
        splits = rotations(samples, runs=2, folds=folds, **options)
    except SplitError as error:
        assert error.code in CODES
        assert any(c.isdigit() for c in str(error))
        return
    frame = samples.frame.set_index("sample_id")
    if options["object_policy"] == "image_is_object":
        frame["object_id"] = frame.index
    defective = set(frame.object_id[frame.label == 1])
    has_test = ((frame.label == 0) & (frame.source == "test") & ~frame.object_id.isin(defective)).any()
    pooled = options["merge_nominal_test"] or not has_test
    n_good = len(set(frame.object_id) - defective)
    assert [(s.run, s.fold, s.repeat) for s in splits] == [
        (r, j, r * folds + j) for r in range(2) for j in range(folds)
    ]

    def of(ids, label):
        part = frame.loc[list(ids)]
        return part[part.label == label] if label else part[(part.label == 0) & ~part.object_id.isin(defective)]

    for run in range(2):
        mine = splits[run * folds : (run + 1) * folds]
        judged = Counter(o for s in mine for o in set(of(s.inference, 1).object_id))
        assert judged == Counter(dict.fromkeys(defective, 1))
        sizes = [of(s.inference, 1).object_id.nunique() for s in mine]
        assert max(sizes) - min(sizes) <= 1
        for fold, split in enumerate(mine):
            after = mine[(fold + 1) % folds]
            assert split.threshold == after.inference
            used = {name: set(frame.object_id[list(ids)]) for name, ids in split.partitions().items()}
            assert used["train"]
            assert not used["train"] & (used["threshold"] | used["inference"] | defective)
            assert not used["threshold"] & used["inference"]
            assert sorted(i for ids in split.partitions().values() for i in ids) == sorted(frame.index)
            sides = [frame.loc[list(ids)] for ids in (split.threshold, split.inference)]
            assert all(set(side.label) == {0, 1} for side in sides)
            good = [of(ids, 0) for ids in (split.threshold, split.inference)]
            hidden = [side[(side.label == 0) & side.object_id.isin(defective)] for side in sides]
            if options["quota_unit"] == "image":
                assert len({len(g) + len(n) for g, n in zip(good, hidden, strict=True)}) == 1
            elif options["quota_unit"] == "object":
                assert len({g.object_id.nunique() for g in good}) == 1
            for g, n in zip(good, hidden, strict=True):
                assert len(n) <= len(g)
                assert options["ndo"] == "evaluate" or len(n) == 0
            if pooled:
                assert len(used["train"]) >= options["min_train_share"] * n_good - 1e-9
                assert len(used["train"]) <= n_good - sum(g.object_id.nunique() for g in good)
            else:
                assert all((side.source == "test").all() for side in sides)
                assert (frame.loc[list(split.train)].source == "train").all()


@settings(max_examples=15, deadline=None)
@given(structures(), FOLDS, OPTIONS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_moves_no_fold(rows, folds, options, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    try:
        first = rotations(table(rows), runs=1, folds=folds, **options)
    except SplitError as error:
        with pytest.raises(SplitError) as other:
            rotations(table(shuffled), runs=1, folds=folds, **options)
        assert other.value.code == error.code
        return
    assert first == rotations(table(shuffled), runs=1, folds=folds, **options)


def test_defective_objects_are_dealt_in_turn_by_their_keys_type_by_type():
    samples = simple(n_defective=11, kinds=("hole", "dent"))
    for split in rotations(samples, runs=3, folds=4, seed=7):
        draw = Draw(7, split.run, 0)
        dents, holes = ([f"o{i:02}" for i in range(first, 11, 2)] for first in (1, 0))
        order = draw.order(dents, "A") + draw.order(holes, "A")  # the deal goes on from type to type
        assert {f"o{i[1:3]}" for i in split.inference if i[0] == "a"} == set(order[split.fold :: 4])
        good = draw.order([f"g{i:02}" for i in range(40)], "G")
        assert {i[:3] for i in split.inference if i[0] == "g"} == set(good[split.fold : 8 : 4])


def test_a_run_is_one_draw_whatever_the_number_of_runs_and_another_seed_is_another():
    few, many = (rotations(simple(), runs=runs, folds=5) for runs in (2, 4))
    assert [s.fingerprint for s in few] == [s.fingerprint for s in many[:10]]
    prints = {s.fingerprint for seed in range(3) for s in rotations(simple(), runs=3, folds=5, seed=seed)}
    assert len(prints) == 45


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_rho_of_the_anomalous_class_is_that_of_repeated_k_fold(folds):
    samples = simple(n_defective=23, n_good=200)
    splits = rotations(samples, runs=3, folds=folds)
    rho = class_resolved_rho(splits, samples, metric="sensitivity")
    assert rho == pytest.approx(1 / folds)
    assert rho / (1 - rho) == pytest.approx(1 / (folds - 1))


def test_an_image_quota_is_shared_by_the_folds():
    rows = [(f"a{i}/{v}", f"a{i}", 1, "test", "") for i in range(12) for v in range(5)]
    rows += [(f"g{i}/{v}", f"g{i}", 0, "train", "") for i in range(30) for v in range(20)]
    for split in rotations(table(rows), runs=2, folds=4, quota_unit="image", nominal_ratio=2):
        nominal = Counter(i.split("/")[0] for i in split.inference if i[0] == "g")
        assert sum(nominal.values()) == 12 * 5 * 2 // 4
        assert len(nominal) == 3
        assert max(nominal.values()) - min(nominal.values()) <= 1


@pytest.mark.parametrize(
    ("samples", "options", "code", "count"),
    [
        (lambda: simple(n_defective=4), {"folds": 5}, "TooFewDefectiveObjects", "4 defective"),
        (lambda: simple(n_defective=1), {"folds": 2}, "TooFewDefectiveObjects", "1 defective"),
        (lambda: simple(n_defective=30), {"folds": 11}, "TooManyFolds", "11"),
        (lambda: simple(n_good=4), {"folds": 5}, "TooFewGoodObjects", "4 good"),
        (lambda: simple(n_good=20, n_test=3), {"folds": 4}, "TooFewGoodObjects", "3 good"),
        (lambda: simple(n_good=20, n_test=20), {"folds": 4}, "EmptyTraining", "0 training"),
        (lambda: simple(), {"nominal_ratio": 9}, "InsufficientNominal", "21 nominal"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_impossible_rotations_name_the_fault_and_the_counts(samples, options, code, count):
    with pytest.raises(SplitError) as error:
        rotations(samples(), runs=1, **options)
    assert error.value.code == code
    assert count in str(error.value)


def test_a_dominating_object_is_refused_and_unbalanced_folds_are_approximate():
    rows = [(f"g{i}", f"g{i}", 0, "train", "") for i in range(20)]
    rows += [(f"a{i}/{v}", f"a{i}", 1, "test", "") for i, n in enumerate((30, 1, 1, 1)) for v in range(n)]
    with pytest.raises(SplitError) as error:
        rotations(table(rows), folds=4)
    assert error.value.code == "UnbalanceableGroups"
    rows = rows[:20] + [(f"a{i}/{v}", f"a{i}", 1, "test", "") for i, n in enumerate((5, 1, 4, 2)) for v in range(n)]
    for split in rotations(table(rows), folds=4):
        assert split.status == "approximate"
        assert any("unbalanced: folds of" in note for note in split.notes)


@pytest.mark.parametrize(
    "options",
    [{"runs": 0}, {"runs": 1.5}, {"folds": 1}, {"folds": True}, {"seed": None}, {"ndo": ""}],
    ids=str,
)
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError) as error:
        rotations(simple(), **options)
    assert next(iter(options)) in str(error.value)


@settings(max_examples=40, deadline=None)
@given(structures(), OPTIONS, st.integers(1, 3))
def test_halving_anew_keeps_the_training_and_the_post_conditions(rows, options, block):
    samples = table(rows)
    try:
        splits = grouped_three_way(samples, repeats=2, **options)
    except SplitError:
        return
    wanted = {name: options[name] for name in ("seed", "quota_unit", "ndo", "object_policy")}
    for split in splits:
        try:
            again = rehalved(split, samples, block=block, **wanted)
        except SplitError as error:
            assert error.code in CODES
            continue
        assert again.train == split.train
        assert again.repeat == split.repeat
        assert set(again.threshold + again.inference) <= set(split.threshold + split.inference)
        labels = samples.frame.set_index("sample_id").label
        anomalous = [labels[list(s.threshold + s.inference)].sum() for s in (split, again)]
        assert anomalous[0] == anomalous[1]


def test_every_block_and_repeat_is_another_halving():
    samples = simple(n_defective=16, views=2)
    splits = grouped_three_way(samples, repeats=3)
    found = [rehalved(split, samples, block=block) for split in splits for block in (1, 2, 3)]
    assert len({s.fingerprint for s in [*splits, *found]}) == 12
    for split, again in zip([s for s in splits for _ in range(3)], found, strict=True):
        assert set(again.threshold + again.inference) == set(split.threshold + split.inference)
        assert again.notes[-1].startswith("halved anew")
    assert rehalved(splits[0], samples, block=2) == found[1]
    with pytest.raises(InputError, match="block"):
        rehalved(splits[0], samples, block=0)


def test_values_that_use_all_defective_objects_have_no_correction():
    samples = simple()
    swapped = grouped_three_way(samples, repeats=4, swap=True)
    folds = rotations(samples, runs=4, folds=3)
    for splits, options in ((swapped, {}), (folds, {"value_per": "run"})):
        for metric in ("sensitivity", "specificity", "auroc", "f1"):
            with pytest.raises(UndefinedError, match="protocol_bootstrap") as error:
                class_resolved_rho(splits, samples, metric=metric, **options)
            assert error.value.code == "CorrectionUndefined"
    assert class_resolved_rho(swapped[::2], samples, metric="tpr") == 0.5
    with pytest.raises(InputError, match="no run"):
        class_resolved_rho(swapped, samples, metric="tpr", value_per="run")
    with pytest.raises(InputError, match="value_per"):
        class_resolved_rho(swapped, samples, metric="tpr", value_per="fold")


@pytest.mark.parametrize("draw", [grouped_three_way, rotations], ids=["resample", "rotate"])
@pytest.mark.parametrize("unit", ["object", "image"])
@pytest.mark.parametrize("n_hidden", [1, 9])
def test_hidden_views_are_judged_with_their_object_for_at_most_half_of_the_nominals(draw, unit, n_hidden):
    rows = [(f"d{o:02}/a{v}", f"d{o:02}", 1, "test", "") for o in range(12) for v in range(3)]
    rows += [(f"d{o:02}/n{v}", f"d{o:02}", 0, "test", "") for o in range(12) for v in range(n_hidden)]
    rows += [(f"g{o:02}/{v}", f"g{o:02}", 0, "train", "") for o in range(50) for v in range(3)]
    samples = table(rows)
    many = {"repeats": 4} if draw is grouped_three_way else {"runs": 2, "folds": 3}
    objects = 6 if draw is grouped_three_way else 4  # defective ones of a partition, and good ones
    for split in draw(samples, quota_unit=unit, ndo="evaluate", **many):
        for ids in (split.threshold, split.inference):
            mine = {i[:3] for i in ids if "/a" in i}
            hidden, good = [i for i in ids if "/n" in i], [i for i in ids if i[0] == "g"]
            assert {i[:3] for i in hidden} <= mine
            if unit == "image":  # as many nominal images as anomalous ones
                assert len(hidden) == min(objects * n_hidden, objects * 3 // 2)
                assert len(hidden) + len(good) == objects * 3
            else:
                assert len(good) == objects * 3
                assert len(hidden) == min(objects * n_hidden, objects * 3)
    for split in draw(samples, quota_unit=unit, **many):
        judged = {i[:3] for ids in (split.threshold, split.inference) for i in ids if "/a" in i}
        assert not any("/n" in i for i in split.threshold + split.inference + split.train)
        # Held out are the hidden views of the objects judged, not those of other folds.
        assert {i[:3] for i in split.held_out(samples) if "/n" in i} == judged


@pytest.mark.parametrize("draw", [grouped_three_way, rotations], ids=["resample", "rotate"])
def test_the_unit_of_the_quota_follows_from_the_views_and_the_ratio_acts_on_images_only(draw):
    many = {"repeats": 2} if draw is grouped_three_way else {"runs": 1, "folds": 3}
    single, several = simple(n_defective=12, n_good=60), simple(n_defective=12, n_good=60, views=2)
    for samples, unit in ((single, "image"), (several, "object")):
        assert draw(samples, **many) == draw(samples, quota_unit=unit, **many)
    objects = 6 if draw is grouped_three_way else 4

    def nominal(splits):
        return {sum(i[0] == "g" for i in ids) for split in splits for ids in (split.threshold, split.inference)}

    assert nominal(draw(several, nominal_ratio=2, **many)) == {2 * objects}
    assert nominal(draw(several, nominal_ratio=2, quota_unit="image", **many)) == {4 * objects}
    assert nominal(draw(single, nominal_ratio=2, **many)) == {2 * objects}
