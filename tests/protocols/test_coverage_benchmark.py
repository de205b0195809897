"""The short form of the coverage benchmark: intervals of the report's rows hold the truth, tests keep their size."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ROWS = "rows of the protocols"


def run(output, *options):
    command = [sys.executable, str(BENCHMARKS / "coverage.py"), "--quick", "--output", str(output), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def verdict():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from support.tally import verdict
    finally:
        sys.path.remove(str(BENCHMARKS))
    return verdict


@pytest.mark.slow  # 2 minutes
@pytest.mark.timeout(1800)
def test_the_rows_of_the_protocols_hold_their_level_and_an_interrupted_run_goes_on(tmp_path, verdict):
    output = tmp_path / "coverage.jsonl"
    assert "settings, 0 finished" in run(output, "--groups", "auroc", "rate")
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(records) >= 30
    words = []
    for record in records:
        setting, row = record["setting"], record["rows"][ROWS]
        words.append(verdict(row, setting.get("n_objects", setting.get("n_defective"))))
        assert row["undefined"] == 0
        assert words[-1] != "too low", (setting, row)
    # Some settings are conservative, such as 20 images of AUROC 0.97, often separated perfectly: a bound holds always.
    assert words.count("too high") <= 3

    kept = output.read_text()
    output.write_text(kept[:-40])  # the last line is cut off, as by a kill
    told = run(output, "--groups", "auroc", "rate")
    assert f"{len(records)} settings, {len(records) - 1} finished" in told
    again = [json.loads(line) for line in output.read_text().splitlines()[-1:]]
    assert again[0]["rows"] == records[-1]["rows"]


@pytest.mark.slow  # 1 minute
@pytest.mark.timeout(1800)
def test_default_tests_keep_their_size_and_the_usual_corrections_do_not(tmp_path, verdict):
    output = tmp_path / "coverage.jsonl"
    run(output, "--groups", "tests", "corrected")
    found = {
        method: row
        for record in map(json.loads, output.read_text().splitlines())
        for method, row in record["rows"].items()
    }
    wrong = ("as if independent", ", none", ", image_ratio", ", share of what was seen")
    defaults = [name for name in found if not name.endswith(wrong)]
    assert len(defaults) == 5 + 4 + 4  # the tests, and the corrected test with class_resolved and max
    for method in defaults:
        assert verdict(found[method], 60) == "in band", (method, found[method])
    for method in ("sensitivity, none", "balanced_accuracy, none", "auroc, none", "sensitivity, image_ratio"):
        assert found[method]["rejected"] > 0.15, method
