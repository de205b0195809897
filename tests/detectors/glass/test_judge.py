# ruff: noqa: E402 - nothing may import torch before the skip
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")

from detectors.glass.judge import judge, mean_picture
from detectors.glass.smoothing import smooth_map

Y, X = np.mgrid[:289, :289]


def picture(grey):
    return np.repeat(np.asarray(grey)[..., None], 3, axis=2).astype(np.uint8)


def disc(radius):
    return 255 * ((Y - 144) ** 2 + (X - 144) ** 2 < radius**2)


@pytest.mark.parametrize(
    ("grey", "hypothesis"),
    [
        (np.full((289, 289), 128), "manifold"),
        (np.full((289, 289), 255), "manifold"),
        (disc(20), "hypersphere"),
        (disc(80), "hypersphere"),
        (255 * (X >= 144), "hypersphere"),
    ],
    ids=["grey", "white", "small disc", "large disc", "vertical edge"],
)
def test_judgements_are_those_measured_on_the_reference_program(grey, hypothesis):
    assert judge(picture(grey)).hypothesis == hypothesis


def test_a_black_mean_image_is_a_manifold_with_a_note(caplog):
    judgement = judge(picture(0 * X))
    assert judgement.hypothesis == "manifold" and "black" in judgement.note and "black" in caplog.text


def test_figures_follow_the_rule_on_noise():
    hypotheses = set()
    for seed in range(4):
        grey = np.random.default_rng(seed).integers(0, 256, (289, 289))
        padded = np.pad(grey, 19, mode="reflect").astype(np.int64)
        sums = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        box = sums[39:, 39:] - sums[:-39, 39:] - sums[39:, :-39] + sums[:-39, :-39]
        blurred = np.rint(box / 39**2)
        spectrum = 20 * np.log(np.abs(np.roll(np.fft.fft2(blurred), (144, 144), (0, 1))) + 1e-12)
        points = [(y - 144, x - 144) for y, x in zip(*np.where(spectrum > 170), strict=True)]
        radius = max(np.hypot(y, x) for y, x in points)
        dy, dx = (max(abs(p[axis]) for p in points) for axis in (0, 1))
        inside = sum(
            np.hypot(y, x) <= radius + 1e-9 for y in range(-144, 434) for x in range(-144, 200) if y <= 144
        )  # fmt: skip
        judgement = judge(picture(grey))
        assert judgement.n_points == len(points)
        assert judgement.radius == pytest.approx(radius)
        assert judgement.rho_box == pytest.approx(len(points) / (4 * max(dx, 1) * max(dy, 1)))
        assert judgement.rho_disc == pytest.approx(len(points) / inside)
        hypotheses.add(judgement.hypothesis)
    assert "hypersphere" in hypotheses


def test_the_mean_picture_is_denormalised():
    normalised = (np.full((3, 4, 4), 128 / 255) - np.reshape((0.485, 0.456, 0.406), (3, 1, 1))) / np.reshape(
        (0.229, 0.224, 0.225), (3, 1, 1)
    )
    assert (mean_picture(5 * normalised, 5) == 128).all()


@pytest.mark.parametrize(("patch", "peak"), [((18, 18), 0.36722), ((0, 0), 0.83654)], ids=["interior", "corner"])
def test_a_unit_patch_peaks_as_measured_on_the_reference_program(patch, peak):
    patches = np.zeros((36, 36), dtype=np.float32)
    patches[patch] = 1
    smoothed = smooth_map(patches, 288, 4.0)
    assert smoothed.max() == pytest.approx(peak, abs=1e-5)
    assert smoothed.sum() == pytest.approx(64, rel=1e-5)


def test_the_gaussian_has_33_taps():
    patches = np.zeros((96, 96), dtype=np.float32)
    patches[48, 48] = 1
    assert np.count_nonzero(smooth_map(patches, 96, 4.0)[48]) == 33
