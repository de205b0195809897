"""Distance to the nearest nominal patch: no training, only memory (after Roth et al. 2022, PatchCore)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from detectors.timm_import import import_timm

import_timm()  # first of all, so that a missing extra is named as such

import numpy as np  # noqa: E402
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from torch import Tensor  # noqa: E402

from detectors.base import FitContext, ImageSet  # noqa: E402
from detectors.features import FeatureCache  # noqa: E402
from detectors.glass.arguments import is_integer, is_number  # noqa: E402
from detectors.glass.embedder import BATCH, PatchEmbedder  # noqa: E402
from detectors.glass.pictures import RESIZE, map_to_image  # noqa: E402
from detectors.glass.seeds import Purpose, torch_generator  # noqa: E402
from detectors.glass.smoothing import smooth_map  # noqa: E402
from detectors.model_file import ModelHeader, check_weights, read_model, write_model  # noqa: E402
from protocols.errors import DetectorError, InputError, NotFittedError  # noqa: E402

IMAGE_SCORES = ("max", "mean", "top_k")
_PAIRS = 2**25
"""Distances held at once: 128 MiB."""


def greedy_coreset(
    rows: Tensor, n: int, generator: torch.Generator, *, dim: int = 0, report: Any = lambda done, total: None
) -> Tensor:
    """Select rows so that every row has a selected one near: greedy k-centre.

    Starts at a random row; the next is always the one farthest from all selected so far.

    Parameters
    ----------
    rows
        Shape (m, d).
    n
        How many to select.
    generator
        On the CPU; source of the start and of the projection.
    dim
        Distances are measured after a random projection to so many dimensions (Johnson and Lindenstrauss);
        0: in the full space.
    report
        Called with (done, n) now and then.

    Returns
    -------
    Tensor
        Positions, int64, in the order selected, shape (n,).

    References
    ----------
    O. Sener, S. Savarese (2018). Active learning for convolutional neural networks: a core-set approach. ICLR,
    algorithm 1.
    """
    start = int(torch.randint(len(rows), (1,), generator=generator))
    if 0 < dim < rows.shape[1]:
        projection = torch.randn(rows.shape[1], dim, generator=generator) / dim**0.5
        rows = rows @ projection.to(rows.device)
    norms = rows.square().sum(1)
    nearest = torch.full_like(norms, torch.inf)
    selected = torch.empty(n, dtype=torch.int64, device=rows.device)
    farthest = torch.tensor(start, device=rows.device)
    for step in range(n):
        selected[step] = farthest
        row = rows.index_select(0, farthest.reshape(1))[0]
        squared = torch.addmv(norms, rows, row, alpha=-2.0) + row.square().sum()
        torch.minimum(nearest, squared, out=nearest)
        nearest[farthest] = -torch.inf  # rounding must not let a row be selected twice
        farthest = nearest.argmax()
        if (step + 1) % 1000 == 0:
            report(step + 1, n)
    return selected


def nearest_distances(rows: Tensor, bank: Tensor, bank_norms: Tensor, k: int) -> Tensor:
    """Mean Euclidean distance of every row to its `k` nearest rows of the bank, shape (n,).

    Neighbours are found with inner products; their distances are then computed from the differences, because the
    former lose all digits where a row is close to its neighbour.
    """
    chunk = max(1, _PAIRS // len(bank))
    parts = []
    for some in rows.split(chunk):
        closeness = torch.addmm(bank_norms, some, bank.T, alpha=-2.0)  # squared distance less |row|^2
        neighbours = closeness.topk(k, dim=1, largest=False).indices  # (n, k)
        distances = torch.stack([(some - bank[neighbours[:, j]]).norm(dim=1) for j in range(k)], dim=1)
        parts.append(distances.mean(1))
    return torch.cat(parts)


class KNN:
    """Memory bank of nominal patch embeddings; an image is as anomalous as its patches are far from it.

    Parameters
    ----------
    imagesize, resize
        Side of the network's input, a multiple of the coarsest layer's stride; ``squash`` or ``shorter_side``, see
        :func:`detectors.glass.pictures.to_square`.
    backbone, layers, weights
        Frozen network with the tag of its weights; its layers, the finest first; ``pretrained``, ``random``,
        ``embedded`` or a file.
    patch_size, pre_dim, target_dim
        Embedding, see :func:`detectors.glass.embedding.embed`.
    coreset_share
        Share of the patches kept, chosen by :func:`greedy_coreset`; 1: all.
    coreset_dim
        Dimensions of the random projection for that choice; 0: no projection.
    neighbours
        The distance is the mean to so many nearest patches.
    image_score
        Of the patch distances: ``max``, ``mean``, or ``top_k``, the mean of the `top_k` largest.
    top_k
        See there.
    smoothing
        Sigma of the maps' Gaussian, pixels of the input; 0: none. Does not touch the image scores.

    References
    ----------
    K. Roth, L. Pemula, J. Zepeda, B. Schoelkopf, T. Brox, P. Gehler (2022). Towards total recall in industrial
    anomaly detection. CVPR. Without its re-weighting of the image score.
    """

    name: ClassVar[str] = "knn"
    class_path: ClassVar[str] = "detectors.knn:KNN"
    version: ClassVar[str] = "1"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {},
        "small": {
            "imagesize": 128, "backbone": "resnet18.tv_in1k", "weights": "random", "layers": ("layer1", "layer2"),
            "pre_dim": 128, "target_dim": 128, "coreset_share": 0.01, "coreset_dim": 32,
        },
        "tiny": {
            "imagesize": 64, "backbone": "resnet18.tv_in1k", "weights": "random", "layers": ("layer1", "layer2"),
            "pre_dim": 64, "target_dim": 64, "coreset_share": 0.01, "coreset_dim": 16,
        },
    }  # fmt: skip

    def __init__(
        self,
        *,
        imagesize: int = 224,
        resize: str = "squash",
        backbone: str = "wide_resnet50_2.tv_in1k",
        layers: Sequence[str] = ("layer2", "layer3"),
        weights: str = "pretrained",
        patch_size: int = 3,
        pre_dim: int = 1024,
        target_dim: int = 1024,
        coreset_share: float = 0.1,
        coreset_dim: int = 128,
        neighbours: int = 1,
        image_score: str = "max",
        top_k: int = 10,
        smoothing: float = 4.0,
    ) -> None:
        self.init_args: dict[str, Any] = {k: v for k, v in locals().items() if k != "self"}
        self.init_args["layers"] = list(layers)
        self._check()
        self._device = "cpu"
        self._cache = FeatureCache(None, 0)
        self._bank: Tensor | None = None

    def _check(self) -> None:
        """Refuse impossible arguments, naming them."""
        a = self.init_args
        for argument, allowed in (("resize", RESIZE), ("image_score", IMAGE_SCORES)):
            if a[argument] not in allowed:
                raise _bad(argument, a[argument], f"one of {list(allowed)}")
        for argument in ("imagesize", "patch_size", "pre_dim", "target_dim", "neighbours", "top_k"):
            if not (is_integer(a[argument]) and a[argument] >= 1):
                raise _bad(argument, a[argument], "a whole number of at least 1")
        if a["patch_size"] % 2 == 0:
            raise _bad("patch_size", a["patch_size"], "an odd number")
        if not (is_integer(a["coreset_dim"]) and a["coreset_dim"] >= 0):
            raise _bad("coreset_dim", a["coreset_dim"], "a whole number of at least 0")
        if not (is_number(a["coreset_share"]) and 0 < a["coreset_share"] <= 1):
            raise _bad("coreset_share", a["coreset_share"], "a share above 0, at most 1")
        if not (is_number(a["smoothing"]) and a["smoothing"] >= 0):
            raise _bad("smoothing", a["smoothing"], "a number of at least 0")

    def _embedder(self) -> PatchEmbedder:
        a = self.init_args
        return PatchEmbedder(
            a["backbone"], tuple(a["layers"]), str(a["weights"]), a["imagesize"], a["resize"], a["patch_size"],
            a["pre_dim"], a["target_dim"], self._device,
        )  # fmt: skip

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the backbone's weights."""
        return self._embedder().network.sha256

    @torch.no_grad()
    def fit(self, nominal: ImageSet, context: FitContext) -> None:
        """Remember the patches of nominal images, or a coreset of them; reports ``features`` and ``coreset``."""
        if len(nominal) == 0:
            raise InputError("knn, fit", 0, "at least one nominal image", "Check the split.")
        a = self.init_args
        self._device = context.device
        self._cache = FeatureCache(context.cache, context.cache_limit_bytes)
        embeddings = self._embedder().fetch(
            self._cache, nominal, None, lambda done, total: context.report("features", done, total)
        )
        rows = torch.from_numpy(embeddings).flatten(0, 1).to(self._device)  # (images x patches, dim)
        n = max(1, a["neighbours"], round(a["coreset_share"] * len(rows)))
        if n > len(rows):
            raise InputError("detector 'knn', init_args.neighbours", a["neighbours"],
                             f"at most {len(rows)}, the patches of all training images", "Lower it.")  # fmt: skip
        if n < len(rows):
            generator = torch_generator(context.seed, Purpose.CORESET)

            def report(done: int, total: int) -> None:
                context.report("coreset", done, total)

            rows = rows[greedy_coreset(rows, n, generator, dim=a["coreset_dim"], report=report)]
        self._remember(rows)

    def _remember(self, bank: Tensor) -> None:
        self._bank = bank
        # Embeddings are far from the origin: inner products keep more digits about the bank's mean.
        self._mean = bank.mean(0)
        self._centred = bank - self._mean
        self._norms = self._centred.square().sum(1)

    @torch.no_grad()
    def _patch_distances(self, images: ImageSet) -> Iterator[Tensor]:
        """Yield the distances of every image's patches, shape (grid, grid)."""
        if self._bank is None:
            raise NotFittedError("knn has not been fitted: call fit or load first")
        embedder = self._embedder()
        for start in range(0, len(images), BATCH):
            indices = range(start, min(start + BATCH, len(images)))
            for rows in embedder.fetch(self._cache, images, indices):  # one by one: no score depends on its batch
                patches = torch.from_numpy(rows).to(self._device) - self._mean
                distances = nearest_distances(patches, self._centred, self._norms, self.init_args["neighbours"])
                if not torch.isfinite(distances).all():
                    raise DetectorError("knn: scores are not finite")
                yield distances.reshape(embedder.grid, embedder.grid).cpu()

    def score(self, images: ImageSet) -> NDArray[np.float64]:
        """Return one score an image from the raw patch distances, shape (n_images,)."""
        how, top_k = self.init_args["image_score"], self.init_args["top_k"]
        scores = []
        for patches in self._patch_distances(images):
            distances = patches.flatten().double()
            if how == "top_k":
                distances = distances.topk(min(top_k, len(distances))).values
            scores.append(float(distances.max() if how == "max" else distances.mean()))
        return np.array(scores, dtype=np.float64)

    def maps(self, images: ImageSet) -> Iterator[NDArray[np.float32]]:
        """Yield the smoothed patch distances of every image, at that image's own size."""
        a = self.init_args
        for index, distances in enumerate(self._patch_distances(images)):
            square = smooth_map(distances.numpy(), a["imagesize"], a["smoothing"])
            height, width = images[index].shape[:2]
            yield map_to_image(square, (height, width), a["resize"])

    def save(self, path: Path) -> None:
        """Write the memory bank to a safetensors file; not the backbone."""
        if self._bank is None:
            raise NotFittedError("knn has not been fitted: call fit or load first")
        header = ModelHeader(self.name, self.class_path, self.version, self.init_args, self.weights_sha256)
        write_model(path, {"bank": self._bank}, header)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Return the fitted detector of a file.

        Raises
        ------
        InputError
            Not a file of this detector and version.
        WeightsError
            The backbone's weights are not those it was fitted with.
        """
        header, tensors = read_model(path, cls.class_path, cls.version)
        detector = cls(**header.init_args)
        detector._device = device
        check_weights(path, header, detector.weights_sha256)
        detector._remember(tensors["bank"].to(device))
        return detector


def _bad(argument: str, found: object, expected: str) -> InputError:
    return InputError(f"detector 'knn', init_args.{argument}", found, expected, "Correct the argument.")
