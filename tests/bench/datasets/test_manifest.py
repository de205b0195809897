import os
import pickle
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.faults import InputFaults
from bench.images import ManifestImages, images_at
from bench.layouts import read_dataset
from bench.manifest import COLUMNS, Manifest
from protocols.errors import InputError, Lab2FactoryError


@pytest.fixture
def folder(tmp_path, draw):
    """Six images of three objects."""
    for number in range(6):
        draw(tmp_path / f"{number}.png")
    return tmp_path


def frame(**columns):
    base = pd.DataFrame(
        {"image_path": [f"{n}.png" for n in range(6)], "label_index": [0, 0, 0, 0, 1, 1], "object_id": list("aabbcc")}
    )
    return base.assign(**columns)


def changed(column, row, value):
    table = frame(sample_id=[f"{n}.png" for n in range(6)])
    table[column] = table[column].astype(object) if column in table else pd.Series([""] * 6, dtype=object)
    table.loc[row, column] = value
    return table


def test_what_is_left_out_gets_its_default(folder):
    manifest = Manifest.checked(frame(), folder, "m")
    table = manifest.frame
    assert tuple(table.columns) == COLUMNS
    assert table["sample_id"].tolist() == table["image_path"].tolist()
    assert table["split"].tolist() == ["train"] * 4 + ["test"] * 2
    assert table["mask_above"].tolist() == [0.0] * 6 and table["angle"].isna().all()
    assert set(table["width"]) == {8} and set(table["height"]) == {6}
    assert (table[["defect_type", "mask_path", "category", "session"]] == "").all(axis=None)


def test_rows_are_sorted_by_sample_id_whatever_their_order(folder):
    shuffled = frame().sample(frac=1, random_state=1)
    assert Manifest.checked(shuffled, folder, "m").frame.equals(Manifest.checked(frame(), folder, "m").frame)


def test_a_column_of_the_users_own_is_kept(folder):
    assert Manifest.checked(frame(operator=list("xxyyzz")), folder, "m").frame["operator"].tolist() == list("xxyyzz")


BAD_ROWS = {
    "label": ("label_index", 2, "UnknownLabel", r"m, 1.png, column 'label_index': found 2, expected 0 \(nominal\)"),
    "split": ("split", "val", "UnknownSplit", "found 'val', expected train or test"),
    "mask_above": ("mask_above", 300, "NotANumber", "found 300, expected a number from 0 to 255"),
    "angle": ("angle", "left", "NotANumber", "found 'left', expected a number"),
    "blank id": ("object_id", "  ", "EmptyId", "m, row 2, column 'object_id': found '  ', expected an id"),
    "no path": ("image_path", "", "EmptyId", "row 2, image_path: found '', expected a relative path"),
    "missing": ("image_path", "gone.png", "ImageMissing", "gone.png: found 'no such file', expected an image"),
    "absolute": ("image_path", "/etc/1.png", "AbsolutePath", "found 'an absolute path', expected a path relative"),
    "drive": ("image_path", "C:/x/1.png", "AbsolutePath", "found 'an absolute path', expected a path relative"),
    "backslashes": ("image_path", "x\\1.png", "AbsolutePath", "found 'a path with backslashes', expected a path"),
    "dots": ("image_path", "../1.png", "PathOutsideRoot", "found 'a path with ..', expected a path below"),
    "dots inside": ("image_path", "x/../1.png", "PathOutsideRoot", "found 'a path with ..', expected a path below"),
    "missing mask": ("mask_path", "gone.png", "MaskMissing", "gone.png: found 'no such file', expected a mask"),
    "missing part": ("fg_mask_path", "gone.png", "MaskMissing", "gone.png: found 'no such file', expected a mask"),
    "hash": ("sha256", "0" * 64, "HashDiffers", "expected 0000000000.*as the manifest has it"),
}


@pytest.mark.parametrize("case", BAD_ROWS, ids=list(BAD_ROWS))
def test_a_bad_row_is_named(folder, case):
    column, value, code, message = BAD_ROWS[case]
    with pytest.raises(InputError, match=message) as caught:
        Manifest.checked(changed(column, 1, value), folder, "m")
    assert caught.value.code == code


BAD_TABLES = {
    "duplicate": (frame(sample_id=list("aacdef")), "DuplicateSampleId", "m, sample_id 'a': found '2 rows', expected"),
    "conflict": (frame(sample_id=list("abcdda")), "LabelConflict", "sample_id 'a': .*with different labels'"),
    "image twice": (changed("image_path", 1, "0.png"), "DuplicateImage", "image_path '0.png': found '2 rows', exp"),
    "image, two labels": (changed("image_path", 5, "0.png"), "LabelConflict", "image_path '0.png': .*different"),
    "categories": (frame(category=list("xyxxxx")), "ObjectInSeveralCategories", r"object_id 'a': found \['x', 'y'\]"),
    "no anomalous": (frame(label_index=0), "NoAnomalous", "m: found '6 images, none anomalous', expected at least one"),
    "no nominal": (frame(label_index=1), "NoNominal", "m: found '6 images, none nominal', expected at least one"),
    "category of one class": (frame(category=list("xxxxyy"), object_id=""), "NoAnomalous", "m, category 'x': found"),
    "no path column": (frame().drop(columns="image_path"), "ColumnMissing", "expected a column 'image_path'"),
    "no label column": (frame().drop(columns="label_index"), "ColumnMissing", "expected a column 'label_index'"),
    "no rows": (frame().head(0), "NoImages", "m: found 'no images', expected at least one image"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TABLES, ids=list(BAD_TABLES))
def test_a_bad_table_is_named(folder, case):
    table, code, message = BAD_TABLES[case]
    with pytest.raises(InputError, match=message) as caught:
        Manifest.checked(table, folder, "m")
    assert code in [fault.code for fault in getattr(caught.value, "faults", [caught.value])]


def test_one_class_is_enough_where_that_is_said(folder):
    assert len(Manifest.checked(frame(label_index=0), folder, "m", both_classes=False)) == 6


def test_all_faults_come_at_once_five_of_each_kind_and_a_count(tmp_path, draw):
    names = [f"{n:02}.png" for n in range(12)]
    for name in names[:3]:
        draw(tmp_path / name)
    (tmp_path / names[3]).touch()
    table = pd.DataFrame({"image_path": names, "label_index": [0] * 11 + [7]})
    with pytest.raises(InputFaults) as caught:
        Manifest.checked(table, tmp_path, "m")
    codes = [fault.code for fault in caught.value.faults]
    assert codes.count("ImageMissing") == 6 and codes.count("ImageEmpty") == 1 and codes.count("UnknownLabel") == 1
    assert caught.value.n_faults == 10
    assert "3 more of this kind (ImageMissing)" in str(caught.value)
    assert len(str(caught.value).splitlines()) == len(codes)


def test_faults_survive_the_way_between_processes():
    faults = InputFaults([InputError("a", 1, "two", "Mend.", "One"), InputError("b", 1, "two", "Mend.", "Two")])
    again = pickle.loads(pickle.dumps(faults))
    assert str(again) == str(faults) and again.faults[1].code == "Two" and isinstance(again, Lab2FactoryError)


def test_names_that_differ_only_in_case_are_refused(tmp_path, draw):
    for name in ("a.png", "A.png", "b.png"):
        draw(tmp_path / name)
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system does not tell cases apart")
    table = pd.DataFrame({"image_path": ["a.png", "A.png", "b.png"], "label_index": [0, 0, 1]})
    with pytest.raises(InputError, match=r"found \['A.png', 'a.png'\], expected names that differ in more than case"):
        Manifest.checked(table, tmp_path, "m")


def test_a_mask_of_another_size_is_refused(folder, draw_mask):
    draw_mask(folder / "mask.png", size=(9, 6))
    with pytest.raises(InputError, match="mask.png: found '9 x 6 pixels', expected 8 x 6, the size of 4.png"):
        Manifest.checked(changed("mask_path", 4, "mask.png"), folder, "m")


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_not(folder, draw, tmp_path_factory):
    elsewhere = draw(tmp_path_factory.mktemp("elsewhere") / "x.png")
    (folder / "1.png").unlink()
    (folder / "1.png").symlink_to(elsewhere)
    with pytest.raises(InputError, match='1.png: found "a link out of the data set\'s folder"') as caught:
        Manifest.checked(frame(), folder, "m")
    assert caught.value.code == "LinkOutsideRoot"
    (folder / "1.png").unlink()
    (folder / "1.png").symlink_to(folder / "0.png")
    assert len(Manifest.checked(frame(), folder, "m")) == 6


def test_a_link_to_a_folder_outside_is_refused(mvtec, tmp_path_factory, draw):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    draw(elsewhere / "000.png")
    (mvtec / "test" / "bent").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(InputError, match='test/bent: found "a link out of the data set\'s folder"'):
        read_dataset(mvtec)


def test_a_name_that_is_not_utf8_is_refused(mvtec):
    odd = Path(os.fsdecode(os.fsencode(mvtec / "train" / "good") + b"/caf\xe9.png"))
    try:
        shutil.copy(mvtec / "train" / "good" / "000.png", odd)
    except OSError:
        pytest.skip("this file system refuses such names")
    with pytest.raises(InputError, match=r"caf\\udce9.png: found 'a name that is not UTF-8'"):
        read_dataset(mvtec)


def test_a_file_or_folder_that_may_not_be_read_is_named(draw):
    # Root may read everything, so the test gives its rights away for a moment; pytest's own folders are closed then.
    root = Path(tempfile.mkdtemp(prefix="lab2factory-test-"))
    root.chmod(0o755)
    try:
        for kind in ("good", "bent", "torn"):
            draw(root / kind / "0.png")
        (root / "good" / "0.png").chmod(0)
        (root / "torn").chmod(0)
        with as_nobody(), pytest.raises(InputFaults) as caught:
            read_dataset(root, layout="folders")
        assert "good/0.png: found 'permission denied'" in str(caught.value)
    finally:
        (root / "torn").chmod(0o755)
        shutil.rmtree(root)


class as_nobody:
    def __enter__(self):
        self.was_root = os.geteuid() == 0
        if self.was_root:
            os.seteuid(65534)

    def __exit__(self, *_):
        if self.was_root:
            os.seteuid(0)


def test_object_ids_are_required_unless_images_are_said_to_be_objects(folder):
    manifest = Manifest.checked(changed("object_id", 3, ""), folder, "m")
    with pytest.raises(InputError, match="found \"1 of 6 images without one, the first '3.png'\"") as caught:
        manifest.samples()
    assert caught.value.code == "MissingObjectId"
    alone = manifest.samples("image_is_object")
    assert alone.frame["object_id"].tolist() == alone.frame["sample_id"].tolist()
    with pytest.raises(InputError, match="expected one of"):
        manifest.samples("whatever")


def test_samples_carry_object_source_type_and_view(folder):
    table = frame(defect_type=["", "", "", "", "dent", "dent"], view=[1, 2, 1, 2, 1, 2])
    samples = Manifest.checked(table, folder, "m").samples().frame
    assert samples["source"].tolist() == ["train"] * 4 + ["test"] * 2
    assert samples["view"].tolist() == ["1", "2"] * 3 and samples["defect_type"].tolist()[4:] == ["dent"] * 2
    assert samples["label"].tolist() == [0, 0, 0, 0, 1, 1]


def test_selecting_keeps_these_samples_and_refuses_unknown_ones(folder):
    manifest = Manifest.checked(frame(), folder, "m")
    assert manifest.select(["5.png", "0.png"]).frame["sample_id"].tolist() == ["0.png", "5.png"]
    assert manifest.rows(["5.png", "0.png"]).tolist() == [5, 0]
    for refused in (manifest.select, manifest.rows):
        with pytest.raises(InputError, match="nowhere"):
            refused(["0.png", "nowhere"])


def test_the_fingerprint_depends_on_content_and_not_on_place_or_order(folder, draw, tmp_path_factory):
    reference = Manifest.checked(frame(), folder, "m").fingerprint()
    assert Manifest.checked(frame().iloc[::-1], folder, "m").fingerprint() == reference
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    assert Manifest.checked(frame(), copy, "m").fingerprint() == reference
    others = [
        frame(object_id=list("abbbcc")),
        frame(split=["train"] * 3 + ["test"] * 3),
        frame(label_index=[0, 0, 0, 1, 1, 1]),
    ]
    prints = {Manifest.checked(table, folder, "m").fingerprint() for table in others}
    draw(copy / "3.png", value=9)
    prints.add(Manifest.checked(frame(), copy, "m").fingerprint())
    assert len(prints | {reference}) == 5


def test_masks_are_read_with_the_limit_of_their_row(folder, draw_mask):
    draw_mask(folder / "mask.png", value=100)
    table = changed("mask_path", 4, "mask.png")
    manifest = Manifest.checked(table, folder, "m")
    assert manifest.mask("4.png").sum() == 4 and manifest.mask("5.png") is None
    manifest = Manifest.checked(table.assign(mask_above=127), folder, "m")
    assert manifest.mask("4.png").sum() == 0


def test_image_sets_are_lazy_ordered_and_know_no_label(folder, draw_mask):
    draw_mask(folder / "part.png")
    manifest = Manifest.checked(changed("fg_mask_path", 5, "part.png"), folder, "m")
    images = ManifestImages(manifest, ["5.png", "0.png"])
    assert len(images) == 2
    assert np.array_equal(images[0], np.asarray(Image.open(folder / "5.png")))
    assert np.array_equal(images[1], np.asarray(Image.open(folder / "0.png")))
    assert images.foreground(0).sum() == 4 and images.foreground(1) is None
    assert images.digest(0) != images.digest(1)
    held = repr(vars(images))
    assert "label" not in held and "split" not in held and "Manifest" not in held
    (folder / "5.png").unlink()
    with pytest.raises(InputError, match="5.png: found 'no such file'"):
        images[0]


def test_image_sets_cross_process_borders(folder):
    images = pickle.loads(pickle.dumps(ManifestImages(Manifest.checked(frame(), folder, "m"), ["2.png"])))
    assert images[0].shape == (6, 8, 3)


def test_a_folder_without_a_manifest_gives_images(folder, draw):
    draw(folder / "below" / "x.jpg")
    images, names = images_at(folder)
    assert names == [*(f"{n}.png" for n in range(6)), "below/x.jpg"] and images[6].shape == (6, 8, 3)
    assert images_at(folder / "3.png")[1] == ["3.png"]
    (folder / "2.png").write_bytes(b"")
    (folder / "4.png").write_bytes(b"")
    with pytest.raises(InputFaults, match="2.png: found 'an empty file"):
        images_at(folder)
    with pytest.raises(InputError, match="found 'nothing'"):
        images_at(folder / "nowhere")
