import hashlib
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import InputError, LeakageError, SplitError
from protocols.samples import SampleTable
from protocols.splits import Draw, Split, grouped_three_way

COLUMNS = ["sample_id", "object_id", "label", "source", "defect_type"]


def table(rows):
    return SampleTable.checked(pd.DataFrame(rows, columns=COLUMNS))


def simple(n_defective=6, n_good=20, views=1, n_test=0):
    rows = [(f"a{i}-{v}", f"o{i}", 1, "test", "scratch") for i in range(1, n_defective + 1) for v in range(views)]
    rows += [
        (f"g{i}-{v}", f"g{i}", 0, "test" if i < n_test else "train", "") for i in range(n_good) for v in range(views)
    ]
    return table(rows)


@st.composite
def structures(draw):
    """Random object structures: views, several defect types, hidden defects, both sources."""
    rows = []
    for o in range(draw(st.integers(2, 9))):
        n_anomalous, n_hidden = draw(st.integers(1, 4)), draw(st.integers(0, 3))
        kind = draw(st.sampled_from(["", "dent", "scratch", "hole"]))
        rows += [(f"d{o}/a{v}", f"d{o}", 1, "test", kind) for v in range(n_anomalous)]
        rows += [(f"d{o}/n{v}", f"d{o}", 0, draw(st.sampled_from(["train", "test"])), "") for v in range(n_hidden)]
    for o in range(draw(st.integers(4, 14))):
        sources = draw(st.lists(st.sampled_from(["train", "test"]), min_size=1, max_size=4))
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
CODES = {
    "TooFewGoodObjects",
    "InsufficientNominal",
    "EmptyTraining",
    "UnbalanceableGroups",
    "SingleClassPartition",
    "TooFewDefectiveObjects",
}


@settings(max_examples=150, deadline=None)
@given(structures(), OPTIONS)
def test_post_conditions_hold_for_any_object_structure(rows, options):
    samples = table(rows)
    try:
        splits = grouped_three_way(samples, repeats=2, **options)
    except SplitError as error:
        assert error.code in CODES
        assert any(c.isdigit() for c in str(error))
        return
    frame = samples.frame.set_index("sample_id")
    if options["object_policy"] == "image_is_object":
        frame["object_id"] = frame.index
    defective = set(frame.object_id[frame.label == 1])
    for split in splits:
        sides = split.partitions()
        listed = [i for ids in sides.values() for i in ids]
        assert sorted(listed) == sorted(frame.index)
        used = {name: set(frame.object_id[list(ids)]) for name, ids in sides.items() if name != "unused"}
        assert not used["train"] & used["threshold"]
        assert not used["train"] & used["inference"]
        assert not used["threshold"] & used["inference"]
        assert not used["train"] & defective
        assert used["train"]
        judged = [frame.loc[list(sides[name])] for name in ("threshold", "inference")]
        assert all(set(part.label) == {0, 1} for part in judged)
        n_defective = [part.object_id[part.label == 1].nunique() for part in judged]
        assert abs(n_defective[0] - n_defective[1]) <= 1
        assert sum(n_defective) == len(defective)
        good = [part[~part.object_id.isin(defective)] for part in judged]
        hidden = [part[(part.label == 0) & part.object_id.isin(defective)] for part in judged]
        if options["quota_unit"] == "image":
            assert len(good[0]) + len(hidden[0]) == len(good[1]) + len(hidden[1])
        else:
            assert good[0].object_id.nunique() == good[1].object_id.nunique()
        for g, n in zip(good, hidden, strict=True):
            assert len(n) <= len(g)
            assert options["ndo"] == "evaluate" or len(n) == 0
        has_test = ((frame.label == 0) & (frame.source == "test") & ~frame.object_id.isin(defective)).any()
        if has_test and not options["merge_nominal_test"]:
            assert all((part.source == "test").all() for part in judged)
            assert (frame.loc[list(split.train)].source == "train").all()
        lines = sorted(f"{i}\t{p}\n" for p, ids in sides.items() for i in ids)
        assert split.fingerprint == hashlib.sha256("".join(lines).encode()).hexdigest()


@settings(max_examples=40, deadline=None)
@given(structures(), OPTIONS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_moves_no_split(rows, options, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    try:
        first = grouped_three_way(table(rows), repeats=2, **options)
    except SplitError as error:
        with pytest.raises(SplitError, match="samples|split") as other:
            grouped_three_way(table(shuffled), repeats=2, **options)
        assert other.value.code == error.code
        return
    second = grouped_three_way(table(shuffled), repeats=2, **options)
    assert [s.fingerprint for s in first] == [s.fingerprint for s in second]


def test_example_2_1_permutation_and_halves():
    names = [f"o{i}" for i in range(1, 7)]
    key = Draw(42, 0, 0).key("A", "o1")
    assert key == "9326d5381474285c1009cf05c5381cc33824e0b1e0cbc3da8c28fc9dc3106853"
    assert Draw(42, 0, 0).order(names, "A") == ["o6", "o3", "o4", "o2", "o1", "o5"]
    assert Draw(42, 1, 0).order(names, "A") == ["o5", "o1", "o6", "o2", "o3", "o4"]
    first = grouped_three_way(simple(), seed=42)[0]
    assert {i[:2] for i in first.threshold if i[0] == "a"} == {"a6", "a3", "a4"}
    assert {i[:2] for i in first.inference if i[0] == "a"} == {"a2", "a1", "a5"}


def test_example_2_2_counts_of_the_paper():
    rows = [(f"a{i}", "", 1, "test", "") for i in range(165)]
    rows += [(f"n{i}", "", 0, "train" if i < 3424 else "test", "") for i in range(3827)]
    split = grouped_three_way(table(rows), repeats=1, object_policy="image_is_object", merge_nominal_test=True)[0]
    labels = {r[0]: r[2] for r in rows}
    assert len(split.train) == 3663
    assert sorted(sum(labels[i] for i in ids) for ids in (split.threshold, split.inference)) == [82, 83]
    assert [sum(1 - labels[i] for i in ids) for ids in (split.threshold, split.inference)] == [82, 82]
    assert split.unused == ()
    assert "grouping=none" in split.notes


def test_example_2_3_the_image_quota_is_spread_over_h_objects():
    rows = [(f"a{i}/{v}", f"a{i}", 1, "test", "") for i in range(12) for v in range(14)]
    rows += [(f"g{i}/{v}", f"g{i}", 0, "train", "") for i in range(30) for v in range(120)]
    split = grouped_three_way(table(rows), repeats=1, quota_unit="image")[0]
    nominal = [i for i in split.threshold if i[0] == "g"]
    per_object = pd.Series([i.split("/")[0] for i in nominal]).value_counts()
    assert len(nominal) == 12 * 14 // 2
    assert len(per_object) == 6
    assert per_object.max() - per_object.min() <= 1


def test_a_short_object_passes_its_deficit_on():
    rows = [(f"a{i}/{v}", f"a{i}", 1, "test", "") for i in range(4) for v in range(5)]
    rows += [(f"g{i}/{v}", f"g{i}", 0, "train", "") for i in range(12) for v in range(4 if i % 2 else 9)]
    for split in grouped_three_way(table(rows), quota_unit="image", seed=3):
        assert sum(i[0] == "g" for i in split.threshold) == sum(i[0] == "g" for i in split.inference) == 10


def test_another_seed_or_repeat_gives_another_split():
    prints = {s.fingerprint for seed in range(5) for s in grouped_three_way(simple(), seed=seed, repeats=5)}
    assert len(prints) == 25


def test_seed_zero_is_a_seed():
    assert grouped_three_way(simple(), seed=0)[0].fingerprint != grouped_three_way(simple(), seed=1)[0].fingerprint
    assert grouped_three_way(simple())[0].fingerprint == grouped_three_way(simple(), seed=0)[0].fingerprint


def test_ids_are_compared_in_nfc():
    rows = [(f"ä{i}", f"ö{i}", 1, "test", "") for i in range(6)] + [
        (f"ü{i}", f"ü{i}", 0, "train", "") for i in range(12)
    ]
    split_up = [(unicodedata.normalize("NFD", s), unicodedata.normalize("NFD", o), *rest) for s, o, *rest in rows]
    assert grouped_three_way(table(rows))[0].fingerprint == grouped_three_way(table(split_up))[0].fingerprint


def test_each_defect_type_is_halved():
    rows = [(f"a{i}", f"a{i}", 1, "test", "dent" if i < 4 else "hole") for i in range(10)]
    rows += [(f"g{i}", f"g{i}", 0, "train", "") for i in range(30)]
    for split in grouped_three_way(table(rows)):
        assert sum(f"a{i}" in split.threshold for i in range(4)) == 2
        assert sum(f"a{i}" in split.threshold for i in range(4, 10)) == 3


def test_without_merging_the_nominal_partitions_come_from_test_objects():
    samples = simple(n_defective=6, n_good=20, views=3, n_test=10)
    for split in grouped_three_way(samples):
        judged = {i.split("-")[0] for i in split.threshold + split.inference if i[0] == "g"}
        assert len(judged) == 6
        assert judged <= {f"g{i}" for i in range(10)}
        assert {i.split("-")[0] for i in split.train} == {f"g{i}" for i in range(10, 20)}


def test_training_images_of_an_object_that_is_judged_are_unused():
    rows = [(f"a{i}", f"a{i}", 1, "test", "") for i in range(4)]
    rows += [(f"t{i}", f"g{i}", 0, "test", "") for i in range(4)] + [
        (f"r{i}", f"g{i}", 0, "train", "") for i in range(8)
    ]
    for split in grouped_three_way(table(rows)):
        assert set(split.train) == {f"r{i}" for i in range(4, 8)}
        assert set(split.unused) == {f"r{i}" for i in range(4)}


def test_hidden_defect_views_are_held_out_with_their_object_and_never_train():
    rows = [(f"a{i}", f"a{i}", 1, "test", "") for i in range(6)]
    rows += [(f"h{i}", f"a{i}", 0, "train" if i % 2 else "test", "") for i in range(6)]
    rows += [(f"g{i}", f"g{i}", 0, "train", "") for i in range(20)]
    samples = table(rows)
    split = grouped_three_way(samples, repeats=1)[0]
    assert set(split.unused) == {f"h{i}" for i in range(6)}
    assert set(split.held_out(samples)) == set(split.threshold + split.inference) | {f"h{i}" for i in range(6)}
    assert any("6 nominal images of defective objects, 3 of them removed" in note for note in split.notes)


def contaminated():
    return table([(f"a{i}", f"a{i}", 1, "train" if i == 0 else "test", "") for i in range(4)] + GOOD)


def dominated():
    rows = [(f"a{i}", f"a{i}", 1, "test", "") for i in range(3)] + [(f"b{v}", "b", 1, "test", "") for v in range(40)]
    return table(rows + GOOD)


def unnamed():
    return table([(f"a{i}", "", 1, "test", "") for i in range(4)] + GOOD)


GOOD = [(f"g{i}", f"g{i}", 0, "train", "") for i in range(12)]


@pytest.mark.parametrize(
    ("samples", "options", "code", "count"),
    [
        (lambda: simple(n_defective=1), {}, "TooFewDefectiveObjects", "1 defective"),
        (lambda: simple(n_defective=0), {}, "TooFewDefectiveObjects", "0 defective"),
        (lambda: simple(n_good=3), {}, "TooFewGoodObjects", "3 good"),
        (lambda: simple(n_good=8, n_test=1), {}, "TooFewGoodObjects", "1 good"),
        (lambda: simple(n_good=8), {"nominal_ratio": 3}, "InsufficientNominal", "9 nominal"),
        (lambda: simple(n_good=6, n_test=6), {}, "EmptyTraining", "0 training"),
        (lambda: simple(), {"min_train_images": 15}, "EmptyTraining", "14 training"),
        (dominated, {}, "UnbalanceableGroups", "43"),
        (lambda: simple(n_defective=2), {"nominal_ratio": 0.1}, "SingleClassPartition", "0 nominal"),
        (contaminated, {}, "AnomalyInTrain", "1 anomalous"),
        (unnamed, {}, "MissingObjectId", "4 of 16"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_impossible_splits_name_the_fault_and_the_counts(samples, options, code, count):
    with pytest.raises(SplitError) as error:
        grouped_three_way(samples(), **options)
    assert error.value.code == code
    assert count in str(error.value)


def test_conflicting_labels_are_an_error():
    with pytest.raises(InputError) as error:
        table([("a", "a", 1, "test", ""), ("a", "a", 0, "test", "")])
    assert error.value.code == "LabelConflict"
    with pytest.raises(InputError, match="'b'") as error:  # worse than an image that is there twice
        table([(i, i, label, "test", "") for i, label in (("a", 1), ("a", 1), ("b", 1), ("b", 0))])
    assert error.value.code == "LabelConflict"


def test_whole_numbers_of_any_kind_are_seeds():
    seeds = 7, np.int64(7)
    assert len({grouped_three_way(simple(), seed=s, repeats=np.int32(1))[0].fingerprint for s in seeds}) == 1


def test_contaminated_training_may_be_allowed_with_a_note():
    split = grouped_three_way(contaminated(), repeats=1, allow_contaminated_train=True)[0]
    assert "a0" in split.threshold + split.inference
    assert any("1 anomalous training image" in note for note in split.notes)


@pytest.mark.parametrize(
    "options",
    [
        {"repeats": 0},
        {"repeats": -1},
        {"repeats": True},
        {"seed": 0.5},
        {"nominal_ratio": 0},
        {"nominal_ratio": float("nan")},
        {"quota_unit": "view"},
        {"min_train_share": 1},
        {"ndo": "drop"},
        {"object_policy": "guess"},
    ],
    ids=lambda option: str(option),
)
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError) as error:
        grouped_three_way(simple(), **options)
    assert next(iter(options)) in str(error.value)


def test_warnings_are_in_the_notes():
    rows = [(f"a{i}", f"a{i}", 1, "test", "dent" if i == 0 else "hole") for i in range(4)] + GOOD
    notes = " | ".join(grouped_three_way(table(rows), repeats=2)[0].notes)
    for text in ("4 defective objects", "one object", "dent", "2 repeats", "2 good objects", "no nominal test"):
        assert text in notes


def test_unbalanced_halves_are_approximate():
    rows = [(f"a{i}/{v}", f"a{i}", 1, "test", "") for i, n in enumerate((9, 1, 1, 1)) for v in range(n)]
    rows += [(f"b{v}", "b", 1, "test", "") for v in range(5)]
    split = grouped_three_way(table(rows + GOOD), repeats=1)[0]
    assert split.status == "ok" or any("unbalanced" in note for note in split.notes)
    rows = [(f"a{i}/{v}", f"a{i}", 1, "test", "") for i, n in enumerate((9, 3)) for v in range(n)]
    split = grouped_three_way(table(rows + GOOD), repeats=1)[0]
    assert split.status == "approximate"
    assert any("9" in note and "3" in note for note in split.notes if "unbalanced" in note)


def test_check_finds_an_object_on_two_sides():
    samples = table(
        [(f"a{i}", f"a{i}", 1, "test", "") for i in range(2)]
        + [(f"g{i}", f"g{i // 2}", 0, "train", "") for i in range(6)]
    )
    with pytest.raises(LeakageError) as error:
        Split(0, train=("g0", "g5"), threshold=("a0", "g1"), inference=("a1", "g2", "g3"), unused=("g4",)).check(
            samples
        )
    assert error.value.code == "ObjectLeak"
    assert "g0" in str(error.value)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"train": ("g3", "g4", "h0")}, "HiddenDefectInTrain"),
        ({"train": ("a2", "g3", "g4"), "unused": ("h0", "g2")}, "AnomalyInTrain"),
        ({"threshold": ("g0",), "unused": ("a0", "a2", "h0", "g2")}, "SingleClassPartition"),
        ({"train": ("g3",)}, "UnknownSample"),
        ({"train": ("g3", "g4", "g0"), "unused": ("a2", "h0")}, "DuplicateSampleId"),
        ({"fingerprint": "0" * 64}, "FingerprintMismatch"),
        ({"inference": ("a1", "g1", "g2")}, "UnbalancedPartitions"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_check_refuses_what_the_splitter_would_not_make(change, code):
    rows = [(f"a{i}", f"a{i}", 1, "test", "") for i in range(3)] + [("h0", "a2", 0, "test", "")]
    samples = table(rows + [(f"g{i}", f"g{i}", 0, "train", "") for i in range(5)])
    right = {"train": ("g3", "g4"), "threshold": ("a0", "g0"), "inference": ("a1", "g1"), "unused": ("a2", "h0", "g2")}
    Split(0, **right).check(samples)
    sides = right | change
    taken = {i for name, ids in change.items() if name != "fingerprint" for i in ids}
    if code in ("HiddenDefectInTrain", "UnbalancedPartitions"):
        sides["unused"] = tuple(i for i in right["unused"] if i not in taken)
    with pytest.raises((LeakageError, SplitError, InputError)) as error:
        Split(0, **sides).check(samples)
    assert error.value.code == code


@settings(max_examples=30, deadline=None)
@given(structures(), OPTIONS)
def test_swapped_splits_follow_the_one_they_mirror(rows, options):
    try:
        plain = grouped_three_way(table(rows), repeats=2, **options)
    except SplitError:
        return
    both = grouped_three_way(table(rows), repeats=2, swap=True, **options)
    assert both[::2] == plain
    for split, mirror in zip(plain, both[1::2], strict=True):
        assert (mirror.train, mirror.unused, mirror.repeat) == (split.train, split.unused, split.repeat)
        assert (mirror.threshold, mirror.inference) == (split.inference, split.threshold)
        assert (mirror.notes, mirror.status) == ((*split.notes, "swapped"), split.status)
        assert mirror.fingerprint != split.fingerprint


def test_a_split_survives_being_written_as_partitions():
    split = grouped_three_way(simple())[3]
    again = Split.from_partitions(3, split.partition_of(), notes=split.notes)
    assert again == split
