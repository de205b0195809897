"""The training loop: embeddings once, then epochs of pasted images and global anomalies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detectors.base import ImageSet
from detectors.features import FeatureCache
from protocols.errors import DetectorError

from .embedder import BATCH, PatchEmbedder
from .loader import PastedLoader
from .networks import Adaptor, Discriminator
from .seeds import Purpose, torch_generator
from .step import StepOptions, optimisers, training_step

_BYTES_KEPT = 4 * 2**30
"""Nominal embeddings up to this size stay in memory (288 pixels: 7.96 MB an image); beyond, they are read per batch."""

EpochValues = Mapping[str, float]


class NominalEmbeddings:
    """The embeddings of the nominal images: constants of the training, as nothing augments them.

    Parameters
    ----------
    embedder, cache
        How they are computed and where they are kept.
    images
        The training images.
    report
        Called with (done, total) of the first pass.
    """

    def __init__(
        self, embedder: PatchEmbedder, cache: FeatureCache, images: ImageSet, report: Callable[[int, int], None]
    ) -> None:
        self._embedder, self._cache, self._images = embedder, cache, images
        self._all: NDArray[np.float32] | None = None
        if embedder.n_bytes(len(images)) <= _BYTES_KEPT:
            self._all = embedder.fetch(cache, images, None, report)

    def __getitem__(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings of some images, shape (n, patches, dim)."""
        if self._all is not None:
            return self._all[indices]
        return self._embedder.fetch(self._cache, self._images, indices.tolist())

    def mean(self) -> NDArray[np.float32]:
        """Exact mean over the images per patch position, shape (patches, dim)."""
        n = len(self._images)
        parts = (np.arange(start, min(start + BATCH, n)) for start in range(0, n, BATCH))
        total = sum(self[part].sum(axis=0, dtype=np.float64) for part in parts)
        return np.asarray(total / n, dtype=np.float32)


@dataclass(frozen=True)
class Networks:
    """The two trained networks."""

    adaptor: Adaptor
    discriminator: Discriminator

    def train(self, mode: bool = True) -> None:
        """Switch both to train mode, or to eval mode."""
        self.adaptor.train(mode)
        self.discriminator.train(mode)


def train(
    networks: Networks,
    embedder: PatchEmbedder,
    nominal: NominalEmbeddings,
    loader: PastedLoader,
    options: StepOptions,
    *,
    lr: float,
    n_epochs: int,
    seed: np.random.SeedSequence,
    on_epoch: Callable[[int, EpochValues], None],
) -> None:
    """Train the networks in place.

    Parameters
    ----------
    networks
        Freshly made, on the embedder's device.
    embedder
        For the pasted images.
    nominal
        Embeddings of the nominal images.
    loader
        Which images, and what is pasted.
    options, lr
        Of a step.
    n_epochs
        Epochs.
    seed
        Source of the noise.
    on_epoch
        Called after every epoch, in eval mode, with the number of epochs done and the means over its steps.

    Raises
    ------
    DetectorError
        The loss is not finite, or no image of an epoch could be pasted into.
    """
    device = torch.device(embedder.device)
    mean_embedding = torch.from_numpy(nominal.mean()).to(device) if options.hypersphere else None
    steppers = optimisers(networks.adaptor, networks.discriminator, lr)
    with _deterministic(device):
        for epoch in range(n_epochs):
            networks.train()
            generator = torch_generator(seed, Purpose.NOISE, epoch, device=device)
            centre = None if mean_embedding is None else epoch_centre(networks.adaptor, mean_embedding)
            sums: dict[str, Tensor] = {}
            n_steps = n_empty = n_seen = 0
            for batch in loader.epoch(epoch):
                result = training_step(
                    networks.adaptor, networks.discriminator, torch.from_numpy(nominal[batch.indices]).to(device),
                    embedder(batch.images.to(device)), batch.labels.to(device), centre, options, generator,
                )  # fmt: skip
                for stepper in steppers:
                    stepper.zero_grad(set_to_none=True)
                result.loss.backward()
                for stepper in steppers:
                    stepper.step()
                sums = {name: sums.get(name, 0) + value for name, value in result.values.items()}
                n_steps, n_empty, n_seen = n_steps + 1, n_empty + batch.n_empty, n_seen + len(batch.indices)
            values = {name: float(total) / n_steps for name, total in sums.items()} | {"n_empty": float(n_empty)}
            if not np.isfinite(values["loss"]):
                raise DetectorError(f"glass: the loss is {values['loss']} in epoch {epoch + 1}")
            if n_empty == n_seen:
                raise DetectorError(
                    f"glass: none of the {n_seen} images of epoch {epoch + 1} has foreground that a mask could meet; "
                    "check the foreground masks or set fg to false"
                )
            networks.train(False)
            on_epoch(epoch + 1, values)


@torch.no_grad()
def epoch_centre(adaptor: Adaptor, mean_embedding: Tensor) -> Tensor:
    """Return the mean adapted embedding per patch position.

    The adaptor is affine, so the mean of the adapted embeddings is the adapted mean embedding: no pass over the
    training set is needed, and a smaller last batch cannot count too much.
    """
    return adaptor(mean_embedding)  # type: ignore[no-any-return]


@contextlib.contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """Let cuDNN choose reproducible algorithms for a while; the flags come back as they were."""
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
