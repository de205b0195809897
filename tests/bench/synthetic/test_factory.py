import hashlib
import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.layouts import detect, read_dataset
from bench.synthetic import dataset_key, render_dataset
from bench.synthetic.contact_sheet import write_contact_sheet
from bench.synthetic.factory import _probe
from bench.synthetic.parameters import resolve
from bench.synthetic.plan import assign_roles, plan_shots
from protocols.errors import InputError


def rendered(folder, seed=0, **parameters):
    manifest = render_dataset(folder, profile="tiny", seed=seed, parameters=parameters)
    return pd.read_csv(manifest, keep_default_na=False)


def files(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*") if p.is_file()
    }  # fmt: skip


def planned(seed=0, profile="demo", shown=0.6, **settings):
    """Plan with made-up visibility: the first views of a defective part show its defect."""
    parameters = resolve(profile, settings)
    roles = assign_roles(parameters, seed)
    n = parameters.n_views
    areas = {number: [500 if k < shown * n else 0 for k in range(n)] for number in roles.kinds}
    return parameters, roles, plan_shots(parameters, seed, roles, areas)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth") / "tiny"
    render_dataset(folder, profile="tiny")
    return folder


def test_same_seed_same_bytes_whatever_the_workers_and_another_seed_others(tiny, tmp_path):
    render_dataset(tmp_path / "two", profile="tiny", workers=2)
    assert files(tmp_path / "two") == files(tiny)
    render_dataset(tmp_path / "other", profile="tiny", seed=1)
    other = files(tmp_path / "other")
    assert not {h for n, h in other.items() if n.startswith("train")} & set(files(tiny).values())


def test_files_and_columns_are_those_of_the_specification(tiny):
    frame = pd.read_csv(tiny / "manifest.csv", keep_default_na=False)
    for column in ("object_id", "view", "angle", "defect_type", "session", "defect_area", "transform", "true_label"):
        assert column in frame
    assert list(frame["sample_id"]) == sorted(frame["sample_id"])
    assert frame["sample_id"].str.fullmatch(r"link-\d{4}-\d{3}").all()
    for row in frame.itertuples():
        kind = row.defect_type if row.label_index else "good"
        assert row.image_path == f"{row.split}/{kind}/{row.sample_id}.png"
        assert row.fg_mask_path == f"fg_mask/{row.split}/{kind}/{row.sample_id}.png"
        assert row.mask_path == (f"ground_truth/{kind}/{row.sample_id}_defect.png" if row.label_index else "")
    listed = {*frame["image_path"], *frame["fg_mask_path"], *frame["mask_path"]} - {""}
    assert set(files(tiny)) == listed | {"manifest.csv", "synth.json"}
    about = json.loads((tiny / "synth.json").read_text())
    assert about["seed"] == 0 and about["parameters"]["leak"] == "none"


def test_labels_follow_the_visible_pixels_and_other_views_are_nominal_test_images(tiny):
    frame = pd.read_csv(tiny / "manifest.csv", keep_default_na=False)
    least = json.loads((tiny / "synth.json").read_text())["visible_pixels"]
    assert ((frame["defect_area"] >= least) == (frame["label_index"] == 1)).all()
    for row in frame[frame["label_index"] == 1].itertuples():
        mask = np.asarray(Image.open(tiny / row.mask_path))
        assert (mask > 0).sum() == row.defect_area and set(np.unique(mask)) <= {0, 255}
        assert not ((mask > 0) & (np.asarray(Image.open(tiny / row.fg_mask_path)) == 0)).any()
    defective = set(frame.loc[frame["label_index"] == 1, "object_id"])
    ndo = frame[frame["object_id"].isin(defective) & (frame["label_index"] == 0)]
    assert len(ndo) > 0 and (ndo["split"] == "test").all()
    assert len(defective) == 6 and not defective & set(frame.loc[frame["split"] == "train", "object_id"])


def test_the_layout_is_recognised_and_read(tiny):
    assert detect(tiny)[0] == "synthetic"
    manifest = read_dataset(tiny)
    assert manifest.layout == "synthetic" and "traps: none" in " ".join(manifest.notes)
    frame = pd.read_csv(tiny / "manifest.csv", keep_default_na=False)
    assert manifest.frame["sample_id"].tolist() == frame["sample_id"].tolist()
    first = manifest.frame.loc[manifest.frame["label_index"] == 1, "sample_id"].iloc[0]
    assert manifest.mask(first).any() and manifest.foreground(first).any()
    manifest.samples()


@pytest.mark.parametrize("content", ["{", "[]", "{}"], ids=["not JSON", "a list", "no parameters"])
def test_a_damaged_synth_json_is_an_error(tmp_path, content):
    (tmp_path / "synth.json").write_text(content)
    with pytest.raises(InputError, match="synth.json"):
        read_dataset(tmp_path)


def test_rendering_again_changes_nothing_and_other_content_is_refused(tiny, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in tiny.rglob("*")}
    render_dataset(tiny, profile="tiny")
    assert before == {p: p.stat().st_mtime_ns for p in tiny.rglob("*")}
    with pytest.raises(InputError, match="other parameters or another seed"):
        render_dataset(tiny, profile="tiny", seed=1)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="a new or empty folder"):
        render_dataset(tmp_path, profile="tiny")
    with pytest.raises(InputError, match="seed: found -1"):
        render_dataset(tmp_path / "new", profile="tiny", seed=-1)


def test_an_interrupted_rendering_leaves_nothing_behind(tmp_path):
    def stop(phase, done, total):
        if phase == "render":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_dataset(tmp_path / "x", profile="tiny", report=stop)
    assert list(tmp_path.iterdir()) == []


def test_the_key_names_the_content():
    assert dataset_key("tiny") == dataset_key("tiny", parameters={"noise": 0.02})
    assert (
        len({dataset_key("tiny"), dataset_key("demo"), dataset_key("tiny", 1), dataset_key("tiny", 0, {"noise": 0})})
        == 4
    )


def test_demo_and_paper_have_the_specified_numbers_of_images():
    _, _, shots = planned()
    of = Counter((s.split, s.label) for s in shots)
    assert of["train", 0] == 480 and of["test", 1] + of["test", 0] == 192 + 288
    _, _, shots = planned(profile="paper")
    assert Counter((s.split, s.label) for s in shots) == {("train", 0): 3424, ("test", 0): 403, ("test", 1): 165}


@pytest.mark.parametrize("leak", ["views", "rerecorded"])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_leak_puts_test_parts_into_training_and_keeps_both_sizes_and_the_test_set(leak, share):
    _, _, clean = planned()
    _, roles, leaky = planned(leak=leak, leak_share=share)
    test = [s for s in leaky if s.split == "test"]
    assert test == [s for s in clean if s.split == "test"]
    train = [s for s in leaky if s.split == "train"]
    assert len(train) == 480 and len({s.stem for s in leaky}) == len(leaky)
    shared = {s.recording.number for s in train} & {s.recording.number for s in test}
    assert len(shared) == round(8 * share) and shared <= set(roles.test)
    for number in shared:
        again = [s.recording for s in train if s.recording.number == number]
        tested = [s.recording for s in test if s.recording.number == number]
        assert not {r.draw for r in again} & {r.draw for r in tested}
        same_angles = Counter(r.angle for r in again) == Counter(r.angle for r in tested)
        assert same_angles == (leak == "rerecorded")


def test_a_leak_leaves_every_byte_of_the_test_images_as_it_was(tmp_path):
    for leak in ("none", "rerecorded"):
        rendered(tmp_path / leak, leak=leak, object_sd=3.5)
    clean, leaky = (
        {n: h for n, h in files(tmp_path / k).items() if "test/" in n or "truth" in n} for k in ("none", "rerecorded")
    )
    assert clean == leaky and len(clean) > 100


def test_matched_views_give_both_classes_the_same_angles():
    def distance(**settings):
        _, roles, shots = planned(**settings)
        good = [s.recording.angle for s in shots if s.split == "test" and s.recording.number in roles.test]
        bad = [s.recording.angle for s in shots if s.label == 1]
        return max(abs(np.mean(np.array(good) <= a) - np.mean(np.array(bad) <= a)) for a in range(0, 360, 5))

    assert distance() < 0.06 < 0.3 < distance(match_views="off")


def test_flipped_labels_are_a_share_of_each_class_and_the_truth_is_kept():
    _, _, shots = planned(label_noise=0.1)
    test = [s for s in shots if s.split == "test"]
    for label in (0, 1):
        of_class = [s for s in test if s.true_label == label]
        flipped = [s for s in of_class if s.label != label]
        assert len(flipped) == round(0.1 * len(of_class))
        assert all(bool(s.defect_type) == (s.label == 1) for s in flipped)


def test_hidden_defects_are_in_training_and_labelled_nominal():
    _, roles, shots = planned(label_noise_train=0.1)
    hidden = [s for s in shots if s.split == "train" and s.true_label == 1]
    assert len({s.recording.number for s in hidden}) == 2 and all(s.label == 0 for s in hidden)


def test_near_duplicates_show_training_images_under_test_names(tmp_path):
    frame = rendered(tmp_path / "x", near_duplicates=0.1)
    test = frame[frame["split"] == "test"]
    copies = test[test["transform"].str.startswith("reencoded:")]
    assert len(copies) == round(0.1 * len(test))
    for row in copies.itertuples():
        source = frame.set_index("sample_id").loc[row.transform.removeprefix("reencoded:")]
        images = [
            np.asarray(Image.open(tmp_path / "x" / p)).astype(int) for p in (row.image_path, source["image_path"])
        ]
        assert source["split"] == "train" and source["object_id"] != row.object_id
        assert 0 < np.abs(images[0] - images[1]).mean() < 6


@pytest.mark.parametrize("prevalence", [0.05, 0.3, 0.7])
def test_prevalence_is_the_share_of_defective_test_images(prevalence):
    _, _, shots = planned(prevalence=prevalence)
    labels = [s.label for s in shots if s.split == "test"]
    assert np.mean(labels) == pytest.approx(prevalence, abs=0.01)


def test_rotation_adds_copies_to_the_test_and_turns_the_training(tmp_path):
    _, roles, shots = planned(rotate_test="on", rotate_train="on")
    train = [s for s in shots if s.split == "train"]
    assert Counter(s.recording.quarter_turns for s in train) == dict.fromkeys(range(4), 120)
    good = [s for s in shots if s.split == "test" and s.recording.number in roles.test]
    turned = [s for s in good if s.transform]
    assert len(good) == 384 and len(turned) == 192 and all(s.transform.startswith("rotated:") for s in turned)
    assert len({s.stem for s in shots}) == len(shots)


def test_sessions_tell_nothing_about_the_label_unless_asked():
    def sessions(**settings):
        _, roles, shots = planned(n_good=60, n_defective=60, **settings)
        by_part = {s.recording.number: s.session for s in shots}
        return [{by_part[n] for n in numbers} for numbers in (roles.train, roles.defective)]

    good, bad = sessions()
    assert good == bad == {f"session-{k}" for k in (1, 2, 3, 4)}
    good, bad = sessions(session_confound=1)
    assert good == {"session-1", "session-2"} and bad == {"session-3", "session-4"}
    good, bad = sessions(background_confound=0.3)
    assert not good & bad


@pytest.mark.parametrize(
    ("angles", "expected"), [("one", (-15, 15)), ("0,90", (0, 90)), ("full", (0, 345))], ids=["one", "list", "full"]
)
def test_angles_are_as_asked(angles, expected):
    _, _, shots = planned(angles=angles)
    found = [s.recording.angle for s in shots if s.split == "train"]
    assert (min(found), max(found)) == expected


def test_part_numbers_do_not_betray_the_role():
    _, roles, _ = planned()
    assert sorted([*roles.train, *roles.test, *roles.defective]) == list(range(40))
    assert min(roles.defective) < max(roles.train) and min(roles.train) < max(roles.defective)


def test_a_set_without_defects_or_test_parts_can_be_rendered(tmp_path):
    frame = rendered(tmp_path / "x", n_defective=0, n_good_test=0, n_good=2, n_views=2)
    assert len(frame) == 4 and (frame["label_index"] == 0).all()


def test_the_contact_sheet_is_a_picture(tiny, tmp_path):
    with Image.open(write_contact_sheet(tiny, tmp_path / "sheet.png")) as sheet:
        assert sheet.width > 8 * 64 and sheet.height > 6 * 48


@pytest.mark.slow
def test_the_paper_profile_has_enough_visible_defects_for_its_165_images():  # 1 minute
    parameters = resolve("paper")
    roles = assign_roles(parameters, 0)
    areas = dict(_probe((parameters, 0, roles, number)) for number in roles.defective)
    shots = plan_shots(parameters, 0, roles, areas)
    assert Counter((s.split, s.label) for s in shots) == {("train", 0): 3424, ("test", 0): 403, ("test", 1): 165}
    assert len({s.recording.number for s in shots if s.label == 1}) == 12
