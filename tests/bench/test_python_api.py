"""What the commands do, without a command line."""

import os

import pytest

import bench
from protocols.errors import InputError

CONFIG = {
    "name": "api",
    "detectors": [{"name": "pixel_stats"}],
    "protocols": [{"name": "naive"}, {"name": "three_way", "repeats": 2}],
    "evaluation": {"intervals": {"n_resamples": 50}},
    "report": {"formats": ["csv"]},
}


def test_a_run_gives_results_scores_comparisons_and_a_report(tiny_data, tmp_path):
    config = {**CONFIG, "dataset": {"path": str(tiny_data)}}
    done = bench.run(config, output=tmp_path / "api", backend="inline", cache=tmp_path / "cache")
    assert (done.jobs["status"] == "done").all()
    again = bench.load(tmp_path / "api")
    assert len(again.results) == len(done.results) > 0
    assert len(again.comparisons) == 0
    scores = again.scores("pixel_stats", 1)
    assert set(scores["partition"]) >= {"threshold", "inference"}
    assert scores["score"].notna().all()
    again.report(tmp_path / "elsewhere")
    assert list((tmp_path / "elsewhere/tables").glob("*.csv"))
    with pytest.raises(InputError, match="scores of 'knn'"):
        again.scores("knn")


def test_wrong_init_arguments_are_named(tiny_data, tmp_path):
    config = {
        **CONFIG,
        "dataset": {"path": str(tiny_data)},
        "detectors": [{"name": "pixel_stats", "init_args": {"siz": 3}}],
    }
    with pytest.raises(InputError, match=r"init_args\.siz"):
        bench.run(config, output=tmp_path / "api")
    assert not (tmp_path / "api").exists()


def test_a_manifest_beside_the_data_is_read_with_a_root_above_both(tiny_data, tmp_path):
    from bench.layouts import read_dataset
    from bench.manifest import write_manifest

    written = write_manifest(read_dataset(tiny_data), tmp_path / "elsewhere.csv")
    config = {**CONFIG, "dataset": {"path": str(written)}}
    with pytest.raises(InputError, match="--root"):
        bench.run(config, output=tmp_path / "api", cache=tmp_path / "cache")
    config["dataset"]["root"] = os.path.commonpath([tiny_data, tmp_path])
    done = bench.run(config, output=tmp_path / "api", backend="inline", cache=tmp_path / "cache")
    assert (done.jobs["status"] == "done").all()


@pytest.mark.parametrize("seed", range(6))
def test_a_limited_run_keeps_whole_good_objects_and_can_be_split(seed, tiny_data):
    from bench.dataset import limited
    from bench.layouts import read_dataset
    from protocols import grouped_three_way

    manifest = read_dataset(tiny_data)
    few = limited(manifest, 5, seed)
    assert len(few) < len(manifest)
    for name, part in few.frame.groupby("object_id"):
        assert len(part) == (manifest.frame["object_id"] == name).sum()
    assert grouped_three_way(few.samples(), repeats=1, seed=seed)
