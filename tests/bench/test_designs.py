"""The designs of the three-way protocol from the command line to the report."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml

import bench
from bench.job_thresholds import job_thresholds
from bench.model_scoring import stored_threshold
from bench.report_data import report_data
from protocols.thresholds import select_threshold
from reports.caveats import caveats
from reports.explain import how_computed

PAIR = ({"name": "pixel_stats", "label": "A"}, {"name": "pixel_stats", "label": "B", "init_args": {"size": [16, 16]}})
EVALUATION = {"intervals": {"n_resamples": 50}}


@pytest.fixture
def run_design(command, write_config, tmp_path):
    """Run the three-way protocol with these keys; returns the document, the run folder and the configuration."""

    def run(name, *, formats=("csv",), **keys):
        config = write_config(
            name,
            detectors=PAIR,
            protocols=[{"name": "three_way", **keys}],
            evaluation=EVALUATION,
            report={"formats": list(formats)},
        )
        done = command("run", config, "--json", "--workers", "1", "--backend", "inline")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), tmp_path / "runs" / name, config

    return run


def runs_again_without_training(command, folder):
    """The resolved configuration gives the same job keys and the same tables."""
    before = (folder / "comparisons.csv").read_bytes(), (folder / "results.csv").read_bytes()
    again = command("run", folder / "config.yaml", "--output", folder, "--json", "--backend", "inline")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["jobs"]["done"] == 0
    assert ((folder / "comparisons.csv").read_bytes(), (folder / "results.csv").read_bytes()) == before


def test_rotate(run_design, command, tmp_path):
    keys = {"design": "rotate", "runs": 5, "folds": 5, "merge_nominal_test": True}
    document, folder, config = run_design("rotate", **keys)
    assert document["jobs"] == {"done": 50, "skipped": 0, "failed": 0}
    results, comparisons = (pd.read_csv(folder / name) for name in ("results.csv", "comparisons.csv"))
    assert set(comparisons["test"]) == {"sorted_runs"}
    assert set(comparisons["n_repeats"]) == {25}
    assert set(comparisons.loc[comparisons["p_value"].notna(), "df"]) == {4}
    assert comparisons["replicability"].isna().all()
    assert set(results["repeat"].dropna()) == set(range(25))
    over = results[results["repeat"].isna() & (results["metric"] == "auroc")]
    assert over["notes"].str.contains(r"nominal t\w+ d.*KS D=").all()
    split = bench.load(folder).splits("", "three_way")[7]
    assert (split.repeat, split.run, split.fold) == (7, 1, 2)
    written = yaml.safe_load((folder / "config.yaml").read_text())["protocols"][0]
    assert (written["repeats"], written["runs"], written["folds"]) == (None, 5, 5)
    runs_again_without_training(command, folder)
    made = command("splits", "make", config, "--output", tmp_path / "splits", "--json")
    assert made.returncode == 0, made.stderr
    shown = json.loads(command("splits", "show", tmp_path / "splits", "--json").stdout)
    rows = shown["splits"] if isinstance(shown, dict) else shown
    assert {(r["repeat"], r["run"], r["fold"]) for r in rows} == {(5 * i + j, i, j) for i in range(5) for j in range(5)}
    assert {r["fingerprint"] for r in rows if r["repeat"] == 7} == {split.fingerprint}
    checked = command("splits", "check", tmp_path / "splits", folder / "manifest.parquet")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_swap(run_design, command, tmp_path):
    document, folder, _ = run_design("swap", formats=("html", "figures"), repeats=3, swap=True)
    assert document["jobs"] == {"done": 6, "skipped": 0, "failed": 0}
    results, comparisons = (pd.read_csv(folder / name) for name in ("results.csv", "comparisons.csv"))
    assert results["threshold"].isna().all()
    at_rule = results[results["repeat"].notna() & results["threshold_rule"].notna()]
    assert at_rule["notes"].str.contains("thresholds of both directions: ").all()
    honest = results[results["level_of_analysis"] != "pixel"]
    assert honest["notes"].str.contains("swap: mean of both directions").all()
    assert set(comparisons["test"]) == {"bootstrap"}
    assert comparisons["notes"].str.contains(r"\(rho = 1\)").all()
    text = re.sub(r"\s+", " ", (folder / "report" / "index.html").read_text())
    assert "judged in both directions" in text
    assert "Both directions (swap)" in text
    run = bench.load(folder)
    split, frame = run.splits("", "three_way")[1], run.scores("A", 1)
    tuning = frame[frame["sample_id"].isin(split.threshold)]
    expected = select_threshold(tuning["label"], tuning["score"]).value
    assert job_thresholds(run, "", "A", 1) == {"youden": expected}
    key = run.key("", "A", "three_way", 1)
    assert stored_threshold(folder / "jobs" / key, None) == (expected, "youden")
    runs_again_without_training(command, folder)


def test_blocks(run_design, command):
    document, folder, config = run_design("blocks", repeats=2, blocks=3)
    assert document["jobs"] == {"done": 12, "skipped": 0, "failed": 0}
    comparisons = pd.read_csv(folder / "comparisons.csv")
    known = comparisons[comparisons["replicability"].notna()]
    assert len(known) >= 6
    assert known["notes"].str.contains("of 3 experiments of 2 repeats each|of 2 experiments of 2").all()
    assert (known["replicability_low"] <= known["replicability_high"]).all()
    assert not comparisons["notes"].str.contains("given the trained models").any()
    table = pd.read_csv(folder / "report" / "tables" / "comparisons.csv")
    assert any("replicability" in column for column in table)
    data = report_data(bench.load(folder))
    assert any("All of this was done 3 times, as 3 whole experiments." in text for _, text in how_computed(data))
    assert not any("repeats could be used" in line for line in caveats(data))
    dry = command("run", config, "--dry-run", "--json", "-o", "protocols.0.blocks=4", "--output", "elsewhere")
    assert len(json.loads(dry.stdout)["jobs"]) == 16
    runs_again_without_training(command, folder)


def test_conditional_blocks(run_design, command):
    keys = {"repeats": 2, "blocks": 3, "conditional": True}
    document, folder, config = run_design("conditional", formats=("html",), **keys)
    assert document["jobs"] == {"done": 4, "skipped": 0, "failed": 0}
    comparisons = pd.read_csv(folder / "comparisons.csv")
    known = comparisons[comparisons["replicability"].notna()]
    assert len(known) >= 4
    assert known["notes"].str.contains("replicability given the trained models").all()
    assert set(comparisons["n_repeats"]) == {2}
    text = re.sub(r"\s+", " ", (folder / "report" / "index.html").read_text())
    assert "Conditional blocks: replicability is given the trained models" in text
    assert "Replicability is low whenever" in text
    assert "repeats could be used" not in text
    assert "Replicability given the trained models" in text
    runs_again_without_training(command, folder)
    refused = command("run", config, "-o", "protocols.0.blocks=1", "--output", "elsewhere")
    assert refused.returncode == 2
    assert "protocols.0.blocks: found 1, expected at least 2 blocks with conditional" in refused.stderr


def test_pooled_sources_that_score_apart_are_noted_in_every_row(tmp_path):
    """Good parts of the test source score higher than those of the training source, defects higher still."""
    from PIL import Image

    rng = np.random.default_rng(0)
    rows = []
    for o in range(40):
        kind, level = ("d", 3) if o < 10 else ("t", 1.5) if o < 25 else ("r", 0)
        for v in range(2):
            name = f"{kind}{o:02}v{v}.png"
            Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(tmp_path / name)
            source = "train" if kind == "r" else "test"
            rows.append((name, int(kind == "d"), source, f"{kind}{o:02}", level + 0.5 * rng.normal()))
    columns = ["image_path", "label_index", "split", "object_id", "score"]
    frame = pd.DataFrame(rows, columns=columns)
    frame.drop(columns="score").to_csv(tmp_path / "manifest.csv", index=False)
    frame.rename(columns={"image_path": "sample_id"})[["sample_id", "score"]].to_csv(
        tmp_path / "vendor.csv", index=False
    )
    config = {
        "name": "pooled", "dataset": {"path": str(tmp_path / "manifest.csv")},
        "detectors": [{"scores": str(tmp_path / "vendor.csv")}],
        "protocols": [{"name": "naive"}, {"name": "three_way", "repeats": 4, "merge_nominal_test": True}],
        "evaluation": EVALUATION, "report": {"formats": ["html"]},
    }  # fmt: skip
    results = bench.run(config, output=tmp_path / "run", backend="inline", workers="1").results
    note = "nominal test differs from nominal train; pooling not supported (KS D="
    noted = results["notes"].str.contains(note, regex=False)
    assert noted[results["protocol"] == "three_way"].all()
    assert not noted[results["protocol"] == "naive"].any()
    text = re.sub(r"\s+", " ", (tmp_path / "run" / "report" / "index.html").read_text())
    assert "vendor: nominal test differs from nominal train; pooling not supported" in text
    assert "Set merge_nominal_test to false" in text
