import json
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest


@pytest.fixture
def inside(capsys, monkeypatch):
    """Run a command line in this process: as `command`, without the second it takes Python to start."""
    from bench.cli import settings
    from bench.cli.main import execute

    def run(*arguments, cwd=None):
        monkeypatch.setattr(settings, "current", settings.Settings())
        if cwd is not None:
            monkeypatch.chdir(cwd)
        code = execute([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, told.out, told.err)

    return run


def test_inspect_prints_text_or_one_json_document(command, mvtec):
    told = command("dataset", "inspect", mvtec)
    assert told.returncode == 0, told.stderr
    assert "layout mvtec (the folder has train/good and test/<type>)" in told.stdout
    machine = command("dataset", "inspect", mvtec, "--json")
    assert machine.returncode == 0 and json.loads(machine.stdout)["n_images"] == 10 and machine.stderr == ""


def test_convert_writes_a_manifest_that_inspect_reads(command, parts):
    out = parts.parent / "manifest.parquet"
    done = command("dataset", "convert", parts, out, "--object-from", "generic", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "manifest": str(out), "layout": "folders", "n_images": 42, "needs_root": None,
        "reason": "a folder good/ and 2 others with images: dent, scratch",
    }  # fmt: skip
    frame = pd.read_parquet(out)
    assert frame["image_path"].str.startswith("parts/").all() and frame["object_id"].nunique() == 14
    again = command("dataset", "inspect", out, "--json")
    assert json.loads(again.stdout)["objects"]["n_objects"] == 14


def test_convert_to_another_place_says_that_reading_needs_the_root(inside, mvtec, tmp_path):
    done = inside("dataset", "convert", mvtec, tmp_path / "out" / "manifest.csv")
    assert done.returncode == 0 and f"reading it needs --root {mvtec}" in done.stderr
    refused = inside("dataset", "inspect", tmp_path / "out" / "manifest.csv")
    assert refused.returncode == 2 and "error: ../set/" in refused.stderr
    allowed = inside("dataset", "inspect", tmp_path / "out" / "manifest.csv", "--root", mvtec, "--json")
    assert json.loads(allowed.stdout)["n_images"] == 10


def test_duplicates_ends_with_one_only_where_a_border_is_crossed(inside, mvtec, tmp_path):
    clean = inside("dataset", "duplicates", mvtec)
    assert clean.returncode == 0 and clean.stdout.strip() == "no identical images among 10"
    shutil.copy(mvtec / "train/good/000.png", mvtec / "train/good/copy.png")
    assert inside("dataset", "duplicates", mvtec).returncode == 0
    shutil.copy(mvtec / "train/good/000.png", mvtec / "test/good/copy.png")
    crossed = inside("dataset", "duplicates", mvtec, "--output", tmp_path / "out", "--json")
    assert crossed.returncode == 1
    document = json.loads(crossed.stdout)
    assert document["n_crossing"] == 1 and len(document["pairs"]) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["duplicates.json", "pairs.csv"]
    assert len(pd.read_csv(tmp_path / "out" / "pairs.csv")) == 2


def test_every_fault_is_one_line_of_standard_error_and_the_code_is_two(command, mvtec):
    (mvtec / "train/good/000.png").write_bytes(b"")
    (mvtec / "train/good/001.png").write_text("text, not a picture")
    failed = command("dataset", "inspect", mvtec)
    assert failed.returncode == 2 and failed.stdout == ""
    lines = failed.stderr.strip().splitlines()
    assert len(lines) == 2 and all(line.startswith("error: train/good/00") for line in lines)
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "nowhere"], "error: nowhere: found 'nothing', expected a folder with images"),
        (["inspect", "set", "--layout", "vsia"], "error: layout: found 'vsia', expected auto, or one of ['visa']"),
        (["convert", "set", "set/x.txt"], "expected a file name that ends in .csv or .parquet"),
        (["inspect", "set", "--object-from", "("], "error: object_from: found '(', expected a regular expression"),
        (["duplicates", "set", "--max-pixels", "0"], "--max-pixels"),
    ],
)
def test_wrong_use_is_one_message_and_code_two(inside, mvtec, arguments, message):
    failed = inside("dataset", *arguments, cwd=mvtec.parent)
    assert failed.returncode == 2 and message in failed.stderr and "Traceback" not in failed.stderr


def test_help_has_an_example_for_every_inside(inside):
    for name in ("inspect", "convert", "duplicates"):
        assert f"Example: lab2factory dataset {name}" in inside("dataset", name, "--help").stdout


def test_the_command_line_is_built_without_pandas_or_torch():
    code = "import sys, bench.cli.dataset; print(sorted({'pandas', 'numpy', 'PIL', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.strip() == "[]", done.stderr
