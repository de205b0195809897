"""Distance in simple pixel statistics: no network, no torch. What it already solves is no test of a detector."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from protocols.errors import DetectorError, InputError, MissingExtraError, NotFittedError

from .base import FitContext, ImageSet
from .model_file import METADATA_KEY, ModelHeader, read_header

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
GRID = 4


class PixelStats:
    """Shrunk Mahalanobis distance of an image's simple statistics from those of nominal images.

    Statistics of the image at `size`: of each colour mean, standard deviation and five quantiles; of the grey
    gradient's magnitude mean, standard deviation and 95 % quantile; mean and standard deviation of grey in the cells
    of a 4 x 4 grid. Each is standardised on the nominal images; their covariance is shrunk [1]_. The score is the
    distance divided by the square root of the number of statistics, about 1 for nominal images.

    Parameters
    ----------
    size
        Height and width that images are averaged down (or up) to.

    References
    ----------
    .. [1] O. Ledoit, M. Wolf (2004): A well-conditioned estimator for large-dimensional covariance matrices.
    """

    version: ClassVar[str] = "1"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"paper": {}, "small": {}, "tiny": {}}

    def __init__(self, *, size: Sequence[int] = (64, 64)) -> None:
        if len(size) != 2 or min(size) < 2 * GRID:
            raise InputError("init_args.size", list(size), f"height and width of at least {2 * GRID}", "Enlarge it.")
        self.size = (int(size[0]), int(size[1]))
        self._fitted: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None = None

    def fit(self, nominal: ImageSet, context: FitContext) -> None:
        """Learn mean, scale and covariance of the statistics; needs at least two images."""
        from sklearn.covariance import ledoit_wolf

        if len(nominal) < 2:
            raise DetectorError(f"pixel_stats needs at least 2 nominal images; got {len(nominal)}")
        rows = self._statistics(nominal, context)
        mean, scale = rows.mean(axis=0), rows.std(axis=0)
        # A statistic that never varies on nominal images counts as it stands.
        scale = np.where(scale > 1e-9, scale, 1.0)
        covariance, _ = ledoit_wolf((rows - mean) / scale, assume_centered=True)
        # Few images: keep the inverse bounded.
        covariance = covariance + 1e-6 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        self._fitted = (mean, scale, np.linalg.inv(covariance))

    def score(self, images: ImageSet) -> NDArray[np.float64]:
        """Return the distances, shape (n_images,)."""
        if self._fitted is None:
            raise NotFittedError("pixel_stats: fit it, or load a stored model, before scoring")
        mean, scale, precision = self._fitted
        scores = np.empty(len(images))
        # One image at a time: the same numbers whatever else is scored.
        for index in range(len(images)):
            z = (statistics(images[index], self.size) - mean) / scale
            scores[index] = np.sqrt(max(float(z @ precision @ z), 0.0) / len(z))
        return scores

    def save(self, path: Path) -> None:
        """Write the fitted statistics to a safetensors file."""
        if self._fitted is None:
            raise NotFittedError("pixel_stats: nothing to save before fit")
        try:
            from safetensors.numpy import save_file
        except ModuleNotFoundError as error:
            raise MissingExtraError("Saving models", "train") from error
        cls = type(self)
        header = ModelHeader("pixel_stats", f"{cls.__module__}.{cls.__qualname__}", cls.version,
                             {"size": list(self.size)}, None)  # fmt: skip
        mean, scale, precision = self._fitted
        save_file({"mean": mean, "scale": scale, "precision": precision}, path,
                  metadata={METADATA_KEY: json.dumps(asdict(header), sort_keys=True)})  # fmt: skip

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Return the fitted detector from such a file; `device` plays no role."""
        try:
            from safetensors.numpy import load_file
        except ModuleNotFoundError as error:
            raise MissingExtraError("Loading models", "train") from error
        header = read_header(path)
        if header.detector != "pixel_stats" or header.version != cls.version:
            raise InputError(str(path), f"{header.detector} {header.version}", f"pixel_stats {cls.version}",
                             "Name another model, or train it again.")  # fmt: skip
        arguments: dict[str, Any] = dict(header.init_args)
        made = cls(**arguments)
        arrays = load_file(path)
        made._fitted = (arrays["mean"], arrays["scale"], arrays["precision"])
        return made

    def _statistics(self, images: ImageSet, context: FitContext) -> NDArray[np.float64]:
        rows = []
        for index in range(len(images)):
            rows.append(statistics(images[index], self.size))
            if (index + 1) % 100 == 0 or index + 1 == len(images):
                context.report("statistics", index + 1, len(images))
        return np.array(rows)


def statistics(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the statistics of one image, shape (3 * 7 + 3 + 32,).

    Parameters
    ----------
    image
        RGB, shape (height, width, 3).
    size
        Height and width that it is resampled to, each pixel the mean of what it covers.
    """
    picture = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BOX)
    colours = np.asarray(picture, np.float64) / 255.0
    flat = colours.reshape(-1, 3)
    grey = colours.mean(axis=2)
    vertical, horizontal = np.gradient(grey)
    slope = np.hypot(vertical, horizontal)
    # Cells of nearly equal size that cover the image.
    cells = [c for band in np.array_split(grey, GRID, axis=0) for c in np.array_split(band, GRID, axis=1)]
    return np.concatenate([
        flat.mean(axis=0), flat.std(axis=0), np.quantile(flat, QUANTILES, axis=0).ravel(),
        [slope.mean(), slope.std(), np.quantile(slope, 0.95)],
        [c.mean() for c in cells], [c.std() for c in cells],
    ])  # fmt: skip
