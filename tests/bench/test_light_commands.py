import json
import os
import re
import sys
from importlib.metadata import EntryPoint

import pytest

from bench.cli.main import execute
from bench.config import config_from_dict, load_config
from bench.store import RunStore

CONFIG = config_from_dict({"dataset": {"path": "x"}, "detectors": [{"name": "knn"}]}).to_yaml()
KEYS = ["0123456789abcdef", "0123ffffffffffff", "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"]


@pytest.fixture
def lab2factory(capsys, monkeypatch, tmp_path):
    """Run a command in this process, in an empty folder; returns exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB2FACTORY_CACHE", str(tmp_path / "cache"))

    def run(*arguments):
        capsys.readouterr()
        code = execute([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.fixture
def run_folder(tmp_path):
    """A run with a job done, one failed, one damaged, one not done."""
    store = RunStore(tmp_path / "runs" / "links")
    store.open(CONFIG)
    store.write_run_info({"started": "2025-01-02T03:04:05+00:00", "ended": None})
    cells = [
        {"category": "", "detector": "knn", "protocol": "three_way", "repeat": i, "key": key}
        for i, key in enumerate(KEYS)
    ]
    store.write_plan({"cells": cells})
    facts = {"schema": 1, "detector": "knn", "protocol": "three_way", "fit_seconds": 1.25, "score_seconds": 0.5,
             "peak_memory_bytes": 2**28, "phase": "", "message": ""}  # fmt: skip
    store.job(KEYS[0]).finish({**facts, "status": "done", "repeat": 0}, {"log.txt": b"0.00 s  load\n"})
    failed = {**facts, "status": "failed", "repeat": 1, "phase": "fit", "message": "no luck"}
    store.job(KEYS[1]).finish(failed, {"error.txt": b"Trace of the job\n"})
    store.job(KEYS[2]).finish({**facts, "status": "done"}, {})
    (store.job(KEYS[2]).path / "record.json").write_text("{")
    return store.root


# -- init ------------------------------------------------------------------------------------------------------


def test_init_writes_a_configuration_that_loads(lab2factory, tmp_path):
    code, out, _ = lab2factory("init", "new")
    assert code == 0
    assert "dataset.path" in out
    config = load_config(tmp_path / "new" / "lab2factory.yaml")
    assert config.dataset.path == "path/to/images"
    text = (tmp_path / "new" / "lab2factory.yaml").read_text()
    assert text.count("<--") >= 4
    assert "runs/my-parts" in text


def test_what_init_has_commented_out_loads_too(lab2factory, tmp_path):
    lab2factory("init")
    path = tmp_path / "lab2factory.yaml"
    text = re.sub(r"(?m)^(  )# (  )?(- |object_from|init_args)", r"\1\2\3", path.read_text())
    path.write_text(text)
    config = load_config(path)
    assert [d.label for d in config.detectors] == ["knn", "CS-Flow", "glass", "MyDetector", "vendor"]
    assert config.dataset.object_from


def test_init_overwrites_nothing(lab2factory, tmp_path):
    (tmp_path / "lab2factory.yaml").write_text("mine")
    code, _, err = lab2factory("init")
    assert code == 2
    assert err.startswith("error: lab2factory.yaml: found 'a file', expected no file of that name")
    assert (tmp_path / "lab2factory.yaml").read_text() == "mine"


def test_init_reports_as_json(lab2factory):
    _, out, _ = lab2factory("init", "--json")
    assert json.loads(out)["config"] == "lab2factory.yaml"


# -- ls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("detectors", {"csflow", "glass", "knn", "pixel_stats"}),
        ("thresholds", {"youden", "cost", "max_fpr", "f1"}),
        ("protocols", {"naive", "three_way"}),
        ("layouts", {"auto", "mvtec", "visa", "mtd", "csv", "folders", "synthetic"}),
        ("metrics", {"auroc", "sensitivity", "ppv_at_prevalence"}),
        ("reports", {"html", "csv", "markdown", "latex", "figures"}),
    ],
)
def test_ls_lists_names_with_one_line_each(lab2factory, kind, some):
    code, out, _ = lab2factory("ls", kind)
    assert code == 0
    names = [line.split()[0] for line in out.splitlines()]
    assert some <= set(names)
    assert all(len(line.split()) > 1 for line in out.splitlines())
    _, out, _ = lab2factory("ls", kind, "--json")
    assert [entry["name"] for entry in json.loads(out)[kind]] == names


def test_every_registered_name_is_accepted_by_a_configuration(lab2factory):
    from bench.plugins import listing

    base = {"dataset": {"path": "x"}, "detectors": [{"name": n} for n in listing("detectors")]}
    for layout in listing("layouts"):
        assert config_from_dict({**base, "dataset": {"path": "x", "layout": layout}}).dataset.layout == layout
    formats = list(listing("reports"))
    assert list(config_from_dict({**base, "report": {"formats": formats}}).report.formats) == formats


def test_ls_imports_no_torch_and_no_plugin(command):
    code = (
        "import sys; from bench.cli.main import execute; execute(['ls', 'detectors']); sys.exit('torch' in sys.modules)"
    )
    import subprocess

    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=root).returncode == 0


def test_ls_lists_an_installed_plugin_without_importing_it(lab2factory, monkeypatch):
    point = EntryPoint("mine", "no_such_package_at_all:Mine", "lab2factory.detectors")
    monkeypatch.setattr("detectors.registry.entry_points", lambda group: [point] if group == point.group else [])
    _, out, _ = lab2factory("ls", "detectors")
    assert out.splitlines()[-1].split() == ["mine", "plug-in", "no_such_package_at_all:Mine"]


def test_a_plugin_with_one_of_our_names_is_refused(lab2factory, monkeypatch):
    point = EntryPoint("knn", "theirs:KNN", "lab2factory.detectors")
    monkeypatch.setattr("detectors.registry.entry_points", lambda group: [point] if group == point.group else [])
    code, _, err = lab2factory("ls", "detectors")
    assert code == 2
    assert "theirs:KNN" in err


def test_ls_lists_the_detectors_of_a_named_file(lab2factory, tmp_path):
    path = tmp_path / "users_listed_plugin.py"
    path.write_text(
        'class Mine:\n    """Guess."""\n    def fit(self, n, c): ...\n    def score(self, i): ...\n\nclass Other: ...\n'
    )
    _, out, _ = lab2factory("ls", "detectors", "--plugin", path)
    assert out.splitlines()[-1].split() == ["users_listed_plugin.Mine", "Guess"]
    del sys.modules["users_listed_plugin"]


def test_ls_of_an_unknown_kind_names_the_nearest(lab2factory):
    code, _, err = lab2factory("ls", "detector")
    assert code == 2
    assert "Did you mean 'detectors'?" in err


def test_ls_runs_tells_how_far_each_run_is(lab2factory, run_folder, tmp_path):
    (tmp_path / "runs" / "no run").mkdir()
    _, out, _ = lab2factory("ls", "runs")
    assert out.split("  ")[0] == "links"
    assert "1 damaged, 1 done, 1 failed, 1 missing" in out
    _, out, _ = lab2factory("ls", "runs", "--json")
    assert [row["name"] for row in json.loads(out)["runs"]] == ["links"]
    assert lab2factory("ls", "runs", "elsewhere")[1] == "no runs in elsewhere\n"


# -- show ------------------------------------------------------------------------------------------------------


def test_show_lists_all_jobs_also_the_damaged_ones(lab2factory, run_folder):
    code, out, _ = lab2factory("show", run_folder)
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines()[1:]}
    assert list(rows) == KEYS
    assert "done     1.2 s  0.5 s  256 MiB" in re.sub(" +", lambda m: m[0] if len(m[0]) < 3 else "     ", rows[KEYS[0]])
    assert "fit no luck" in rows[KEYS[1]]
    assert "damaged" in rows[KEYS[2]]
    assert "missing" in rows[KEYS[3]]
    _, out, _ = lab2factory("show", run_folder, "--json")
    assert [job["status"] for job in json.loads(out)["jobs"]] == ["done", "failed", "damaged", "missing"]


def test_show_tells_a_job_that_is_being_done_from_one_that_was_killed(lab2factory, run_folder):
    store = RunStore(run_folder)
    store.report_progress(KEYS[3], phase="fit")
    status = lambda: json.loads(lab2factory("show", run_folder, "--json")[1])["jobs"][3]["status"]  # noqa: E731
    assert status() == "missing"
    with store.lock(KEYS[3]):
        assert status() == "running"


def test_show_one_job_with_its_log_and_error(lab2factory, run_folder):
    _, out, _ = lab2factory("show", run_folder, "0123f")
    assert "Trace of the job" in out
    assert re.search(r"status +failed", out)
    _, out, _ = lab2factory("show", run_folder, KEYS[0], "--json")
    assert json.loads(out)["log"] == "0.00 s  load\n"


@pytest.mark.parametrize(
    ("key", "words"), [("0123", "2 jobs"), ("zz", "no job"), ("aaaa", "DamagedRecord|undamaged record")]
)
def test_a_key_that_tells_no_job_is_one_clear_error(lab2factory, run_folder, key, words):
    code, _, err = lab2factory("show", run_folder, key)
    assert code == 2
    assert re.search(words, err)


def test_show_of_what_is_no_run_is_one_clear_error(lab2factory, tmp_path):
    code, _, err = lab2factory("show", tmp_path / "nowhere")
    assert code == 2
    assert err.startswith("error: ")
    assert "a run folder" in err


# -- doctor and weights ----------------------------------------------------------------------------------------


def test_doctor_looks_at_everything_and_says_ready(lab2factory):
    code, out, _ = lab2factory("doctor", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["ready"]
    assert {
        "lab2factory",
        "packages",
        "extra train",
        "devices",
        "cores",
        "memory",
        "run folder",
        "cache",
        "locks",
        "clock",
    } <= {c["check"] for c in found["checks"]}
    assert all(c["fix"] for c in found["checks"] if c["status"] in ("warn", "fail"))


def test_doctor_says_what_to_do_about_a_folder_that_cannot_be_written(lab2factory, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, _ = lab2factory("doctor", "--cache", tmp_path / "file" / "cache")
    assert code == 1
    assert "fail cache" in out
    assert "-> Choose another folder" in out
    assert out.rstrip().endswith("1 problems")


def test_doctor_says_what_to_do_about_old_packages(lab2factory, monkeypatch):
    monkeypatch.setattr(
        "bench.doctor.requires", lambda name: ["numpy>=99.1", "no-such-thing>=1 ; extra == 'x'", "absent_thing"]
    )
    code, out, _ = lab2factory("doctor")
    assert code == 1
    assert re.search(r"too old: numpy \S+ \(at least 99.1\)", out)
    assert "pip install absent_thing" in out
    assert "no-such-thing" not in out


def test_weights_list_names_source_and_place(lab2factory):
    code, out, _ = lab2factory("weights", "list", "csflow", "--json")
    assert code == 0
    rows = {row["preset"]: row for row in json.loads(out)["weights"]}
    assert rows["tiny"]["status"] == "built in"
    assert rows["paper"]["weights"] == "pretrained"


def test_weights_check_is_a_finding_when_some_are_missing(lab2factory, monkeypatch):
    from detectors.weights import WeightsEntry

    missing = WeightsEntry("x", "paper", "b", "pretrained", None, None, "missing", "download it")
    monkeypatch.setattr("detectors.weights.list_weights", lambda names, check: [missing])
    code, out, _ = lab2factory("weights", "check")
    assert code == 1
    assert "download it" in out
    assert lab2factory("weights", "list")[0] == 0


def test_an_interrupted_command_says_that_nothing_is_lost(lab2factory, monkeypatch):
    from protocols.errors import Interrupted

    def interrupt(folder):
        raise Interrupted

    monkeypatch.setattr("bench.run_listing.list_runs", interrupt)
    code, _, err = lab2factory("ls", "runs")
    assert code == 130
    assert "what was finished is kept" in err
