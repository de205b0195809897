import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import InputError, UndefinedError
from protocols.pixel import aupro, pixel_auroc
from protocols.pixel_stream import aupro_streamed, pixel_auroc_streamed

BOTH = [(pixel_auroc_streamed, pixel_auroc), (aupro_streamed, aupro)]


def pictures(seed, digits, dtype, n_images=4):
    rng = np.random.default_rng(seed)
    masks = [np.zeros((20, 17), bool) for _ in range(n_images)]
    maps = []
    for i, mask in enumerate(masks):
        if i % 2:
            r, c = rng.integers(0, 12, 2)
            mask[r : r + 6, c : c + 4] = mask[0, 0] = True
        maps.append((rng.normal(size=mask.shape) * 10.0 ** rng.integers(-2, 2) + mask).round(digits).astype(dtype))
    return masks, maps


@settings(max_examples=40)
@given(
    st.integers(0, 10**6), st.sampled_from([0, 1, 12]), st.sampled_from([np.float64, np.float32]),
    st.sampled_from([2, 3, 10, 100, 1000, 2**20]), st.sampled_from([0.05, 0.3, 1.0]),
)  # fmt: skip
def test_the_exact_value_is_within_the_stated_error(seed, digits, dtype, max_bins, end):
    masks, maps = pictures(seed, digits, dtype)
    for streamed, exact, options in (
        (pixel_auroc_streamed, pixel_auroc, {}), (aupro_streamed, aupro, {"max_fpr": end}),
    ):  # fmt: skip
        value, error = streamed(masks, maps, max_bins=max_bins, **options)
        assert abs(value - exact(masks, maps, **options)) <= error + 1e-12
        assert error <= 0.5 + 1e-12


@pytest.mark.parametrize(("streamed", "exact"), BOTH)
def test_the_bound_is_reached_when_a_bin_is_sorted_the_best_or_the_worst_way(streamed, exact):
    # Both scores of each image round to the same single precision number: one bin.
    base, step = 1.0, 2.0**-40
    for defect, free in ((base + step, base), (base, base + step)):
        mask, scores = [[1, 0]], [[defect, free]]
        value, error = streamed([mask], [scores])
        assert abs(value - exact([mask], [scores])) == pytest.approx(error, abs=1e-12)
        assert error > 0.1


@pytest.mark.parametrize(("streamed", "exact"), BOTH)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_single_precision_is_exact_while_the_bins_suffice(streamed, exact, dtype):
    masks, maps = pictures(1, 12, dtype)
    value, error = streamed(zip(masks, maps, strict=True))
    assert error == 0
    assert value == pytest.approx(exact(masks, maps), abs=1e-12)


@pytest.mark.parametrize(("streamed", "exact"), BOTH)
def test_more_bins_tell_more_and_the_order_of_images_does_not_matter(streamed, exact):
    masks, maps = pictures(2, 12, np.float32, 12)
    errors = [streamed(masks, maps, max_bins=n).error for n in (16, 128, 1024, 2**20)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[1] > errors[3] == 0
    assert streamed(masks[::-1], maps[::-1], max_bins=128) == pytest.approx(streamed(masks, maps, max_bins=128))


def test_scores_beyond_single_precision_stay_in_order():
    scores = [[1e300, -1e300, 1e-300, -1e-300, 0.0, 1e38]]
    value, error = pixel_auroc_streamed([[[1, 0, 1, 0, 0, 1]]], [scores])
    assert abs(value - pixel_auroc([[[1, 0, 1, 0, 0, 1]]], [scores])) <= error + 1e-12


@pytest.mark.parametrize(("streamed", "exact"), BOTH)
def test_one_class_and_wrong_options_are_errors(streamed, exact):
    for mask in ([[0, 0]], [[1, 1]]):
        with pytest.raises(UndefinedError, match="pixels"):
            streamed([mask], [[[0.1, 0.2]]])
    with pytest.raises(InputError, match="max_bins"):
        streamed([[[0, 1]]], [[[0.1, 0.2]]], max_bins=1)
