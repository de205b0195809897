import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from protocols import auroc, delong_interval, delong_test
from protocols.errors import InputError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "paired_delong.json").read_text())["sets"]
Y, A, B = [0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4], [1, 1, 3, 2, 3, 2, 5]
paired_rows = st.lists(
    st.tuples(st.integers(0, 7), st.booleans(), st.integers(0, 6), st.integers(0, 6)), min_size=4, max_size=16
).filter(lambda r: min(len({o for o, y, *_ in r if y == c}) for c in (True, False)) >= 2)


def columns(rows):
    objects, labels, a, b = zip(*rows, strict=True)
    return np.array(labels, int), np.array(a, float), np.array(b, float), np.array(objects)


def psi(x, y):
    return 1.0 if x > y else 0.5 if x == y else 0.0


def by_definition(labels, scores_of_two, objects):
    """Obuchowski's covariances with loops over objects and pairs; one image an object is DeLong's."""
    pos, neg = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    big_m, big_n, ids = len(pos), len(neg), sorted(set(objects))
    area, x_sums, y_sums = [], [], []
    for s in scores_of_two:
        area.append(sum(psi(s[i], s[j]) for i in pos for j in neg) / (big_m * big_n))
        x_sums.append([sum(psi(s[i], s[j]) for i in pos if objects[i] == g for j in neg) / big_n for g in ids])
        y_sums.append([sum(psi(s[i], s[j]) for j in neg if objects[j] == g for i in pos) / big_m for g in ids])
    m = [sum(objects[i] == g for i in pos) for g in ids]
    n = [sum(objects[j] == g for j in neg) for g in ids]
    i10, i01, i = sum(c > 0 for c in m), sum(c > 0 for c in n), len(ids)

    def covariance(k, q):
        s10 = s01 = s11 = s11_back = 0.0
        for g in range(i):
            dx_k, dx_q = x_sums[k][g] - m[g] * area[k], x_sums[q][g] - m[g] * area[q]
            dy_k, dy_q = y_sums[k][g] - n[g] * area[k], y_sums[q][g] - n[g] * area[q]
            s10 += i10 / ((i10 - 1) * big_m) * dx_k * dx_q
            s01 += i01 / ((i01 - 1) * big_n) * dy_k * dy_q
            s11 += i / (i - 1) * dx_k * dy_q
            s11_back += i / (i - 1) * dx_q * dy_k
        return s10 / big_m + s01 / big_n + (s11 + s11_back) / (big_m * big_n)

    return area[0] - area[1], covariance(0, 0) + covariance(1, 1) - 2 * covariance(0, 1)


def test_example_5_1_second_detector():
    r = delong_test(Y, A, B)
    assert r.difference == pytest.approx(-0.0416667, abs=1e-7)
    assert r.difference / r.statistic == pytest.approx(0.2307396, abs=1e-7)
    assert r.statistic == pytest.approx(-0.180579, abs=1e-6)
    assert r.p_value == pytest.approx(0.856698, abs=1e-6)
    assert delong_interval(Y, B).se ** 2 == pytest.approx(0.0260417, abs=1e-7)
    assert math.isnan(r.df)
    assert r.status == "ok"


@pytest.mark.parametrize("name", GOLDEN)
def test_equals_proc(name):
    s = GOLDEN[name]
    for alternative, p in zip(("two-sided", "greater", "less"), s["p"], strict=True):
        r = delong_test(s["labels"], s["a"], s["b"], alternative=alternative)
        assert r.difference == pytest.approx(s["auroc"][0] - s["auroc"][1], abs=1e-10)
        assert (r.statistic, r.p_value) == pytest.approx((s["z"], p), abs=1e-10, rel=1e-10)
    r = delong_test(s["labels"], s["a"], s["b"])
    assert (r.low, r.high) == pytest.approx(s["interval"], abs=1e-10)
    v_a, v_b, covariance = s["variances"]
    assert (r.difference / r.statistic) ** 2 == pytest.approx(v_a + v_b - 2 * covariance, abs=1e-12)


@given(paired_rows)
def test_clustered_variance_equals_the_definition(rows):
    labels, a, b, objects = columns(rows)
    difference, variance = by_definition(labels, (a, b), objects)
    r = delong_test(labels, a, b, objects=objects)
    assert r.difference == pytest.approx(difference, abs=1e-12)
    if r.status == "ok":
        assert r.difference == pytest.approx(r.statistic * math.sqrt(variance), abs=1e-10)
        if r.difference:
            assert (r.difference / r.statistic) ** 2 == pytest.approx(variance, rel=1e-9)
        least = min(len(set(objects[labels == c])) for c in (0, 1))
        assert r.df == least - 1
        assert r.p_value == pytest.approx(2 * stats.t.sf(abs(r.statistic), least - 1), abs=1e-9)
    else:
        assert variance == pytest.approx(0, abs=1e-12)


@given(paired_rows)
def test_plain_variance_equals_the_definition(rows):
    labels, a, b, _ = columns(rows)
    difference, variance = by_definition(labels, (a, b), np.arange(len(labels)))
    r = delong_test(labels, a, b)
    assert r.difference == pytest.approx(difference, abs=1e-12)
    if r.status == "ok":
        assert r.statistic * math.sqrt(variance) == pytest.approx(difference, abs=1e-10)
        assert r.p_value == pytest.approx(2 * stats.norm.sf(abs(r.statistic)), abs=1e-12)
        half = stats.norm.ppf(0.975) * math.sqrt(variance)
        assert (r.low, r.high) == pytest.approx((max(difference - half, -1), min(difference + half, 1)), abs=1e-10)
    else:
        assert variance == pytest.approx(0, abs=1e-12)


@given(paired_rows, st.sampled_from(["two-sided", "greater", "less"]), st.booleans())
def test_swapping_the_detectors_mirrors_everything(rows, alternative, clustered):
    labels, a, b, objects = columns(rows)
    objects = objects if clustered else None
    mirror = {"two-sided": "two-sided", "greater": "less", "less": "greater"}[alternative]
    there = delong_test(labels, a, b, objects=objects, alternative=alternative)
    back = delong_test(labels, b, a, objects=objects, alternative=mirror)
    np.testing.assert_allclose(
        [there.difference, there.statistic, there.p_value, there.low, there.high],
        [-back.difference, -back.statistic, back.p_value, -back.high, -back.low], atol=1e-12)  # fmt: skip


@given(paired_rows, st.randoms(use_true_random=False))
def test_rank_maps_row_order_and_names_change_nothing(rows, random):
    labels, a, b, objects = columns(rows)
    before = delong_test(labels, a, b, objects=objects)
    order = list(range(len(labels)))
    random.shuffle(order)
    names = random.sample(range(1000), 8)
    after = delong_test(labels[order], np.exp(a[order]), b[order] ** 3 - 5,
                        objects=[f"part {names[g]}" for g in objects[order]])  # fmt: skip
    assert after.status == before.status
    for field in ("difference", "statistic", "df", "p_value", "low", "high"):
        assert getattr(after, field) == pytest.approx(getattr(before, field), abs=1e-9, nan_ok=True), field


def test_one_image_an_object_gives_the_plain_test():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [25, 22])
    a, b = rng.normal(size=47) + labels, rng.normal(size=47) + labels
    plain, clustered = delong_test(labels, a, b), delong_test(labels, a, b, objects=range(47))
    assert (clustered.statistic, clustered.p_value, clustered.low, clustered.high) == pytest.approx(
        (plain.statistic, plain.p_value, plain.low, plain.high), abs=1e-12)  # fmt: skip
    assert plain.notes == clustered.notes == ()


def test_few_objects_take_student_for_p_and_interval_and_say_so():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], [40, 12])
    a, b = rng.normal(size=52) + labels, rng.normal(size=52) + labels
    r = delong_test(labels, a, b, objects=range(52))
    se = r.difference / r.statistic
    assert r.df == 11
    assert r.p_value == pytest.approx(2 * stats.t.sf(abs(r.statistic), 11), abs=1e-12)
    assert r.high - r.low == pytest.approx(2 * stats.t.ppf(0.975, 11) * se, abs=1e-12)
    assert r.statistic == pytest.approx(delong_test(labels, a, b).statistic, abs=1e-12)
    assert "t quantile with 11 df" in r.notes[0]
    assert len(r.notes) == 1
    fewer = delong_test(labels[:48], a[:48], b[:48], objects=range(48))
    assert any("below 10" in note for note in fewer.notes)
    assert any("few images" in note for note in delong_test(labels, a, b).notes)


def test_small_sample_takes_satterthwaites_degrees_of_freedom():
    rng = np.random.default_rng(3)
    sizes = np.append(np.full(20, 2), [60, 50, 40, 30, 20])
    objects = np.concatenate([np.repeat(range(25), sizes), np.repeat(range(25, 50), sizes)])
    labels = (objects < 25).astype(int)
    a, b = (rng.normal(size=len(labels)) + labels for _ in range(2))
    plain = delong_test(labels, a, b, objects=objects)
    assert math.isnan(plain.df)
    assert plain.notes == ("objects of very unequal sizes (25 anomalous, 25 nominal) count as 6: see small_sample",)
    assert sizes.sum() ** 2 / (sizes**2).sum() == pytest.approx(6, abs=0.5)
    careful = delong_test(labels, a, b, objects=objects, small_sample=True)
    assert careful.statistic == plain.statistic
    assert 1 <= careful.df < 24
    assert careful.p_value == pytest.approx(2 * stats.t.sf(abs(careful.statistic), careful.df), abs=1e-12)
    assert careful.p_value > plain.p_value
    assert careful.notes == ()
    singles = delong_test(labels, a, b, small_sample=True)
    assert 100 < singles.df < len(labels)
    assert singles.p_value == pytest.approx(delong_test(labels, a, b, objects=range(480), small_sample=True).p_value)


def test_one_sided_intervals_end_at_the_range():
    greater, less = (delong_test(Y, A, B, alternative=alternative) for alternative in ("greater", "less"))
    assert greater.high == 1.0
    assert less.low == -1.0
    assert greater.p_value + less.p_value == pytest.approx(1, abs=1e-12)
    assert greater.difference - greater.low == pytest.approx(stats.norm.ppf(0.95) * 0.2307396, abs=1e-6)


@given(paired_rows, st.booleans())
def test_a_detector_equals_itself(rows, clustered):
    labels, a, _, objects = columns(rows)
    r = delong_test(labels, a, 2 * a, objects=objects if clustered else None)
    assert (r.difference, r.p_value) == (0.0, 1.0)
    assert math.isnan(r.low)
    assert "no variance" in r.notes[0]


@pytest.mark.parametrize("objects", [None, "abcdef", "aabbcc"])
def test_a_difference_without_variance_is_degenerate(objects):
    # Perfect against perfectly wrong: every placement value differs by 1.
    r = delong_test([0, 1] * 3, [0, 1] * 3, [1, 0] * 3, objects=objects)
    assert (r.difference, r.status) == (1.0, "degenerate")
    assert math.isnan(r.p_value)
    assert math.isnan(r.low)


def test_terms_that_cancel_give_way_to_the_cluster_bootstrap():
    # In every object the two views' placements under a add up to the same; b does not tell the classes apart.
    labels = [1, 0] * 6
    a = [5, 4, 3, 2, 7, 6, 1, 0, 9, 8, 11, 10]
    objects = np.repeat(range(6), 2)
    assert by_definition(np.array(labels), (a, [0] * 12), objects)[1] == pytest.approx(0, abs=1e-15)
    r = delong_test(labels, a, [0] * 12, objects=objects)
    assert r.status == "degenerate"
    assert "cluster bootstrap" in r.notes[0]
    assert r.difference == pytest.approx(auroc(labels, a) - 0.5)


@pytest.mark.parametrize(
    ("labels", "objects", "reason"),
    [
        ([1, 1, 1, 1], None, "needs both classes"), ([0, 0, 0, 0], "aabb", "needs both classes"),
        ([0, 0, 0, 1], None, "two images a class"), ([0, 1, 1, 1], "abbb", "cannot separate object effect"),
    ],
)  # fmt: skip
def test_too_few_in_a_class_is_undefined(labels, objects, reason):
    r = delong_test(labels, [1, 2, 3, 4], [2, 1, 4, 3], objects=objects)
    assert r.status == "undefined"
    assert math.isnan(r.p_value)
    assert math.isnan(r.low)
    assert reason in r.notes[0]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((Y, A, [*B[:-1], math.nan]), {}, "scores_b, position 6"), ((Y, [math.inf, *A[1:]], B), {}, "scores_a, pos"),
        ((Y, A, B[:-1]), {}, "scores_b.*length 6"), ((A, B, Y), {}, "swapped"), ((Y, A, B), {"level": 95}, "level"),
        ((Y, A, B), {"alternative": "larger"}, "alternative"), ((Y, A, B), {"objects": "ab"}, "objects"),
    ],
)  # fmt: skip
def test_bad_arguments_are_errors(arguments, options, message):
    with pytest.raises(InputError, match=message):
        delong_test(*arguments, **options)


def test_ties_and_constant_scores_are_told_apart_by_detector():
    notes = delong_test([0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1], [1, 1, 2, 2, 2, 1]).notes
    assert "scores_a: all scores are equal" in notes
    assert any(note.startswith("scores_b: only 2 of 6") for note in notes)
