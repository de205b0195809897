"""The object-grouped repeated three-way splitter: independent halvings of the same objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

from .draw import Draw
from .errors import InputError, SplitError
from .nominal_partitions import NominalPart, Quota, default_unit, image_quota, most_good_objects, nominal_parts
from .object_pool import Pool, object_pool
from .partition import Split, fingerprint, require_objects
from .results import Status
from .samples import SampleTable

__all__ = ["Draw", "Split", "fingerprint", "grouped_three_way"]

ATTEMPTS = 64
TOLERANCE = 0.05


def grouped_three_way(
    samples: SampleTable,
    *,
    repeats: int = 10,
    seed: int = 0,
    nominal_ratio: float = 1,
    quota_unit: str | None = None,
    merge_nominal_test: bool = False,
    min_train_share: float = 0.5,
    ndo: str = "exclude",
    object_policy: str = "required",
    swap: bool = False,
    min_train_images: int = 1,
    allow_contaminated_train: bool = False,
) -> list[Split]:
    """Return repeated three-way splits in which no object is on two sides.

    The defective objects are halved, within defect types, into threshold and inference; both get as many good
    objects (or images); the good objects that remain train.

    Parameters
    ----------
    samples
        The images with object ids.
    repeats
        Number of independent splits.
    seed
        An integer; 0 is a seed.
    nominal_ratio
        Nominal images per anomalous image in an evaluation partition; acts on ``quota_unit="image"`` only.
    quota_unit
        ``object``: an evaluation partition takes all images of its good objects. ``image``: it takes a quota of
        images, spread over them. None: ``image`` if every object has one image, else ``object``.
    merge_nominal_test
        Whether nominal test images and nominal training images are one pool.
    min_train_share
        Least share of the good objects that stays for training, in [0, 1); for a pool.
    ndo
        What nominal images of defective objects are good for: ``exclude``: views of their object only;
        ``evaluate``: also nominal images, at most half of a partition's.
    object_policy
        ``required``: every image needs an object id. ``image_is_object``: each image is its own object.
    swap
        Add, after each split, its mirror image: threshold and inference exchanged, the same repeat and training,
        ``swapped`` in its notes. The mean of the two directions uses all defective objects in every repeat.
    min_train_images
        Least number of training images.
    allow_contaminated_train
        Move anomalous training images to the test images, with a note, instead of refusing them.

    Returns
    -------
    list of Split
        One a repeat, with ``swap`` two; warnings in ``notes``.

    Raises
    ------
    SplitError
        With a ``code``: TooFewDefectiveObjects, TooFewGoodObjects, InsufficientNominal, EmptyTraining,
        UnbalanceableGroups, SingleClassPartition, AnomalyInTrain, MissingObjectId.

    References
    ----------
    Hönel & Nordqvist (2025), From Lab to Factory: Pitfalls and Guidelines for Self-/Unsupervised Defect Detection on
    Low-Quality Industrial Images, section 4.3.

    Examples
    --------
    >>> import pandas as pd
    >>> names = [f"o{i}" for i in range(1, 7)] + [f"g{i:02}" for i in range(12)]
    >>> frame = pd.DataFrame({"sample_id": names, "object_id": names, "label": [1] * 6 + [0] * 12})
    >>> samples = SampleTable.checked(frame)
    >>> split = grouped_three_way(samples, repeats=1, seed=42)[0]
    >>> [name for name in split.threshold if name in names[:6]], len(split.train), split.shared_objects(samples)
    (['o3', 'o4', 'o6'], 6, ())
    """
    check_repeats(repeats, "repeats", "Use 5 to 10.")
    check_options(seed, nominal_ratio, quota_unit, min_train_share, ndo)
    samples = require_objects(samples, object_policy)
    pool = object_pool(samples, merge=merge_nominal_test, allow_contaminated=allow_contaminated_train)
    n_defective = len(pool.anomalous)
    if n_defective < 2:
        raise SplitError(
            "samples",
            f"{n_defective} defective objects ({pool.n_anomalous} anomalous images)",
            "at least 2 defective objects",
            "Add defective objects.",
            "TooFewDefectiveObjects",
        )
    h_max = most_good_objects(pool, min_train_share)
    n_images = image_quota(pool.n_anomalous, nominal_ratio, 2)
    quota = Quota(default_unit(samples, quota_unit), min(n_defective // 2, h_max), h_max, n_images, ndo)
    notes = pool.warnings(repeats=repeats, h=quota.h, nominal_ratio=nominal_ratio, object_policy=object_policy)
    splits = []
    for repeat in range(repeats):
        draw, sides, status, remarks = halve(pool, seed, repeat, where=f"samples, repeat {repeat}")
        parts = nominal_parts(pool, sides, quota, draw)
        partition = partitions(samples, pool, sides, parts)
        split = Split.from_partitions(repeat, partition, status=status, notes=notes + remarks)
        check_training(split, min_train_images, pool)
        split.check(samples)
        splits += [split, split.mirrored()] if swap else [split]
    return splits


def partitions(
    samples: SampleTable, pool: Pool, sides: Sequence[Sequence[str]], parts: Sequence[NominalPart]
) -> dict[str, str]:
    """Return the partition of each image, given the objects of threshold and inference, in this order."""
    judged = {o for part in parts for o in part.objects}
    partition = dict.fromkeys(samples.frame["sample_id"], "unused")
    partition |= {i: "train" for o, ids in pool.training.items() if o not in judged for i in ids}
    for name, objects, part in zip(("threshold", "inference"), sides, parts, strict=True):
        partition |= {i: name for o in objects for i in pool.anomalous[o]}
        partition |= dict.fromkeys((*part.images, *part.hidden), name)
    return partition


def halve(
    pool: Pool, seed: int, repeat: int, *, where: str, first_attempt: int = 0
) -> tuple[Draw, list[list[str]], Status, tuple[str, ...]]:
    """Halve the defective objects: the first attempt that balances the images, or the best of all.

    Parameters
    ----------
    pool
        Whose defective objects.
    seed, repeat
        Of the draw.
    where
        For messages.
    first_attempt
        The attempts are this number and the 63 after it.

    Raises
    ------
    SplitError
        Code ``UnbalanceableGroups``.
    """
    best: tuple[int, Draw, list[list[str]]] | None = None
    for attempt in range(first_attempt, first_attempt + ATTEMPTS):
        draw = Draw(seed, repeat, attempt)
        sides = _halves(pool, draw)
        imbalance = abs(pool.n_images(sides[0]) - pool.n_images(sides[1]))
        if imbalance <= max(1.0, TOLERANCE * pool.n_anomalous):
            return draw, sides, "ok", ()
        if best is None or imbalance < best[0]:
            best = imbalance, draw, sides
    if best is None:
        raise ValueError("ATTEMPTS must be positive")
    imbalance, draw, sides = best
    sizes = f"{pool.n_images(sides[0])} and {pool.n_images(sides[1])} anomalous images"
    refuse_imbalance(imbalance, pool, where, sizes)
    return draw, sides, "approximate", (f"unbalanced: {sizes} in threshold and inference",)


def refuse_imbalance(imbalance: int, pool: Pool, where: str, sizes: str) -> None:
    """Raise ``UnbalanceableGroups`` where two sides differ by more than half of the anomalous images."""
    if imbalance > 0.5 * pool.n_anomalous:
        raise SplitError(
            where,
            f"{sizes} at best in {ATTEMPTS} attempts",
            f"sides that differ by at most half of {pool.n_anomalous}",
            "One object has most of the anomalous images: thin it or add objects.",
            "UnbalanceableGroups",
        )


def _halves(pool: Pool, draw: Draw) -> list[list[str]]:
    threshold: list[str] = []
    inference: list[str] = []
    spares = []
    for stratum in sorted(pool.strata):
        order = draw.order(pool.strata[stratum], "A")
        half = len(order) // 2
        threshold += order[:half]
        inference += order[half : 2 * half]
        spares += order[2 * half :]
    for spare in spares:
        lacking = len(inference) - len(threshold) or pool.n_images(inference) - pool.n_images(threshold)
        (threshold if lacking > 0 or (lacking == 0 and not draw.coin(spare)) else inference).append(spare)
    return [threshold, inference]


def check_training(split: Split, least: int, pool: Pool) -> None:
    """Raise ``EmptyTraining`` where too few images train."""
    if len(split.train) < max(1, least):
        fix = "Add good objects that only train" + ("." if pool.pooled else ", or set merge_nominal_test.")
        raise SplitError(
            f"split {split.repeat}",
            f"{len(split.train)} training images",
            f"at least {max(1, least)}",
            fix,
            "EmptyTraining",
        )


def check_repeats(count: object, name: str, fix: str, least: int = 1) -> None:
    """Raise an InputError unless a count is a whole number of at least ``least``."""
    if isinstance(count, bool) or not isinstance(count, Integral) or int(count) < least:
        raise InputError(name, count, f"a whole number of at least {least}", fix)


def check_options(seed: int, nominal_ratio: float, quota_unit: str | None, min_train_share: float, ndo: str) -> None:
    """Raise an InputError for an option of a splitter that cannot be."""
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise InputError("seed", seed, "a whole number", "It is hashed in decimal.")
    if not (math.isfinite(nominal_ratio) and nominal_ratio > 0):
        raise InputError("nominal_ratio", nominal_ratio, "a positive number", "The paper has 1.")
    if quota_unit not in (None, "object", "image"):
        raise InputError("quota_unit", quota_unit, "object or image", "Leave it out for the default.")
    if not 0 <= min_train_share < 1:
        raise InputError("min_train_share", min_train_share, "a share in [0, 1)", "The default is 0.5.")
    if ndo not in ("exclude", "evaluate"):
        raise InputError("ndo", ndo, "exclude or evaluate", "The default is exclude.")
