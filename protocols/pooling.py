"""Whether nominal test images may be pooled with the nominal training images: whether they score alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .comparisons.ranks import midranks
from .comparisons.two_sample import object_ks_test
from .inputs import Seed
from .partition import Split
from .results import TestResult
from .scores import LAST, ScoreTable
from .units import grouped

DIFFERENT = 0.01  # below this p pooling is not supported


def pooling_test(
    splits: Sequence[Split],
    tables: Sequence[ScoreTable | None],
    *,
    object_policy: str = "required",
    n_resamples: int = 10000,
    seed: Seed = 0,
) -> TestResult:
    r"""Compare the scores of held-out good objects from the training source with those from the test source.

    In each repeat the nominal images of good objects in threshold and inference are ranked by score; an object's value
    is the mean of :math:`(midrank - 1/2) / n` over its images and repeats. So scores of different trainings need no
    common scale, and each object counts once. The two sources are compared by the permutation test of
    :func:`~protocols.comparisons.two_sample.object_ks_test`.

    Parameters
    ----------
    splits, tables
        The repeats of a protocol that pools (``merge_nominal_test``); None for one that failed.
    object_policy
        ``required``, or ``image_is_object``: each image is its own object.
    n_resamples, seed
        Of the permutations.

    Returns
    -------
    TestResult
        ``statistic`` is D. ``undefined`` where a source has no object of its own; objects with images in both sources
        are left out, with a note.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"sample_id": list("abcdefgh"), "object_id": list("abcdefgh"),
    ...                       "label": [1, 1, 0, 0, 0, 0, 0, 0], "score": [9, 8, 1, 2, 3, 4, 5, 6],
    ...                       "source": ["test"] * 5 + ["train"] * 3})
    >>> split = Split(0, ("c",), ("a", "d", "f"), ("b", "e", "g"), ("h",))
    >>> r = pooling_test([split], [ScoreTable.checked(frame)])
    >>> r.statistic, round(r.p_value, 4)  # d, e against f, g
    (1.0, 0.3333)
    """
    parts = [
        _ranked(split, table, object_policy) for split, table in zip(splits, tables, strict=True) if table is not None
    ]
    empty = pd.DataFrame({"object": [], "source": [], "rank": []})
    ranks = pd.concat(parts, ignore_index=True) if parts else empty
    means = ranks.groupby(["object", "source"], as_index=False)["rank"].mean()
    train, test = (means[means["source"] == source] for source in ("train", "test"))
    return object_ks_test(
        train["rank"].to_numpy(np.float64), list(train["object"]), test["rank"].to_numpy(np.float64),
        list(test["object"]), n_resamples=n_resamples, seed=seed,
    )  # fmt: skip


def pooling_note(result: TestResult) -> tuple[str, bool]:
    """Return what to say of the check, and whether pooling is refuted (p below 0.01)."""
    if result.status == "undefined":
        return f"pooling of nominal images not checked: {'; '.join(result.notes)}", False
    found = f"KS D={result.statistic:.4g}, p={result.p_value:.4g}"
    if result.p_value < DIFFERENT:
        return f"nominal test differs from nominal train; pooling not supported ({found})", True
    return f"nominal test does not differ visibly from nominal train ({found})", False


def _ranked(split: Split, table: ScoreTable, object_policy: str) -> pd.DataFrame:
    """Return object, source and rank of the held-out nominal images of good objects."""
    frame = table.at(LAST).frame
    objects = frame["object_id" if grouped(table, object_policy) else "sample_id"]
    defective = set(objects[frame["label"] == 1])
    kept = frame["sample_id"].isin(set(split.threshold + split.inference)) & ~objects.isin(defective)
    scores = frame["score"][kept].to_numpy(np.float64)
    ranks = (midranks(scores)[0] - 0.5) / max(1, scores.size)
    return pd.DataFrame({"object": objects[kept], "source": frame["source"][kept], "rank": ranks})
