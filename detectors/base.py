"""What a detector is: two verbs and one sentence. It never sees a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class ImageSet(Protocol):
    """Images and nothing else: a detector never sees a label."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        """Return one RGB image, shape (height, width, 3)."""
        ...

    def digest(self, index: int, /) -> str:
        """Return the SHA-256 of the file: the key of cached features."""
        ...

    def foreground(self, index: int, /) -> NDArray[np.bool_] | None:
        """Return the part's mask, shape (height, width), if the data set has one; never a defect mask."""
        ...


def ignore_checkpoint(step: int) -> None:
    """Do nothing with a checkpoint."""


def ignore_progress(phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
    """Do nothing with progress."""


@dataclass(frozen=True)
class FitContext:
    """What the runner hands to a detector beside the images.

    Parameters
    ----------
    device
        ``cpu``, ``cuda``, ``cuda:1``, ...
    seed
        Source of all randomness of this training.
    workdir
        A folder of this job for scratch files; exists, and is removed afterwards.
    on_checkpoint
        Called with the step (epochs done) at every INTERMEDIATE checkpoint, when the detector can score; the end
        of ``fit`` is the last checkpoint and is not announced. The caller may call ``score`` inside.
    cache
        Root folder of the feature cache, shared by all jobs; None: keep features in memory only.
    cache_limit_bytes
        Bound of that cache.
    on_progress
        Called with (phase, done, total, values such as ``{"loss": 0.5}``).
    """

    device: str
    seed: np.random.SeedSequence
    workdir: Path
    on_checkpoint: Callable[[int], None] = ignore_checkpoint
    cache: Path | None = None
    cache_limit_bytes: int = 20 * 10**9
    on_progress: Callable[[str, int, int, Mapping[str, float]], None] = ignore_progress

    def report(self, phase: str, done: int, total: int, **values: float) -> None:
        """Report progress: ``done`` of ``total`` units of ``phase``."""
        self.on_progress(phase, done, total, values)


@runtime_checkable
class Detector(Protocol):
    """Learns what nominal looks like, then scores how far images are from it.

    Constructor keywords, all with defaults, are the configuration. ``version`` is part of the key of every job:
    change it when the same configuration would give other scores.
    """

    version: ClassVar[str]

    def fit(self, nominal: ImageSet, context: FitContext) -> None:
        """Learn from nominal images."""
        ...

    def score(self, images: ImageSet) -> NDArray[np.float64]:
        """Return shape (n_images,), in the order given; higher = more anomalous."""
        ...


@runtime_checkable
class SupportsMaps(Protocol):
    """A detector that can say where."""

    def maps(self, images: ImageSet) -> Iterator[NDArray[np.float32]]:
        """Yield one anomaly map an image, shape (height, width) of that image; higher = more anomalous."""
        ...


@runtime_checkable
class SupportsSaving(Protocol):
    """A detector that can be stored and used later."""

    def save(self, path: Path) -> None:
        """Write everything needed for scoring to one safetensors file."""
        ...

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Return the fitted detector from such a file."""
        ...


@runtime_checkable
class HasWeights(Protocol):
    """A detector that builds on weights trained elsewhere."""

    @property
    def weights_sha256(self) -> str | None:
        """SHA-256 of the weights it uses (known before ``fit``); None without any."""
        ...
