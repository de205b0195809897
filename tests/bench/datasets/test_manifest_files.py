import csv

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.csv_cells import escape_cell, unescape_cell
from bench.layouts import read_dataset
from bench.manifest import Manifest, lies_beside, read_manifest, write_manifest
from protocols.errors import InputError

# Text as people write it, with what CSV and spreadsheets trip over; control characters have no place in ids.
texts = st.text(st.sampled_from("abÅ é,;\"'=+-@#\t\n0.5/|"), max_size=6)
ids = texts.filter(lambda text: text.strip() != "")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Five images to be described in many ways."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures") / "data"
    (folder / "=odd, name").mkdir(parents=True)
    for number in range(5):
        Image.new("L", (4 + number, 3), number).save(folder / "=odd, name" / f"-{number}.png")
    return folder


@st.composite
def frames(draw):
    def column(values):
        return draw(st.lists(values, min_size=5, max_size=5))

    table = {
        "sample_id": draw(st.lists(ids, min_size=5, max_size=5, unique=True)),
        "image_path": [f"=odd, name/-{n}.png" for n in range(5)],
        "label_index": [0, 0, 0, 1, draw(st.integers(0, 1))],
        "split": column(st.sampled_from(["train", "test"])),
        "object_id": column(st.one_of(st.just(""), ids)),
        "view": column(texts),
        "defect_type": column(texts),
        "mask_above": column(st.sampled_from([0.0, 127.0, 0.5])),
        "angle": column(st.one_of(st.just(np.nan), st.floats(-360, 360))),
        "session": column(texts),
        "shift": column(texts),
    }
    return pd.DataFrame(table)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=frames(), above=st.booleans())
def test_a_manifest_that_was_written_reads_back_as_it_was(pictures, suffix, frame, above):
    import unicodedata

    if frame["sample_id"].map(lambda text: unicodedata.normalize("NFC", text)).duplicated().any():
        return
    manifest = Manifest.checked(frame, pictures, "m")
    out = (pictures.parent if above else pictures) / f"manifest{suffix}"
    out.unlink(missing_ok=True)
    again = read_manifest(write_manifest(manifest, out))
    paths = ["image_path", "mask_path", "fg_mask_path"]
    expected = manifest.frame.drop(columns=paths).astype({"shift": object})
    pd.testing.assert_frame_equal(
        again.frame.drop(columns=paths).astype({"shift": object}), expected, check_dtype=False
    )
    for sample_id in manifest.frame["sample_id"]:
        assert again.image_path(sample_id).samefile(manifest.image_path(sample_id))
    assert again.fingerprint() == manifest.fingerprint()


@given(st.text(st.sampled_from("ab'=+-@\t\r1.e"), max_size=6))
def test_escaping_can_be_undone_whatever_the_text(text):
    escaped = escape_cell(text)
    assert unescape_cell(escaped) == text
    assert not escaped.startswith(("=", "@", "\t", "\r")) and (
        not escaped.startswith(("+", "-")) or float(escaped) is not None
    )


def test_cells_that_a_spreadsheet_would_run_are_escaped_in_the_file(mvtec, tmp_path):
    frame = read_dataset(mvtec).frame.assign(remark='=cmd|"/C calc"!A0', shift="-5")
    out = write_manifest(Manifest.checked(frame, mvtec, "m"), mvtec / "manifest.csv")
    with out.open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert row["remark"] == '\'=cmd|"/C calc"!A0' and row["shift"] == "-5"
    assert set(read_manifest(out).frame["remark"]) == {'=cmd|"/C calc"!A0'}


def test_sample_ids_stay_when_the_manifest_lies_above(mvtec):
    manifest = read_dataset(mvtec)
    out = write_manifest(manifest, mvtec.parent / "manifest.csv")
    again = read_manifest(out)
    assert again.frame["sample_id"].tolist() == manifest.frame["sample_id"].tolist()
    assert again.frame["image_path"].tolist() == [f"set/{path}" for path in manifest.frame["image_path"]]
    assert again.fingerprint() == manifest.fingerprint()


def test_a_manifest_beside_its_images_is_read_only_with_the_root_that_the_user_names(mvtec, tmp_path):
    manifest = read_dataset(mvtec)
    out = tmp_path / "elsewhere" / "manifest.csv"
    assert lies_beside(manifest, out) and not lies_beside(manifest, tmp_path / "manifest.csv")
    write_manifest(manifest, out)
    assert pd.read_csv(out)["image_path"].str.startswith("../set/").all()
    with pytest.raises(InputError, match=r"found 'a path with \.\.', .* or name such a folder \(--root\)"):
        read_manifest(out)
    again = read_manifest(out, root=mvtec)
    assert again.fingerprint() == manifest.fingerprint()
    with pytest.raises(InputError, match="expected a path below"):
        read_manifest(out, root=mvtec / "train")


def test_a_folder_gets_manifest_csv_and_is_then_found(mvtec):
    assert write_manifest(read_dataset(mvtec), mvtec) == mvtec / "manifest.csv"
    found = read_dataset(mvtec)
    assert (found.layout, found.reason) == ("csv", "the folder has manifest.csv")


def test_work_of_the_user_is_not_overwritten(mvtec):
    out = write_manifest(read_dataset(mvtec), mvtec / "manifest.csv")
    before = out.read_bytes()
    write_manifest(read_dataset(mvtec, layout="mvtec"), out)  # the same again is no harm
    assert out.read_bytes() == before
    out.write_bytes(before + b"\n")
    with pytest.raises(InputError, match="found 'a file that is there already', expected a new file"):
        write_manifest(read_dataset(mvtec, layout="mvtec"), out)


def test_only_csv_and_parquet_are_written(mvtec):
    with pytest.raises(InputError, match=r"found '.xlsx', expected a file name that ends in .csv or .parquet"):
        write_manifest(read_dataset(mvtec), mvtec / "manifest.xlsx")


@pytest.fixture
def two(tmp_path, draw):
    draw(tmp_path / "a.png")
    draw(tmp_path / "b.png")
    return tmp_path / "manifest.csv"


KNOWN_HEADERS = {
    "anomalib": ("image_path,label,label_index,split\na.png,good,0,train\nb.png,crack,1,test\n", "crack", ""),
    "ADer": ("img_path,mask_path,cls_name,specie_name,anomaly\na.png,,cap,good,0\nb.png,,cap,dent,1\n", "dent", "cap"),
    "VisA": ("object,split,label,image,mask\ncap,train,normal,a.png,\ncap,test,anomaly,b.png,\n", "", "cap"),
    "semicolons": ("image_path;label_index;defect_type\na.png;0;\nb.png;1;dent\n", "dent", ""),
    "tabs and capitals": ("Image_Path\tLabel_Index\tDefect_Type\na.png\t0\t\nb.png\t1\tdent\n", "dent", ""),
    "byte order mark": ("\ufeffimage_path,label_index\na.png,0\nb.png,1\n", "", ""),
    "words": ("filename,label\na.png,OK\nb.png,NG\n", "", ""),
    "decimals": ("path,label\na.png,0.0\nb.png,1.0\n", "", ""),
}


@pytest.mark.parametrize("case", KNOWN_HEADERS, ids=list(KNOWN_HEADERS))
def test_column_names_of_others_are_understood(two, case):
    text, defect_type, category = KNOWN_HEADERS[case]
    two.write_text(text, encoding="utf-8")
    table = read_dataset(two).frame if category == "" else read_dataset(two, category=category).frame
    assert table["image_path"].tolist() == ["a.png", "b.png"] and table["label_index"].tolist() == [0, 1]
    assert table["defect_type"][1] == defect_type and set(table["category"]) == {category}


def test_the_canonical_name_wins_over_an_alias_and_the_other_is_mentioned(two):
    two.write_text("image_path,path,label_index\na.png,x,0\nb.png,y,1\n")
    manifest = read_manifest(two)
    assert manifest.notes == ("column 'image_path' is used; ['path'] beside it is not",)
    assert manifest.frame["path"].tolist() == ["x", "y"]


def test_ids_with_leading_zeros_and_the_text_NA_stay(two):
    two.write_text("image_path,label_index,object_id,view\na.png,0,007,01\nb.png,1,NA,02\n")
    assert read_manifest(two).frame["object_id"].tolist() == ["007", "NA"]


BAD_FILES = {
    "two aliases": (
        "file,path,label\na.png,a.png,0\n",
        "AmbiguousColumn",
        r"found \['path', 'file'\], expected one column",
    ),
    "header twice": (
        "image_path,label,LABEL\na.png,0,0\n",
        "DuplicateHeader",
        r"found \['label'\], expected each column",
    ),
    "empty": ("", "FileEmpty", "found 'an empty file', expected a header"),
    "header only": ("image_path,label_index\n", "NoImages", "found 'no images'"),
    "unknown label": (
        "image_path,label\na.png,0\nb.png,maybe\n",
        "UnknownLabel",
        "row 2: found 'maybe', expected 0 and 1",
    ),
    "mixed labels": (
        "image_path,label\na.png,good\nb.png,fail\n",
        "UnknownLabel",
        r"found \['fail', 'good'\], expected",
    ),
    "no label": ("image_path\na.png\n", "ColumnMissing", "expected a column 'label_index'"),
    "too many cells": (
        "image_path,label\na.png,0\nb.png,1,2,3\n",
        "TableUnreadable",
        "expected a table that can be read",
    ),
    "one cell too many": (
        "image_path,label\na.png,0,9\nb.png,1,9\n",
        "TableUnreadable",
        "expected a table that can be",
    ),
    "escape": ("image_path,label\n../a.png,0\nb.png,1\n", "PathOutsideRoot", "found 'a path with ..'"),
}


@pytest.mark.parametrize("case", BAD_FILES, ids=list(BAD_FILES))
def test_a_bad_manifest_file_is_named(two, case):
    text, code, message = BAD_FILES[case]
    two.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_manifest(two)
    assert code in [fault.code for fault in getattr(caught.value, "faults", [caught.value])]


def test_latin1_and_a_damaged_parquet_file_are_named(two):
    two.write_bytes("image_path,label_index,remark\na.png,0,caf\xe9\nb.png,1,x\n".encode("latin-1"))
    damaged = two.with_suffix(".parquet")
    damaged.write_bytes(b"PAR1 and nothing more")
    for path in (two, damaged):
        with pytest.raises(InputError, match="expected a table that can be read") as caught:
            read_manifest(path)
        assert caught.value.code == "TableUnreadable"


def test_other_files_are_no_manifests(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="expected one of the known layouts"):
        read_dataset(tmp_path / "a.txt")
    with pytest.raises(InputError, match="expected a file that ends in one of"):
        read_manifest(tmp_path / "a.txt")


def test_ids_labels_and_splits_can_be_read_where_the_images_are_not(two):
    two.write_text("image_path,label_index,object_id\ngone.png,0,x\nlost.png,1,y\n")
    manifest = read_dataset(two, files=False)
    assert manifest.samples().frame["object_id"].tolist() == ["x", "y"]
