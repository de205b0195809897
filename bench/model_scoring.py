"""Score new images with a stored model."""

from __future__ import annotations

import contextlib
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from bench.atomic import write_atomic
from bench.csv_cells import escape_cell
from bench.executors.slots import device_names
from bench.image_files import printable
from bench.images import ImageFiles, ManifestImages, images_at
from bench.job_thresholds import job_thresholds
from bench.layouts.csv import SUFFIXES
from bench.layouts.csv import read as read_listed
from bench.manifest import Manifest
from bench.plugins import load_file
from bench.run_folder import Run
from bench.store import parquet_bytes
from bench.training import checked_scores
from detectors.base import SupportsMaps
from detectors.model_file import read_header
from detectors.registry import BUILTIN, known_plugins, load_plugin
from protocols.errors import InputError
from protocols.thresholds import rule_name

MODEL_FILE = "model.safetensors"


def score_images(
    model: Path,
    images: Path,
    output: Path,
    *,
    rule: str | None,
    maps: Path | None,
    device: str,
    plugins: tuple[Path, ...] = (),
) -> tuple[dict[str, object], str]:
    """Score images, write the score file (and maps), and return a summary as a document and as text.

    Raises
    ------
    InputError
        MODEL is no model, IMAGES hold no image, the rule was not part of the run, the device is not there, the
        detector has no maps, or the output has another ending. Nothing is written then.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise InputError("--output", output.name, f"a name that ends in {', '.join(SUFFIXES)}", "Rename the file.")
    device = _one_device(device)
    path = model / MODEL_FILE if model.is_dir() else model
    if not path.is_file():
        raise InputError(str(model), "no model", f"a job folder with {MODEL_FILE}, or that file",
                         "Run with -o store.models=all, and name runs/NAME/jobs/KEY.")  # fmt: skip
    detector = load_detector(path, device, plugins)
    if maps is not None and not isinstance(detector, SupportsMaps):
        raise InputError("--maps", type(detector).__name__, "a detector with maps", "Leave --maps out.")
    threshold, used = stored_threshold(path.parent, rule)
    files, sample_ids, known = open_images(images)
    with contextlib.redirect_stdout(sys.stderr):  # results only on standard output, whatever a detector prints
        scores = checked_scores(detector.score(files), len(sample_ids))
    frame = pd.DataFrame({"sample_id": sample_ids, "score": scores})
    if known is not None:
        frame["label"] = known
    frame["predicted"] = pd.Series(scores >= threshold, dtype="Int64")
    if math.isnan(threshold):
        frame["predicted"] = pd.NA
    frame["threshold"] = threshold
    columns = ["sample_id", *(["label"] if known is not None else []), "score", "predicted", "threshold"]
    write_atomic(output, _table_bytes(frame.loc[:, columns], output.suffix.lower()))
    if maps is not None:
        _write_maps(detector, files, sample_ids, maps)
    n_called = int((scores >= threshold).sum()) if not math.isnan(threshold) else None
    document = {"output": str(output), "n_images": len(sample_ids), "threshold_rule": used,
                "threshold": None if math.isnan(threshold) else threshold, "n_anomalous": n_called}  # fmt: skip
    decision = "no threshold is stored beside this model: scores only" if n_called is None else (
        f"{n_called} called anomalous at {threshold:.6g} ({used})")  # fmt: skip
    return document, f"{len(sample_ids)} images scored, {decision}\nwritten to {output}"


def load_detector(path: Path, device: str, plugins: tuple[Path, ...] = ()) -> Any:
    """Return the detector stored in a model file; nothing in the file is executed or imported.

    Raises
    ------
    InputError
        The file is not a model of ours, or its detector is neither registered nor in a file the user named.
    """
    header = read_header(path)
    if header.detector in known_plugins("detector", BUILTIN):
        return load_plugin("detector", header.detector, BUILTIN).load(path, device=device)
    for plugin in plugins:
        cls = getattr(load_file(plugin), header.class_path.rpartition(".")[2], None)
        if cls is not None:
            return cls.load(path, device=device)
    raise InputError(str(path), header.class_path, f"one of {sorted(known_plugins('detector', BUILTIN))}",
                     "Name the Python file that defines this detector with --plugin.")  # fmt: skip


def open_images(path: Path) -> tuple[ImageFiles, list[str], list[int] | None]:
    """Return images, their sample ids, and their labels where a manifest has them.

    A folder with a ``manifest.csv`` is read by it: its masks are no photographs.
    """
    if (path / "manifest.csv").is_file():
        path = path / "manifest.csv"
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        listed = read_listed(path)
        labelled = "label_index" in listed.frame
        if not labelled:  # new images need none
            listed = replace(listed, frame=listed.frame.assign(label_index=0))
        manifest = Manifest.checked(
            listed.frame, listed.root, printable(path), layout="csv", notes=listed.notes, faults=listed.faults,
            both_classes=False,
        )  # fmt: skip
        ids = list(manifest.frame["sample_id"])
        labels = [int(v) for v in manifest.frame["label_index"]] if labelled else None
        return ManifestImages(manifest, ids), ids, labels
    files, names = images_at(path)
    return files, names, None


def stored_threshold(folder: Path, rule: str | None) -> tuple[float, str]:
    """Return the threshold that the job beside a model gave, and the rule's name; NaN where there is none.

    Raises
    ------
    InputError
        The rule was not part of the run.
    """
    record_path, run_path = folder / "record.json", folder.parent.parent
    if not record_path.is_file() or not (run_path / "results.parquet").is_file():
        return math.nan, ""
    run = Run.load(run_path)
    results = run.results
    of = results[
        (results["job_key"] == folder.name) & (results["level_of_analysis"] == "image") & results["threshold"].notna()
    ]
    thresholds = dict(zip(of["threshold_rule"], of["threshold"], strict=True))
    if not thresholds:
        cell = next((c for c in run.cells if c.key == folder.name and c.protocol == "three_way"), None)
        found = {} if cell is None else job_thresholds(run, cell.category, cell.detector, cell.repeat)
        thresholds = {name: value for name, value in found.items() if not math.isnan(value)}
    rules = list(thresholds)
    if rule is None:
        configured = [
            rule_name(t.rule, dict(t.parameters))
            for p in run.config.protocols
            if p.name == "three_way"
            for t in p.thresholds
        ]
        rule = next((r for r in configured if r in rules), rules[0] if rules else "")
    elif rule not in rules:
        raise InputError("--threshold-rule", rule, f"one of {rules}", "Name a rule of the run's results.csv.")
    return (float(thresholds[rule]), rule) if rule in thresholds else (math.nan, "")


def _write_maps(detector: Any, files: Any, sample_ids: list[str], folder: Path) -> None:
    """Write maps as 16-bit PNG on one scale, which stands beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    heats = list(detector.maps(files))
    low, high = min(float(h.min()) for h in heats), max(float(h.max()) for h in heats)
    scale = 65535 / (high - low) if high > low else 0.0
    rows = []
    for index, (sample_id, heat) in enumerate(zip(sample_ids, heats, strict=True)):
        name = f"{index:06d}.png"
        Image.fromarray(np.round((heat - low) * scale).astype(np.uint16)).save(folder / name)
        rows.append({"sample_id": sample_id, "map": name, "value_at_0": low, "value_at_65535": high})
    _escaped(pd.DataFrame(rows)).to_csv(folder / "maps.csv", index=False)


def _one_device(text: str) -> str:
    """Return the device to score on."""
    try:
        names = device_names(text)
    except InputError as error:
        _, found, expected, fix = error.args[:4]
        raise InputError("--device", found, expected, fix) from error
    if len(names) > 1 and text != "auto":
        raise InputError("--device", text, "one device", "Name one of them.")
    return names[0]


def _table_bytes(frame: pd.DataFrame, suffix: str) -> bytes:
    """Return a score file: Parquet, or text in which no cell is a formula."""
    if suffix == ".parquet":
        return parquet_bytes(frame)
    text: str = _escaped(frame).to_csv(index=False, lineterminator="\n", sep="\t" if suffix == ".tsv" else ",")
    return text.encode()


def _escaped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(sample_id=frame["sample_id"].map(escape_cell))
