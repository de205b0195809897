"""Tables of what was run on what, with which parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from reports.data import ReportData
from reports.names import PARTITIONS
from reports.rounding import show_bytes, show_number, show_seconds
from reports.table import Cell, Column, Table


def splits(data: ReportData) -> Table:
    """Return the sizes of the partitions of every split."""
    columns = (Column("protocol", "Protocol"), Column("repeat", "Repeat", "number"), Column("partition", "Part"),
               Column("n_images", "Images", "number"), Column("n_nominal", "Nominal", "number"),
               Column("n_anomalous", "Anomalous", "number"), Column("n_objects", "Objects", "number"))  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (r["protocol"], _count(r["repeat"]), PARTITIONS.get(r["partition"], r["partition"]),
         *(_count(r[c]) for c in ("n_images", "n_nominal", "n_anomalous", "n_objects")))
        for _, r in data.splits.iterrows()
    ]  # fmt: skip
    caption = "What each split put where. No object has used images in two parts of a three-way split."
    return Table("splits", "Splits", caption, columns, tuple(rows)).without_empty_columns()


def jobs(data: ReportData) -> Table:
    """Return one row a training: outcome, cost, and the weights it used."""
    columns = (Column("detector", "Detector"), Column("protocol", "Protocol"), Column("repeat", "Repeat", "number"),
               Column("status", "Status"), Column("fit_seconds", "Training"), Column("score_seconds", "Scoring"),
               Column("peak_memory_bytes", "Peak memory"), Column("key", "Key"),
               Column("weights_sha256", "Weights (SHA-256)"), Column("message", "Message", "long"))  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (r["detector"], r["protocol"], _count(r["repeat"]), r["status"], show_seconds(r["fit_seconds"]),
         show_seconds(r["score_seconds"]), show_bytes(r["peak_memory_bytes"]), r["key"], r["weights_sha256"],
         r["message"])
        for _, r in data.jobs.iterrows()
    ]  # fmt: skip
    caption = "One training each. The key names the job's folder in the run."
    return Table("jobs", "Jobs", caption, columns, tuple(rows)).without_empty_columns()


def parameters(data: ReportData) -> Table:
    """Return every parameter of the resolved configuration by its path."""
    columns = (Column("parameter", "Parameter"), Column("value", "Value", "long"))
    caption = "The resolved configuration: all defaults written out. Running it again gives the same jobs."
    return Table("parameters", "Every parameter", caption, columns, tuple(flat(data.parameters)))


def environment(data: ReportData) -> Table:
    """Return versions, devices and what else was recorded about the machine."""
    columns = (Column("what", "What"), Column("value", "Value", "long"))
    caption = "Recorded when the run was made."
    return Table("environment", "Environment", caption, columns, tuple(flat(data.environment)))


def flat(value: Mapping[str, object], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested settings as (path, text).

    Examples
    --------
    >>> list(flat({"a": {"b": [1, 2]}, "c": None, "d": [{"e": True}]}))
    [('a.b', '1, 2'), ('c', 'not set'), ('d.0.e', 'yes')]
    """
    for key, item in value.items():
        yield from _flat_item(item, f"{path}{key}")


def _flat_item(item: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(item, Mapping) and item:
        yield from flat(item, f"{path}.")
    elif isinstance(item, Sequence) and not isinstance(item, str) and any(isinstance(i, Mapping | list) for i in item):
        for index, part in enumerate(item):
            yield from _flat_item(part, f"{path}.{index}")
    elif isinstance(item, Sequence) and not isinstance(item, str):
        yield path, ", ".join(_plain(i) for i in item) or "none"
    else:
        yield path, _plain(item)


def _plain(item: object) -> str:
    if item is None:
        return "not set"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, Mapping):
        return "none"
    if isinstance(item, float):
        return show_number(item, 12)
    return str(item)


def _count(x: float) -> int | None:
    return None if math.isnan(x) else int(x)
