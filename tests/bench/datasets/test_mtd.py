import os
from pathlib import Path

import pytest

from bench.duplicates import find_duplicates
from bench.inspect import inspect_dataset
from bench.layouts import detect, read_dataset

# The real photographs: facts of the README that lies beside them.
NAMED = os.environ.get("LAB2FACTORY_DATA")
ROOT = (Path(NAMED) if NAMED else Path(__file__).parents[4] / "shared" / "data") / "mtd"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not ROOT.is_dir(), reason="MTD is not at LAB2FACTORY_DATA/mtd or ../shared/data/mtd"),
]


@pytest.fixture(scope="module")
def mtd():
    return read_dataset(ROOT)


@pytest.fixture(scope="module")
def seen(mtd):
    return inspect_dataset(mtd).to_dict()


def test_the_layout_is_found():
    assert detect(ROOT)[0] == "mtd"


def test_images_classes_and_sessions_are_those_upstream_has(mtd):
    frame = mtd.frame
    types = frame.loc[frame["label_index"] == 1, "defect_type"].value_counts().to_dict()
    assert len(frame) == 1344 and (frame["label_index"] == 0).sum() == 952
    assert types == {"Blowhole": 115, "Break": 85, "Crack": 57, "Fray": 32, "Uneven": 103}
    assert sorted(set(frame["session"])) == [f"exp{e}" for e in range(7)]
    assert (frame["session"] == "exp0").sum() == 3
    assert set(frame["mask_above"]) == {127.0} and (frame["mask_path"] != "").all()
    assert set(frame["object_id"]) == {""} and frame["width"].min() == 103 and frame["width"].max() == 632


def test_four_defective_images_have_an_empty_mask_and_388_masks_are_grey(seen):
    found = {doubt["id"]: doubt for doubt in seen["doubts"]}
    assert sorted(found["masks_empty"]["examples"]) == [
        f"MT_Uneven/Imgs/{stem}.jpg"
        for stem in ("exp3_num_45042", "exp4_num_124690", "exp4_num_352527", "exp4_num_45057")
    ]
    assert found["masks_grey"]["n"] == 388
    assert "nominal_with_mask" not in found
    assert seen["modes"] == {"L": 1344} and seen["formats"] == {"JPEG": 1344}


def test_the_three_way_protocol_needs_the_statement_that_images_are_objects(seen):
    (entry,) = seen["three_way"]
    assert not entry["required"]["possible"] and entry["image_is_object"]["possible"]
    assert entry["image_is_object"]["n_images"] == {"train": 560, "threshold": 392, "inference": 392, "unused": 0}


def test_no_two_pictures_are_the_same(mtd):
    assert find_duplicates(mtd).groups == ()
