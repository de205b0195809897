"""What every detector must satisfy, as a function that anybody can run over their own.

The checks see a detector only as the runner does: it is made, fitted on a few small pictures, and asked for scores.
"""

from __future__ import annotations

import hashlib
import inspect
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.errors import DetectorError, NotFittedError

from .base import Detector, FitContext, SupportsMaps, SupportsSaving
from .registry import build

SIZES = ((48, 64), (48, 64), (56, 72))  # of the pictures in turn: data sets hold more than one size
N_TRAIN, N_NOMINAL, N_PLANTED = 24, 9, 9
BATCH_TOLERANCE = 1e-4  # of the largest score: sums in another order differ by rounding only
REPEAT_TOLERANCE = 1e-6


class Pictures:
    """An ``ImageSet`` of arrays. They are handed out as they are, so that a detector that writes on them is seen."""

    def __init__(self, images: Sequence[NDArray[np.uint8]]) -> None:
        self.images = list(images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        """Return one RGB image, shape (height, width, 3)."""
        return self.images[index]

    def digest(self, index: int, /) -> str:
        """Return a SHA-256 of the image."""
        image = self.images[index]
        return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()

    def foreground(self, index: int, /) -> NDArray[np.bool_] | None:
        """Return None: these pictures have no foreground masks."""
        return None

    def only(self, indices: Sequence[int]) -> Pictures:
        """Return these images in this order."""
        return Pictures([self.images[k] for k in indices])


@dataclass
class Trial:
    """What the checks look at: pictures, and a detector that was fitted on some of them.

    Parameters
    ----------
    make
        Returns a new, unfitted detector with the same configuration every time.
    workdir
        A folder for scratch files.
    """

    make: Callable[[], Detector]
    workdir: Path
    train: Pictures = field(init=False)
    test: Pictures = field(init=False)
    labels: NDArray[np.int64] = field(init=False)
    detector: Detector = field(init=False)
    scores: NDArray[np.float64] = field(init=False)
    again: NDArray[np.float64] = field(init=False)
    steps: list[int] = field(init=False, default_factory=list)
    changed: list[str] = field(init=False)
    generators: list[str] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(20240229)
        self.train = Pictures([draw_picture(rng, k) for k in range(N_TRAIN)])
        # Both classes mixed, so that no order of theirs helps.
        self.labels = rng.permutation(np.repeat([0, 1], [N_NOMINAL, N_PLANTED]))
        self.test = Pictures([draw_picture(rng, k, planted=bool(y)) for k, y in enumerate(self.labels)])
        before = self._digests()
        self.detector = self.make()
        self.detector.fit(self.train, self.context())
        after_fit = self._digests()
        self.scores = np.asarray(self.detector.score(self.test))
        self.changed = ["fit"] * (after_fit != before) + ["score"] * (self._digests() != after_fit)
        # Only the second training is watched: the first one may import what moves a generator while it loads.
        states = global_states()
        self.again = self._train_again()
        self.generators = [name for name, state in global_states().items() if states.get(name) != state]

    def _digests(self) -> list[str]:
        return [images.digest(k) for images in (self.train, self.test) for k in range(len(images))]

    def _train_again(self) -> NDArray[np.float64]:
        """Return the scores of a second training with the same seed, scored at its checkpoints on the way."""
        again = self.make()

        def score_now(step: int) -> None:
            self.steps.append(step)
            again.score(self.test)

        again.fit(self.train, self.context(on_checkpoint=score_now))
        return np.asarray(again.score(self.test))

    def context(self, **changes: Any) -> FitContext:
        """Return the context of a training, with the same seed every time."""
        return FitContext(**{"device": "cpu", "seed": np.random.SeedSequence(0), "workdir": self.workdir, **changes})


def draw_picture(rng: np.random.Generator, index: int, *, planted: bool = False) -> NDArray[np.uint8]:
    """Return a grey disc with grain on a dark ground, or one with a defect nobody can overlook: a chequered patch.

    Parameters
    ----------
    rng
        Decides grain, position and defect.
    index
        Decides the size.
    planted
        Whether it has the defect.
    """
    height, width = SIZES[index % len(SIZES)]
    rows, columns = np.indices((height, width))
    centre = np.array([height, width]) / 2 + rng.normal(0, 1, 2)
    disc = np.hypot(rows - centre[0], columns - centre[1]) < 0.38 * height
    tone = np.where(disc, 150 + 0.5 * (rows - columns), 60) + rng.normal(0, 4, (height, width))
    image = np.repeat(tone[:, :, None], 3, axis=2)
    if planted:
        top, left = (centre - 9 + rng.uniform(-6, 6, 2)).astype(int)
        chequers = 255.0 * ((rows[:18, :18] // 3 + columns[:18, :18] // 3) % 2)
        image[top : top + 18, left : left + 18] = chequers[:, :, None] * np.array([1.0, 0.2, 0.2])
    return np.clip(image, 0, 255).astype(np.uint8)


def global_states() -> dict[str, str]:
    """Return fingerprints of the global random generators that exist in this process."""
    states = {"random": repr(random.getstate()), "numpy.random": repr(np.random.get_state())}  # noqa: NPY002
    if "torch" in sys.modules:
        states["torch"] = hashlib.sha256(sys.modules["torch"].random.get_rng_state().numpy().tobytes()).hexdigest()
    return states


def check_configuration(trial: Trial) -> Iterator[str]:
    """All constructor arguments are keywords with defaults, and the class has a version."""
    cls = type(trial.detector)
    if not isinstance(getattr(cls, "version", None), str):
        yield "the class has no `version: str`: it is part of the key of every job"
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            yield f"the constructor takes {parameter}: its arguments must be named"
        elif parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is parameter.empty:
            yield f"the argument {parameter.name!r} is not a keyword with a default"
    for preset, arguments in getattr(cls, "presets", {}).items():
        unknown = set(arguments) - set(inspect.signature(cls).parameters)
        if unknown:
            yield f"the preset {preset!r} has arguments that the constructor does not take: {sorted(unknown)}"


def check_scores(trial: Trial) -> Iterator[str]:
    """One finite float64 an image."""
    if trial.scores.shape != (len(trial.test),):
        yield f"scores have shape {trial.scores.shape}, expected ({len(trial.test)},)"
    elif trial.scores.dtype != np.float64:
        yield f"scores are {trial.scores.dtype}, expected float64"
    elif not np.isfinite(trial.scores).all():
        yield f"{(~np.isfinite(trial.scores)).sum()} of {len(trial.scores)} scores are not finite"
    if trial.scores.shape == (len(trial.test),) and len(trial.detector.score(trial.test.only([]))) != 0:
        yield "no images give scores"


def check_inputs_unchanged(trial: Trial) -> Iterator[str]:
    """Images are as they were."""
    for verb in trial.changed:
        yield f"`{verb}` changed the images it was given"


def check_global_generators_untouched(trial: Trial) -> Iterator[str]:
    """No global random generator has moved: randomness comes from the context's seed."""
    for name in trial.generators:
        yield f"the global generator of {name} has moved: use the seed of the context"


def check_order_is_kept(trial: Trial) -> Iterator[str]:
    """Images in another order have the same scores in that order."""
    order = np.random.default_rng(1).permutation(len(trial.test))
    if not _near(trial.detector.score(trial.test.only(order.tolist())), trial.scores[order], BATCH_TOLERANCE):
        yield "the images in another order get other scores: the score depends on the place in the order"


def check_batch_plays_no_role(trial: Trial) -> Iterator[str]:
    """Each image alone, and among few others, has the same score as among all."""
    alone = np.concatenate([np.ravel(trial.detector.score(trial.test.only([k]))) for k in range(len(trial.test))])
    if not _near(alone, trial.scores, BATCH_TOLERANCE):
        yield "an image alone gets another score than among others: the score depends on the batch"
    few = [k for k in range(len(trial.test)) if trial.labels[k] == 1]
    if not _near(trial.detector.score(trial.test.only(few)), trial.scores[few], BATCH_TOLERANCE):
        yield "the score of an image depends on the other images scored with it"


def check_same_seed_same_scores(trial: Trial) -> Iterator[str]:
    """Training twice with the same seed gives the same scores, also where checkpoints were scored on the way."""
    if not _near(trial.again, trial.scores, REPEAT_TOLERANCE):
        yield "the same seed gives other scores" + (
            " (or scoring at a checkpoint changes the training)" * bool(trial.steps)
        )
    if trial.steps != sorted(set(trial.steps)) or any(step < 0 for step in trial.steps):
        yield f"checkpoints are announced as {trial.steps}, expected rising steps"


def check_unfitted_raises(trial: Trial) -> Iterator[str]:
    """Scores before training are a ``NotFittedError``."""
    try:
        trial.make().score(trial.test)
    except NotFittedError:
        return
    yield "`score` before `fit` does not raise NotFittedError"


def check_maps(trial: Trial) -> Iterator[str]:
    """If it has maps: one an image, of the image's own size, finite, whatever the batch."""
    if not isinstance(trial.detector, SupportsMaps):
        return
    maps = list(trial.detector.maps(trial.test))
    if len(maps) != len(trial.test):
        yield f"{len(maps)} maps for {len(trial.test)} images"
        return
    for index, found in enumerate(maps):
        if found.shape != trial.test[index].shape[:2] or found.dtype != np.float32 or not np.isfinite(found).all():
            yield (f"map {index} is {found.dtype} of shape {found.shape}, expected finite float32 of shape "
                   f"{trial.test[index].shape[:2]}")  # fmt: skip
            return
    last = len(trial.test) - 1
    if not _near(next(iter(trial.detector.maps(trial.test.only([last])))), maps[last], BATCH_TOLERANCE):
        yield "the map of an image depends on the other images"


def check_save_and_load_agree(trial: Trial) -> Iterator[str]:
    """If it can be stored: loaded again it gives the same scores."""
    if not isinstance(trial.detector, SupportsSaving):
        return
    path = trial.workdir / "model.safetensors"
    trial.detector.save(path)
    if not _near(type(trial.detector).load(path).score(trial.test), trial.scores, REPEAT_TOLERANCE):
        yield "loaded again, it gives other scores"


def check_planted_defect_ranks_above_chance(trial: Trial) -> Iterator[str]:
    """Pictures with the planted defect score higher than those without, more often than not."""
    if trial.scores.shape != trial.labels.shape:
        return
    nominal, planted = trial.scores[trial.labels == 0], trial.scores[trial.labels == 1]
    auroc = float((np.sign(planted[:, None] - nominal) + 1).mean() / 2)
    if not auroc > 0.5:
        yield f"a defect nobody can overlook has AUROC {auroc:.2f}: not above chance (is the sign of the scores right?)"


CHECKS: tuple[Callable[[Trial], Iterator[str]], ...] = (
    check_configuration,
    check_scores,
    check_inputs_unchanged,
    check_global_generators_untouched,
    check_order_is_kept,
    check_batch_plays_no_role,
    check_same_seed_same_scores,
    check_unfitted_raises,
    check_maps,
    check_save_and_load_agree,
    check_planted_defect_ranks_above_chance,
)


def check_detector(cls_or_factory: Callable[[], Detector]) -> None:
    """Check that a detector keeps its contract; takes two short trainings.

    Parameters
    ----------
    cls_or_factory
        A detector class (its preset ``tiny`` is used if it has one), or a function without arguments that returns a
        new, unfitted detector.

    Raises
    ------
    DetectorError
        It does not; the message lists every broken rule.
    """
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(_factory(cls_or_factory), Path(folder))
        faults = [f"{check.__name__}: {fault}" for check in CHECKS for fault in _faults(check, trial)]
    if faults:
        raise DetectorError(f"{type(trial.detector).__name__} breaks the contract of a detector\n" + "\n".join(faults))


def _faults(check: Callable[[Trial], Iterator[str]], trial: Trial) -> list[str]:
    """Return the faults that a check finds; what the detector raises where it must not is one too."""
    faults: list[str] = []
    try:
        faults.extend(check(trial))
    except Exception as error:  # noqa: BLE001 - a stranger's detector may raise anything; the other checks go on
        faults.append(f"raised {type(error).__name__}: {error}")
    return faults


def _factory(cls_or_factory: Callable[[], Detector]) -> Callable[[], Detector]:
    presets: Mapping[str, object] = getattr(cls_or_factory, "presets", {})
    if inspect.isclass(cls_or_factory) and "tiny" in presets:
        return lambda: build(cls_or_factory, cls_or_factory.__name__, "tiny", {})
    return cls_or_factory


def _near(found: object, expected: NDArray[np.floating], tolerance: float) -> bool:
    """Return whether numbers agree up to a share of the largest expected one."""
    values = np.asarray(found)
    if values.shape != expected.shape:
        return False
    return bool(np.allclose(values, expected, rtol=0, atol=tolerance * max(1e-12, float(np.abs(expected).max()))))
