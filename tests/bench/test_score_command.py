"""`score` as a user types it: a stored model, new images."""

import json
import shutil

import pandas as pd
import pytest

PRINTS = """
import numpy as np

print("the plug-in says hello")


class Prints:
    def __init__(self):
        pass

    def fit(self, nominal, context):
        print("fitting")

    def score(self, images):
        print("scoring")
        return np.array([images[i].mean() for i in range(len(images))])
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_data):
    """A job folder of pixel_stats with its model, in a run of its own."""
    from bench.cli.main import execute

    folder = tmp_path_factory.mktemp("scored")
    config = {
        "name": "quick", "dataset": {"path": str(tiny_data)}, "detectors": [{"name": "pixel_stats"}],
        "protocols": [{"name": "naive"}], "evaluation": {"intervals": {"n_resamples": 20}},
        "store": {"models": "all"}, "report": {"formats": ["csv"]},
    }  # fmt: skip
    path = folder / "quick.json"
    path.write_text(json.dumps(config))
    run = folder / "runs" / "quick"
    assert execute(["run", str(path), "--output", str(run), "--backend", "inline", "-q"]) == 0
    return next((run / "jobs").iterdir())


@pytest.fixture
def one_image(tiny_data):
    return sorted((tiny_data / "test" / "good").glob("*.png"))[0]


def test_a_folder_an_image_and_a_manifest_are_scored_alike(command, model, tiny_data, one_image, tmp_path):
    good = one_image.parent
    for images, output in ((good, "folder.csv"), (one_image, "image.tsv"), (tiny_data / "manifest.csv", "all.parquet")):
        done = command("score", model, images, "--output", output)
        assert done.returncode == 0, done.stderr
    folder = pd.read_csv(tmp_path / "folder.csv").set_index("sample_id")
    image = pd.read_csv(tmp_path / "image.tsv", sep="\t").set_index("sample_id")
    table = pd.read_parquet(tmp_path / "all.parquet").set_index("sample_id")
    assert list(folder.columns) == ["score", "predicted", "threshold"]
    assert list(table.columns) == ["label", "score", "predicted", "threshold"]
    assert (
        folder.loc[one_image.name, "score"] == image.loc[one_image.name, "score"] == table.loc[one_image.stem, "score"]
    )
    assert folder["predicted"].equals((folder["score"] >= folder["threshold"]).astype(int))


def test_a_manifest_of_new_images_needs_no_labels(command, model, one_image, tmp_path):
    shutil.copy(one_image, tmp_path / "new.png")
    (tmp_path / "new.csv").write_text("filename\nnew.png\n")
    done = command("score", model, "new.csv", "--output", "scores.csv")
    assert done.returncode == 0, done.stderr
    assert list(pd.read_csv(tmp_path / "scores.csv").columns) == ["sample_id", "score", "predicted", "threshold"]


def test_a_model_without_its_run_gives_scores_only(command, model, one_image, tmp_path):
    shutil.copy(model / "model.safetensors", tmp_path / "alone.safetensors")
    done = command("score", "alone.safetensors", one_image, "--json")
    assert json.loads(done.stdout)["threshold"] is None
    assert pd.read_csv(tmp_path / "scores.csv")[["predicted", "threshold"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--device", "cuda:99"], "error: --device: found 'cuda:99'"),
        (["--device", "tpu"], "error: --device: found 'tpu'"),
        (["--maps", "maps"], "error: --maps: found 'PixelStats'"),
        (["--threshold-rule", "bogus"], "error: --threshold-rule: found 'bogus'"),
        (["--output", "scores.xlsx"], "error: --output: found 'scores.xlsx'"),
    ],
    ids=["no such GPU", "no device", "no maps", "no such rule", "another ending"],
)
def test_a_wrong_option_is_one_error_and_nothing_is_written(options, words, command, model, one_image, tmp_path):
    done = command("score", model, one_image, *options)
    assert done.returncode == 2
    assert done.stderr.startswith(words)
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("scores.*"))
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize("backend", ["inline", "processes"])
def test_what_a_detector_prints_stays_out_of_the_json_document(backend, command, write_config, tmp_path):
    (tmp_path / "talks.py").write_text(PRINTS)
    config = write_config(detectors=[{"class_path": "talks.Prints"}], protocols=[{"name": "naive"}])
    done = command("run", config, "--plugin", "talks.py", "--backend", backend, "--json", "-q")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["jobs"]["done"] == 1
