"""Faults that a run meets: refused places, damaged folders, score files that do not fit."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from bench.config import config_from_dict
from bench.executors.lost import one_line
from bench.split_csv import read_split_file
from bench.store import RunStore
from protocols.errors import InputError, StoreError

KEY = "0123456789abcdef"
CONFIG = config_from_dict({"dataset": {"path": "x"}, "detectors": [{"name": "knn"}]}).to_yaml()


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path / "run")
    store.open(CONFIG)
    return store


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_data):
    """A finished run and the configuration that made it."""
    from bench.cli.main import execute

    folder = tmp_path_factory.mktemp("finished")
    path = folder / "quick.json"
    path.write_text(json.dumps({
        "name": "quick", "dataset": {"path": str(tiny_data)}, "detectors": [{"name": "pixel_stats"}],
        "protocols": [{"name": "naive"}], "evaluation": {"intervals": {"n_resamples": 20}},
        "report": {"formats": ["csv"]},
    }))  # fmt: skip
    assert execute(["run", str(path), "--output", str(folder / "run"), "--backend", "inline", "-q"]) == 0
    return folder / "run", path


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "copy")
    return tmp_path / "copy"


def one_error(done):
    assert done.returncode == 2, done.stdout
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("error: ")
    return done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--backend", "bogus"], "--backend: found 'bogus', expected one of inline, processes"),
        (["--devices", "cuda:99"], "--devices: found 'cuda:99'"),
        (["--workers", "0"], "--workers: found '0'"),
    ],
)
def test_a_place_that_there_is_not_is_refused_before_anything_is_written(
    options, words, command, write_config, tmp_path
):
    assert words in one_error(command("run", write_config(), "-q", *options))
    assert not (tmp_path / "runs").exists()


def test_dry_run_refuses_the_folder_of_another_configuration(command, write_config, copy):
    assert "another configuration" in one_error(command("run", write_config("other"), "--output", copy, "--dry-run"))


def test_dry_run_counts_a_damaged_job_as_one_to_do(command, finished, copy):
    (next((copy / "jobs").iterdir()) / "record.json").write_text("{")
    done = command("run", finished[1], "--output", copy, "--dry-run", "--json")
    assert json.loads(done.stdout)["to_do"] == 1


def test_a_job_of_a_newer_version_is_refused_and_left_alone(command, finished, copy):
    record = next((copy / "jobs").iterdir()) / "record.json"
    newer = record.read_text().replace('"schema": 1', '"schema": 99')
    record.write_text(newer)
    assert "schema 99" in one_error(command("run", finished[1], "--output", copy, "-q"))
    assert record.read_text() == newer
    assert len(list((copy / "jobs").iterdir())) == 1


def test_a_report_without_its_splits_is_one_clear_error_and_the_run_mends_it(command, finished, copy):
    shutil.rmtree(copy / "splits")
    assert "splits/naive/0.csv" in one_error(command("report", copy))
    done = command("run", finished[1], "--output", copy, "-q", "--json")
    assert json.loads(done.stdout)["jobs"] == {"done": 0, "skipped": 1, "failed": 0}


@pytest.mark.parametrize("content", [":{", "- a", "text"])
def test_a_damaged_configuration_in_the_folder_is_one_clear_error(store, content):
    (store.root / "config.yaml").write_text(content)
    with pytest.raises(StoreError, match="config.yaml.*no configuration"):
        store.open(CONFIG)


@pytest.mark.parametrize("plan", [{}, {"cells": 3}, {"cells": [3]}, {"cells": [{"key": KEY}]}])
def test_a_plan_of_another_shape_is_one_clear_error(store, plan):
    store.write_plan(plan)
    with pytest.raises(StoreError, match="no list of planned jobs"):
        store.read_plan()


def test_arrays_come_back_and_changed_ones_are_refused(store, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    folder = store.job(KEY)
    folder.finish({"schema": 1, "status": "done"}, {"pixels.npz": tmp_path / "a.npz"})
    assert folder.arrays("other.npz") is None
    assert folder.arrays("pixels.npz")["x"].tolist() == [0, 1, 2]
    (folder.path / "pixels.npz").write_bytes(b"junk")
    with pytest.raises(StoreError, match="other bytes"):
        folder.arrays("pixels.npz")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"status": "ok", "notes": 3}'])
def test_damaged_remarks_beside_a_split_are_one_clear_error(copy, content):
    path = copy / "splits" / "naive" / "0.csv"
    path.with_suffix(".json").write_text(content)
    with pytest.raises(InputError, match=r"naive/0\.json"):
        read_split_file(path)


def test_an_unknown_partition_names_the_file(copy):
    path = copy / "splits" / "naive" / "0.csv"
    path.write_text(path.read_text().replace(",train", ",tain"))
    with pytest.raises(InputError, match=r"naive/0\.csv: found 'tain'"):
        read_split_file(path)


def test_splits_of_unknown_objects_cannot_be_checked(command, write_config, tiny_data, tmp_path):
    config = write_config()
    assert command("splits", "make", config, "--output", "splits").returncode == 0
    frame = pd.read_csv(tiny_data / "manifest.csv", dtype=str, keep_default_na=False).drop(columns="object_id")
    frame["image_path"] = [str(tiny_data.name) + "/" + p for p in frame["image_path"]]
    shutil.copytree(tiny_data, tmp_path / tiny_data.name)
    frame[["sample_id", "image_path", "label_index", "split"]].to_csv(tmp_path / "plain.csv", index=False)
    said = one_error(command("splits", "check", "splits", "plain.csv"))
    assert "without object_id" in said
    assert "--object-policy image_is_object" in said
    assert "--object-policy: found 'bogus'" in one_error(
        command("splits", "check", "splits", "plain.csv", "--object-policy", "bogus")
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(score="x"), "row 2, column 'score': found 'x'"),
        (lambda t: t.iloc[5:], "no score for 5 samples"),
        (lambda t: t.assign(label=1 - t["label"]), "the label that"),
    ],
    ids=["text", "samples missing", "other labels"],
)
def test_a_score_file_that_does_not_fit_is_refused_before_anything_is_written(
    change, words, command, write_config, tiny_data, tmp_path
):
    manifest = pd.read_csv(tiny_data / "manifest.csv")
    table = pd.DataFrame({"sample_id": manifest["sample_id"], "label": manifest["label_index"], "score": 0.5})
    change(table).to_csv(tmp_path / "vendor.csv", index=False)
    config = write_config(detectors=[{"scores": str(tmp_path / "vendor.csv")}])
    assert words in one_error(command("run", config, "-q"))
    assert not (tmp_path / "runs").exists()


def test_what_a_job_raises_is_told_on_one_line():
    assert one_line(RuntimeError("boom\n  second line")) == "RuntimeError: boom second line"
    assert one_line(MemoryError()) == "MemoryError"


def test_the_version_is_a_document_too(command):
    for arguments in (("--json", "--version"), ("--version", "--json")):
        done = command(*arguments)
        assert done.returncode == 0, done.stderr
        assert set(json.loads(done.stdout)) == {"lab2factory"}
