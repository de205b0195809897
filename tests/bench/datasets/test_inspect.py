import json
import shutil

import numpy as np
import pytest
from PIL import Image

from bench.faults import InputFaults
from bench.inspect import inspect_dataset
from bench.inspect_text import as_text
from bench.layouts import read_dataset
from bench.manifest import Manifest


def look(path, **options):
    return inspect_dataset(read_dataset(path, **options)).to_dict()


def doubts(seen):
    return {doubt["id"]: doubt for doubt in seen["doubts"]}


def test_counts_are_those_of_the_folder(mvtec):
    seen = look(mvtec)
    assert (seen["n_images"], seen["n_nominal"], seen["n_anomalous"]) == (10, 7, 3)
    rows = {(row["split"], row["defect_type"]): row for row in seen["counts"]}
    assert {key: row["n_images"] for key, row in rows.items()} == {
        ("train", ""): 4,
        ("test", ""): 3,
        ("test", "crack"): 3,
    }
    assert rows["test", "crack"]["n_masks"] == 3 and rows["test", ""]["n_masks"] == 0
    assert seen["masks"]["area"]["median"] == pytest.approx(4 / 48)
    assert seen["modes"] == {"RGB": 10} and seen["formats"] == {"PNG": 10}
    assert seen["sizes"]["most_frequent"] == [{"width": 8, "height": 6, "n_images": 10}]


def test_the_result_is_plain_json_and_the_text_says_why(mvtec):
    seen = look(mvtec)
    assert json.loads(json.dumps(seen, allow_nan=False)) == seen
    text = as_text(seen)
    assert "layout mvtec (the folder has train/good and test/<type>)" in text
    assert "three_way: only with object_policy: image_is_object" in text


def test_with_object_ids_the_three_way_protocol_is_possible(parts):
    seen = look(parts, object_from="generic")
    assert seen["objects"]["n_objects"] == 14 and seen["objects"]["n_defective"] == 8
    assert seen["objects"]["images_per_object"] == {"min": 3.0, "median": 3.0, "max": 3.0}
    (entry,) = seen["three_way"]
    assert entry["required"]["possible"]
    sizes = entry["required"]["n_images"]
    assert sum(sizes.values()) == 42 and sizes["train"] > 0 and sizes["threshold"] == sizes["inference"]
    assert "three_way: possible" in as_text(seen)


def test_without_enough_objects_it_says_what_is_needed(parts):
    for part in range(7, 14):
        for kind in ("scratch", "dent"):
            for path in (parts / kind).glob(f"link-{part:04}-*.png"):
                path.unlink()
    seen = look(parts, object_from="generic")
    (entry,) = seen["three_way"]
    assert not entry["required"]["possible"]
    assert entry["required"]["needed"].startswith("at least 2 defective objects")
    assert "three_way: " in as_text(seen) and "needed: at least 2 defective objects" in as_text(seen)


def test_every_category_is_judged_apart(mvtec, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(mvtec, tmp_path / "all" / name)
    seen = look(tmp_path / "all")
    assert [entry["category"] for entry in seen["three_way"]] == ["a", "b"] and seen["categories"] == ["a", "b"]


def test_images_stretched_differently_within_a_class_are_warned_about(mvtec, draw):
    assert not any(row["warn"] for row in look(mvtec)["stretch"])
    draw(mvtec / "train" / "good" / "wide.png", size=(16, 6))
    seen = look(mvtec)
    nominal = next(row for row in seen["stretch"] if row["label"] == 0)
    assert (nominal["min"], nominal["max"], nominal["variation"], nominal["warn"]) == (6 / 16, 6 / 8, 1.0, True)
    assert "stretched by 0.38 to 0.75 (warning: varies by more than 5 %)" in as_text(seen)


def test_objects_in_train_and_test_are_reported_and_are_no_error(mvtec):
    frame = read_dataset(mvtec).frame.assign(object_id=["o1", "o2", "o3", "g1", "g2", "g3", "g3", "g4", "g5", "g6"])
    seen = inspect_dataset(Manifest.checked(frame, mvtec, "m")).to_dict()
    assert seen["objects"]["in_train_and_test"] == ["g3"]
    assert doubts(seen)["objects_in_train_and_test"]["examples"] == ["g3"]


def test_identical_images_are_reported_by_what_they_cross(mvtec):
    shutil.copy(mvtec / "train/good/000.png", mvtec / "test/good/copy.png")
    shutil.copy(mvtec / "test/good/001.png", mvtec / "test/crack/copy.png")
    found = doubts(look(mvtec))
    assert found["identical_across_split"]["n"] == 1 and found["identical_across_label"]["n"] == 1


def test_masks_that_miss_or_say_nothing_are_reported(mvtec, draw_mask):
    masks = mvtec / "ground_truth" / "crack"
    (masks / "000_mask.png").unlink()
    draw_mask(masks / "001_mask.png", value=0)
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(masks / "002_mask.png")
    found = doubts(look(mvtec))
    assert found["masks_missing"]["examples"] == ["test/crack/000.png"]
    assert found["masks_empty"]["examples"] == ["test/crack/001.png"]
    assert found["masks_grey"]["examples"] == ["test/crack/002.png"]


@pytest.mark.parametrize("trace", ["mode", "format", "size", "session"])
def test_what_tells_the_classes_apart_without_looking_is_reported(mvtec, draw, trace):
    frame = None
    for number in range(3):
        path = mvtec / "test" / "crack" / f"{number:03}.png"
        if trace == "mode":
            draw(path, mode="L")
        elif trace == "format":
            path.unlink()
            draw(path.with_suffix(".bmp"))
        elif trace == "size":
            (mvtec / "ground_truth" / "crack" / f"{number:03}_mask.png").unlink()
            draw(path, size=(9, 6))
    manifest = read_dataset(mvtec)
    if trace == "session":
        frame = manifest.frame.assign(session=["s2"] * 3 + ["s1"] * 7)
        manifest = Manifest.checked(frame, mvtec, "m")
    assert f"{trace}_tells_the_class" in doubts(inspect_dataset(manifest).to_dict())


def test_every_damaged_file_is_named_at_once(mvtec):
    for name in ("train/good/000.png", "test/crack/001.png", "ground_truth/crack/002_mask.png"):
        content = bytearray((mvtec / name).read_bytes())
        start = content.index(b"IDAT") + 6
        content[start : start + 8] = bytes(8)
        (mvtec / name).write_bytes(bytes(content))
    with pytest.raises(InputFaults) as caught:
        look(mvtec)
    assert len(caught.value.faults) == 3
    assert "ground_truth/crack/002_mask.png: found 'damaged or truncated" in str(caught.value)


def test_few_defective_objects_and_hidden_defects_are_reported(parts, draw):
    frame = read_dataset(parts, object_from="generic").frame
    first = frame.index[frame["defect_type"] == "dent"][0]
    frame.loc[first, ["label_index", "split", "defect_type"]] = [0, "test", ""]
    found = doubts(inspect_dataset(Manifest.checked(frame, parts, "m")).to_dict())
    assert found["few_defective_objects"]["n"] == 8
    assert found["nominal_images_of_defective_objects"]["n"] == 1


def test_animated_and_turned_images_are_reported(mvtec):
    frames = [Image.new("RGB", (8, 6), color) for color in ("#ff0000", "#00ff00")]
    frames[0].save(mvtec / "train" / "good" / "moving.gif", save_all=True, append_images=frames[1:])
    exif = frames[0].getexif()
    exif[0x0112] = 3
    frames[0].save(mvtec / "train" / "good" / "turned.jpg", exif=exif)
    seen = look(mvtec)
    assert doubts(seen)["animated"]["examples"] == ["train/good/moving.gif"]
    assert doubts(seen)["exif_orientation"]["examples"] == ["train/good/turned.jpg"]
    assert any(note.startswith("1 animated images: the first frame is used") for note in seen["notes"])
