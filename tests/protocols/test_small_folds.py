"""The protocol bootstrap where redrawing would throw away nearly all draws: folds of a few parts."""

import numpy as np
import pandas as pd
import pytest

from protocols import SampleTable, ScoreTable, auroc, protocol_bootstrap, rotations
from protocols.intervals.protocol_bootstrap import KEY, judged
from protocols.intervals.resampling import MAX_LEFT_OUT, resample_objects


def study(n_defective, folds, runs=2, seed=0):
    rng = np.random.default_rng(seed)
    names = [f"d{i}" for i in range(n_defective)] + [f"g{i}" for i in range(4 * n_defective)]
    frame = pd.DataFrame({"sample_id": names, "object_id": names, "label": [int(n[0] == "d") for n in names]})
    scored = frame.assign(score=rng.normal(size=len(names)) + 1.2 * frame["label"])
    splits = rotations(SampleTable.checked(frame, "study"), runs=runs, folds=folds, seed=seed)
    return splits, ScoreTable.checked(scored, "study")


def drawn(splits, table, n_resamples=200):
    repeats = [judged(split, table) for split in splits]
    parts = [part for repeat in repeats for part in (repeat.threshold, repeat.inference)]
    return repeats, resample_objects(parts, n_resamples=n_resamples, seed=1, key=KEY)


def test_draws_are_kept_where_redrawing_would_select_them():
    _, resampling = drawn(*study(15, folds=5))
    assert resampling.lacking > 0.05
    assert resampling.redrawn == 0
    good, defective = resampling.n_objects
    assert resampling.weights[:, good:].sum(axis=1).tolist() == [defective] * len(resampling.weights)


def test_large_folds_are_redrawn_as_before():
    _, resampling = drawn(*study(40, folds=2))
    assert resampling.lacking == 0
    assert not any("leave that repeat out" in note for note in resampling.notes)


def test_a_replicate_is_the_mean_over_the_repeats_that_have_the_metric():
    splits, table = study(15, folds=5)
    repeats, resampling = drawn(splits, table)
    replicates = np.full((len(repeats), len(resampling.weights)), np.nan)
    for j, repeat in enumerate(repeats):
        units = repeat.inference
        for b, weights in enumerate(resampling.of(units)):
            if weights[units.labels == 1].sum() and weights[units.labels == 0].sum():
                replicates[j, b] = auroc(np.repeat(units.labels, weights), np.repeat(units.scores, weights))
    left_out = np.isnan(replicates).mean(axis=0)
    assert 0 < left_out.max() < 1
    expected = np.where(
        left_out <= MAX_LEFT_OUT, np.nansum(replicates, axis=0) / (~np.isnan(replicates)).sum(0), np.nan
    )
    assert np.allclose(resampling.mean(replicates), expected, equal_nan=True)
    usable = expected[~np.isnan(expected)]
    e = protocol_bootstrap(splits, table, n_resamples=200, seed=1)
    assert f"plain bootstrap [{np.quantile(usable[:200], 0.025):.6g}, " in " ".join(e.notes)
    assert any("leave that repeat out" in note for note in e.notes)


@pytest.mark.parametrize(("n_defective", "status"), [(30, "ok"), (10, "degenerate")])
def test_only_replicates_that_lack_many_folds_make_the_interval_doubtful(n_defective, status):
    splits, table = study(n_defective, folds=5, runs=10)
    assert protocol_bootstrap(splits, table, n_resamples=200).status == status
