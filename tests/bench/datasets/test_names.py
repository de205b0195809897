import pandas as pd
import pytest

from bench.labels import read_labels
from bench.object_ids import GENERIC, GLINK, ObjectName, objects_from, parse
from protocols.errors import InputError

UUID = "2be61e29-cfc8-4da5-b90f-e9271a90fabd"


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        (f"{UUID}-0010", GLINK, ObjectName(UUID, "10")),
        (f"{UUID.upper()}-0017_defect", GLINK, ObjectName(UUID, "17")),
        (f"{UUID}", GLINK, None),
        ("000", GLINK, None),
        ("link-0007-013", GENERIC, ObjectName("link-0007", "13")),
        ("part7_v2", GENERIC, ObjectName("part7", "2")),
        ("part7_view012_mask", GENERIC, ObjectName("part7", "12")),
        ("part7", GENERIC, None),
    ],
)
def test_object_and_view_are_read_from_names(name, pattern, expected):
    assert parse(name, pattern) == expected


def test_a_shortcut_is_matched_against_the_stem_so_that_folders_do_not_matter():
    found = objects_from(["train/good/link-0007-013.png", "test/good/link-0007-014.png"], "generic")
    assert {name.object_id for name in found.values()} == {"link-0007"}


def test_an_expression_is_searched_in_the_relative_path():
    found = objects_from(["lot3/7/a.png"], r"^(?P<object>[^/]+/[^/]+)/(?P<view>\w+)")
    assert found["lot3/7/a.png"] == ObjectName("lot3/7", "a")


def test_paths_without_a_match_are_counted():
    with pytest.raises(InputError, match=r"found \"2 paths without a match, the first: \['x.png', 'y.png'\]\""):
        objects_from(["a-1.png", "x.png", "y.png"], "generic")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["0", "1", "1.0", "0.0"], [0, 1, 1, 0]),
        ([0, 1], [0, 1]),
        ([False, True], [0, 1]),
        (["Good", "DEFECT"], [0, 1]),
        (["normal", "anomaly"], [0, 1]),
        (["ok", "nok"], [0, 1]),
        (["OK", " NG "], [0, 1]),
        (["pass", "fail"], [0, 1]),
        (["nominal", "nominal"], [0, 0]),
    ],
)
def test_words_for_labels_are_understood(words, expected):
    assert read_labels(pd.Series(words), "m").tolist() == expected


@pytest.mark.parametrize("words", [["good", "scratch"], ["0", "2"], ["", "1"], ["good", "fail"], ["nan", "0"]])
def test_other_words_are_refused(words):
    with pytest.raises(InputError, match="expected 0 and 1, or one of the pairs") as caught:
        read_labels(pd.Series(words), "m")
    assert caught.value.code == "UnknownLabel"
