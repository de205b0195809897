import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_val_score

from bench.sklearn import ThreeWaySplitter
from protocols.errors import InputError, SplitError


def data(n_good=12, n_bad=8, views=3):
    groups = np.repeat(np.arange(n_good + n_bad), views)
    return (groups >= n_good).astype(int), np.array([f"part{g}" for g in groups])


def test_no_object_is_on_two_sides_and_training_is_nominal():
    y, groups = data()
    triples = list(ThreeWaySplitter(repeats=5, seed=1).three_way(y, y, groups))
    assert len(triples) == 5
    for parts in triples:
        objects = [set(groups[p]) for p in parts]
        assert not objects[0] & objects[1] and not objects[0] & objects[2] and not objects[1] & objects[2]
        assert y[parts[0]].max() == 0
        assert all(set(y[p]) == {0, 1} for p in parts[1:])


def test_split_yields_train_and_inference_of_the_same_splits():
    y, groups = data()
    splitter = ThreeWaySplitter(repeats=3)
    pairs, triples = list(splitter.split(y, y, groups)), list(splitter.three_way(y, y, groups))
    for (train, test), (same_train, _, inference) in zip(pairs, triples, strict=True):
        assert np.array_equal(train, same_train) and np.array_equal(test, inference)
    assert splitter.get_n_splits() == 3


def test_scikit_learn_accepts_it_as_a_cross_validator():
    y, groups = data()
    X = np.arange(len(y))[:, None]
    scores = cross_val_score(DummyClassifier(), X, y, groups=groups, cv=ThreeWaySplitter(repeats=4))
    assert scores == pytest.approx(np.full(4, 3 / 7), abs=0.2) and len(scores) == 4


def test_options_are_passed_on_and_images_may_be_objects_when_stated():
    y, _ = data()
    with pytest.raises(InputError, match="groups: found None"):
        list(ThreeWaySplitter().split(y, y))
    train, test = next(ThreeWaySplitter(object_policy="image_is_object", nominal_ratio=0.5).split(y, y))
    assert len(set(train) & set(test)) == 0 and len(train) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(([1, 2], None, [1, 2]), "y: found None"), (([1, 2], [0, 1], [1]), "equal"), (([1], [0, 1], [1, 2]), "equal")],
)
def test_missing_and_unequal_arrays_are_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        list(ThreeWaySplitter().split(*arguments))


def test_too_few_objects_are_an_error():
    with pytest.raises(SplitError):
        list(ThreeWaySplitter().split([0, 1], [0, 1], [0, 1]))


def test_runs_of_folds_judge_every_defective_object_once_a_run():
    y, groups = data()
    splitter = ThreeWaySplitter(design="rotate", runs=2, folds=4, seed=3)
    triples = list(splitter.three_way(y, y, groups))
    assert len(triples) == splitter.get_n_splits() == 8
    for run in (triples[:4], triples[4:]):
        judged = [set(groups[test][y[test] == 1]) for _, _, test in run]
        assert sorted(o for objects in judged for o in objects) == sorted(set(groups[y == 1]))
        assert all(np.array_equal(run[j][1], run[(j + 1) % 4][2]) for j in range(4))
    with pytest.raises(InputError, match="design"):
        ThreeWaySplitter(design="shuffle")


def test_with_swap_both_directions_are_yielded_and_counted():
    y, groups = data()
    splitter = ThreeWaySplitter(repeats=2, swap=True)
    triples = list(splitter.three_way(y, y, groups))
    assert len(triples) == splitter.get_n_splits() == 4
    for there, back in (triples[:2], triples[2:]):
        assert np.array_equal(there[1], back[2]) and np.array_equal(there[2], back[1])
