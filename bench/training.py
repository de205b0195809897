"""One training on one split: fit on the nominal images, score the held-out ones at every checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.images import ManifestImages
from bench.manifest import Manifest
from bench.memory import peak_bytes, reset_peak
from detectors.base import FitContext, SupportsMaps
from protocols.errors import DetectorError
from protocols.partition import Split
from protocols.samples import SampleTable
from protocols.scores import LAST


@dataclass(frozen=True)
class Trained:
    """What one training gave.

    Parameters
    ----------
    detector
        The fitted detector.
    scores
        Columns of ``scores.parquet``: one row an image and checkpoint.
    fit_seconds, score_seconds
        Wall time of ``fit`` without, and of scoring with, its checkpoints.
    peak_memory_bytes
        Largest resident set of the process during the training.
    """

    detector: Any
    scores: pd.DataFrame
    fit_seconds: float
    score_seconds: float
    peak_memory_bytes: int


def train_and_score(
    detector: Any,
    manifest: Manifest,
    samples: SampleTable,
    split: Split,
    *,
    context: Callable[[Callable[[int], None]], FitContext],
    on_phase: Callable[[str], None],
) -> Trained:
    """Fit a detector on the training images of a split and score the held-out ones.

    Parameters
    ----------
    detector
        Made, not fitted.
    manifest, samples, split
        The images, their labels and objects, and who trains; the detector gets no label.
    context
        Makes the context from the function that is called at checkpoints.
    on_phase
        Called with ``fit`` and ``score`` when these begin.

    Raises
    ------
    DetectorError
        Scores of the wrong shape or type, or not finite.
    """
    held_out = split.held_out(samples)
    images = ManifestImages(manifest, held_out)
    steps: dict[int, NDArray[np.float64]] = {}
    spent = 0.0

    def checkpoint(step: int) -> None:
        nonlocal spent
        started = time.perf_counter()
        if step == LAST or step in steps or step < 0:
            raise DetectorError(f"checkpoint {step} was announced: steps are positive, each once")
        steps[step] = checked_scores(detector.score(images), len(images))
        spent += time.perf_counter() - started

    reset_peak()
    on_phase("fit")
    started = time.perf_counter()
    detector.fit(ManifestImages(manifest, split.train), context(checkpoint))
    fit_seconds = time.perf_counter() - started - spent
    on_phase("score")
    started = time.perf_counter()
    steps[LAST] = checked_scores(detector.score(images), len(images))
    spent += time.perf_counter() - started
    return Trained(detector, score_frame(samples, split, held_out, steps), fit_seconds, spent, peak_bytes())


def checked_scores(scores: object, n: int) -> NDArray[np.float64]:
    """Return scores as float64, shape (n,), or say what is wrong with them."""
    array = np.asarray(scores)
    if array.shape != (n,):
        raise DetectorError(f"score() returned shape {array.shape}, expected ({n},): one score an image")
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise DetectorError(f"score() returned {array.dtype} values, expected real numbers")
    array = array.astype(np.float64)
    bad = ~np.isfinite(array)
    if bad.any():
        raise DetectorError(f"score() returned {int(bad.sum())} of {n} scores that are NaN or infinite, "
                            f"the first at image {int(np.argmax(bad))}")  # fmt: skip
    return array


def score_frame(
    samples: SampleTable, split: Split, held_out: tuple[str, ...], steps: Mapping[int, NDArray[np.float64]]
) -> pd.DataFrame:
    """Return the columns of ``scores.parquet``, sorted by step (the last checkpoint first) and sample id."""
    rows = samples.frame.set_index("sample_id").loc[list(held_out)]
    partition = split.partition_of()
    parts = [
        pd.DataFrame({
            "sample_id": list(held_out), "object_id": rows["object_id"].to_numpy(), "label": rows["label"].to_numpy(),
            "source": rows["source"].to_numpy(), "partition": [partition[s] for s in held_out],
            "step": np.int64(step), "score": steps[step],
        })
        for step in sorted(steps)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def maps_of(
    detector: Any, manifest: Manifest, sample_ids: tuple[str, ...]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield (sample id, anomaly map at the image's own size) for images, if the detector can say where.

    Raises
    ------
    DetectorError
        A map of another size than its image, or not finite.
    """
    if not isinstance(detector, SupportsMaps) or not sample_ids:
        return
    images = ManifestImages(manifest, sample_ids)
    frame = manifest.frame.iloc[manifest.rows(sample_ids)]
    sizes = list(zip(frame["height"], frame["width"], strict=True))
    n = 0
    for n, heat in enumerate(detector.maps(images), 1):
        if n > len(sample_ids):
            break
        sample_id, expected = sample_ids[n - 1], sizes[n - 1]
        if heat.shape != expected or not np.isfinite(heat).all():
            raise DetectorError(f"maps() returned shape {heat.shape} for {sample_id!r} or a value that is not finite, "
                                f"expected {expected}: one map an image, at its size")  # fmt: skip
        yield sample_id, np.asarray(heat, np.float32)
    if n != len(sample_ids):
        raise DetectorError(f"maps() returned {n} maps, expected {len(sample_ids)}")


def scratch(folder: Path) -> Path:
    """Return a scratch folder, made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
