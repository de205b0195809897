"""The data set of a configuration: read from disk, or rendered into the cache."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from bench.config import DatasetConfig, SyntheticConfig
from bench.layouts import read_dataset
from bench.manifest import Manifest
from protocols.errors import InputError


def default_cache() -> Path:
    """Return the cache folder: ``LAB2FACTORY_CACHE``, or ``~/.cache/lab2factory``."""
    named = os.environ.get("LAB2FACTORY_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "lab2factory"


def resolve_path(path: str, base: Path) -> Path:
    """Return where a path of a configuration points: below the working folder, else beside the configuration.

    Raises
    ------
    InputError
        It is in neither place.
    """
    given = Path(path).expanduser()
    for candidate in (given, base / given):
        if candidate.exists():
            return candidate.absolute()
    places = dict.fromkeys(os.path.normpath(folder / given) for folder in (Path.cwd(), base.absolute()))
    raise InputError("dataset.path", path, f"a folder or manifest at {' or '.join(places)}", "Correct the path.")


def open_dataset(
    config: DatasetConfig,
    base: Path,
    *,
    cache: Path | None = None,
    workers: int = 1,
    report: Callable[[str, int, int], None] | None = None,
) -> Manifest:
    """Return the manifest of a configured data set.

    Parameters
    ----------
    config
        The section ``dataset``.
    base
        Folder of the configuration file.
    cache
        Where synthetic data are rendered to (below ``synthetic/``); by default :func:`default_cache`.
    workers, report
        For rendering.
    """
    if config.synthetic is not None:
        path = render_cached(config.synthetic, default_cache() if cache is None else cache, workers, report)
        return read_dataset(path, object_from=config.object_from, mask_above=config.mask_above)
    if config.path is None:
        raise InputError("dataset", "neither path nor synthetic", "one of them", "Set dataset.path.")
    return read_dataset(
        resolve_path(config.path, base), layout=config.layout, category=config.category,
        object_from=config.object_from, mask_above=config.mask_above, max_pixels=config.max_pixels,
        root=None if config.root is None else resolve_path(config.root, base),
    )  # fmt: skip


def render_cached(
    config: SyntheticConfig, cache: Path, workers: int, report: Callable[[str, int, int], None] | None
) -> Path:
    """Render a synthetic data set unless the cache has it, and return its folder."""
    from bench.synthetic import dataset_key, render_dataset

    parameters = dict(config.parameters)
    folder = cache / "synthetic" / f"{config.profile}-{dataset_key(config.profile, config.seed, parameters)}"
    return render_dataset(
        folder, profile=config.profile, seed=config.seed, parameters=parameters, workers=workers, report=report
    ).parent


def limited(manifest: Manifest, limit: int, seed: int) -> Manifest:
    """Return about `limit` images of good and of defective objects, by category and source, in an order drawn by seed.

    Objects stay whole: the good ones must not be crowded out by nominal views of defective ones.
    """
    frame = manifest.frame
    unit = frame["object_id"].where(frame["object_id"] != "", frame["sample_id"])
    defective = unit.isin(set(unit[frame["label_index"] == 1]))
    drawn = unit.map(lambda name: zlib.crc32(f"limit|{seed}|{name}".encode()))
    kept: set[str] = set()
    for _, part in frame.assign(unit=unit, drawn=drawn, defective=defective).groupby(
        ["category", "split", "defective"], sort=True
    ):
        n = 0
        for position, (_, images) in enumerate(part.sort_values(["drawn", "unit"]).groupby("drawn", sort=True)):
            if n >= limit and position >= MIN_OBJECTS:
                break
            kept |= set(images["sample_id"])
            n += len(images)
    return manifest.select(pd.unique(pd.Series(sorted(kept))))


MIN_OBJECTS = 4  # fewer cannot be split three ways
