"""What a job keeps of its anomaly maps: statistics for pixel metrics, and the maps of the images to look at."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.manifest import Manifest
from bench.training import maps_of
from detectors.base import SupportsMaps
from protocols.pixel_histogram import PixelHistogram

MAPS_FILE, PIXELS_FILE = "maps/maps.npz", "pixels.npz"
MAX_ENTRIES = 2**20  # bins of all images together: some megabytes a job
N_WORST = 4  # of each kind


@dataclass(frozen=True)
class MapFiles:
    """Files of a job, by name."""

    files: dict[str, bytes] = field(default_factory=dict)


def keep_maps(detector: Any, manifest: Manifest, scores: pd.DataFrame, keep: str) -> MapFiles:
    """Make the maps of the scored images once, and keep what is needed of them.

    Parameters
    ----------
    detector
        Fitted.
    manifest
        Images and masks.
    scores
        Scores of the last checkpoint, with ``sample_id, label, score, partition``.
    keep
        ``none``, ``worst`` or ``all``: which maps are stored.
    """
    if not isinstance(detector, SupportsMaps):
        return MapFiles()
    scored = scores[scores["partition"].isin(("test", "threshold", "inference"))]
    rows = manifest.frame.set_index("sample_id")
    has_mask = rows["mask_path"] != ""
    measured = scored[(scored["label"] == 0) | scored["sample_id"].map(has_mask)]
    if not (measured["label"] == 1).any():
        measured = measured.iloc[:0]  # no masks: no pixel metrics
    shown = {"none": set(), "worst": set(worst_images(scored)), "all": set(scored["sample_id"])}[keep]
    in_metrics = set(measured["sample_id"])
    wanted = tuple(s for s in scored["sample_id"] if s in shown or s in in_metrics)
    histogram, measured_ids = PixelHistogram(MAX_ENTRIES), []
    stored: list[tuple[str, NDArray[Any]]] = []
    labels = dict(zip(scored["sample_id"], scored["label"], strict=True))
    for sample_id, heat in maps_of(detector, manifest, wanted):
        if sample_id in in_metrics:
            histogram.add(manifest.mask(sample_id) if labels[sample_id] == 1 else None, heat)
            measured_ids.append(sample_id)
        if sample_id in shown:
            stored.append((sample_id, heat.astype(np.float16) if np.abs(heat).max() < 6e4 else heat))
    files: dict[str, bytes] = {}
    if measured_ids:
        files[PIXELS_FILE] = _npz({"sample_id": np.array(measured_ids), **histogram.to_arrays()})
    if stored:
        arrays = {f"map_{i}": heat for i, (_, heat) in enumerate(stored)}
        files[MAPS_FILE] = _npz({"sample_id": np.array([s for s, _ in stored]), **arrays})
    return MapFiles(files)


def worst_images(scored: pd.DataFrame) -> list[str]:
    """Return the images to look at: nominal ones with the highest, anomalous ones with the lowest and highest scores.

    Each partition gives its own, so that whichever is shown has some.
    """
    chosen: list[str] = []
    for _, part in scored.groupby("partition"):
        ordered = part.sort_values(["score", "sample_id"])
        nominal, anomalous = ordered[ordered["label"] == 0], ordered[ordered["label"] == 1]
        chosen += [
            *nominal["sample_id"].tail(N_WORST),
            *anomalous["sample_id"].head(N_WORST),
            *anomalous["sample_id"].tail(N_WORST // 2),
        ]
    return list(dict.fromkeys(chosen))


def _npz(arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return arrays as a compressed .npz without pickle; NumPy's fixed dates make it reproducible."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
