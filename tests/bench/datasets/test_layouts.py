import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.faults import InputFaults
from bench.layouts import DESCRIPTIONS, LAYOUTS, detect, read_dataset
from detectors.registry import load_plugin
from protocols.errors import InputError

UUIDS = [f"2be61e29-cfc8-4da5-b90f-e9271a90fa{n:02x}" for n in range(8)]


@pytest.fixture
def glink(tmp_path, draw, draw_mask):
    """Three good parts to train, two to test, three defective ones; three views each."""
    root = tmp_path / "glink"
    places = ["train/good"] * 3 + ["test/good"] * 2 + ["test/defect"] * 3
    for uuid, place in zip(UUIDS, places, strict=True):
        for view in (0, 7, 10):
            draw(root / place / f"{uuid}-{view:04}.png")
            if place == "test/defect" and view:
                draw_mask(root / "ground_truth" / "defect" / f"{uuid}-{view:04}_defect.png")
    return root


@pytest.fixture
def mtd(tmp_path, draw, draw_mask):
    root = tmp_path / "mtd"
    for kind, number in (("Free", 1), ("Free", 2), ("Break", 3), ("Crack", 4)):
        stem = root / f"MT_{kind}" / "Imgs" / f"exp{number}_num_{100 + number}"
        draw(stem.with_suffix(".jpg"), mode="L")
        draw_mask(stem.with_suffix(".png"), value=0 if kind == "Free" else 128 if number == 3 else 90)
    return root


@pytest.fixture
def visa(tmp_path, draw):
    root = tmp_path / "visa"
    for category in ("candle", "pcb1"):
        base = root / category / "Data"
        for number in range(3):
            draw(base / "Images" / "Normal" / f"{number:04}.JPG")
        for number in range(2):
            draw(base / "Images" / "Anomaly" / f"{number:03}.JPG")
            mask = base / "Masks" / "Anomaly" / f"{number:03}.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.eye(6, 8, dtype=np.uint8) * 3).save(mask)  # VisA's masks hold small numbers
    return root


def add_split(visa):
    rows = []
    for category in ("candle", "pcb1"):
        base = f"{category}/Data"
        rows += [
            (category, "train" if n else "test", "normal", f"{base}/Images/Normal/{n:04}.JPG", "") for n in range(3)
        ]
        rows += [(category, "test", "anomaly", f"{base}/Images/Anomaly/{n:03}.JPG", f"{base}/Masks/Anomaly/{n:03}.png")
                 for n in range(2)]  # fmt: skip
    file = visa / "split_csv" / "1cls.csv"
    file.parent.mkdir()
    pd.DataFrame(rows, columns=["object", "split", "label", "image", "mask"]).to_csv(file, index=False)


def columns(manifest, *names):
    return list(manifest.frame.loc[:, list(names)].itertuples(index=False, name=None))


def test_every_layout_can_be_imported_and_is_described():
    assert list(LAYOUTS) == list(DESCRIPTIONS)
    for name in LAYOUTS:
        layout = load_plugin("layout", name, LAYOUTS)
        assert callable(layout.matches) and callable(layout.read)


def test_mvtec_is_found_and_read(mvtec):
    assert detect(mvtec) == ("mvtec", "the folder has train/good and test/<type>")
    manifest = read_dataset(mvtec)
    assert len(manifest) == 10 and manifest.layout == "mvtec" and manifest.categories == ("",)
    row = manifest.frame.set_index("sample_id").loc["test/crack/001.png"]
    assert (row["label_index"], row["split"], row["defect_type"]) == (1, "test", "crack")
    assert row["mask_path"] == "ground_truth/crack/001_mask.png"
    assert manifest.mask("test/crack/001.png").sum() == 4
    assert not manifest.has_objects


@pytest.mark.parametrize("suffix", ["_mask", "_defect", ""])
def test_masks_are_paired_by_name_never_by_order(mvtec, suffix):
    # With the first mask gone, pairing by order would give every image the mask of its neighbour.
    masks = mvtec / "ground_truth" / "crack"
    (masks / "000_mask.png").unlink()
    for mask in sorted(masks.iterdir()):
        mask.rename(mask.with_name(mask.name.replace("_mask", suffix)))
    manifest = read_dataset(mvtec)
    crack = manifest.frame[manifest.frame["label_index"] == 1]
    assert crack["mask_path"].tolist() == [
        "",
        f"ground_truth/crack/001{suffix}.png",
        f"ground_truth/crack/002{suffix}.png",
    ]


def test_a_mask_without_image_is_refused(mvtec):
    (mvtec / "test" / "crack" / "002.png").unlink()
    with pytest.raises(InputError, match="ground_truth/crack/002_mask.png: found 'a mask without an image'"):
        read_dataset(mvtec)


def test_masks_of_a_type_without_images_are_refused(mvtec, draw_mask):
    draw_mask(mvtec / "ground_truth" / "bent" / "000_mask.png")
    with pytest.raises(InputError, match="ground_truth/bent/000_mask.png: found 'a mask without an image'"):
        read_dataset(mvtec)


def test_two_masks_for_one_image_are_refused(mvtec, draw_mask):
    draw_mask(mvtec / "ground_truth" / "crack" / "001.png")
    with pytest.raises(InputError, match="expected one mask an image and one image a mask"):
        read_dataset(mvtec)


def test_hidden_files_and_text_are_passed_over(mvtec):
    (mvtec / "train" / "good" / "._000.png").write_bytes(b"resource fork")
    (mvtec / "train" / "good" / "Thumbs.db").write_bytes(b"x")
    manifest = read_dataset(mvtec)
    assert len(manifest) == 10
    assert "1 files that are no images were passed over (train/good/Thumbs.db)" in manifest.notes


def test_several_categories_are_read_and_chosen(mvtec, tmp_path):
    root = tmp_path / "all"
    for name in ("cable", "bottle"):
        shutil.copytree(mvtec, root / name)
    (root / "readme").mkdir()
    assert detect(root) == ("mvtec", "2 folders have train/good and test/<type>: bottle, cable")
    everything = read_dataset(root)
    assert everything.categories == ("bottle", "cable") and len(everything) == 20
    assert any("readme" in note for note in everything.notes)
    one = read_dataset(root, category="cable")
    assert one.categories == ("cable",) and set(one.frame["image_path"].str.partition("/")[0]) == {"cable"}
    assert read_dataset(root, category=["cable", "bottle"]).fingerprint() == everything.fingerprint()
    with pytest.raises(InputError, match=r"category: found 'cabel', expected one of \['cable'\]"):
        read_dataset(root, category="cabel")
    with pytest.raises(InputError, match="not divided into categories"):
        read_dataset(mvtec, category="cable")


def test_faults_of_a_category_that_is_not_read_do_not_matter(mvtec, tmp_path):
    for name in ("cable", "bottle"):
        shutil.copytree(mvtec, tmp_path / "all" / name)
    (tmp_path / "all" / "bottle" / "test" / "crack" / "000.png").unlink()
    assert len(read_dataset(tmp_path / "all", category="cable")) == 10
    with pytest.raises(InputError, match="bottle/ground_truth/crack/000_mask.png"):
        read_dataset(tmp_path / "all", category="bottle")


def test_foreground_masks_lie_at_the_same_place_or_in_one_flat_folder(mvtec, draw_mask):
    draw_mask(mvtec / "fg_mask" / "test" / "good" / "001.png")
    manifest = read_dataset(mvtec)
    assert manifest.foreground("test/good/001.png").sum() == 4
    assert manifest.foreground("train/good/001.png") is None
    draw_mask(mvtec / "fg_mask" / "002.png")  # three images have this name
    manifest = read_dataset(mvtec)
    assert manifest.foreground("train/good/002.png") is None
    assert any("unclear" in note for note in manifest.notes)


def test_glink_is_found_by_its_names_and_read(glink):
    name, reason = detect(glink)
    assert name == "glink" and reason == "24 of 24 file names are <uuid>-<view>, 8 objects"
    manifest = read_dataset(glink)
    row = manifest.frame.set_index("sample_id").loc[f"test/defect/{UUIDS[5]}-0010.png"]
    assert (row["object_id"], row["view"], row["defect_type"]) == (UUIDS[5], "10", "defect")
    assert row["mask_path"] == f"ground_truth/defect/{UUIDS[5]}-0010_defect.png"
    assert "3 defective images have no mask" in manifest.notes
    assert len(manifest.samples().frame["object_id"].unique()) == 8
    assert manifest.frame["angle"].isna().all()


def test_angles_come_from_views_only_when_asked_for(glink):
    turned = read_dataset(glink, views_per_turn=40).frame
    assert sorted(set(turned["angle"])) == [0.0, 63.0, 90.0]


def test_glink_foregrounds_may_lie_beside_the_prepared_set(glink, tmp_path, draw_mask):
    root = tmp_path / "glink_all"
    shutil.copytree(glink, root / "ce_blanked")
    name = f"{UUIDS[0]}-0007.png"
    draw_mask(root / "fg_mask" / "ce_blanked" / name)
    manifest = read_dataset(root)
    assert manifest.layout == "glink"
    assert manifest.foreground(f"ce_blanked/train/good/{name}").sum() == 4


def test_below_99_percent_of_names_it_is_not_glink(glink, draw):
    draw(glink / "train" / "good" / "000.png")
    assert detect(glink)[0] == "mvtec"
    with pytest.raises(InputError, match="train/good/000.png: found '000', expected a name <uuid>-<view>"):
        read_dataset(glink, layout="glink")


def test_at_99_percent_it_is_glink_and_the_rest_is_an_error(glink, draw):
    for view in range(100, 180):
        draw(glink / "train" / "good" / f"{UUIDS[0]}-{view:04}.png")
    draw(glink / "train" / "good" / "odd.png")
    assert detect(glink)[0] == "glink"
    with pytest.raises(InputError, match="expected a name <uuid>-<view>"):
        read_dataset(glink)


def test_one_object_with_views_is_not_enough_for_glink(tmp_path, draw):
    for view in range(3):
        draw(tmp_path / "set" / "train" / "good" / f"{UUIDS[0]}-{view:04}.png")
    draw(tmp_path / "set" / "test" / "defect" / f"{UUIDS[1]}-0000.png")
    assert detect(tmp_path / "set")[0] == "mvtec"


def test_mtd_is_found_and_read(mtd):
    assert detect(mtd) == ("mtd", "folders MT_<type>/Imgs: MT_Break, MT_Crack, MT_Free")
    manifest = read_dataset(mtd)
    assert columns(manifest, "label_index", "split", "defect_type", "session", "mask_above", "object_id") == [
        (1, "test", "Break", "exp3", 127.0, ""),
        (1, "test", "Crack", "exp4", 127.0, ""),
        (0, "train", "", "exp1", 127.0, ""),
        (0, "train", "", "exp2", 127.0, ""),
    ]
    assert manifest.mask("MT_Break/Imgs/exp3_num_103.jpg").sum() == 4
    assert manifest.mask("MT_Crack/Imgs/exp4_num_104.jpg").sum() == 0
    assert read_dataset(mtd, mask_above=80).mask("MT_Crack/Imgs/exp4_num_104.jpg").sum() == 4


def test_mtd_masks_without_image_are_refused(mtd):
    (mtd / "MT_Crack" / "Imgs" / "exp4_num_104.jpg").unlink()
    with pytest.raises(InputError, match=r"exp4_num_104.png: found 'a mask without an image'"):
        read_dataset(mtd)


def test_visa_is_read_by_its_folders(visa):
    assert detect(visa) == ("visa", "2 folders with Data/Images/Normal: candle, pcb1")
    manifest = read_dataset(visa, category="pcb1")
    assert columns(manifest, "label_index", "split") == [(1, "test")] * 2 + [(0, "train")] * 3
    assert manifest.mask("pcb1/Data/Images/Anomaly/001.JPG").sum() == 6
    assert detect(visa / "candle") == ("visa", "Data/Images/Normal")
    assert len(read_dataset(visa / "candle")) == 5


def test_visa_is_read_by_its_split_file(visa):
    add_split(visa)
    assert detect(visa) == ("visa", "there is split_csv/1cls.csv")
    (visa / "candle" / "image_anno.csv").write_text(
        'image,label,mask\ncandle/Data/Images/Anomaly/000.JPG,"bent, melt",m\n'
        "candle/Data/Images/Normal/0000.JPG,normal,\n"
    )
    manifest = read_dataset(visa, category="candle")
    assert columns(manifest, "image_path", "split", "defect_type", "object_id", "category") == [
        ("candle/Data/Images/Anomaly/000.JPG", "test", "bent+melt", "", "candle"),
        ("candle/Data/Images/Anomaly/001.JPG", "test", "anomaly", "", "candle"),
        ("candle/Data/Images/Normal/0000.JPG", "test", "", "", "candle"),
        ("candle/Data/Images/Normal/0001.JPG", "train", "", "", "candle"),
        ("candle/Data/Images/Normal/0002.JPG", "train", "", "", "candle"),
    ]
    assert manifest.frame["mask_path"].tolist()[0] == "candle/Data/Masks/Anomaly/000.png"


def test_btad_is_read_with_masks_of_another_extension(tmp_path, draw, draw_mask):
    root = tmp_path / "btad"
    for category in ("01", "03"):
        for number in range(2):
            draw(root / category / "train" / "ok" / f"{number:04}.bmp")
            draw(root / category / "test" / "ok" / f"{number:04}.bmp")
            draw(root / category / "test" / "ko" / f"{number:04}.bmp")
            draw_mask(root / category / "ground_truth" / "ko" / f"{number:04}.png")
    assert detect(root)[0] == "btad"
    manifest = read_dataset(root)
    assert manifest.categories == ("01", "03")
    row = manifest.frame.set_index("sample_id").loc["03/test/ko/0001.bmp"]
    assert (row["label_index"], row["defect_type"], row["mask_path"]) == (1, "ko", "03/ground_truth/ko/0001.png")


def test_plain_folders_are_read_with_objects_by_expression(parts, draw_mask):
    draw_mask(parts / "masks" / "dent" / "link-0012-001.png")
    assert detect(parts) == ("folders", "a folder good/ and 2 others with images: dent, scratch")
    assert not read_dataset(parts).has_objects  # never guessed
    manifest = read_dataset(parts, object_from="generic")
    row = manifest.frame.set_index("sample_id").loc["dent/link-0012-001.png"]
    assert (row["object_id"], row["view"], row["split"]) == ("link-0012", "1", "test")
    assert row["mask_path"] == "masks/dent/link-0012-001.png"
    again = read_dataset(parts, object_from=r"link-(?P<object>\d+)-(?P<view>\d+)\.png$")
    assert again.frame.set_index("sample_id").loc["good/link-0003-002.png", "object_id"] == "0003"


@pytest.mark.parametrize(
    "options", [{"object_from": "(?P<object>x"}, {"object_from": "link"}, {"object_from": "glink"}]
)
def test_a_wrong_expression_for_objects_is_named(parts, options):
    with pytest.raises(InputError, match="^object_from"):
        read_dataset(parts, **options)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in ("csv", "synthetic")])
def test_a_layout_that_is_asked_for_and_is_not_there_says_what_it_needs(tmp_path, layout, draw):
    draw(tmp_path / "x" / "a.png")
    with pytest.raises(InputError, match="expected") as caught:
        read_dataset(tmp_path, layout=layout)
    assert caught.value.code == "LayoutMismatch"


def test_a_folder_of_no_known_layout_lists_what_there_could_be(tmp_path, draw):
    draw(tmp_path / "a.png")
    with pytest.raises(
        InputError, match=r"found \['a.png'\], expected one of the known layouts \(synthetic: "
    ) as caught:
        read_dataset(tmp_path)
    assert caught.value.code == "UnknownLayout"


def test_an_unknown_layout_shows_the_nearest(mvtec):
    with pytest.raises(InputError, match=r"layout: found 'mvtek', expected auto, or one of \['mvtec'\]"):
        read_dataset(mvtec, layout="mvtek")


def test_a_missing_and_an_empty_folder_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, found in (("gone", "nothing"), ("empty", "an empty folder")):
        with pytest.raises(InputError, match=f"{name}: found '{found}'"):
            read_dataset(tmp_path / name)


def test_a_tree_without_anomalous_images_is_named(mvtec):
    shutil.rmtree(mvtec / "test" / "crack")
    shutil.rmtree(mvtec / "ground_truth")
    with pytest.raises(InputError, match="none anomalous"):
        read_dataset(mvtec)


def test_only_known_image_sizes_pass(mvtec):
    with pytest.raises(InputFaults, match="found '8 x 6 pixels', expected at most 40 pixels"):
        read_dataset(mvtec, max_pixels=40)


@pytest.mark.parametrize("value", [-1, 256, float("nan")])
def test_an_impossible_mask_limit_is_refused(mvtec, value):
    with pytest.raises(InputError, match="mask_above: found"):
        read_dataset(mvtec, mask_above=value)
