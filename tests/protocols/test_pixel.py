import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn import metrics as sk

from protocols import overlap_counts
from protocols.errors import InputError, UndefinedError
from protocols.per_image_overlap import image_overlaps
from protocols.pixel import aupro, pixel_auroc
from protocols.pixel_estimates import PIXEL_METRICS, pixel_estimates
from protocols.pixel_histogram import PixelHistogram

MASK = [[1, 0, 1, 1, 0, 0, 0, 0]]
MAP = [[0.9, 0.1, 0.8, 0.3, 0.5, 0.2, 0.1, 0.0]]


def pictures(n_images=40, seed=0, size=(24, 20), round_to=None):
    rng = np.random.default_rng(seed)
    masks, maps = [], []
    for i in range(n_images):
        mask = np.zeros(size, bool)
        scores = rng.gamma(3, 0.1, size) + rng.normal() * 0.05
        if i % 2:
            r, c = rng.integers(0, 15, 2)
            mask[r : r + 5, c : c + 4] = True
            mask[0, 0] = True
            scores[mask] += rng.normal(0.3, 0.1)
        masks.append(mask)
        maps.append(scores.astype(np.float32) if round_to is None else scores.round(round_to))
    return masks, maps


def filled(masks, maps, **options):
    histogram = PixelHistogram(**options)
    for mask, scores in zip(masks, maps, strict=True):
        histogram.add(mask if mask.any() else None, scores)
    return histogram


def aupro_by_definition(masks, maps, end):
    """Every threshold in turn, each region in turn."""
    regions = []
    for mask, scores in zip(masks, maps, strict=True):
        named, n = ndimage.label(mask, np.ones((3, 3)))
        regions += [scores[named == k] for k in range(1, n + 1)]
    free = np.concatenate([a[~m] for m, a in zip(masks, maps, strict=True)])
    cuts = np.unique(np.concatenate([a.ravel() for a in maps]))[::-1]
    fpr = np.array([0.0] + [(free >= t).mean() for t in cuts])
    pro = np.array([0.0] + [np.mean([(r >= t).mean() for r in regions]) for t in cuts])
    grid = np.append(fpr[fpr <= end], end)
    inside = np.append(pro[fpr <= end], np.interp(end, *_last_of_each(fpr, pro)))
    return np.sum(np.diff(grid) * (inside[1:] + inside[:-1]) / 2) / end


def _last_of_each(x, y):
    last = np.append(np.diff(x) > 0, True)
    return x[last], y[last]


def test_example_8_1():
    assert pixel_auroc([MASK], [MAP]) == pytest.approx(14 / 15)
    assert aupro([MASK], [MAP]) == pytest.approx(0.833333, abs=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.3, 1.0]))
def test_exact_values_equal_the_definitions(seed, end):
    masks, maps = pictures(3, seed, (18, 16), round_to=1)
    pooled = np.concatenate([m.ravel() for m in masks]), np.concatenate([a.ravel() for a in maps])
    assert pixel_auroc(masks, maps) == pytest.approx(sk.roc_auc_score(*pooled), abs=1e-12)
    assert aupro(masks, maps, max_fpr=end) == pytest.approx(aupro_by_definition(masks, maps, end), abs=1e-12)


def test_iterators_and_pairs_give_the_same():
    masks, maps = pictures(4)
    for metric in (pixel_auroc, aupro):
        expected = metric(masks, maps)
        assert metric(iter(masks), iter(maps)) == expected
        assert metric(zip(masks, maps, strict=True)) == expected
        assert metric([m if m.any() else None for m in masks], maps) == expected


def test_diagonal_neighbours_are_one_region():
    mask = np.array([[1, 1, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]], bool)
    scores = np.where(mask, [[3.0, 3, 3, 0], [0, 0, 0, -1], [-1, 0, 0, 0]], 0.0)
    # Two regions: 3 of 4 pixels and 0 of 1 are found before the first false alarm.
    assert aupro([mask], [scores], max_fpr=1.0) == pytest.approx((3 / 4 + 0) / 2)
    assert aupro([mask], [scores], max_fpr=1.0) == pytest.approx(aupro_by_definition([mask], [scores], 1.0))


@pytest.mark.parametrize("mask", [[[0, 0]], [[1, 1]]], ids=["no-defect", "no-free-pixel"])
def test_one_class_of_pixels_is_undefined(mask):
    for metric in (pixel_auroc, aupro):
        with pytest.raises(UndefinedError, match="pixels"):
            metric([mask], [[[0.1, 0.2]]])


@pytest.mark.parametrize(
    ("masks", "maps", "code"),
    [
        ([[[0, 1]]], [[[0.1], [0.2]]], "ShapeMismatch"),
        ([[[0, 1]]], [[0.1, 0.2]], "ShapeMismatch"),
        ([[[0, 255]]], [[[0.1, 0.2]]], "MaskNotBinary"),
        ([[[0, 1]]], [[[0.1, math.nan]]], "NonFiniteScore"),
        ([[[0, 1]]], [], "LengthMismatch"),
        ([], [[[0.1, 0.2]]], "LengthMismatch"),
    ],
)
def test_bad_masks_and_maps_are_named(masks, maps, code):
    with pytest.raises(InputError) as caught:
        pixel_auroc(masks, maps)
    assert caught.value.code == code


def test_masks_without_maps_are_named():
    with pytest.raises(InputError, match="a pair \\(mask, map\\)") as caught:
        aupro([np.eye(2)])
    assert caught.value.code == "LengthMismatch"


def test_binned_values_are_close_to_exact_ones():
    masks, maps = pictures()
    y, s = np.concatenate([m.ravel() for m in masks]), np.concatenate([a.ravel() for a in maps])
    precision, recall, _ = sk.precision_recall_curve(y, s)
    exact = {
        "auroc": pixel_auroc(masks, maps), "aupro": aupro(masks, maps),
        "average_precision": sk.average_precision_score(y, s),
        "f1_max": (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max(),
    }  # fmt: skip
    objects = np.arange(40) // 2 * 2 + np.arange(40) % 2
    estimates = pixel_estimates(filled(masks, maps), objects, [m.any() for m in masks], n_resamples=100)
    assert tuple(estimates) == PIXEL_METRICS
    assert "more nominal pixels than 9600" in estimates.pop("aupimo").notes[0]
    for name, e in estimates.items():
        assert e.value == pytest.approx(exact[name], abs=5e-4)
        assert e.low < e.value < e.high
        assert e.status == "approximate"
        assert any("score bins" in note for note in e.notes)
    for name in ("auroc", "aupro"):
        bound = float(estimates[name].notes[0].rsplit(" ", 1)[1])
        assert abs(estimates[name].value - exact[name]) <= bound * 1.05  # printed to two digits
        assert bound < 1e-3
    assert "apparent" in estimates["f1_max"].notes[0]


def test_a_binned_curve_equals_the_exact_one_where_scores_are_few():
    masks, maps = pictures(12, round_to=1)
    maps = [a.clip(0.1, 0.8) for a in maps]
    estimates = pixel_estimates(filled(masks, maps), range(12), [m.any() for m in masks], n_resamples=50)
    assert estimates["auroc"].value == pytest.approx(pixel_auroc(masks, maps), abs=1e-12)
    assert estimates["aupro"].value == pytest.approx(aupro(masks, maps), abs=1e-12)


def test_bins_keep_the_order_of_scores_of_any_sign_and_size():
    values = np.array([[-1e30, -3.5, -1e-30, -0.0, 0.0, 1e-30, 0.5, 0.50001, 7, 1e30]])
    histogram = PixelHistogram()
    histogram.add(values > 0.4, values)
    arrays = histogram.to_arrays()
    assert arrays["free_codes"].tolist() == sorted(arrays["free_codes"].tolist())
    assert arrays["free_codes"].max() < arrays["defect_codes"].min()
    assert arrays["free_counts"].tolist() == [1, 1, 1, 2, 1]


def test_a_histogram_survives_storing():
    masks, maps = pictures(6)
    histogram = filled(masks, maps)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **histogram.to_arrays())
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as stored:
        back = PixelHistogram.from_arrays(stored)
    labels = [m.any() for m in masks]
    assert back.n_images == 6
    assert pixel_estimates(back, range(6), labels, n_resamples=50) == pixel_estimates(
        histogram, range(6), labels, n_resamples=50
    )
    with pytest.raises(InputError, match="free_ends"):
        PixelHistogram.from_arrays({"shift": np.array(7)} | {"n_regions": np.zeros(0, int)})


def test_the_grid_coarsens_alike_in_any_order_and_counts_every_pixel():
    masks, maps = pictures(10)
    one = filled(masks, maps, max_entries=600)
    other = filled(masks[::-1], maps[::-1], max_entries=600)
    assert one.shift == other.shift > 7
    assert len(one.to_arrays()["free_codes"]) + len(one.to_arrays()["defect_codes"]) <= 600
    np.testing.assert_array_equal(one.n_defect_pixels, other.n_defect_pixels[::-1])
    np.testing.assert_array_equal(one.n_defect_pixels, [m.sum() for m in masks])
    np.testing.assert_array_equal(one.n_defect_free_pixels, [(~m).sum() for m in masks])
    # Regions' shares add up to the number of regions.
    assert one.to_arrays()["defect_shares"].sum() == pytest.approx(one.n_regions.sum())


def test_objects_are_the_units_never_pixels_or_views():
    masks, maps = pictures(20)
    labels = np.array([m.any() for m in masks])
    same = filled([m for m in masks for _ in range(5)], [a for a in maps for _ in range(5)])
    one = pixel_estimates(filled(masks, maps), range(20), labels, n_resamples=100)
    five = pixel_estimates(same, np.repeat(range(20), 5), np.repeat(labels, 5), n_resamples=100)
    for name in ("auroc", "average_precision", "aupro", "f1_max"):
        # Five equal views of an object carry no more information than one.
        assert (five[name].value, five[name].low, five[name].high) == pytest.approx(
            (one[name].value, one[name].low, one[name].high), abs=1e-9
        )
        assert five[name].n_objects_anomalous == 10
        assert (five[name].n_anomalous, five[name].n_nominal) == (50, 50)


def test_anomalous_images_without_a_mask_are_left_out_not_counted_as_free():
    masks, maps = pictures(20)
    labels = np.array([m.any() for m in masks])
    plain = pixel_estimates(filled(masks, maps), range(20), labels, n_resamples=30)
    more = filled([*masks, np.zeros_like(masks[0])], [*maps, maps[1] + 5])
    with_one = pixel_estimates(more, range(21), [*labels, 1], n_resamples=30)
    assert with_one["auroc"].value == pytest.approx(plain["auroc"].value, abs=1e-12)
    assert any("without a mask" in note for note in with_one["auroc"].notes)


def test_too_few_objects_are_undefined():
    masks, maps = pictures(6)
    labels = [m.any() for m in masks]
    one_defective = np.where(labels, 100, np.arange(6))
    for estimate in pixel_estimates(filled(masks, maps), one_defective, labels, n_resamples=10).values():
        assert estimate.status == "undefined"
        assert math.isnan(estimate.value)
    clean = filled([np.zeros_like(m) for m in masks], maps)
    estimates = pixel_estimates(clean, range(6), [0] * 6, n_resamples=10)
    assert "needs both classes" in estimates["auroc"].notes[0]


def test_lengths_must_agree():
    with pytest.raises(InputError, match="histogram"):
        pixel_estimates(filled(*pictures(4)), range(3), [0, 1, 0], n_resamples=10)


def large_pictures(n_images=8, seed=0, digits=7):
    """Enough nominal pixels for false positive rates from 1e-5."""
    rng = np.random.default_rng(seed)
    masks, maps = [], []
    for i in range(n_images):
        mask = np.zeros((700, 700), bool)
        if i % 2:
            mask[20:60, 30:50] = True
        scores = rng.normal(1 + 0.2 * (i == 4), 0.2, mask.shape) + rng.normal(0.9, 0.1) * mask
        masks.append(mask)
        maps.append(scores.astype(np.float32))
    return masks, maps


@pytest.fixture(scope="module")
def large():
    return large_pictures()


def test_aupimo_is_the_mean_over_the_anomalous_images(large):
    masks, maps = large
    exact = image_overlaps(masks, maps).values.mean()
    estimate = pixel_estimates(filled(masks, maps), range(8), [m.any() for m in masks], n_resamples=60)["aupimo"]
    bound = float(estimate.notes[0].rsplit(" ", 1)[1])
    assert abs(estimate.value - exact) <= bound * 1.05
    assert bound < 0.02
    assert 0.1 < estimate.low < estimate.value < estimate.high < 1
    assert estimate.status == "approximate"
    assert (estimate.n_anomalous, estimate.n_objects_nominal) == (4, 8)


@pytest.mark.parametrize("n_bins", [overlap_counts.N_BINS, 200])
def test_weights_of_aupimo_equal_repeated_images(large, n_bins, monkeypatch):
    masks, maps = large
    monkeypatch.setattr(overlap_counts, "N_BINS", n_bins)
    counts = overlap_counts.OverlapCounts(filled(masks, maps), np.arange(8), 8)
    weights = np.array([[1, 1, 1, 1, 1, 1, 1, 1], [0, 2, 1, 0, 3, 1, 0, 1], [4, 0, 0, 1, 0, 0, 0, 0]])
    for w, value, error in zip(weights, counts.values(weights), counts.errors(weights), strict=True):
        rows = np.repeat(np.arange(8), w)
        exact = image_overlaps([masks[i] for i in rows], [maps[i] for i in rows]).values.mean()
        assert abs(value - exact) <= error + 1e-12
        assert error < 0.05
    assert np.isnan(counts.values(np.array([[1, 0, 1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1, 0, 1]]))).all()


def test_aupimo_without_enough_bins_is_left_out_with_the_reason(large):
    masks, maps = large
    coarse = filled(masks, maps, max_entries=500)
    estimate = pixel_estimates(coarse, range(8), [m.any() for m in masks], n_resamples=20)["aupimo"]
    assert estimate.status == "undefined"
    assert "at least 30 points" in estimate.notes[0]
