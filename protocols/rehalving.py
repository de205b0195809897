"""The threshold and inference partitions of a trained repeat, halved anew: nothing is trained again."""

from __future__ import annotations

from dataclasses import replace

from .errors import SplitError
from .nominal_partitions import Quota, default_unit, nominal_parts
from .object_pool import pool_of_split
from .partition import Split, require_objects
from .samples import SampleTable
from .splits import ATTEMPTS, check_options, check_repeats, halve, partitions


def rehalved(
    split: Split,
    samples: SampleTable,
    *,
    block: int,
    seed: int = 0,
    quota_unit: str | None = None,
    ndo: str = "exclude",
    object_policy: str = "required",
) -> Split:
    """Return a split with the same training, its evaluation partitions drawn anew from their union.

    Defective objects are halved by defect type, good objects dealt in turn, by the rules of
    :func:`~protocols.splits.grouped_three_way`. The key is that of the repeat with other attempts: block b tries the
    attempts 64 b to 64 b + 63, so that no block shares a permutation with another or with the repeat itself (block 0).

    Parameters
    ----------
    split
        A three-way split of these samples.
    samples
        The images with object ids.
    block
        Which of the new halvings, from 1.
    seed, quota_unit, ndo, object_policy
        Those that the split was drawn with. A quota of images is that of the split, or the largest that both sides
        can supply.

    Returns
    -------
    Split
        With the repeat, run and fold of the given one.

    Raises
    ------
    SplitError
        As :func:`~protocols.splits.grouped_three_way`.
    """
    check_repeats(block, "block", "Block 0 is the split itself.")
    check_options(seed, 1, quota_unit, 0, ndo)
    samples = require_objects(samples, object_policy)
    pool = pool_of_split(samples, split.threshold + split.inference)
    where = f"split {split.repeat}, block {block}"
    if len(pool.anomalous) < 2 or len(pool.judged) < 2:
        raise SplitError(
            where,
            f"{len(pool.anomalous)} defective and {len(pool.judged)} good objects in threshold and inference",
            "at least 2 of each",
            "Only a three-way split can be halved anew.",
            "TooFewDefectiveObjects" if len(pool.anomalous) < 2 else "TooFewGoodObjects",
        )
    draw, sides, status, remarks = halve(pool, seed, split.repeat, where=where, first_attempt=block * ATTEMPTS)
    h = len(pool.judged) // 2
    n_nominal = sum(len(ids) for side in (pool.judged, pool.hidden) for ids in side.values())
    quota = Quota(default_unit(samples, quota_unit), h, h, n_nominal // 2, ndo)
    while True:
        try:
            parts = nominal_parts(pool, sides, quota, draw)
            break
        except SplitError:  # one side drew the objects with few images: both take what it has
            if quota.n_images <= 1:
                raise
            quota = replace(quota, n_images=quota.n_images - 1)
    partition = {**dict.fromkeys(samples.frame["sample_id"], "unused"), **dict.fromkeys(split.train, "train")}
    drawn = partitions(samples, pool, sides, parts)
    partition |= {i: name for i, name in drawn.items() if name != "unused"}
    kept = tuple(note for note in split.notes if not note.startswith("unbalanced"))
    notes = (*kept, *remarks, f"halved anew: block {block}")
    again = Split.from_partitions(split.repeat, partition, status=status, notes=notes, run=split.run, fold=split.fold)
    again.check(samples)
    return again
