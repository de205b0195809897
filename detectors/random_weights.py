"""A fixed random initialisation of any network: the same on every machine, for every job.

Each tensor has a generator of its own, seeded by the network's and the tensor's name, so that neither timm's
initialisation nor the part of the network in use changes a value. Batch normalisation then gets the statistics of
procedural images: with the usual 0 and 1 the features of a random network fade or explode with depth.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

RECIPE = "random weights 1: He normal by name, batch-norm statistics of 16 procedural images of 128 x 128"
N_IMAGES, SIZE = 16, 128


def initialise(model: Module, architecture: str) -> str:
    """Fill every tensor of a network and calibrate its batch normalisations.

    Convolutions and linear layers: normal, variance 2 / fan-in (He et al. 2015, equation 10); biases 0,
    normalisation gains 1, also where timm starts with 0.

    Parameters
    ----------
    model
        The part of the network that is used; changed in place, left in eval mode.
    architecture
        Its name: seeds the values.

    Returns
    -------
    str
        SHA-256 of the values before calibration and of the recipe. The statistics follow from these, and are left
        out because their last bits depend on the processor.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun (2015). Delving deep into rectifiers. ICCV.
    """
    import torch

    sha256 = hashlib.sha256(f"{RECIPE}\n{architecture}\n".encode())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = _values(architecture, name, tuple(parameter.shape))
            sha256.update(f"{name} {values.shape}\n".encode())
            sha256.update(values.astype("<f4").tobytes())
            parameter.copy_(torch.from_numpy(values))
    calibrate(model)
    return sha256.hexdigest()


def _values(architecture: str, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if len(shape) < 2:
        return np.full(shape, 1 if name.endswith("weight") else 0, dtype=np.float32)
    seed = int.from_bytes(hashlib.sha256(f"{architecture}/{name}".encode()).digest()[:16], "big")
    rng = np.random.default_rng(seed)
    fan_in = float(np.prod(shape[1:]))
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / fan_in))


def calibrate(model: Module) -> None:
    """Set the running statistics of every batch normalisation to those of the procedural images."""
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    threads = torch.get_num_threads()
    model.eval()
    try:
        # Sums in another order would give other last bits, and training would magnify them.
        torch.set_num_threads(1)
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # plain average over the calls: one call, so exactly its statistics
            layer.train()
        with torch.no_grad():
            model(procedural_tensor())
    finally:
        torch.set_num_threads(threads)
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        model.eval()


def procedural_tensor() -> Tensor:
    """Return the calibration images, normalised; float32, shape (16, 3, 128, 128)."""
    from .preprocess import to_batch

    return to_batch(procedural_images(), (SIZE, SIZE))


def procedural_images(n: int = N_IMAGES, size: int = SIZE) -> list[NDArray[np.uint8]]:
    """Draw images with the statistics of photographs: spectra that fall as 1/f, edges, and noise.

    Returns
    -------
    list of ndarray
        RGB, shape (size, size, 3).

    References
    ----------
    D. J. Field (1987). Relations between the statistics of natural images and the response properties of cortical
    cells. JOSA A 4(12).
    """
    rng = np.random.default_rng(20250101)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    frequency[0, 0] = np.inf  # the mean is drawn apart
    rows, columns = np.mgrid[:size, :size] / size - 0.5  # (size, size)
    images = []
    for _ in range(n):
        spectrum = np.fft.fft2(rng.standard_normal((3, size, size))) / frequency ** rng.uniform(0.7, 1.4)
        texture = np.fft.ifft2(spectrum).real
        texture /= texture.std(axis=(1, 2), keepdims=True)
        texture = 0.8 * texture.mean(axis=0) + 0.2 * texture  # colours of a photograph go together
        angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3)
        centre, radius = rng.uniform(-0.3, 0.3, 2), rng.uniform(0.1, 0.3)
        half_plane = np.cos(angle) * rows + np.sin(angle) * columns > offset
        disc = np.hypot(rows - centre[0], columns - centre[1]) < radius
        grey = rng.uniform(0.25, 0.75) + rng.normal(0, 0.15) * half_plane + rng.normal(0, 0.15) * disc
        noise = rng.normal(0, rng.uniform(0.01, 0.04), (3, size, size))  # of the sensor
        image = grey + rng.uniform(0.05, 0.15) * texture + rng.normal(0, 0.03, (3, 1, 1)) + noise
        images.append((np.clip(image, 0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0))
    return images
