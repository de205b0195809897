import json
import shutil

import pandas as pd
import pytest
from PIL import Image

from bench.duplicates import as_text, find_duplicates, write_duplicates
from bench.layouts import read_dataset


def copy(root, source, target):
    shutil.copy(root / source, root / target)


def test_a_clean_set_has_none(mvtec):
    found = find_duplicates(read_dataset(mvtec))
    assert found.groups == () and found.crossing() == ()
    assert as_text(found) == "no identical images among 10"


def test_the_same_file_in_train_and_test_crosses_the_split(mvtec):
    copy(mvtec, "train/good/000.png", "test/good/copy.png")
    found = find_duplicates(read_dataset(mvtec))
    pair = found.pairs().iloc[0]
    assert len(found.pairs()) == 1
    assert (pair["sample_id_a"], pair["sample_id_b"]) == ("test/good/copy.png", "train/good/000.png")
    assert (pair["evidence"], pair["crosses"], pair["confidence"]) == ("identical file", "split", 1.0)


def test_the_same_file_under_two_labels_crosses_the_label(mvtec):
    copy(mvtec, "test/good/000.png", "test/crack/copy.png")
    found = find_duplicates(read_dataset(mvtec))
    assert [group.crosses for group in found.crossing()] == [("label",)]


def test_a_copy_within_one_split_and_label_is_told_and_does_not_cross(mvtec):
    copy(mvtec, "train/good/000.png", "train/good/copy.png")
    found = find_duplicates(read_dataset(mvtec))
    assert len(found.groups) == 1 and found.crossing() == ()


def test_the_same_pixels_in_another_format_are_found(mvtec):
    with Image.open(mvtec / "train/good/001.png") as image:
        image.save(mvtec / "test/good/again.bmp")
        image.convert("RGBA").save(mvtec / "test/good/rgba.png")
    found = find_duplicates(read_dataset(mvtec))
    assert [group.evidence for group in found.groups] == ["pixels"]
    assert len(found.groups[0].rows) == 3
    assert set(found.pairs()["evidence"]) == {"identical pixels"}


def test_one_pixel_is_enough_to_differ(mvtec):
    with Image.open(mvtec / "train/good/001.png") as image:
        changed = image.copy()
    changed.putpixel((0, 0), tuple(255 - value for value in changed.getpixel((0, 0))))
    changed.save(mvtec / "test/good/near.png")
    assert find_duplicates(read_dataset(mvtec)).groups == ()


def test_no_crossing_is_lost_in_a_group_of_many(mvtec):
    for number in range(4):
        copy(mvtec, "train/good/000.png", f"train/good/copy{number}.png")
    copy(mvtec, "train/good/000.png", "test/good/copy.png")
    found = find_duplicates(read_dataset(mvtec))
    assert len(found.pairs()) == 5
    assert found.groups[0].crosses == ("split",)
    assert (found.pairs()["crosses"] == "split").any()


def test_what_is_written_holds_every_pair_with_formulas_escaped(tmp_path, draw):
    root = tmp_path / "set"
    for kind in ("good", "bad"):
        draw(root / kind / "0.png")
    shutil.copy(root / "good" / "0.png", root / "good" / "x.png")
    frame = read_dataset(root).frame
    frame["sample_id"] = frame["sample_id"].replace("good/x.png", "=1+1")
    from bench.manifest import Manifest

    found = find_duplicates(Manifest.checked(frame, root, "m"))
    write_duplicates(found, found.to_dict(), tmp_path / "out")
    pairs = pd.read_csv(tmp_path / "out" / "pairs.csv")
    assert list(pairs.columns[:5]) == ["sample_id_a", "sample_id_b", "confidence", "evidence", "decision"]
    assert "'=1+1" in set(pairs["sample_id_a"]) | set(pairs["sample_id_b"])
    document = json.loads((tmp_path / "out" / "duplicates.json").read_text())
    assert document["n_groups"] == 1 and "=1+1" in document["groups"][0]["sample_ids"]


def test_damage_inside_a_file_is_named_when_its_pixels_are_needed(mvtec):
    from protocols.errors import InputError

    path = mvtec / "train/good/000.png"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20] = bytes(20)
    path.write_bytes(bytes(content))
    manifest = read_dataset(mvtec)  # the header and the end are whole
    with pytest.raises(InputError, match="train/good/000.png: found 'damaged or truncated"):
        find_duplicates(manifest)
