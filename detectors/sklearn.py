"""A detector with the verbs of scikit-learn. Imports nothing of it: duck typing is all that its tools need."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from protocols.errors import InputError

from .base import Detector, FitContext, ImageSet

Images = ImageSet | NDArray[np.uint8] | Sequence[NDArray[np.uint8]]


def as_sklearn(detector: Detector, *, seed: int = 0, device: str = "cpu") -> SklearnDetector:
    """Return a detector with ``fit(X)`` and ``score_samples(X)``, the higher the more **normal**.

    That is the sign of scikit-learn's outlier detectors (``IsolationForest``, ``LocalOutlierFactor``, ...); our own
    scores have the opposite one. Hence ``score_samples(X) == -detector.score(X)``.

    Parameters
    ----------
    detector
        Any detector.
    seed
        Of every training.
    device
        ``cpu``, ``cuda``, ...

    Examples
    --------
    >>> import numpy as np
    >>> from detectors import create
    >>> from detectors.sklearn import as_sklearn
    >>> images = np.random.default_rng(0).integers(90, 110, (20, 32, 32, 3), dtype=np.uint8)
    >>> model = as_sklearn(create("pixel_stats")).fit(images[:19])
    >>> odd = images[19].copy()
    >>> odd[8:24, 8:24] = 255
    >>> normal, anomalous = model.score_samples([images[19], odd])
    >>> bool(normal > anomalous)
    True
    """
    return SklearnDetector(detector=detector, seed=seed, device=device)


class SklearnDetector:
    """A detector behind scikit-learn's names; see :func:`as_sklearn`.

    Parameters
    ----------
    detector, seed, device
        As there.
    """

    def __init__(self, *, detector: Detector, seed: int = 0, device: str = "cpu") -> None:
        self.detector = detector
        self.seed = seed
        self.device = device

    def fit(self, X: Images, y: object = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Learn from nominal images.

        Parameters
        ----------
        X
            An array of shape (n_images, height, width, 3), uint8; a list of images of any sizes; or an ``ImageSet``.
        y
            Not looked at: give nominal images only.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.detector.fit(_image_set(X), FitContext(self.device, np.random.SeedSequence(self.seed), Path(folder)))
        return self

    def score_samples(self, X: Images) -> NDArray[np.float64]:  # noqa: N803
        """Return how normal each image is, shape (n_images,): the negated score of the detector."""
        return -np.asarray(self.detector.score(_image_set(X)), np.float64)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments, as ``sklearn.base.clone`` wants them."""
        return {"detector": self.detector, "seed": self.seed, "device": self.device}

    def set_params(self, **params: Any) -> Self:
        """Set arguments of the constructor."""
        for name, value in params.items():
            if name not in self.get_params():
                raise InputError("set_params", name, f"one of {sorted(self.get_params())}", "Correct the name.")
            setattr(self, name, value)
        return self


class _Arrays:
    """An ``ImageSet`` over images in memory."""

    def __init__(self, images: Sequence[NDArray[np.uint8]]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        return self._images[index].copy()

    def digest(self, index: int, /) -> str:
        """Return a SHA-256 of the image."""
        image = self._images[index]
        return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()

    def foreground(self, index: int, /) -> NDArray[np.bool_] | None:
        """Return None: arrays come without foreground masks."""
        return None


def _image_set(X: Images) -> ImageSet:  # noqa: N803
    if hasattr(X, "digest") and hasattr(X, "foreground"):
        return X
    images = [np.asarray(image) for image in X]
    for index, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            found = f"{image.dtype} of shape {image.shape}"
            raise InputError(f"X[{index}]", found, "an RGB image: uint8, (height, width, 3)",
                             "Give images, not rows of features.")  # fmt: skip
    return _Arrays(images)
