"""What ``lab2factory splits`` does: draw, count and check stored splits, without training."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from bench.config import Config
from bench.dataset import open_dataset
from bench.layouts import read_dataset
from bench.manifest import OBJECT_POLICIES
from bench.planning import draw_splits
from bench.run_folder import split_folder
from bench.split_csv import read_split_file, write_split_files
from protocols.errors import InputError, LeakageError, SplitError
from protocols.partition import Split
from protocols.samples import SampleTable

Row = dict[str, object]


def make_splits(config: Config, base: Path, out: Path) -> tuple[list[Row], str]:
    """Draw the splits of a configuration, write them below `out`, and return rows and a table."""
    manifest = open_dataset(config.dataset, base)
    _, samples, splits = draw_splits(config, manifest)
    rows: list[Row] = []
    for (category, protocol), drawn in splits.items():
        name = split_folder(protocol, category, manifest.categories)
        for split in drawn:
            write_split_files(out / name, split, samples[category])
            table = samples[category].frame
            rows += _count(name, split, dict(zip(table["sample_id"], table["object_id"], strict=True)))
    return rows, _text(rows)


def show_splits(folder: Path) -> tuple[list[Row], str]:
    """Return the sizes of all partitions of stored splits, as rows and as a table."""
    rows: list[Row] = []
    for path in _files(folder):
        split = read_split_file(path)
        with path.open(encoding="utf-8", newline="") as stream:
            next(stream)  # the fingerprint
            objects = {row["sample_id"]: row["object_id"] for row in csv.DictReader(stream)}
        rows += _count(path.parent.relative_to(folder).as_posix(), split, objects)
    return rows, _text(rows)


def check_splits(folder: Path, manifest_path: Path, object_policy: str) -> tuple[list[Row], str]:
    """Check stored splits against a manifest; return the findings, and a text that says so.

    A naive split may have objects on both sides by design; that is reported as a finding too.
    """
    if object_policy not in OBJECT_POLICIES:
        raise InputError("--object-policy", object_policy, f"one of {', '.join(OBJECT_POLICIES)}",
                         "Correct the option.")  # fmt: skip
    samples_of, categories = _samples(manifest_path, object_policy)
    findings: list[Row] = []
    files = _files(folder)
    for path in files:
        name = path.relative_to(folder).as_posix()
        split = read_split_file(path)
        inside = {categories[s] for s in split.partition_of() if s in categories}
        category = inside.pop() if len(inside) == 1 else sorted(samples_of)[0]
        try:
            split.check(samples_of[category])
        except (LeakageError, SplitError, InputError) as error:
            if error.code == "MissingObjectId":  # nothing can be said about leaks
                raise _without_objects(manifest_path, error) from error
            findings.append({"split": name, "code": error.code, "message": str(error)})
            continue
        shared = split.shared_objects(samples_of[category])
        if shared:
            findings.append(
                {
                    "split": name,
                    "code": "ObjectLeak",
                    "message": f"{len(shared)} objects in train and test, the first {shared[0]!r}",
                }
            )
    if not findings:
        return [], f"{len(files)} splits checked: every image is in one partition, no object is on two sides"
    lines = [f"{f['split']}: {f['message']}" for f in findings]
    return findings, "\n".join([*lines, f"{len(findings)} of {len(files)} splits have a finding"])


def _without_objects(path: Path, error: LeakageError | SplitError | InputError) -> InputError:
    """Return what to do about images whose object is not known; the splits may know it, the manifest must."""
    fix = ("Name a manifest with object_id (lab2factory dataset convert PATH OUT --object-from REGEX writes one), or "
           "state --object-policy image_is_object.")  # fmt: skip
    return InputError(os.fspath(path), error.args[1], "the object (the part photographed) of every image", fix,
                      code="MissingObjectId")  # fmt: skip


def _samples(path: Path, object_policy: str) -> tuple[dict[str, SampleTable], dict[str, str]]:
    """Return samples by category, and the category of each sample id, of a manifest, a data set or a run's manifest."""
    if path.name == "manifest.parquet" and (path.parent / "config.yaml").is_file():
        from bench.parquet import read_parquet

        frame = read_parquet(path)  # a run's copy: its images lie elsewhere
    else:
        frame = read_dataset(path).frame
    tables = {}
    for category, part in frame.groupby("category"):
        table = SampleTable.checked(part.rename(columns={"label_index": "label", "split": "source"}), os.fspath(path))
        tables[str(category)] = table.with_images_as_objects() if object_policy == "image_is_object" else table
    return tables, dict(zip(frame["sample_id"], frame["category"].astype(str), strict=True))


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.rglob("*.csv"), key=lambda p: (p.parent.as_posix(), len(p.stem), p.stem))
    if not files:
        raise InputError(
            str(folder),
            "no split files" if folder.is_dir() else "no folder",
            "a folder of splits: <protocol>/<repeat>.csv",
            "Make them with `lab2factory splits make`.",
        )
    return files


def _count(name: str, split: Split, objects: dict[str, str]) -> list[Row]:
    return [
        {"protocol": name, "repeat": split.repeat, "run": split.run, "fold": split.fold, "partition": partition,
         "n_images": len(ids),
         "n_objects": len({objects[s] for s in ids} - {""}), "fingerprint": split.fingerprint}
        for partition, ids in split.partitions().items()
    ]  # fmt: skip


def _text(rows: list[Row]) -> str:
    lines = [f"{'protocol':<24}{'repeat':>7}  {'partition':<11}{'images':>8}{'objects':>9}  fingerprint"]
    lines += [f"{r['protocol']!s:<24}{r['repeat']:>7}  {r['partition']!s:<11}{r['n_images']:>8}{r['n_objects']:>9}  "
              f"{str(r['fingerprint'])[:12]}" for r in rows]  # fmt: skip
    return "\n".join(lines)
