import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from protocols import metrics as m
from protocols.errors import InputError
from protocols.inputs import object_index
from protocols.intervals import object_auroc
from protocols.intervals.bootstrap import bootstrap_interval
from protocols.intervals.draws import draw_objects, ordered_objects
from protocols.intervals.object_auroc import ObjectAuroc


@st.composite
def images_and_draws(draw):
    """Few distinct scores, so that there are ties; objects with images of one class or of both."""
    n, n_objects = draw(st.integers(2, 30)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels, index = rng.integers(0, 2, n), rng.integers(0, n_objects, n)
    scores = rng.integers(0, draw(st.sampled_from([3, 1000])), n) / 4
    return labels, scores, index, n_objects, rng.integers(0, 4, (draw(st.integers(1, 6)), n_objects))


@given(images_and_draws())
def test_pairs_and_sums_are_equal_bit_by_bit_and_equal_repeated_rows(drawn):
    labels, scores, index, n_objects, weights = drawn
    pooled = ObjectAuroc(labels, scores, index, n_objects)
    by_pairs, by_sums = pooled.values_by_pairs(weights), pooled.values_by_sums(weights)
    np.testing.assert_array_equal(by_pairs, by_sums)
    np.testing.assert_array_equal(by_pairs, m.weighted_auroc(labels, scores, weights[:, index]))
    for w, value in zip(weights, by_pairs, strict=True):
        y, s = np.repeat(labels, w[index]), np.repeat(scores, w[index])
        if 0 < y.sum() < len(y):
            assert value == pytest.approx(roc_auc_score(y, s), abs=1e-12)
        else:
            assert np.isnan(value)


@settings(max_examples=20)
@given(images_and_draws(), st.integers(1, 40))
def test_blocks_change_no_bit(drawn, block):
    labels, scores, index, n_objects, weights = drawn
    pooled = ObjectAuroc(labels, scores, index, n_objects)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(m.blocks, "__defaults__", (block,))
        small = ObjectAuroc(labels, scores, index, n_objects)
        np.testing.assert_array_equal(small.values_by_pairs(weights), pooled.values_by_pairs(weights))
        np.testing.assert_array_equal(small.values_by_sums(weights), pooled.values_by_sums(weights))


@given(images_and_draws())
def test_leaving_out_an_object_is_judging_the_others(drawn):
    labels, scores, index, n_objects, _ = drawn
    for g, value in enumerate(ObjectAuroc(labels, scores, index, n_objects).leave_one_out()):
        y, s = labels[index != g], scores[index != g]
        if 0 < y.sum() < len(y):
            assert value == pytest.approx(m.auroc(y, s), abs=1e-12)
        else:
            assert np.isnan(value)


@pytest.mark.parametrize("times", [1, 2**11, 2**25])
def test_large_multiplicities_stay_exact(times):
    # Sums below 2^24 (single precision), below 2^53 (double), and above (whole numbers).
    rng = np.random.default_rng(0)
    labels, scores, index = rng.integers(0, 2, 40), rng.integers(0, 9, 40) / 8, np.arange(40) // 4
    weights = rng.integers(1, 3, (5, 10))
    pooled = ObjectAuroc(labels, scores, index, 10)
    expected = m.weighted_auroc(labels, scores, weights[:, index])
    np.testing.assert_allclose(pooled.values_by_pairs(times * weights), expected, rtol=1e-15)
    np.testing.assert_array_equal(pooled.values_by_pairs(times * weights), pooled.values_by_sums(times * weights))


def test_the_algorithm_is_chosen_by_size():
    def case(n_defective, n_good, views):
        index = np.repeat(np.arange(n_defective + n_good), views)
        return ObjectAuroc((index < n_defective).astype(int), np.arange(len(index)) * 1.0, index, n_defective + n_good)

    assert case(10, 40, 50).by_pairs
    assert not case(500, 2000, 1).by_pairs
    assert not case(1000, 4000, 50).by_pairs  # more pairs than MAX_PAIRS are not held in memory


@pytest.mark.parametrize("views", [1, 4])
@pytest.mark.parametrize("method", ["percentile", "bca", "studentised"])
def test_a_batch_changes_no_bit_of_the_interval(method, views):
    rng = np.random.default_rng(3)
    objects = np.repeat(np.arange(40), views)
    labels = (objects % 3 == 0).astype(int)
    scores = (rng.normal(size=len(objects)) + labels).round(1)

    def interval(**options):
        return bootstrap_interval(labels, scores, objects=objects, method=method, n_resamples=300, seed=5, **options)

    expected = interval()
    assert interval(batch=1) == interval(batch=7) == interval(batch=10_000) == expected
    with pytest.MonkeyPatch.context() as patch:  # nor does the algorithm
        patch.setattr(object_auroc, "PAIRS_PER_IMAGE", 0)
        assert interval() == expected
        patch.setattr(object_auroc, "PAIRS_PER_IMAGE", 10**9)
        assert interval() == expected


@pytest.mark.parametrize("metric", ["average_precision", lambda y, s, w: float(np.average(s * y, weights=w))])
def test_a_batch_changes_no_bit_for_other_metrics(metric):
    rng = np.random.default_rng(3)
    labels, scores = np.repeat([0, 1], 20), rng.normal(size=40)
    expected = bootstrap_interval(labels, scores, metric=metric, n_resamples=60)
    for batch in (1, 7):
        assert bootstrap_interval(labels, scores, metric=metric, n_resamples=60, batch=batch) == expected


@pytest.mark.parametrize("batch", [0, -1, 1.5])
def test_a_wrong_batch_is_an_error(batch):
    with pytest.raises(InputError, match="batch"):
        bootstrap_interval([0, 0, 1, 1], [1, 2, 3, 4], batch=batch)


@pytest.mark.parametrize("digits", [0, 6])
def test_names_of_objects_and_order_of_rows_change_no_bit(digits):
    rng = np.random.default_rng(8)
    objects = np.repeat(np.arange(30), 3)
    labels = ((objects % 2 == 0) & (rng.random(90) < 0.7)).astype(int)
    scores = (rng.normal(size=90) + labels).round(digits)
    expected = bootstrap_interval(labels, scores, objects=objects, n_resamples=100)
    order = rng.permutation(90)
    names = np.array([f"part {k}" for k in rng.permutation(30)])
    again = bootstrap_interval(labels[order], scores[order], objects=names[objects][order], n_resamples=100)
    assert again == expected


def test_images_are_drawn_as_objects_of_one_image_are():
    rng = np.random.default_rng(2)
    labels, scores = rng.integers(0, 2, 50), rng.normal(size=50).round(1)
    images = bootstrap_interval(labels, scores, n_resamples=100)
    single = bootstrap_interval(labels, scores, n_resamples=100, objects=[f"{k}" for k in rng.permutation(50)])
    assert (images.low, images.high, images.se) == (single.low, single.high, single.se)


@given(images_and_draws())
def test_ordered_objects_are_the_same_objects(drawn):
    labels, scores, index, _, _ = drawn
    defective, position = ordered_objects(labels, scores, index)
    assert (np.diff(defective.astype(int)) >= 0).all()  # good ones first
    assert len(set(zip(index.tolist(), position.tolist(), strict=True))) == len(set(index)) == len(defective)
    np.testing.assert_array_equal(np.bincount(position, labels) > 0, defective)


def test_replicates_follow_the_loop_over_scikit_learn_on_the_same_draws():
    rng = np.random.default_rng(4)
    index = np.repeat(np.arange(20), 6)
    labels = (index < 8).astype(int)
    scores = rng.normal(size=20)[index] + rng.normal(size=120) + labels
    weights = draw_objects(np.arange(20) < 8, 50, rng)
    loop = [roc_auc_score(np.repeat(labels, w[index]), np.repeat(scores, w[index])) for w in weights]
    np.testing.assert_allclose(ObjectAuroc(labels, scores, index, 20).values(weights), loop, atol=1e-12)


@given(st.lists(st.integers(0, 5), max_size=12))
def test_arrays_and_lists_of_numbers_name_the_same_objects(names):
    for dtype in (np.int64, np.int32, np.uint8):
        ids, index = object_index(np.array(names, dtype), len(names))
        expected_ids, expected = object_index(names, len(names))
        assert ids.tolist() == expected_ids.tolist()
        np.testing.assert_array_equal(index, expected)
