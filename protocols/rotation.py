"""Runs of folds: in a run every defective object is judged exactly once."""

from __future__ import annotations

from itertools import pairwise

from .draw import Draw
from .errors import SplitError
from .nominal_partitions import Quota, default_unit, image_quota, most_good_objects, nominal_parts
from .object_pool import Pool, object_pool
from .partition import Split, require_objects
from .results import Status
from .samples import SampleTable
from .splits import ATTEMPTS, TOLERANCE, check_options, check_repeats, check_training, partitions, refuse_imbalance

MOST_FOLDS = 10


def rotations(
    samples: SampleTable,
    *,
    runs: int = 10,
    folds: int = 5,
    seed: int = 0,
    nominal_ratio: float = 1,
    quota_unit: str | None = None,
    merge_nominal_test: bool = False,
    min_train_share: float = 0.5,
    ndo: str = "exclude",
    object_policy: str = "required",
    min_train_images: int = 1,
    allow_contaminated_train: bool = False,
) -> list[Split]:
    r"""Return runs of folds: fold j judges :math:`D_j + H_j` with a threshold chosen on :math:`D_{j+1} + H_{j+1}`.

    In each run the defective objects are dealt in turn, defect type by defect type, to :math:`D_0 .. D_{k-1}`, so that
    each is in inference exactly once; the good objects of :math:`H_0 .. H_{k-1}` match them, and those outside
    :math:`H_j` and :math:`H_{j+1}` (indices modulo k) train. The anomalies of the other folds are unused in a fold.

    Each run has its own draw, of the key :math:`v1|seed|run|attempt|role|id`. The deal goes on from one defect type to
    the next, so fold sizes differ by at most one. Of 64 attempts the first is taken in which no two neighbouring folds
    differ by more than 5 % of the anomalous images (at least by one image); else the best, with a note.

    Parameters
    ----------
    samples
        The images with object ids.
    runs
        Number of runs.
    folds
        Folds in a run, k: from 2 to 10, and at most the number of defective objects.
    seed
        An integer; 0 is a seed.
    nominal_ratio, quota_unit
        As in :func:`~protocols.splits.grouped_three_way`. ``H_j`` has ``floor(D / k)`` good objects, or
        ``floor(N_a * nominal_ratio / k)`` nominal images, of D defective objects with N_a anomalous images.
    merge_nominal_test, min_train_share, ndo, object_policy, min_train_images, allow_contaminated_train
        As in :func:`~protocols.splits.grouped_three_way`.

    Returns
    -------
    list of Split
        Run by run, fold by fold, with ``run``, ``fold`` and ``repeat`` = run * folds + fold.

    Raises
    ------
    SplitError
        With a ``code``: TooManyFolds, and those of :func:`~protocols.splits.grouped_three_way`.

    References
    ----------
    Bouckaert (2004), Estimating replicability of classifier learning experiments: runs of folds and what they are
    good for. Three partitions a fold are this project's.

    Examples
    --------
    >>> import pandas as pd
    >>> names = [f"o{i:02}" for i in range(40)]
    >>> frame = pd.DataFrame({"sample_id": names, "object_id": names, "label": [1] * 10 + [0] * 30})
    >>> splits = rotations(SampleTable.checked(frame), runs=2, folds=5)
    >>> judged = sorted(name for split in splits if split.run == 0 for name in split.inference if name < "o10")
    >>> len(splits), judged == names[:10]
    (10, True)
    """
    check_repeats(runs, "runs", "Use 5 to 10.")
    check_repeats(folds, "folds", "Use 5 to 10: one fold sets the threshold, another judges.", 2)
    check_options(seed, nominal_ratio, quota_unit, min_train_share, ndo)
    samples = require_objects(samples, object_policy)
    pool = object_pool(samples, merge=merge_nominal_test, allow_contaminated=allow_contaminated_train)
    n_defective = len(pool.anomalous)
    _check_folds(folds, pool)
    h_max = most_good_objects(pool, min_train_share, folds)
    n_images = image_quota(pool.n_anomalous, nominal_ratio, folds)
    quota = Quota(default_unit(samples, quota_unit), min(n_defective // folds, h_max), h_max, n_images, ndo)
    notes = pool.warnings(repeats=runs * folds, h=quota.h, nominal_ratio=nominal_ratio, object_policy=object_policy)
    splits = []
    for run in range(runs):
        draw, deal, status, remarks = _deal(pool, seed, run, folds)
        parts = nominal_parts(pool, deal, quota, draw)
        for fold in range(folds):
            sides = [(fold + 1) % folds, fold]  # threshold, inference
            partition = partitions(samples, pool, [deal[j] for j in sides], [parts[j] for j in sides])
            split = Split.from_partitions(
                run * folds + fold, partition, status=status, notes=notes + remarks, run=run, fold=fold
            )
            check_training(split, min_train_images, pool)
            split.check(samples)
            splits.append(split)
    return splits


def _check_folds(folds: int, pool: Pool) -> None:
    n_defective = len(pool.anomalous)
    if n_defective < max(2, min(folds, MOST_FOLDS)):
        raise SplitError(
            "samples",
            f"{n_defective} defective objects ({pool.n_anomalous} anomalous images)",
            f"at least one for each of {folds} folds",
            "Add defective objects, or lower folds.",
            "TooFewDefectiveObjects",
        )
    if folds > MOST_FOLDS:
        raise SplitError("folds", folds, f"at most {MOST_FOLDS}", "Use 5 to 10.", "TooManyFolds")


def _deal(pool: Pool, seed: int, run: int, folds: int) -> tuple[Draw, list[list[str]], Status, tuple[str, ...]]:
    """Deal the defective objects: the first attempt that balances the images, or the best of all."""
    best: tuple[int, Draw, list[list[str]]] | None = None
    for attempt in range(ATTEMPTS):
        draw = Draw(seed, run, attempt)
        deal: list[list[str]] = [[] for _ in range(folds)]
        order = [o for stratum in sorted(pool.strata) for o in draw.order(pool.strata[stratum], "A")]
        for position, name in enumerate(order):
            deal[position % folds].append(name)
        sizes = [pool.n_images(objects) for objects in deal]
        imbalance = max(abs(a - b) for a, b in pairwise([*sizes, sizes[0]]))
        if imbalance <= max(1.0, TOLERANCE * pool.n_anomalous):
            return draw, deal, "ok", ()
        if best is None or imbalance < best[0]:
            best = imbalance, draw, deal
    if best is None:
        raise ValueError("ATTEMPTS must be positive")
    imbalance, draw, deal = best
    counts = ", ".join(str(pool.n_images(objects)) for objects in deal)
    refuse_imbalance(imbalance, pool, f"samples, run {run}", f"folds of {counts} anomalous images")
    return draw, deal, "approximate", (f"unbalanced: folds of {counts} anomalous images",)
