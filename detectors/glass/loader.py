"""Which training images make an epoch, and their pasted versions."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .pictures import Squares
from .seeds import Purpose, numpy_generator
from .synthesis import Pasted, paste
from .textures import TextureSource


def epoch_batches(order: NDArray[np.int64], batch_size: int, limit: int) -> Iterator[NDArray[np.int64]]:
    """Cut an order into batches and stop after the one with which more than `limit` samples were seen.

    The last, smaller batch is kept.
    """
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
        if start + batch_size > limit:
            return


@dataclass(frozen=True)
class PastedBatch:
    """One batch: `indices` of the images, `images` (n, 3, size, size), `labels` bool (n, grid^2), `n_empty` left unpasted."""  # noqa: E501

    indices: NDArray[np.int64]
    images: Tensor
    labels: Tensor
    n_empty: int


@dataclass(frozen=True)
class PastedLoader:
    """Pastes textures into the images of an epoch; what is pasted depends on (seed, epoch, image) only.

    Parameters
    ----------
    squares
        The training images, and their foreground masks if these are used.
    n
        How many.
    textures, grid, resize, rand_aug
        See :func:`detectors.glass.synthesis.paste`.
    batch_size, limit
        See :func:`epoch_batches`.
    seed
        Of the training.
    workers
        Threads that paste ahead; 0: none. Without influence on the result.
    """

    squares: Squares
    n: int
    textures: TextureSource
    grid: int
    resize: str
    rand_aug: bool
    batch_size: int
    limit: int
    seed: np.random.SeedSequence
    workers: int = 0

    def epoch(self, epoch: int) -> Iterator[PastedBatch]:
        """Yield the batches of one epoch."""
        order = numpy_generator(self.seed, Purpose.ORDER, epoch).permutation(self.n)
        batches = epoch_batches(order, self.batch_size, self.limit)
        if self.workers == 0:
            for indices in batches:
                yield _collect(indices, [self._paste(epoch, *self._inputs(i)) for i in indices.tolist()])
            return
        with ThreadPoolExecutor(self.workers) as pool:
            ahead: deque[tuple[NDArray[np.int64], list[Future[Pasted]]]] = deque()
            for indices in batches:
                # Images are read here, in one thread: a data set need not be thread-safe.
                inputs = [self._inputs(i) for i in indices.tolist()]
                ahead.append((indices, [pool.submit(self._paste, epoch, *given) for given in inputs]))
                if len(ahead) > 2:
                    yield _gather(*ahead.popleft())
            while ahead:
                yield _gather(*ahead.popleft())

    def _inputs(self, index: int) -> tuple[int, NDArray[np.uint8], NDArray[np.bool_] | None]:
        return index, self.squares[index], self.squares.foreground(index)

    def _paste(self, epoch: int, index: int, square: NDArray[np.uint8], foreground: NDArray[np.bool_] | None) -> Pasted:
        rng = numpy_generator(self.seed, Purpose.SYNTHESIS, epoch, index)
        return paste(rng, square, self.textures, self.grid, foreground=foreground, resize=self.resize,
                     rand_aug=self.rand_aug)  # fmt: skip


def _gather(indices: NDArray[np.int64], futures: list[Future[Pasted]]) -> PastedBatch:
    return _collect(indices, [future.result() for future in futures])


def _collect(indices: NDArray[np.int64], pasted: list[Pasted]) -> PastedBatch:
    images = torch.from_numpy(np.stack([p.image for p in pasted]))
    labels = torch.from_numpy(np.stack([p.labels.ravel() for p in pasted]))
    return PastedBatch(indices, images, labels, sum(p.empty for p in pasted))


def threads_for(device: str) -> int:
    """Return how many threads paste ahead: none on a CPU, which has its hands full."""
    return 0 if torch.device(device).type == "cpu" else min(8, os.cpu_count() or 1)
