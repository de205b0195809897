"""`run` and what is built on it, as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from protocols.results import RESULT_COLUMNS

DETECTORS = """
import os
import time
import numpy as np


class Base:
    version = "1"

    def __init__(self, *, value: float = 0.0):
        self.value = value

    def fit(self, nominal, context):
        self.seed = int(context.seed.generate_state(1)[0])

    def score(self, images):
        return np.array([images[i].mean() for i in range(len(images))])


class Raises(Base):
    def fit(self, nominal, context):
        raise ValueError("the flow diverged")


class ReturnsNaN(Base):
    def score(self, images):
        return np.full(len(images), np.nan)


class WrongLength(Base):
    def score(self, images):
        return np.zeros(3)


class Hangs(Base):
    def fit(self, nominal, context):
        time.sleep(600)


class Dies(Base):
    def fit(self, nominal, context):
        os._exit(9)


class OutOfMemory(Base):
    def fit(self, nominal, context):
        raise MemoryError("no memory left")


class Slow(Base):
    def fit(self, nominal, context):
        super().fit(nominal, context)
        for epoch in range(4):
            time.sleep(0.3)
            context.report("fit", epoch + 1, 4, loss=1.0)


class Steps(Base):
    def fit(self, nominal, context):
        super().fit(nominal, context)
        for step in (1, 2, 3):
            self.step = step
            context.on_checkpoint(step)
        self.step = 4

    def score(self, images):
        rng = np.random.default_rng([self.seed, self.step])
        return rng.normal(size=len(images))


class NoDetector:
    pass
"""


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "odd_detectors.py"
    path.write_text(DETECTORS)
    return path


def results(folder):
    return pd.read_csv(folder / "results.csv")


def test_a_run_writes_every_promised_file_and_a_second_one_skips_all_jobs(command, write_config, tmp_path):
    config = write_config()
    first = command("run", config, "--json", "--workers", "1")
    assert first.returncode == 0, first.stderr
    document = json.loads(first.stdout)
    assert document["jobs"] == {"done": 3, "skipped": 0, "failed": 0}
    folder = tmp_path / "runs" / "quick"
    for name in (
        "config.yaml",
        "run.json",
        "manifest.parquet",
        "results.csv",
        "results.parquet",
        "comparisons.csv",
        "events.jsonl",
        "splits/naive/0.csv",
        "splits/three_way/0.csv",
        "splits/three_way/1.csv",
        "report",
    ):
        assert (folder / name).exists(), name
    for job in (folder / "jobs").iterdir():
        record = json.loads((job / "record.json").read_text())
        assert record["status"] == "done"
        assert record["key"] == job.name
        assert set(record["files"]) >= {"scores.parquet", "log.txt"}
        scores = pd.read_parquet(job / "scores.parquet")
        assert list(scores) == ["sample_id", "object_id", "label", "source", "partition", "step", "score"]
    frame = results(folder)
    assert tuple(frame.columns) == RESULT_COLUMNS
    assert set(frame["protocol"]) == {"naive", "three_way", "naive-three_way"}
    before = (folder / "results.csv").read_bytes()
    second = command("run", config, "--json", "--workers", "1")
    assert json.loads(second.stdout)["jobs"] == {"done": 0, "skipped": 3, "failed": 0}
    assert (folder / "results.csv").read_bytes() == before


def test_one_and_two_workers_and_another_folder_give_the_same_results(command, write_config, plugin, tmp_path):
    detectors = [{"name": "pixel_stats"}, {"class_path": "odd_detectors.Steps", "label": "steps"}]
    config = write_config(detectors=detectors)
    one = command("run", config, "--plugin", plugin, "--backend", "inline", "--output", tmp_path / "one")
    two = command("run", config, "--plugin", plugin, "--workers", "2", "--output", tmp_path / "two")
    assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
    assert (tmp_path / "one/results.csv").read_bytes() == (tmp_path / "two/results.csv").read_bytes()
    assert (tmp_path / "one/comparisons.csv").read_bytes() == (tmp_path / "two/comparisons.csv").read_bytes()


def test_the_resolved_configuration_gives_the_same_job_keys(command, write_config, tmp_path):
    assert command("run", write_config()).returncode == 0
    again = command("run", tmp_path / "runs/quick/config.yaml", "--output", tmp_path / "again", "--dry-run", "--json")
    keys = {job["key"] for job in json.loads(again.stdout)["jobs"]}
    assert keys == {p.name for p in (tmp_path / "runs/quick/jobs").iterdir()}


def test_seed_zero_is_a_seed_and_another_seed_gives_other_splits(command, write_config, tmp_path):
    config = write_config()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        done = command("run", config, "--seed", seed, "--output", tmp_path / name)
        assert done.returncode == 0, done.stderr
    files = [(tmp_path / name / "splits/three_way/0.csv").read_text() for name in "abc"]
    assert files[0] == files[1] != files[2]


def test_checkpoints_are_stored_and_naive_shows_best_last_and_their_difference(command, write_config, plugin, tmp_path):
    config = write_config(detectors=[{"class_path": "odd_detectors.Steps", "label": "steps"}])
    done = command("run", config, "--plugin", plugin)
    assert done.returncode == 0, done.stderr
    frame = results(tmp_path / "runs/quick")
    naive = frame[(frame["protocol"] == "naive") & (frame["level_of_analysis"] == "image")].set_index("metric")
    best, last, optimism = (naive.loc[m, "value"] for m in ("auroc_best_checkpoint", "auroc", "optimism"))
    assert best >= last
    assert optimism == pytest.approx(best - last)
    assert bool(naive.loc["auroc_best_checkpoint", "optimistic"])
    record = next(p for p in (tmp_path / "runs/quick/jobs").iterdir())
    assert set(pd.read_parquet(record / "scores.parquet")["step"]) == {1, 2, 3, -1}


@pytest.mark.parametrize(
    ("name", "phase", "says"),
    [("Raises", "fit", "the flow diverged"), ("ReturnsNaN", "score", "NaN"), ("WrongLength", "score", "shape (3,)"),
     ("Dies", "", ""), ("OutOfMemory", "fit", "no memory left"), ("Hangs", "", "timeout")],
)  # fmt: skip
def test_a_job_that_goes_wrong_is_a_failed_record_and_the_others_go_on(
    name, phase, says, command, write_config, plugin, tmp_path
):
    detectors = [{"class_path": f"odd_detectors.{name}", "label": "bad"}, {"name": "pixel_stats"}]
    config = write_config(detectors=detectors, protocols=[{"name": "naive"}])
    options = ["--job-timeout", "5"] if name == "Hangs" else []
    done = command("run", config, "--plugin", plugin, "--workers", "1", "--json", *options)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    assert document["jobs"] == {"done": 1, "skipped": 0, "failed": 1}
    failure = document["failures"][0]
    assert failure["detector"] == "bad"
    assert failure["phase"] == phase or not phase
    assert says.replace("timeout", "") in failure["message"]
    assert set(results(tmp_path / "runs/quick")["detector"]) == {"pixel_stats"}
    record = json.loads((tmp_path / "runs/quick/jobs" / failure["key"] / "record.json").read_text())
    assert record["status"] == "failed"
    again = command("run", config, "--plugin", plugin, "--json")
    assert json.loads(again.stdout)["jobs"] == {"done": 0, "skipped": 2, "failed": 1}


def test_retry_failed_does_failed_jobs_again(command, write_config, plugin, tmp_path):
    config = write_config(
        detectors=[{"class_path": "odd_detectors.Raises", "label": "bad"}], protocols=[{"name": "naive"}]
    )
    assert command("run", config, "--plugin", plugin).returncode == 1
    again = command("run", config, "--plugin", plugin, "--retry-failed", "--json")
    assert json.loads(again.stdout)["jobs"]["skipped"] == 0


def test_a_kill_in_the_middle_loses_only_the_job_in_hand_and_the_results_are_the_same(
    write_config, plugin, command, tmp_path
):
    detectors = [{"class_path": "odd_detectors.Slow", "label": "slow"}]
    config = write_config(detectors=detectors, protocols=[{"name": "naive"}, {"name": "three_way", "repeats": 4}])
    whole = command("run", config, "--plugin", plugin, "--output", tmp_path / "whole", "--workers", "1")
    assert whole.returncode == 0, whole.stderr
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", config, "--plugin", plugin, "--output", killed, "--workers", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "LAB2FACTORY_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(list(killed.glob("jobs/*/record.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    there = {p.parent.name: p.read_bytes() for p in killed.glob("jobs/*/record.json")}
    assert 2 <= len(there) < 5
    again = command("run", config, "--plugin", plugin, "--output", killed, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["jobs"] == {"done": 5 - len(there), "skipped": len(there), "failed": 0}
    assert all((killed / "jobs" / key / "record.json").read_bytes() == content for key, content in there.items())
    assert (killed / "results.csv").read_bytes() == (tmp_path / "whole/results.csv").read_bytes()


def test_ctrl_c_exits_with_130_and_keeps_what_is_done(write_config, plugin, command, tmp_path):
    config = write_config(detectors=[{"class_path": "odd_detectors.Slow", "label": "slow"}],
                          protocols=[{"name": "three_way", "repeats": 6}])  # fmt: skip
    folder = tmp_path / "stopped"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", config, "--plugin", plugin, "--output", folder, "--workers", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "LAB2FACTORY_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(folder.glob("jobs/*/record.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert list(folder.glob("jobs/*/record.json"))


def test_a_score_file_takes_part_like_a_detector(command, write_config, tiny_data, tmp_path):
    manifest = pd.read_csv(tiny_data / "manifest.csv")
    ids = manifest["sample_id"] if "sample_id" in manifest else manifest["image_path"]
    vendor = tmp_path / "vendor.csv"
    pd.DataFrame({"sample_id": ids, "score": manifest["label_index"] + 0.001 * manifest.index}).to_csv(
        vendor, index=False
    )
    config = write_config(detectors=[{"scores": str(vendor), "label": "vendor"}, {"name": "pixel_stats"}])
    done = command("run", config, "--json")
    assert done.returncode == 0, done.stderr
    frame = results(tmp_path / "runs/quick")
    of = frame[(frame["detector"] == "vendor") & (frame["protocol"] == "naive") & (frame["metric"] == "auroc")]
    assert of["value"].eq(1.0).all()
    assert of["status"].eq("degenerate").all()
    comparisons = pd.read_csv(tmp_path / "runs/quick/comparisons.csv")
    assert set(comparisons["detector_a"]) | set(comparisons["detector_b"]) == {"vendor", "pixel_stats"}


def test_dry_run_trains_nothing_and_limit_marks_all_results(command, write_config, tmp_path):
    config = write_config()
    dry = command("run", config, "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    assert {job["status"] for job in json.loads(dry.stdout)["jobs"]} == {"to do"}
    assert not (tmp_path / "runs/quick/jobs").exists()
    done = command("run", config, "--limit", "20", "--output", tmp_path / "few")
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "few")["notes"].str.contains("limited").all()


def test_schema_is_printed_without_a_configuration(command):
    done = command("run", "--schema")
    assert done.returncode == 0
    assert json.loads(done.stdout)["properties"]["detectors"]


@pytest.mark.parametrize(
    ("detector", "says"),
    [({"class_path": "odd_detectors.NoDetector", "label": "x"}, "a detector"),
     ({"class_path": "odd_detectors.Missing", "label": "x"}, "Missing"),
     ({"class_path": "not_there.Detector", "label": "x"}, "not_there"),
     ({"class_path": "odd_detectors.Base", "label": "x", "init_args": {"valu": 1}}, "valu"),
     ({"scores": "nowhere.csv", "label": "x"}, "nowhere.csv")],
    ids=["no detector", "no such class", "no such module", "unknown argument", "no score file"],
)  # fmt: skip
def test_wrong_detectors_are_refused_before_anything_is_written(
    detector, says, command, write_config, plugin, tmp_path
):
    done = command("run", write_config(detectors=[detector]), "--plugin", plugin)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_missing_object_ids_are_an_error_until_the_policy_is_stated(command, write_config, tiny_data, tmp_path):
    manifest = pd.read_csv(tiny_data / "manifest.csv").drop(columns="object_id")
    manifest.to_csv(tiny_data / "no_objects.csv", index=False)
    dataset = {"path": str(tiny_data / "no_objects.csv")}
    refused = command("run", write_config(dataset=dataset))
    assert refused.returncode == 2
    assert "image_is_object" in refused.stderr
    stated = write_config(dataset={**dataset, "object_policy": "image_is_object"}, report={"formats": ["html"]})
    done = command("run", stated)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "runs/quick")["notes"].str.contains("grouping=none").all()
    assert "Grouping is missing" in (tmp_path / "runs/quick/report/index.html").read_text()


def test_another_configuration_in_the_folder_is_refused_and_nothing_is_lost(command, write_config, tmp_path):
    assert command("run", write_config()).returncode == 0
    before = (tmp_path / "runs/quick/results.csv").read_bytes()
    other = command("run", write_config(), "-o", "protocols.1.repeats=3")
    assert other.returncode == 2
    assert "repeats" in other.stderr
    assert (tmp_path / "runs/quick/results.csv").read_bytes() == before


def test_a_damaged_record_is_reported_and_the_job_done_again(command, write_config, tmp_path):
    config = write_config()
    assert command("run", config).returncode == 0
    folder = tmp_path / "runs/quick"
    before = (folder / "results.csv").read_bytes()
    record = sorted((folder / "jobs").glob("*/record.json"))[0]
    record.write_text(record.read_text()[:40])
    shown = command("report", folder)
    assert shown.returncode == 2
    assert "record.json" in shown.stderr
    again = command("run", config, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["jobs"] == {"done": 1, "skipped": 2, "failed": 0}
    assert (folder / "results.csv").read_bytes() == before
    assert list((folder / "jobs").glob("*damaged*"))


def test_a_newer_schema_is_refused(command, write_config, tmp_path):
    config = write_config()
    assert command("run", config).returncode == 0
    info = tmp_path / "runs/quick/run.json"
    info.write_text(json.dumps({**json.loads(info.read_text()), "schema": 999}))
    done = command("run", config)
    assert done.returncode == 2
    assert "999" in done.stderr


def test_report_and_show_work_on_what_is_stored_without_torch(command, write_config, tmp_path):
    assert command("run", write_config()).returncode == 0
    folder = tmp_path / "runs/quick"
    before = (folder / "results.csv").read_bytes()
    code = (
        "import sys\nclass NoTorch:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'timm'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, NoTorch())\nfrom bench.cli.main import execute\n"
        f"sys.exit(execute(['report', {str(folder)!r}, '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["jobs"]["failed"] == 0
    assert (folder / "results.csv").read_bytes() == before
    shown = command("show", folder, "--json")
    assert shown.returncode == 0, shown.stderr
    json.loads(shown.stdout)


def test_splits_are_made_shown_and_checked_without_training(command, write_config, tiny_data, tmp_path):
    config = write_config()
    made = command("splits", "make", config, "--output", tmp_path / "splits")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "splits/three_way/1.csv").read_text().startswith("# fingerprint: ")
    assert command("splits", "show", tmp_path / "splits").returncode == 0
    assert command("splits", "check", tmp_path / "splits", tiny_data).returncode == 0
    assert command("run", config).returncode == 0
    assert (tmp_path / "runs/quick/splits/three_way/1.csv").read_bytes() == (
        tmp_path / "splits/three_way/1.csv"
    ).read_bytes()
    checked = command("splits", "check", tmp_path / "runs/quick/splits", tmp_path / "runs/quick/manifest.parquet")
    assert checked.returncode == 0, checked.stdout


def test_a_leak_in_a_split_file_is_found(command, write_config, tiny_data, tmp_path):
    from protocols.partition import Split

    assert command("splits", "make", write_config(), "--output", tmp_path / "splits").returncode == 0
    path = tmp_path / "splits/three_way/0.csv"
    lines = path.read_text().splitlines()
    rows = [line.rsplit(",", 1) for line in lines[2:]]
    manifest = pd.read_csv(tiny_data / "manifest.csv")
    defective = set(manifest.loc[manifest["label_index"] == 1, "object_id"])
    good = [
        i for i, (ids, partition) in enumerate(rows) if partition == "inference" and ids.split(",")[1] not in defective
    ]
    moved = good[0]
    rows[moved][1] = "train"
    partition_of = {row[0].rsplit(",", 1)[0]: row[1] for row in rows}
    fingerprint = Split.from_partitions(0, partition_of).fingerprint
    path.write_text("\n".join([f"# fingerprint: {fingerprint}", lines[1], *(",".join(r) for r in rows)]) + "\n")
    checked = command("splits", "check", tmp_path / "splits", tiny_data, "--json")
    assert checked.returncode == 1
    assert [f["code"] for f in json.loads(checked.stdout)["findings"]] == ["ObjectLeak"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "nowhere.yaml"),
        ("report", "nowhere"),
        ("splits", "show", "nowhere"),
        ("bogus",),
        ("run", "--bogus"),
    ],
)
def test_wrong_usage_is_one_error_and_exit_code_2(arguments, command):
    done = command(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_trial_with_a_limit_does_not_replace_a_whole_run(command, write_config, tmp_path):
    config = write_config()
    assert command("run", config).returncode == 0
    before = (tmp_path / "runs/quick/results.csv").read_bytes()
    trial = command("run", config, "--limit", "20")
    assert trial.returncode == 2
    assert "--limit 20" in trial.stderr
    assert (tmp_path / "runs/quick/results.csv").read_bytes() == before


def test_categories_are_averaged_without_weights_and_the_report_says_what_is_not_done(
    command, write_config, tiny_data, tmp_path
):
    manifest = pd.read_csv(tiny_data / "manifest.csv")
    halves = {name: "left" if i % 2 else "right" for i, name in enumerate(sorted(manifest["object_id"].unique()))}
    manifest.assign(category=manifest["object_id"].map(halves)).to_csv(tiny_data / "two.csv", index=False)
    config = write_config(dataset={"path": str(tiny_data / "two.csv")}, protocols=[{"name": "naive"}])
    done = command("run", config)
    assert done.returncode == 0, done.stderr
    frame = results(tmp_path / "runs/quick")
    naive = frame[
        (frame["protocol"] == "naive") & (frame["metric"] == "auroc") & (frame["level_of_analysis"] == "image")
    ]
    values = naive.set_index("category")["value"]
    assert values["(mean)"] == pytest.approx((values["left"] + values["right"]) / 2)
    assert naive["repeat"].eq(0).all()
    job = sorted((tmp_path / "runs/quick/jobs").iterdir())[0]
    job.rename(tmp_path / "elsewhere")
    again = command("report", tmp_path / "runs/quick")
    assert "1 not done yet" in again.stdout
