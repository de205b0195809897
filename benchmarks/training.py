"""How many epochs a minute do the detectors train, and what do the reference programs' extra passes cost?"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from support.images import RandomImages, take
from support.measure import check_equal, compare, headline, section
from support.peers import WholeNetwork

import detectors
from detectors.backbones import Backbone
from detectors.base import FitContext
from detectors.csflow.extractor import FeatureExtractor, unflatten
from detectors.csflow.flow import CrossScaleFlow, image_losses
from detectors.glass.embedding import embed
from detectors.glass.loader import PastedLoader
from detectors.glass.networks import Adaptor, Discriminator
from detectors.glass.pictures import Squares
from detectors.glass.seeds import Purpose, torch_generator
from detectors.glass.step import StepOptions, optimisers, training_step
from detectors.glass.textures import ProceduralTextures
from detectors.preprocess import to_batch

SEED = np.random.SeedSequence(0)


class EpochClock:
    """Processor time and loss of every epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.losses: list[float] = []
        self._started = time.process_time()

    def epoch(self, loss: float) -> None:
        self.seconds.append(time.process_time() - self._started)
        self.losses.append(loss)
        self._started = time.process_time()

    def report(self, phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Take what a detector reports while it trains."""
        if phase == "train":
            self.epoch(values["loss"])
        else:
            self._started = time.process_time()

    @property
    def a_minute(self) -> float:
        """Epochs a minute; the first one prepares the convolutions and does not count."""
        return 60 / min(self.seconds[1:])


def fit(name: str, arguments: Mapping[str, object], images: RandomImages) -> EpochClock:
    """Train one of our detectors as the runner does, features cached."""
    clock = EpochClock()
    with tempfile.TemporaryDirectory() as folder:
        context = FitContext("cpu", SEED, Path(folder), cache=Path(folder) / "features", on_progress=clock.report)
        detectors.create(name, **arguments).fit(images, context)
    return clock


def csflow_extracting_every_epoch(arguments: Mapping[str, object], images: RandomImages) -> EpochClock:
    """Train CS-Flow as the adapted reference notebooks do: the features of every batch are computed in every epoch.

    Flow, loss, optimiser, order of the images and initial values are ours.
    """
    detector = detectors.create("csflow", **arguments)
    a, settings = detector.init_args, detector.settings
    extractor = FeatureExtractor(Backbone(a["backbone"], layers=[a["layer"]]), detector.img_size, a["n_scales"])
    weights_seed, shuffle_seed = (int(word) for word in SEED.generate_state(2, np.uint64))
    flow = CrossScaleFlow(
        extractor.shapes[0][0], hidden=a["hidden_channels"], kernels=detector.kernel_sizes, n_scales=a["n_scales"],
        clamp=a["clamp"], generator=torch.Generator().manual_seed(weights_seed),
    )  # fmt: skip
    optimiser = torch.optim.Adam(
        flow.parameters(), lr=settings.learning_rate, eps=settings.adam_eps, weight_decay=settings.weight_decay,
        fused=True,
    )  # fmt: skip
    pictures, shuffle = take(images), torch.Generator().manual_seed(shuffle_seed)
    clock = EpochClock()
    for _ in range(settings.meta_epochs * settings.sub_epochs):
        losses = []
        for chosen in torch.randperm(len(pictures), generator=shuffle).split(settings.batch_size):
            rows = torch.from_numpy(extractor([pictures[index] for index in chosen]))
            optimiser.zero_grad()
            latents, log_det, _ = flow(unflatten(rows, extractor.shapes))
            loss = image_losses(latents, log_det).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(flow.parameters(), settings.max_grad_norm)
            optimiser.step()
            losses.append(float(loss.detach()))
        clock.epoch(float(np.mean(losses)))
    return clock


def glass_with_extra_passes(
    arguments: Mapping[str, object], images: RandomImages, *, whole: bool = False, centre: bool = False
) -> EpochClock:
    """Train GLASS with passes of its reference that change nothing in the trained model.

    Steps, random numbers and initial values are ours. The nominal images of every batch are embedded again in every
    step, though nothing augments them.

    Parameters
    ----------
    arguments
        Of the detector.
    images
        The training images.
    whole
        Run the backbone to its classifier instead of to the last layer used.
    centre
        Before every epoch embed all training images to average a centre that the manifold hypothesis does not use,
        and for each of them paste a texture into a picture that is then ignored.
    """
    a = detectors.create("glass", **arguments).init_args
    size, layers, dims = a["imagesize"], tuple(a["layers"]), {"pre_dim": a["pre_dim"], "target_dim": a["target_dim"]}
    stopped = Backbone(a["backbone"], layers=layers)
    network = WholeNetwork(a["backbone"].split(".")[0], layers) if whole else stopped
    squares = Squares(images, size, a["resize"])
    grid = size // stopped.strides[0]
    loader = PastedLoader(
        squares, len(images), ProceduralTextures(), grid, a["resize"], a["rand_aug"], a["batch_size"], a["limit"], SEED
    )
    start = torch_generator(SEED, Purpose.NETWORKS)
    adaptor = Adaptor(a["target_dim"], a["pre_proj"], start)
    discriminator = Discriminator(a["target_dim"], a["dsc_hidden"], a["dsc_layers"], start)
    steppers = optimisers(adaptor, discriminator, a["lr"])
    named = [field.name for field in fields(StepOptions) if field.name in a]
    options = StepOptions(hypersphere=False, **{name: a[name] for name in named})

    def nominal(indices: NDArray[np.int64]) -> torch.Tensor:
        return embed(network(to_batch([squares[index] for index in indices.tolist()], (size, size))), **dims)

    clock = EpochClock()
    for epoch in range(a["meta_epochs"]):
        if centre:
            with torch.no_grad():
                every = replace(loader, limit=len(images)).epoch(epoch)  # pastes, although only the indices are used
                torch.stack([adaptor(nominal(batch.indices)).mean(0) for batch in every]).mean(0)
        noise, losses = torch_generator(SEED, Purpose.NOISE, epoch), []
        for batch in loader.epoch(epoch):
            clean, pasted = nominal(batch.indices), embed(network(batch.images), **dims)
            result = training_step(adaptor, discriminator, clean, pasted, batch.labels, None, options, noise)
            for stepper in steppers:
                stepper.zero_grad(set_to_none=True)
            result.loss.backward()
            for stepper in steppers:
                stepper.step()
            losses.append(float(result.loss.detach()))
        clock.epoch(float(np.mean(losses)))
    return clock


def describe(name: str, preset: str, images: RandomImages) -> None:
    """Print what is trained."""
    a = detectors.create(name, preset=preset).init_args
    size, layers = (a["img_size"], a["layer"]) if name == "csflow" else (a["imagesize"], " and ".join(a["layers"]))
    network = f"{a['backbone']} at {size}, tapped at {layers}"
    section(f"{name} {preset}: {len(images)} images an epoch in batches of {a['batch_size']}, {network}")


def compare_epochs(ours_is: str, ours: EpochClock, peers: Mapping[str, Callable[[], EpochClock]]) -> None:
    """Time every peer against ours, after a check that it trains the same model."""
    for name, run in peers.items():
        peer = run()
        check_equal("losses", float(np.abs(np.divide(peer.losses, ours.losses) - 1).max()), 1e-3)
        compare("epochs a minute", (f"ours: {ours_is}", ours.a_minute), (f"peer: {name}", peer.a_minute),
                more_is_better=True)  # fmt: skip


def csflow(preset: str, n_images: int, n_epochs: int) -> None:
    """Compare cached features with features extracted in every epoch."""
    images = RandomImages(n_images, 96, 128)
    describe("csflow", preset, images)
    arguments = detectors.create("csflow", preset=preset).init_args | {"meta_epochs": 1, "sub_epochs": n_epochs}
    compare_epochs(
        "features extracted once, cached",
        fit("csflow", arguments, images),
        {
            "features extracted in every epoch (adapted reference notebooks)": partial(
                csflow_extracting_every_epoch, arguments, images
            )
        },
    )


def glass(preset: str, n_images: int, n_epochs: int) -> None:
    """Compare with some and with all of the reference's extra passes."""
    images = RandomImages(n_images, 96, 128)
    describe("glass", preset, images)
    arguments = detectors.create("glass", preset=preset).init_args | {"meta_epochs": n_epochs, "eval_epochs": 0}
    peer = partial(glass_with_extra_passes, arguments, images)
    compare_epochs(
        "none of these passes",
        fit("glass", arguments, images),
        {
            "nominal images embedded in every step": peer,
            "the same, with the whole backbone through its classifier": partial(peer, whole=True),
            "the same, and the centre pass with synthesis (all of the reference's)": partial(
                peer, whole=True, centre=True
            ),
        },
    )


def main() -> None:
    headline(
        "Training: epochs a minute, against the same loops with the reference programs' unneeded passes",
        "presets tiny and small on 128 x 96 noise images, random weights; every image once an epoch",
    )
    csflow("tiny", 128, 4)
    csflow("small", 48, 2)
    glass("tiny", 48, 4)
    glass("small", 24, 3)


if __name__ == "__main__":
    main()
