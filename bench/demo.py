"""The demonstration: a leaky set-up and its clean counterpart, judged side by side."""

from __future__ import annotations

from pathlib import Path

from bench.config import Config, config_from_dict
from bench.report_data import report_data
from bench.run_folder import Run
from bench.runner import RunOptions, run_config
from reports.console import demo as demo_document
from reports.console import demo_text

DETECTORS = (
    {"name": "csflow", "label": "CS-Flow"},
    {"name": "glass", "label": "GLASS"},
    {"name": "knn", "label": "kNN"},
)
OBJECT_SD = 3.5  # parts differ visibly, so that remembering a part is worth something


def demo_config(name: str, *, leak: str, profile: str, preset: str, repeats: int, seed: int) -> Config:
    """Return the configuration of one arm of the demonstration."""
    three_way: dict[str, object] = {
        "name": "three_way", "repeats": repeats,
        "thresholds": [
            "youden",
            {"rule": "cost", "missed": 100, "false_alarm": 2, "prevalence": 0.01},
            {"rule": "max_fpr", "value": 0.05},
            {"rule": "fbeta", "beta": 1},
        ],
    }  # fmt: skip
    if leak != "none":
        three_way["compare_ungrouped"] = ["kNN"]
    return config_from_dict(
        {
            "name": name, "seed": seed,
            "dataset": {"synthetic": {"profile": profile, "seed": seed, "leak": leak, "object_sd": OBJECT_SD}},
            "detectors": [{**d, "preset": preset} for d in DETECTORS],
            "protocols": [{"name": "naive"}, three_way],
            "evaluation": {"prevalence": 0.01, "requirements": {"object_sensitivity": 0.95, "object_overkill": 0.05}},
        },
        f"the demo {name}",
    )  # fmt: skip


def run_demo(
    output: Path, *, profile: str, preset: str, repeats: int, workers: str, devices: str, seed: int, quiet: bool,
    verbose: bool, live: bool,
) -> tuple[dict[str, object], str, int]:  # fmt: skip
    """Run both arms; return the document, the text, and the number of failed jobs."""
    outcomes = {}
    for name, leak in (("demo", "rerecorded"), ("demo-clean", "none")):
        config = demo_config(name, leak=leak, profile=profile, preset=preset, repeats=repeats, seed=seed)
        options = RunOptions(output / name, workers=workers, devices=devices, quiet=quiet, verbose=verbose, live=live)
        outcomes[name] = run_config(config, options)
    leaky, clean = (report_data(Run.load(output / name)) for name in outcomes)
    document = {
        "table": demo_document(leaky, clean),
        "runs": {name: outcome.as_dict() for name, outcome in outcomes.items()},
    }
    lines = [demo_text(leaky, clean), ""]
    lines += [
        f"{name}: {o.done} trainings done, {o.skipped} skipped, {o.failed} failed; report: {o.report}"
        for name, o in outcomes.items()
    ]
    return document, "\n".join(lines), sum(o.failed for o in outcomes.values())
