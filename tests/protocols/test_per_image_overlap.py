import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import InputError, UndefinedError
from protocols.per_image_overlap import aupimo, image_overlaps


def by_definition(masks, maps, low, high):
    """Every threshold in turn: F and T there, then the trapezoid over ln F, cut at both ends by interpolation."""
    nominal = [a for m, a in zip(masks, maps, strict=True) if not m.any()]
    found = []
    for mask, scores in zip(masks, maps, strict=True):
        if not mask.any():
            continue
        cuts = np.unique(np.concatenate([a.ravel() for a in nominal] + [scores[mask]]))[::-1]
        points = [(np.mean([(a >= t).mean() for a in nominal]), (scores[mask] >= t).mean()) for t in cuts]
        area, (f0, t0) = 0.0, (0.0, 0.0)
        for f1, t1 in points:
            if f1 > f0 and f0 == 0:
                # ln F begins nowhere: as at the last point before, until this one.
                area += t0 * max(0.0, math.log(min(f1, high) / low) if f1 > low else 0.0)
            elif f1 > f0:
                a, b = max(f0, low), min(f1, high)
                if b > a:
                    at = [t0 + (t1 - t0) * math.log(f / f0) / math.log(f1 / f0) for f in (a, b)]
                    area += (at[0] + at[1]) / 2 * math.log(b / a)
            f0, t0 = f1, t1
        found.append(area / math.log(high / low))
    return np.array(found)


def pictures(seed, digits, sizes):
    rng = np.random.default_rng(seed)
    masks, maps = [], []
    for i, (h, w) in enumerate(sizes):
        mask = np.zeros((h, w), bool)
        if i % 2:
            mask[: h // 2, : w // 3] = True
        masks.append(mask)
        maps.append((rng.normal(size=(h, w)) + 2 * mask).round(digits))
    return masks, maps


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 9]), st.booleans(), st.sampled_from([(0.01, 0.5), (0.02, 1.0)]))
def test_values_equal_the_definition(seed, digits, unequal, ends):
    sizes = [(12, 15), (9, 6), (8, 14) if unequal else (12, 15), (12, 15)]
    masks, maps = pictures(seed, digits, sizes)
    try:
        found = image_overlaps(masks, maps, low=ends[0], high=ends[1]).values
    except UndefinedError as error:
        assert error.code == "TooFewCurvePoints"
        assert digits == 1
        return
    np.testing.assert_allclose(found, by_definition(masks, maps, *ends), atol=1e-12)


def test_example_8_2():
    # T rises from .2 at F = 1e-5 to .6 at F = 1e-4, linearly in ln F.
    n = 4_000_000
    nominal = np.arange(n, 0, -1, dtype=np.float32).reshape(2000, 2000)
    share = (np.arange(40_000) + 0.5) / 40_000  # of the defect pixels that are found before
    rate = np.exp(np.log(1e-5) + (share - 0.2) / 0.4 * math.log(10))
    scores = np.where(share < 0.2, 2.0 * n, np.where(share < 0.6, n * (1 - rate) + 0.5, -1.0))
    found = aupimo([np.zeros((2000, 2000), bool), np.ones((200, 200), bool)], [nominal, scores.reshape(200, 200)])
    assert found == pytest.approx([0.4], abs=1e-3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_any_type_and_form_of_maps_gives_the_same(dtype):
    masks, maps = pictures(0, 2, [(40, 40)] * 4)
    maps = [(100 * a).round().astype(dtype) for a in maps]
    expected = aupimo(masks, [a.astype(float) for a in maps], low=0.001, high=1.0)
    assert expected.shape == (2,)
    np.testing.assert_array_equal(aupimo(masks, maps, low=0.001, high=1.0), expected)
    pairs = ((m if m.any() else None, a) for m, a in zip(masks, maps, strict=True))
    np.testing.assert_array_equal(aupimo(pairs, low=0.001, high=1.0), expected)
    mixed = [maps[0].astype(np.float32), *maps[1:]]
    np.testing.assert_array_equal(aupimo(masks, mixed, low=0.001, high=1.0), expected)


def test_a_perfect_and_a_hopeless_detector():
    masks, maps = pictures(0, 9, [(40, 40)] * 2)
    for shift, value in ((100, 1.0), (-100, 0.0)):
        assert image_overlaps(masks, [a + shift * m for m, a in zip(masks, maps, strict=True)], low=0.01,
                              high=0.5).values == pytest.approx([value], abs=1e-12)  # fmt: skip


def test_few_points_are_warned_of_and_very_few_are_undefined():
    masks, maps = pictures(0, 9, [(40, 40)] * 2)
    with pytest.warns(UserWarning, match="160 points"):
        few = aupimo(masks, maps, low=1 / 1600, high=0.1)
    noted = image_overlaps(masks, maps, low=1 / 1600, high=0.1)
    assert noted.n_points == 160
    assert "fewer than 300" in noted.notes[0]
    np.testing.assert_array_equal(noted.values, few)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert aupimo(masks, maps, low=1 / 1600, high=0.2).shape == (1,)
    with pytest.raises(UndefinedError, match="29 points") as caught:
        aupimo(masks, maps, low=1 / 1600, high=29 / 1600)
    assert caught.value.code == "TooFewCurvePoints"


@pytest.mark.parametrize(
    ("masks", "code"),
    [
        ([[[1, 0]], [[1, 0]]], "NoNominalImage"), ([[[0, 0]], [[0, 0]]], "SingleClassPartition"),
        ([[[0, 0]], [[1, 0]]], "TooFewNominalPixels"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_undefined(masks, code):
    with pytest.raises(UndefinedError) as caught:
        aupimo(masks, [[[0.1, 0.2]], [[0.3, 0.4]]])
    assert caught.value.code == code


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.1), (0.2, 0.1), (0, 0.1), (0.1, 2)])
def test_a_wrong_range_is_an_error(low, high):
    with pytest.raises(InputError, match="low|high"):
        aupimo([[[0, 0]], [[1, 0]]], [[[0.1, 0.2]], [[0.3, 0.4]]], low=low, high=high)
