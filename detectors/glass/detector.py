"""The detector: embeddings, synthesis, training and scoring put together."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detectors.base import FitContext, ImageSet
from detectors.features import FeatureCache
from detectors.model_file import ModelHeader, check_weights, read_model, write_model
from detectors.preprocess import to_tensor
from protocols.errors import DetectorError, InputError, NotFittedError

from .arguments import check_arguments
from .embedder import BATCH, PatchEmbedder
from .judge import Judgement, judge, mean_picture
from .loader import PastedLoader, threads_for
from .networks import Adaptor, Discriminator
from .pictures import Squares, map_to_image
from .presets import PRESETS
from .seeds import Purpose, torch_generator
from .smoothing import smooth_map
from .step import StepOptions
from .textures import FolderTextures, ProceduralTextures
from .training import EpochValues, Networks, NominalEmbeddings, train

_log = logging.getLogger(__name__)


class GLASS:
    """Patch discriminator on adapted frozen features, trained against synthesised anomalies.

    The defaults are the published settings, except that images are squashed, not cropped, that the hypothesis is
    fixed instead of read from a table of benchmark categories, and that textures are drawn unless a folder is named.
    What the reference program does with test images (choosing the epoch) is left to the protocols: checkpoints are
    announced, the last epoch is the model.

    Parameters
    ----------
    imagesize
        Side of the network's input; a multiple of 32.
    resize
        ``squash``: the whole image, aspect ratio not kept. ``shorter_side``: the shorter side becomes `imagesize`
        and the centre is cut out (reference program); what lies outside is never seen and its map is 0.
    backbone, layers, weights
        Frozen network with the tag of its weights; its layers, the finest first; ``pretrained``, ``random``,
        ``embedded`` or a file.
    patch_size, pre_dim, target_dim
        Embedding, see :func:`detectors.glass.embedding.embed`.
    pre_proj
        Linear layers of the adaptor; 0: none.
    dsc_layers, dsc_hidden
        Linear layers and width of the discriminator.
    noise_std
        Of the global anomalies' noise, per entry.
    mining
        Whether gradient ascent moves the global anomalies.
    ascent_steps, step_length, manifold_radius
        Of the ascent; smaller radius of the truncation under the manifold hypothesis.
    radius
        Quantile level that sets the smaller radius under the hypersphere hypothesis.
    p
        Quantile level of hard-example selection; 0: all rows.
    distribution
        ``manifold``, ``hypersphere``, or ``judge``: decided from the training images, see
        :func:`detectors.glass.judge.judge`.
    fg
        Whether pasted defects stay inside the data set's foreground masks. These are supervision that an
        unsupervised detector does not have; whether any was used is recorded.
    texture_dir
        Folder of pictures to paste from; None: drawn textures.
    rand_aug
        Whether textures are varied.
    lr, batch_size, meta_epochs, limit
        Adam learning rate (the discriminator has twice that); an epoch ends with the batch after which more than
        `limit` images were seen.
    eval_epochs
        A checkpoint is announced after every so many epochs; 0: none.
    smoothing
        Sigma of the maps' Gaussian, pixels of the input; 0: none. Does not touch the image scores.
    score
        ``probability``: the image score is the largest raw patch probability, before upsampling and smoothing;
        ``logit``: the same before the sigmoid. The order is the same, except that probabilities tie at 1 where the
        sigmoid saturates.

    References
    ----------
    Q. Chen, H. Luo, C. Lv, Z. Zhang (2024). A unified anomaly synthesis strategy with gradient ascent for
    industrial anomaly detection and localization. ECCV.
    """

    name: ClassVar[str] = "glass"
    class_path: ClassVar[str] = "detectors.glass:GLASS"
    version: ClassVar[str] = "1"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = PRESETS

    def __init__(
        self,
        *,
        imagesize: int = 288,
        resize: str = "squash",
        backbone: str = "wide_resnet50_2.tv_in1k",
        layers: Sequence[str] = ("layer2", "layer3"),
        weights: str = "pretrained",
        patch_size: int = 3,
        pre_dim: int = 1536,
        target_dim: int = 1536,
        pre_proj: int = 1,
        dsc_layers: int = 2,
        dsc_hidden: int = 1024,
        noise_std: float = 0.015,
        mining: bool = True,
        ascent_steps: int = 20,
        step_length: float = 0.001,
        manifold_radius: float = 0.5,
        radius: float = 0.75,
        p: float = 0.5,
        distribution: str = "manifold",
        fg: bool = False,
        texture_dir: str | None = None,
        rand_aug: bool = True,
        lr: float = 1e-4,
        batch_size: int = 8,
        meta_epochs: int = 640,
        limit: int = 392,
        eval_epochs: int = 1,
        smoothing: float = 4.0,
        score: str = "probability",
    ) -> None:
        self.init_args: dict[str, Any] = {k: v for k, v in locals().items() if k != "self"}
        self.init_args["layers"] = list(layers)
        check_arguments(self.init_args)
        self._device = "cpu"
        self._cache = FeatureCache(None, 0)
        self._networks: Networks | None = None
        self.details: dict[str, Any] = {}
        self.log: list[dict[str, float]] = []

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

    @property
    def texture_sha256(self) -> str | None:
        """SHA-256 of the texture folder's listing and contents, part of the job's key; None: drawn textures."""
        folder = self.init_args["texture_dir"]
        return None if folder is None else FolderTextures(folder).sha256()

    @property
    def uses_foreground(self) -> bool:
        """Whether foreground masks decide the result: then they are part of the job's key."""
        return bool(self.init_args["fg"])

    def _new_networks(self, generator: torch.Generator) -> Networks:
        a = self.init_args
        # Made on the CPU, so that the same seed gives the same start on every device.
        return Networks(
            Adaptor(a["target_dim"], a["pre_proj"], generator).to(self._device),
            Discriminator(a["target_dim"], a["dsc_hidden"], a["dsc_layers"], generator).to(self._device),
        )

    def fit(self, nominal: ImageSet, context: FitContext) -> None:
        """Train on nominal images; reports ``features`` and then, an epoch each, ``train`` with losses and shares."""
        if len(nominal) == 0:
            raise InputError("glass, fit", 0, "at least one nominal image", "Check the split.")
        a = self.init_args
        self._device = context.device
        self._cache = FeatureCache(context.cache, context.cache_limit_bytes)
        self._networks, self.log = None, []
        embedder = self._embedder()
        squares = Squares(nominal, a["imagesize"], a["resize"], a["fg"])
        judgement = self._judge(nominal) if a["distribution"] == "judge" else None
        hypothesis = judgement.hypothesis if judgement is not None else a["distribution"]
        loader = PastedLoader(
            squares, len(nominal),
            ProceduralTextures() if a["texture_dir"] is None else FolderTextures(a["texture_dir"]),
            embedder.grid, a["resize"], a["rand_aug"], a["batch_size"], a["limit"], context.seed,
            threads_for(self._device),
        )  # fmt: skip
        networks = self._new_networks(torch_generator(context.seed, Purpose.NETWORKS))
        embeddings = NominalEmbeddings(
            embedder, self._cache, nominal, lambda done, total: context.report("features", done, total)
        )

        def on_epoch(epoch: int, values: EpochValues) -> None:
            self.log.append(dict(values))
            context.report("train", epoch, a["meta_epochs"], **values)
            if a["eval_epochs"] and epoch % a["eval_epochs"] == 0 and epoch < a["meta_epochs"]:
                self._networks = networks
                self.details = self._describe(hypothesis, judgement, squares)
                context.on_checkpoint(epoch)

        train(
            networks, embedder, embeddings, loader,
            StepOptions(
                hypothesis == "hypersphere", a["noise_std"], a["ascent_steps"], a["step_length"],
                a["manifold_radius"], a["radius"], a["p"], a["mining"],
            ),
            lr=a["lr"], n_epochs=a["meta_epochs"], seed=context.seed, on_epoch=on_epoch,
        )  # fmt: skip
        self._networks = networks
        self.details = self._describe(hypothesis, judgement, squares)
        if n_empty := int(sum(values["n_empty"] for values in self.log)):
            _log.warning("glass: %d times no mask met an image's foreground; the image was used as it is", n_empty)

    def _judge(self, nominal: ImageSet) -> Judgement:
        """Judge the hypothesis from the mean of the training images, always squashed."""
        size = self.init_args["imagesize"]
        total = np.zeros((3, size, size))
        for index in range(len(nominal)):
            total += to_tensor(nominal[index], (size, size)).numpy()
        return judge(mean_picture(total, len(nominal)))

    def _describe(self, hypothesis: str, judgement: Judgement | None, squares: Squares) -> dict[str, Any]:
        """Return the facts to record: what was decided in the training and what supervision went into it."""
        return {
            "hypothesis": hypothesis,
            "judgement": None if judgement is None else judgement.__dict__,
            "n_foreground_masks": squares.n_masks,
            "n_empty": int(sum(values["n_empty"] for values in self.log)),
            "last_epoch": self.log[-1],
        }

    @torch.no_grad()
    def _patch_logits(self, images: ImageSet) -> Iterator[Tensor]:
        """Yield the logits of every image's patches, shape (grid, grid)."""
        if self._networks is None:
            raise NotFittedError("glass has not been fitted: call fit or load first")
        embedder, networks = self._embedder(), self._networks
        for start in range(0, len(images), BATCH):
            indices = range(start, min(start + BATCH, len(images)))
            for rows in embedder.fetch(self._cache, images, indices):  # one by one: no score depends on its batch
                logits = networks.discriminator(networks.adaptor(torch.from_numpy(rows).to(self._device)))
                if not torch.isfinite(logits).all():
                    raise DetectorError("glass: scores are not finite")
                yield logits.reshape(embedder.grid, embedder.grid).cpu()

    def score(self, images: ImageSet) -> NDArray[np.float64]:
        """Return the largest raw patch probability (or logit) of every image, shape (n_images,)."""
        logits = np.array([float(patches.max()) for patches in self._patch_logits(images)], dtype=np.float64)
        if self.init_args["score"] == "logit":
            return logits
        return torch.from_numpy(logits).float().sigmoid().double().numpy()  # type: ignore[no-any-return]

    def maps(self, images: ImageSet) -> Iterator[NDArray[np.float32]]:
        """Yield the smoothed patch probabilities of every image, at that image's own size."""
        a = self.init_args
        for index, logits in enumerate(self._patch_logits(images)):
            square = smooth_map(logits.sigmoid().numpy(), a["imagesize"], a["smoothing"])
            height, width = images[index].shape[:2]
            yield map_to_image(square, (height, width), a["resize"])

    def save(self, path: Path) -> None:
        """Write both networks to a safetensors file; not the backbone."""
        if self._networks is None:
            raise NotFittedError("glass has not been fitted: call fit or load first")
        tensors = {f"adaptor.{k}": v for k, v in self._networks.adaptor.state_dict().items()}
        tensors |= {f"discriminator.{k}": v for k, v in self._networks.discriminator.state_dict().items()}
        header = ModelHeader(
            self.name, self.class_path, self.version, self.init_args, self.weights_sha256,
            self.details | {"texture_sha256": self.texture_sha256},
        )  # fmt: skip
        write_model(path, tensors, header)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Return the fitted detector of a file.

        Raises
        ------
        InputError
            Not a file of this detector and version.
        WeightsError
            The backbone's weights are not those it was trained with.
        """
        header, tensors = read_model(path, cls.class_path, cls.version)
        detector = cls(**header.init_args)
        detector._device = device
        check_weights(path, header, detector.weights_sha256)
        networks = detector._new_networks(torch.Generator().manual_seed(0))
        for part in ("adaptor", "discriminator"):
            state = {k.removeprefix(f"{part}."): v for k, v in tensors.items() if k.startswith(f"{part}.")}
            getattr(networks, part).load_state_dict(state)
        networks.train(False)
        detector._networks, detector.details = networks, dict(header.details)
        return detector
