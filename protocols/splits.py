"""The object-grouped repeated three-way splitter.

The permutations come from SHA-256 of the ids, not from a library's shuffle: the same ids give the same splits in
any version of any library, whatever the order of the rows.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral

import pandas as pd

from .errors import InputError, SplitError
from .partition import Split, fingerprint, require_objects
from .results import Status
from .samples import SampleTable

__all__ = ["Draw", "Split", "fingerprint", "grouped_three_way"]

ATTEMPTS = 64
TOLERANCE = 0.05
_EPSILON = 1e-9  # before floor: 0.1 * 20 / 2 must count as 1


@dataclass(frozen=True)
class Draw:
    """The deterministic permutations of one attempt at one repeat.

    ``key(role, id)`` is the SHA-256 of ``v1|seed|repeat|attempt|role|id`` in lowercase hex; ids are ordered by it.

    Examples
    --------
    >>> Draw(42, 0, 0).order(["o1", "o2", "o3", "o4", "o5", "o6"], "A")
    ['o6', 'o3', 'o4', 'o2', 'o1', 'o5']
    """

    seed: int
    repeat: int
    attempt: int = 0

    def key(self, role: str, name: str) -> str:
        """Return the key by which ``name`` is ordered."""
        return hashlib.sha256(f"v1|{self.seed}|{self.repeat}|{self.attempt}|{role}|{name}".encode()).hexdigest()

    def order(self, names: Iterable[str], role: str) -> list[str]:
        """Return the names in their drawn order."""
        return sorted(names, key=lambda name: (self.key(role, name), name))

    def coin(self, name: str) -> int:
        """Return 0 or 1: the last bit of the digest of role ``coin``."""
        return int(self.key("coin", name)[-1], 16) & 1


@dataclass(frozen=True)
class _Pool:
    """What may go where: object id to sample ids."""

    anomalous: dict[str, list[str]]  # defective objects: their anomalous images
    hidden: dict[str, list[str]]  # defective objects: nominal images that may be judged under ndo="evaluate"
    judged: dict[str, list[str]]  # good objects that may be judged: the images that may
    training: dict[str, list[str]]  # good objects that may train: the images that may
    strata: dict[str, list[str]]  # defect type: its defective objects
    pooled: bool
    notes: tuple[str, ...]

    @property
    def n_anomalous(self) -> int:
        return sum(map(len, self.anomalous.values()))


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
        Evaluating both directions; not part of this version.
    min_train_images
        Least number of training images.
    allow_contaminated_train
        Move anomalous training images to the test images, with a note, instead of refusing them.

    Returns
    -------
    list of Split
        One a repeat; warnings in ``notes``.

    Raises
    ------
    SplitError
        With a ``code``: TooFewDefectiveObjects, TooFewGoodObjects, InsufficientNominal, EmptyTraining,
        UnbalanceableGroups, SingleClassPartition, AnomalyInTrain, MissingObjectId.
    """
    _check_arguments(repeats, seed, nominal_ratio, quota_unit, min_train_share, ndo, swap)
    samples = require_objects(samples, object_policy)
    pool = _pool(samples, merge_nominal_test, allow_contaminated_train)
    n_defective, n_good = len(pool.anomalous), len(pool.judged)
    if n_defective < 2:
        raise SplitError(
            "samples",
            f"{n_defective} defective objects ({pool.n_anomalous} anomalous images)",
            "at least 2 defective objects",
            "Add defective objects.",
            "TooFewDefectiveObjects",
        )
    share = 1 - min_train_share if pool.pooled else 1.0
    h_max = math.floor(share * n_good / 2 + _EPSILON)
    if h_max < 1:
        kind = "good objects" if pool.pooled else "good objects with test images"
        raise SplitError(
            "samples",
            f"{n_good} {kind}, of which {h_max} fit in an evaluation partition",
            "at least 1 good object in each of the two evaluation partitions",
            "Add good objects, lower min_train_share, or set merge_nominal_test.",
            "TooFewGoodObjects",
        )
    unit = quota_unit or ("image" if not samples.frame["object_id"].duplicated().any() else "object")
    notes = _notes(pool, samples, repeats, min(n_defective // 2, h_max), nominal_ratio, unit, object_policy, ndo)
    splits = []
    for repeat in range(repeats):
        draw, sides, status, remarks = _halve(pool, seed, repeat)
        quotas = _quotas(pool, sides, ndo, math.floor(pool.n_anomalous * nominal_ratio / 2 + _EPSILON), unit, draw)
        good, images = _nominal_sides(pool, quotas, min(n_defective // 2, h_max), h_max, unit, draw)
        partition = dict.fromkeys(samples.frame["sample_id"], "unused")
        partition |= {i: "train" for o, ids in pool.training.items() if o not in good for i in ids}
        for side, name in enumerate(("threshold", "inference")):
            partition |= {i: name for o in sides[side] for i in pool.anomalous[o]}
            partition |= dict.fromkeys(images[side], name)
            if ndo == "evaluate":
                limit = quotas[side].hidden if unit == "image" else len(images[side])
                partition |= dict.fromkeys(quotas[side].candidates[:limit], name)
        split = Split.from_partitions(repeat, partition, status=status, notes=notes + remarks)
        _check_training(split, min_train_images, pool)
        split.check(samples)
        splits.append(split)
    return splits


@dataclass(frozen=True)
class _Quota:
    candidates: list[str]  # nominal images of the partition's defective objects, in drawn order
    hidden: int  # how many of them count
    good: int  # nominal images to take from good objects


def _quotas(pool: _Pool, sides: Sequence[Sequence[str]], ndo: str, quota: int, unit: str, draw: Draw) -> list[_Quota]:
    quotas = []
    for objects in sides:
        hidden = draw.order((i for o in objects for i in pool.hidden.get(o, ())), "I") if ndo == "evaluate" else []
        n_hidden = min(len(hidden), quota // 2)
        quotas.append(_Quota(hidden, n_hidden, quota - n_hidden))
    return quotas


def _halve(pool: _Pool, seed: int, repeat: int) -> tuple[Draw, list[list[str]], Status, tuple[str, ...]]:
    """Halve the defective objects: the first attempt that balances the images, or the best of all."""
    best: tuple[int, Draw, list[list[str]]] | None = None
    for attempt in range(ATTEMPTS):
        draw = Draw(seed, repeat, attempt)
        sides = _halves(pool, draw)
        imbalance = abs(_n_images(pool, sides[0]) - _n_images(pool, sides[1]))
        if imbalance <= max(1.0, TOLERANCE * pool.n_anomalous):
            return draw, sides, "ok", ()
        if best is None or imbalance < best[0]:
            best = imbalance, draw, sides
    if best is None:
        raise ValueError("ATTEMPTS must be positive")
    imbalance, draw, sides = best
    sizes = f"{_n_images(pool, sides[0])} and {_n_images(pool, sides[1])} anomalous images"
    if imbalance > 0.5 * pool.n_anomalous:
        raise SplitError(
            f"samples, repeat {repeat}",
            f"{sizes} at best in {ATTEMPTS} attempts",
            f"halves of {pool.n_anomalous} that differ by at most half of them",
            "One object has most of the anomalous images: thin it or add objects.",
            "UnbalanceableGroups",
        )
    return draw, sides, "approximate", (f"unbalanced: {sizes} in threshold and inference",)


def _halves(pool: _Pool, draw: Draw) -> list[list[str]]:
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
        lacking = len(inference) - len(threshold) or _n_images(pool, inference) - _n_images(pool, threshold)
        (threshold if lacking > 0 or (lacking == 0 and not draw.coin(spare)) else inference).append(spare)
    return [threshold, inference]


def _n_images(pool: _Pool, objects: Iterable[str]) -> int:
    return sum(len(pool.anomalous[o]) for o in objects)


def _nominal_sides(
    pool: _Pool, quotas: Sequence[_Quota], h: int, h_max: int, unit: str, draw: Draw
) -> tuple[set[str], list[list[str]]]:
    """Return the good objects of both evaluation partitions, and the images of each."""
    order = draw.order(pool.judged, "G")
    if unit == "object":
        return set(order[: 2 * h]), [[i for o in order[side : 2 * h : 2] for i in pool.judged[o]] for side in (0, 1)]
    supply = [0, 0]
    for h_now in range(1, h_max + 1):
        for side in (0, 1):
            supply[side] += len(pool.judged[order[2 * (h_now - 1) + side]])
        if h_now >= h and all(n >= quota.good for n, quota in zip(supply, quotas, strict=True)):
            return set(order[: 2 * h_now]), [
                _spread([pool.judged[o] for o in order[side : 2 * h_now : 2]], quotas[side].good, draw)
                for side in (0, 1)
            ]
    raise SplitError(
        "samples",
        f"{min(supply)} nominal images in {h_max} good objects",
        f"{max(quota.good for quota in quotas)} nominal images for each evaluation partition",
        "Lower nominal_ratio or min_train_share, or use quota_unit object.",
        "InsufficientNominal",
    )


def _spread(objects: Sequence[Sequence[str]], quota: int, draw: Draw) -> list[str]:
    """Take ``quota`` images, as evenly over the objects as they allow, inside an object in drawn order."""
    each, rest = divmod(quota, len(objects))
    take = [min(each + (i < rest), len(images)) for i, images in enumerate(objects)]
    while sum(take) < quota:
        for i, images in enumerate(objects):
            if take[i] < len(images) and sum(take) < quota:
                take[i] += 1
    return [i for images, n in zip(objects, take, strict=True) for i in draw.order(images, "I")[:n]]


def _pool(samples: SampleTable, merge: bool, allow_contaminated: bool) -> _Pool:
    frame = samples.frame
    notes: tuple[str, ...] = ()
    contaminated = frame[(frame["label"] == 1) & (frame["source"] == "train")]
    if len(contaminated):
        if not allow_contaminated:
            raise SplitError(
                f"samples, {contaminated['sample_id'].iloc[0]}",
                f"{len(contaminated)} anomalous images in source train",
                "nominal training images only",
                "Correct the label or the source, or set allow_contaminated_train.",
                "AnomalyInTrain",
            )
        notes += (f"{len(contaminated)} anomalous training images moved to the test images",)
        frame = frame.assign(source=frame["source"].where(frame["label"] == 0, "test"))
    defective = set(frame["object_id"][frame["label"] == 1])
    is_good = ~frame["object_id"].isin(defective)
    nominal = frame[frame["label"] == 0]
    good = frame[is_good]
    has_test = bool((good["source"] == "test").any())
    pooled = merge or not has_test
    if not has_test:
        which = " of good objects" if (nominal["source"] == "test").any() else ""
        notes += (f"no nominal test images{which}: the nominal partitions are drawn from the training images",)
    hidden = nominal[nominal["object_id"].isin(defective)]
    if len(hidden):
        n_removed = int((hidden["source"] == "train").sum())
        notes += (f"{len(hidden)} nominal images of defective objects, {n_removed} of them removed from training",)
    tested = set(good["object_id"][good["source"] == "test"])
    if pooled:
        judged = training = good
    else:
        # A good test object that is not drawn stays unused with all its images (2.6).
        hidden, judged = hidden[hidden["source"] == "test"], good[good["source"] == "test"]
        training = good[(good["source"] == "train") & ~good["object_id"].isin(tested)]
    return _Pool(
        _by_object(frame[frame["label"] == 1]),
        _by_object(hidden),
        _by_object(judged),
        _by_object(training),
        _strata(frame[frame["label"] == 1]),
        pooled,
        notes,
    )


def _by_object(frame: pd.DataFrame) -> dict[str, list[str]]:
    return {str(name): list(ids) for name, ids in frame.groupby("object_id")["sample_id"]}


def _strata(anomalous: pd.DataFrame) -> dict[str, list[str]]:
    """Return the defective objects of each defect type; of several types the one that fewest objects have."""
    types = {str(o): set(t) - {""} for o, t in anomalous.groupby("object_id")["defect_type"]}
    bearers = Counter(t for found in types.values() for t in found)
    strata: dict[str, list[str]] = {}
    for name, found in types.items():
        stratum = min(found, key=lambda t: (bearers[t], t)) if found else "unknown"
        strata.setdefault(stratum, []).append(name)
    return strata


def _notes(
    pool: _Pool,
    samples: SampleTable,
    repeats: int,
    h: int,
    nominal_ratio: float,
    unit: str,
    object_policy: str,
    ndo: str,
) -> tuple[str, ...]:
    notes = ["grouping=none"] if object_policy == "image_is_object" else []
    notes += pool.notes
    if nominal_ratio != 1:
        notes.append(f"departs_from_paper=true: nominal_ratio {nominal_ratio}")
    if len(pool.anomalous) < 10:
        notes.append(f"{len(pool.anomalous)} defective objects: sensitivity intervals will be very wide")
    single = sorted(name for name, objects in pool.strata.items() if len(objects) == 1)
    if single:
        notes.append(f"defect types with one object, each on one side only: {', '.join(single)}")
    if repeats < 5:
        notes.append(f"{repeats} repeats, fewer than 5")
    if h < 5:
        notes.append(f"{h} good objects in an evaluation partition, fewer than 5")
    return tuple(notes)


def _check_training(split: Split, least: int, pool: _Pool) -> None:
    if len(split.train) < max(1, least):
        fix = "Add good objects that only train" + ("." if pool.pooled else ", or set merge_nominal_test.")
        raise SplitError(
            f"split {split.repeat}",
            f"{len(split.train)} training images",
            f"at least {max(1, least)}",
            fix,
            "EmptyTraining",
        )


def _check_arguments(
    repeats: int, seed: int, nominal_ratio: float, quota_unit: str | None, min_train_share: float, ndo: str, swap: bool
) -> None:
    if isinstance(repeats, bool) or not isinstance(repeats, Integral) or repeats < 1:
        raise InputError("repeats", repeats, "a whole number of at least 1", "Use 5 to 10.")
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
    if swap:
        raise InputError("swap", swap, "false: this version evaluates one direction only", "Leave it out.")
