"""A rendered data set and a quick configuration, shared by the tests of runs."""

import json
import os
import subprocess
import sys

import pytest

QUICK = {
    "protocols": [
        {"name": "naive"},
        {"name": "three_way", "repeats": 2, "thresholds": ["youden", {"rule": "max_fpr", "value": 0.1}]},
    ],
    "evaluation": {"intervals": {"n_resamples": 100}},
    "report": {"formats": ["csv"]},
}


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    from bench.synthetic import render_dataset

    return render_dataset(tmp_path_factory.mktemp("data") / "links", profile="tiny", seed=0).parent


@pytest.fixture
def write_config(tmp_path, tiny_data):
    def write(name="quick", *, detectors=({"name": "pixel_stats"},), **changes):
        values = {"name": name, "dataset": {"path": str(tiny_data)}, "detectors": list(detectors), **QUICK, **changes}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(values))
        return path

    return write


@pytest.fixture
def command(tmp_path):
    """Run ``lab2factory ...`` as a user would; returns the finished process."""

    def run(*arguments, cwd=None, env=None, timeout=240):
        environment = {**os.environ, "LAB2FACTORY_CACHE": str(tmp_path / "cache"), "NO_COLOR": "1", **(env or {})}
        return subprocess.run(
            [sys.executable, "-m", "bench", *map(str, arguments)], capture_output=True, text=True,
            cwd=cwd or tmp_path, env=environment, timeout=timeout,
        )  # fmt: skip

    return run
