"""Images that need no files: seeded noise, the same on every machine."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RandomImages:
    """An image set of `n` noise images, made when asked for: none stays in memory."""

    n: int
    height: int
    width: int
    seed: int = 0

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng([self.seed, index])
        return rng.integers(0, 256, (self.height, self.width, 3), dtype=np.uint8)

    def digest(self, index: int) -> str:
        return hashlib.sha256(f"{self.seed} {index} {self.height} {self.width}".encode()).hexdigest()

    def foreground(self, index: int) -> None:
        return None


def take(images: RandomImages) -> list[NDArray[np.uint8]]:
    """Return all images at once."""
    return [images[index] for index in range(len(images))]
