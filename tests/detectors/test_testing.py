"""check_detector passes what keeps the contract, and names what does not."""

from importlib.util import find_spec

import numpy as np
import pytest

import detectors
from detectors.registry import BUILTIN, load_plugin
from detectors.testing import CHECKS, check_detector
from protocols.errors import DetectorError, NotFittedError


class Good:
    """Mean absolute deviation from the mean nominal picture's tone."""

    version = "1"

    def __init__(self, *, power=1.0):
        self.power = power
        self.mean = None

    def fit(self, nominal, context):
        self.mean = np.mean([nominal[k].std() for k in range(len(nominal))])

    def score(self, images):
        if self.mean is None:
            raise NotFittedError("fit first")
        return np.array([abs(images[k].std() - self.mean) ** self.power for k in range(len(images))])


class PeeksAtOrder(Good):
    def score(self, images):
        return super().score(images) + np.arange(len(images))


class ChangesItsInput(Good):
    def score(self, images):
        scores = super().score(images)
        for k in range(len(images)):
            images[k][0, 0] = 0
        return scores


class ChangesItsInputInFit(Good):
    def fit(self, nominal, context):
        super().fit(nominal, context)
        nominal[0][:] = 0


class DependsOnTheBatch(Good):
    def score(self, images):
        scores = super().score(images)
        return scores / max(scores.max(initial=0), 1e-9)


class HasNoSeed(Good):
    def fit(self, nominal, context):
        super().fit(nominal, context)
        self.mean += np.random.default_rng().normal()


class UsesTheGlobalGenerator(Good):
    def fit(self, nominal, context):
        super().fit(nominal, context)
        self.mean += 0 * np.random.normal()  # noqa: NPY002


class HasTheWrongSign(Good):
    def score(self, images):
        return -super().score(images)


class ScoresUnfitted(Good):
    def score(self, images):
        return np.zeros(len(images)) if self.mean is None else super().score(images)


class ReturnsFloat32(Good):
    def score(self, images):
        return super().score(images).astype(np.float32)


class ReturnsNaN(Good):
    def score(self, images):
        return super().score(images) * np.nan


class ReturnsAColumn(Good):
    def score(self, images):
        return super().score(images)[:, None]


class LearnsWhileScored(Good):
    def fit(self, nominal, context):
        super().fit(nominal, context)
        self.training = True
        context.on_checkpoint(1)
        self.training = False

    def score(self, images):
        if getattr(self, "training", False):
            self.mean += 1
        return super().score(images)


class ForgetsOnSaving(Good):
    def save(self, path):
        path.write_text(str(self.mean))

    @classmethod
    def load(cls, path, device="cpu"):
        made = cls()
        made.mean = float(path.read_text()) + 5
        return made


class HasSmallMaps(Good):
    def maps(self, images):
        for _ in range(len(images)):
            yield np.zeros((4, 4), np.float32)


class HasMapsOfTheBatch(Good):
    def maps(self, images):
        for k in range(len(images)):
            yield np.full(images[k].shape[:2], len(images), np.float32)


class TakesPositions(Good):
    def __init__(self, power=1.0):
        super().__init__(power=power)


class HasNoVersion(Good):
    version = None


class HasAWrongPreset(Good):
    presets = {"small": {"depth": 3}}


def test_a_good_detector_passes_as_class_and_as_factory():
    check_detector(Good)
    check_detector(lambda: Good(power=0.5))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (PeeksAtOrder, "depends on the place in the order"),
        (ChangesItsInput, "`score` changed the images"),
        (ChangesItsInputInFit, "`fit` changed the images"),
        (DependsOnTheBatch, "depends on the batch"),
        (HasNoSeed, "the same seed gives other scores"),
        (UsesTheGlobalGenerator, "global generator of numpy.random has moved"),
        (HasTheWrongSign, "not above chance"),
        (ScoresUnfitted, "does not raise NotFittedError"),
        (ReturnsFloat32, "scores are float32"),
        (ReturnsNaN, "scores are not finite"),
        (ReturnsAColumn, "scores have shape"),
        (LearnsWhileScored, "scoring at a checkpoint changes the training"),
        (ForgetsOnSaving, "loaded again, it gives other scores"),
        (HasSmallMaps, r"map 0 is float32 of shape \(4, 4\)"),
        (HasMapsOfTheBatch, "the map of an image depends on the other images"),
        (TakesPositions, "'power' is not a keyword with a default"),
        (HasNoVersion, "no `version: str`"),
        (HasAWrongPreset, "does not take: \\['depth'\\]"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bad_detector_is_named_with_what_it_breaks(bad, message):
    with pytest.raises(DetectorError, match=message):
        check_detector(bad)


def test_all_broken_rules_are_listed_at_once():
    class Awful(PeeksAtOrder, HasNoSeed):
        pass

    with pytest.raises(DetectorError) as caught:
        check_detector(Awful)
    assert "place in the order" in str(caught.value) and "same seed" in str(caught.value)


def test_every_check_has_a_name_and_says_what_it_wants():
    assert len({c.__name__ for c in CHECKS}) == len(CHECKS) and all(c.__doc__ for c in CHECKS)


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_every_built_in_detector_keeps_the_contract(name):
    if name != "pixel_stats" and find_spec("timm") is None:
        pytest.skip("needs the extra train")
    check_detector(load_plugin("detector", name, BUILTIN))


@pytest.mark.parametrize("preset", ["paper", "small", "tiny"])
def test_pixel_stats_can_be_made_with_every_preset(preset):
    assert detectors.create("pixel_stats", preset=preset).size == (64, 64)


def test_what_a_detector_raises_in_one_check_is_a_fault_and_the_others_go_on():
    from detectors.pixel_stats import PixelStats

    class ForgetsToCheck(PixelStats):
        def score(self, images):
            mean, scale, precision = self._fitted  # TypeError before fit
            return -super().score(images)

    with pytest.raises(DetectorError) as raised:
        check_detector(ForgetsToCheck)
    assert "check_unfitted_raises: raised TypeError" in str(raised.value)
    assert "check_planted_defect_ranks_above_chance" in str(raised.value)
