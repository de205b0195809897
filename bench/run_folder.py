"""A stored run, read back: what `report`, `score`, `show` and Python users work on. Needs no detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.config import Config, load_config
from bench.job_maps import PIXELS_FILE
from bench.planning import PlannedJob, build_protocols
from bench.store import RunStore
from protocols.errors import InputError, StoreError
from protocols.naive import Naive
from protocols.partition import Split
from protocols.samples import SampleTable
from protocols.scores import LAST, ScoreTable
from protocols.three_way import ThreeWay

DONE, FAILED, MISSING = "done", "failed", "missing"


@dataclass(frozen=True)
class Run:
    """One run folder.

    Parameters
    ----------
    path
        The folder.
    """

    path: Path

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Open a run folder.

        Raises
        ------
        InputError
            The folder is not there, or is not a run folder.
        """
        run = cls(Path(path))
        run.store.check()
        return run

    @cached_property
    def store(self) -> RunStore:
        """Reader and writer of the folder."""
        return RunStore(self.path)

    @cached_property
    def config(self) -> Config:
        """The resolved configuration."""
        return load_config(self.path / "config.yaml")

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """``run.json``."""
        return self.store.run_info() or {}

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """The rows of the manifest."""
        return self.store.read_manifest()

    @cached_property
    def cells(self) -> tuple[PlannedJob, ...]:
        """Which job serves which category, detector, protocol and repeat."""
        return tuple(PlannedJob(**cell) for cell in self.store.read_plan()["cells"])

    @property
    def labels(self) -> tuple[str, ...]:
        """Detectors, in the order of the configuration."""
        return tuple(dict.fromkeys(cell.detector for cell in self.cells))

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Categories, sorted; one empty name if there are none."""
        return tuple(sorted(self.manifest["category"].unique()))

    @cached_property
    def protocols(self) -> Mapping[str, Naive | ThreeWay]:
        """The protocols that were run."""
        return build_protocols(self.config)

    @cached_property
    def samples(self) -> Mapping[str, SampleTable]:
        """Samples by category, with objects as the policy has it."""
        tables = {}
        for category in self.categories:
            frame = self.manifest[self.manifest["category"] == category]
            frame = frame.rename(columns={"label_index": "label", "split": "source"})
            table = SampleTable.checked(frame, str(self.path / "manifest.parquet"))
            image_is_object = self.config.dataset.object_policy == "image_is_object"
            tables[category] = table.with_images_as_objects() if image_is_object else table
        return tables

    def splits(self, category: str, protocol: str) -> tuple[Split, ...]:
        """Return the stored splits of a protocol."""
        key = (category, protocol)
        if key not in self._splits:
            name = split_folder(protocol, category, self.categories)
            self._splits[key] = self.store.read_splits(name)
            planned = {c.repeat for c in self.cells if (c.category, c.protocol) == key}
            missing = sorted(planned - {split.repeat for split in self._splits[key]})
            if missing:
                where = str(self.path / "splits" / name / f"{missing[0]}.csv")
                fix = "Run the configuration again; finished jobs are kept."
                raise StoreError(where, "no such file", "the split of a planned job", fix, code="MissingFile")
        return self._splits[key]

    @cached_property
    def _splits(self) -> dict[tuple[str, str], tuple[Split, ...]]:
        return {}

    def record(self, key: str) -> Mapping[str, Any] | None:
        """Return the record of a job; None if it did not happen."""
        return self.store.job(key).record()

    def key(self, category: str, detector: str, protocol: str, repeat: int) -> str | None:
        """Return the key of the job behind a cell; None if it was not planned."""
        return self._keys.get((category, detector, protocol, repeat))

    @cached_property
    def _keys(self) -> dict[tuple[str, str, str, int], str]:
        return {(c.category, c.detector, c.protocol, c.repeat): c.key for c in self.cells}

    def table(self, category: str, detector: str, protocol: str, repeat: int) -> ScoreTable | None:
        """Return the scores of a cell at all checkpoints, with defect types; None if the job is not done."""
        key = self.key(category, detector, protocol, repeat)
        if key is None:
            return None
        record = self.record(key)
        if record is None or record["status"] != DONE:
            return None
        frame = self.store.job(key).scores()
        rows = self.samples[category].frame.set_index("sample_id")
        frame = frame.assign(defect_type=frame["sample_id"].map(rows["defect_type"]).fillna(""))
        # A job may serve two protocols; the partitions are those of the one asked for.
        split = next((s for s in self.splits(category, protocol) if s.repeat == repeat), None)
        if split is not None:
            frame = frame.assign(partition=frame["sample_id"].map(split.partition_of()))
        return ScoreTable.checked(frame, f"{self.path}, job {key}")

    def scores(
        self, detector: str, repeat: int = 0, *, protocol: str = "three_way", category: str | None = None
    ) -> pd.DataFrame:
        """Return the last scores of a detector on one repeat.

        Returns
        -------
        DataFrame
            ``sample_id, object_id, label, source, defect_type, partition, score``.

        Raises
        ------
        InputError
            There are no such scores.
        """
        chosen = self.categories[0] if category is None else category
        table = self.table(chosen, detector, protocol, repeat)
        if table is None:
            raise InputError(f"{self.path}, scores of {detector!r}, {protocol}, repeat {repeat}", "none",
                             f"one of {sorted({(c.detector, c.protocol, c.repeat) for c in self.cells})[:6]}",
                             "See `lab2factory show`.")  # fmt: skip
        last = table.at(LAST).frame
        return last.loc[:, ["sample_id", "object_id", "label", "source", "defect_type", "partition", "score"]]

    @property
    def results(self) -> pd.DataFrame:
        """``results.parquet``."""
        return self.store.read_results()

    @property
    def comparisons(self) -> pd.DataFrame:
        """``comparisons.csv``."""
        return self.store.read_comparisons()

    @cached_property
    def jobs(self) -> pd.DataFrame:
        """One row a cell: its job's status, times, memory and weights."""
        rows = []
        for cell in self.cells:
            record = self.record(cell.key) or {"status": MISSING, "message": "not done yet"}
            rows.append({
                "category": cell.category, "detector": cell.detector, "protocol": cell.protocol, "repeat": cell.repeat,
                "key": cell.key,
                **{k: record.get(k) for k in ("status", "phase", "message", "fit_seconds", "score_seconds",
                                              "peak_memory_bytes", "weights_sha256")},
            })  # fmt: skip
        return pd.DataFrame(rows)

    def pixels(
        self, category: str, detector: str, protocol: str, repeat: int
    ) -> dict[str, np.ndarray[Any, Any]] | None:
        """Return the pixel statistics of a cell as plain arrays; None if there are none."""
        key = self.key(category, detector, protocol, repeat)
        return None if key is None else self.store.job(key).arrays(PIXELS_FILE)

    def report(self, directory: str | Path | None = None) -> Path:
        """Write the report again and return its ``index.html``."""
        from bench.report_data import report_data
        from reports import write_report

        out = self.path / "report" if directory is None else Path(directory)
        return write_report(report_data(self), out, self.config.report.formats)


def split_folder(protocol: str, category: str, categories: tuple[str, ...]) -> str:
    """Return where the splits of a protocol lie below ``splits/``: one folder more if there are several categories."""
    return protocol if len(categories) == 1 else f"{protocol}/{category}"
