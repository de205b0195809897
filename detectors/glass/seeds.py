"""One explicit random generator for every purpose, epoch and sample.

The reference program draws from three global generators, one of which repeats itself in every loader worker.
Here a draw depends on (seed, purpose, epoch, sample) and on nothing else: not on the number of workers, not on
the order of work, not on what was drawn before.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What a generator is for; the number is part of its seed, so never reuse one."""

    NETWORKS = 0
    ORDER = 1
    SYNTHESIS = 2
    NOISE = 3
    CORESET = 4


def child_seed(seed: np.random.SeedSequence, *key: int) -> np.random.SeedSequence:
    """Return the descendant of `seed` with this key; unlike ``spawn`` it leaves `seed` as it is."""
    return np.random.SeedSequence(entropy=seed.entropy, spawn_key=(*seed.spawn_key, *key), pool_size=seed.pool_size)


def numpy_generator(seed: np.random.SeedSequence, *key: int) -> np.random.Generator:
    """Return a NumPy generator for this key."""
    return np.random.Generator(np.random.PCG64(child_seed(seed, *key)))


def torch_generator(seed: np.random.SeedSequence, *key: int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a torch generator on `device` for this key."""
    state = child_seed(seed, *key).generate_state(1, np.uint64)[0]
    # manual_seed takes a signed 64-bit number.
    return torch.Generator(device=device).manual_seed(int(state >> np.uint64(1)))
