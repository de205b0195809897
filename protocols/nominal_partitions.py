"""The nominal images of evaluation partitions: whole objects, or a quota of images spread over objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .draw import Draw
from .errors import SplitError
from .object_pool import Pool
from .samples import SampleTable

EPSILON = 1e-9  # before floor: 0.1 * 20 / 2 must count as 1


@dataclass(frozen=True)
class NominalPart:
    """The nominal images of one evaluation partition.

    Parameters
    ----------
    objects
        Its good objects.
    images
        Images of good objects.
    hidden
        Nominal images of the partition's defective objects, under ``ndo="evaluate"``.
    """

    objects: tuple[str, ...]
    images: tuple[str, ...]
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quota:
    """What an evaluation partition may take.

    Parameters
    ----------
    unit
        ``object``: all images of ``h`` good objects. ``image``: ``n_images`` images, spread over at least ``h`` good
        objects and at most ``h_max``.
    h, h_max
        Good objects in a partition, and the most there may be.
    n_images
        Nominal images in a partition; for the unit ``image``.
    ndo
        ``evaluate``: nominal images of the partition's defective objects count too, for at most half.
    """

    unit: str
    h: int
    h_max: int
    n_images: int
    ndo: str = "exclude"


def default_unit(samples: SampleTable, quota_unit: str | None) -> str:
    """Return the unit of the quota: ``image`` where every object has one image, unless it is stated."""
    return quota_unit or ("image" if not samples.frame["object_id"].duplicated().any() else "object")


def image_quota(n_anomalous: int, nominal_ratio: float, sides: int) -> int:
    """Return the nominal images of one of so many partitions that share the anomalous images.

    Examples
    --------
    >>> image_quota(165, 1, 2), image_quota(20, 0.1, 2)
    (82, 1)
    """
    return math.floor(n_anomalous * nominal_ratio / sides + EPSILON)


def nominal_parts(pool: Pool, sides: Sequence[Sequence[str]], quota: Quota, draw: Draw) -> list[NominalPart]:
    """Return the nominal images of each partition; good objects are dealt in turn, in drawn order.

    Parameters
    ----------
    pool
        Who may be judged.
    sides
        The defective objects of each partition.
    quota
        The same for all partitions.
    draw
        The accepted attempt; roles ``G`` and ``I``.

    Raises
    ------
    SplitError
        Code ``InsufficientNominal``: the good objects cannot supply the images.
    """
    k = len(sides)
    order = draw.order(pool.judged, "G")
    hidden = [
        draw.order((i for o in objects for i in pool.hidden.get(o, ())), "I") if quota.ndo == "evaluate" else []
        for objects in sides
    ]
    if quota.unit == "object":
        parts = []
        for side in range(k):
            objects = order[side : k * quota.h : k]
            images = [i for o in objects for i in pool.judged[o]]
            parts.append(NominalPart(tuple(objects), tuple(images), tuple(hidden[side][: len(images)])))
        return parts
    n_hidden = [min(len(ids), quota.n_images // 2) for ids in hidden]
    wanted = [quota.n_images - n for n in n_hidden]
    supply = [0] * k
    for h in range(1, quota.h_max + 1):
        for side in range(k):
            supply[side] += len(pool.judged[order[k * (h - 1) + side]])
        if h >= quota.h and all(n >= need for n, need in zip(supply, wanted, strict=True)):
            parts = []
            for side in range(k):
                objects = order[side : k * h : k]
                images = _spread([pool.judged[o] for o in objects], wanted[side], draw)
                parts.append(NominalPart(tuple(objects), tuple(images), tuple(hidden[side][: n_hidden[side]])))
            return parts
    raise SplitError(
        "samples",
        f"{min(supply)} nominal images in {quota.h_max} good objects",
        f"{max(wanted)} nominal images for each evaluation partition",
        "Lower nominal_ratio or min_train_share, or use quota_unit object.",
        "InsufficientNominal",
    )


def most_good_objects(pool: Pool, min_train_share: float, sides: int = 2) -> int:
    """Return how many good objects an evaluation partition can have.

    Two partitions of a split together leave ``min_train_share`` of one pool for training; so many ``sides`` in all
    share no object.

    Raises
    ------
    SplitError
        Code ``TooFewGoodObjects``.
    """
    n_good = len(pool.judged)
    share = 1 - min_train_share if pool.pooled else 1.0
    most = min(math.floor(share * n_good / 2 + EPSILON), n_good // sides)
    if most < 1:
        kind = "good objects" if pool.pooled else "good objects with test images"
        many = {2: "the two"}.get(sides, f"the {sides}")
        raise SplitError(
            "samples",
            f"{n_good} {kind}, of which {most} fit in an evaluation partition",
            f"at least 1 good object in each of {many} evaluation partitions",
            "Add good objects, lower min_train_share, or set merge_nominal_test.",
            "TooFewGoodObjects",
        )
    return most


def _spread(objects: Sequence[Sequence[str]], quota: int, draw: Draw) -> list[str]:
    """Take ``quota`` images, as evenly over the objects as they allow, inside an object in drawn order."""
    each, rest = divmod(quota, len(objects))
    take = [min(each + (i < rest), len(images)) for i, images in enumerate(objects)]
    while sum(take) < quota:
        for i, images in enumerate(objects):
            if take[i] < len(images) and sum(take) < quota:
                take[i] += 1
    return [i for images, n in zip(objects, take, strict=True) for i in draw.order(images, "I")[:n]]
