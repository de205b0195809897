"""Which images the factory makes: parts, recordings, and every trap, before a pixel is coloured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .parameters import Parameters
from .recording import Recording

N_SESSIONS = 4
ONE_SIDE = 15.0  # degrees either way under ``angles: one``

# Streams of chance, so that a switch moves nothing that it does not name (1 to 3 are the parts and recordings).
_ROLES, _SESSIONS, _THIN, _MATCH, _NOISE, _HIDDEN, _COPIES, _TURNS, _PREVALENCE = range(10, 19)


@dataclass(frozen=True)
class Roles:
    """Numbers of the parts by what they are for; numbers say nothing about it.

    Parameters
    ----------
    train, test, defective
        Part numbers. With a leak, `train` also holds parts of `test`.
    kinds
        Defect of each part that has one.
    """

    train: tuple[int, ...]
    test: tuple[int, ...]
    defective: tuple[int, ...]
    kinds: Mapping[int, str]


@dataclass(frozen=True)
class Shot:
    """One image of the data set.

    Parameters
    ----------
    recording
        What is photographed.
    view
        Number in the file's name, unique within the part.
    split
        ``train`` or ``test``.
    label, true_label
        As the data set says, and as it is.
    defect_type
        Empty for images labelled nominal.
    defect_area
        Visible defect pixels.
    session, transform
        When it was made, and what was done to it.
    source
        For a near duplicate: the recording whose re-encoded image it shows.
    """

    recording: Recording
    view: int
    split: str
    label: int = 0
    true_label: int = 0
    defect_type: str = ""
    defect_area: int = 0
    session: str = ""
    transform: str = ""
    source: Recording | None = None

    @property
    def object_id(self) -> str:
        """Name of the part."""
        return f"link-{self.recording.number:04d}"

    @property
    def stem(self) -> str:
        """Name of the file, without its ending."""
        return f"{self.object_id}-{self.view:03d}"


def assign_roles(parameters: Parameters, seed: int) -> Roles:
    """Return which part is for what; depends on the sizes, the leak and the hidden defects only."""
    numbers = [int(n) for n in _rng(seed, _ROLES).permutation(parameters.n_parts)]
    train = numbers[: parameters.n_good]
    test = numbers[parameters.n_good : parameters.n_good + parameters.n_good_test]
    defective = numbers[parameters.n_good + parameters.n_good_test :]
    kinds = {n: parameters.defect_kinds[k % len(parameters.defect_kinds)] for k, n in enumerate(defective)}
    n_hidden = _share(parameters.label_noise_train, len(train))
    hidden = _rng(seed, _HIDDEN).permutation(train)[:n_hidden].tolist()
    kinds |= {int(n): parameters.defect_kinds[k % len(parameters.defect_kinds)] for k, n in enumerate(hidden)}
    if parameters.leak != "none":
        n_leaked = min(round(parameters.leak_share * len(test)), len(train))
        # Honest parts make room, so that the training size stays the same.
        train = train[: len(train) - n_leaked] + test[:n_leaked]
    return Roles(tuple(train), tuple(test), tuple(defective), kinds)


def regular_recordings(parameters: Parameters, seed: int, roles: Roles, number: int) -> list[Recording]:
    """Return the recordings of one part at the regular angles, draws 0, 1, ..."""
    template = _template(parameters, seed, roles, number)
    return [replace(template, draw=k, angle=angle) for k, angle in enumerate(regular_angles(parameters))]


def regular_angles(parameters: Parameters) -> list[float]:
    """Return the angles of a part's recordings, degrees."""
    n = parameters.n_views
    if parameters.angles == "full":
        return [360.0 * k / n for k in range(n)]
    if parameters.angles == "one":
        return [0.0] if n == 1 else [ONE_SIDE * (2 * k / (n - 1) - 1) for k in range(n)]
    return [float(parameters.angles[k % len(parameters.angles)]) for k in range(n)]


def plan_shots(parameters: Parameters, seed: int, roles: Roles, areas: Mapping[int, Sequence[int]]) -> list[Shot]:
    """Return all images, training first.

    Parameters
    ----------
    parameters, seed, roles
        Of the factory.
    areas
        For each part with a defect: visible defect pixels of its regular recordings.
    """
    defective, ndo = _defective_shots(parameters, seed, roles, areas)
    good = _good_test_shots(parameters, seed, roles, [s.recording.angle for s in defective])
    train = _train_shots(parameters, seed, roles, areas, good)
    if parameters.rotate_train:
        order = _rng(seed, _TURNS, 0).permutation(len(train))
        train = [_turned(s, int(k) % 4) for s, k in zip(train, order, strict=True)]
    if parameters.near_duplicates > 0 and train:
        n_test = len(good) + len(ndo) + len(defective)
        good = _near_duplicates(good, train, _share(parameters.near_duplicates, n_test), seed)
    if parameters.rotate_test:
        # The stride keeps the copies' numbers apart from those of all other recordings of the part.
        stride = 10 ** len(str(max([s.view for s in [*train, *good]], default=0)))
        turns = _rng(seed, _TURNS, 1).integers(1, 4, len(good)).tolist()
        good = good + [replace(_turned(s, t), view=s.view + t * stride) for s, t in zip(good, turns, strict=True)]
    nominal = good + ndo
    if parameters.prevalence is not None:
        nominal, defective = _at_prevalence(parameters.prevalence, nominal, defective, seed)
    test = _flip_labels(parameters, nominal + defective, seed)
    return [_in_session(parameters, seed, roles, s) for s in [*train, *test]]


def _train_shots(
    parameters: Parameters, seed: int, roles: Roles, areas: Mapping[int, Sequence[int]], good: Sequence[Shot]
) -> list[Shot]:
    shots = []
    for number in roles.train:
        recordings = regular_recordings(parameters, seed, roles, number)
        if number in roles.test:
            recordings = _leaked(parameters, recordings, [s.recording for s in good if s.recording.number == number])
        for k, recording in enumerate(recordings):
            area = areas[number][k] if number in areas else 0
            true_label = int(area >= parameters.visible_pixels)
            shots.append(Shot(recording, recording.draw, "train", true_label=true_label, defect_area=area))
    return _thinned(shots, parameters.n_train_images, seed, 0)


def _leaked(parameters: Parameters, regular: list[Recording], tested: list[Recording]) -> list[Recording]:
    """Return the training recordings of a part that is also tested: new draws, at other or at the same angles."""
    first = max([len(regular), *(r.draw + 1 for r in tested)])
    if parameters.leak == "rerecorded" and tested:
        angles = [tested[k % len(tested)].angle for k in range(len(regular))]
    else:
        spread = 360.0 if parameters.angles == "full" else 2 * ONE_SIDE
        angles = [r.angle + 0.5 * spread / len(regular) for r in regular]
    return [replace(r, draw=first + k, angle=a) for k, (r, a) in enumerate(zip(regular, angles, strict=True))]


def _defective_shots(
    parameters: Parameters, seed: int, roles: Roles, areas: Mapping[int, Sequence[int]]
) -> tuple[list[Shot], list[Shot]]:
    """Return the images that show a defect, and the other views of the same parts."""
    shown, hidden = [], []
    for number in roles.defective:
        for recording, area in zip(regular_recordings(parameters, seed, roles, number), areas[number], strict=True):
            shot = Shot(recording, recording.draw, "test", defect_area=area)
            if area >= parameters.visible_pixels:
                shown.append(replace(shot, label=1, true_label=1, defect_type=roles.kinds[number]))
            else:
                hidden.append(shot)
    return _thinned(shown, parameters.n_defect_images, seed, 1), hidden if parameters.keep_ndo else []


def _good_test_shots(parameters: Parameters, seed: int, roles: Roles, angles: Sequence[float]) -> list[Shot]:
    recordings = [r for n in roles.test for r in regular_recordings(parameters, seed, roles, n)]
    shots = [Shot(r, r.draw, "test") for r in recordings]
    if not (parameters.match_views and angles):
        return _thinned(shots, parameters.n_test_images, seed, 2)
    kept = _thinned(shots, parameters.n_test_images, seed, 2)
    wanted = np.sort(np.asarray(angles))
    matched = []
    for number in roles.test:
        of_part = [s for s in kept if s.recording.number == number]
        # Evenly through the sorted angles from a random start: every part gets the same mix.
        places = (np.arange(len(of_part)) + _rng(seed, _MATCH, number).random()) / max(len(of_part), 1)
        for draw, angle in enumerate(wanted[(places * len(wanted)).astype(int)]):
            recording = replace(of_part[draw].recording, draw=draw, angle=float(angle))
            matched.append(Shot(recording, draw, "test"))
    return matched


def _near_duplicates(good: list[Shot], train: Sequence[Shot], wanted: int, seed: int) -> list[Shot]:
    rng = _rng(seed, _COPIES)
    places = rng.permutation(len(good))[:wanted].tolist()
    sources = rng.choice(len(train), len(places), replace=len(places) > len(train)).tolist()
    copies = list(good)
    for place, source in zip(places, sources, strict=True):
        of = train[source]
        copies[place] = replace(good[place], source=of.recording, transform=f"reencoded:{of.stem}")
    return copies


def _at_prevalence(
    prevalence: float, nominal: list[Shot], defective: list[Shot], seed: int
) -> tuple[list[Shot], list[Shot]]:
    """Return the larger class thinned until the share of defective images is as asked."""
    most = round(prevalence * len(nominal) / (1 - prevalence))
    if most < len(defective):
        return nominal, _thinned(defective, max(1, most), seed, 3)
    return _thinned(nominal, max(1, round(len(defective) * (1 - prevalence) / prevalence)), seed, 4), defective


def _flip_labels(parameters: Parameters, shots: list[Shot], seed: int) -> list[Shot]:
    """Return the images with a share of each class labelled as the other."""
    if parameters.label_noise == 0:
        return shots
    rng = _rng(seed, _NOISE)
    flipped = list(shots)
    for label in (0, 1):
        of_class = np.flatnonzero([s.label == label for s in shots])
        for place in rng.permutation(of_class)[: round(parameters.label_noise * of_class.size)].tolist():
            kind = str(rng.choice(parameters.defect_kinds)) if label == 0 else ""
            flipped[place] = replace(shots[place], label=1 - label, defect_type=kind)
    return flipped


def _turned(shot: Shot, quarter_turns: int) -> Shot:
    if quarter_turns == 0:
        return shot
    source = shot.source and replace(shot.source, quarter_turns=(shot.source.quarter_turns + quarter_turns) % 4)
    steps = [t for t in (shot.transform, f"rotated:{90 * quarter_turns}") if t]
    recording = replace(shot.recording, quarter_turns=quarter_turns)
    return replace(shot, recording=recording, source=source, transform="+".join(steps))


def _thinned(shots: list[Shot], most: int | None, seed: int, stream: int) -> list[Shot]:
    """Return at most so many images, as evenly over the parts as they allow; which of a part's is chance."""
    if most is None or len(shots) <= most:
        return shots
    numbers = list(dict.fromkeys(s.recording.number for s in shots))
    of_part = {n: [k for k, s in enumerate(shots) if s.recording.number == n] for n in numbers}
    quota = dict.fromkeys(numbers, 0)
    left = most
    while left:
        open_ = [n for n in numbers if quota[n] < len(of_part[n])]
        for n in open_[:left]:
            quota[n] += 1
        left -= min(left, len(open_))
    kept: list[int] = []
    for n in numbers:
        kept += _rng(seed, _PREVALENCE if stream > 2 else _THIN, stream, n).permutation(of_part[n])[: quota[n]].tolist()
    return [shots[k] for k in sorted(kept)]


def _template(parameters: Parameters, seed: int, roles: Roles, number: int) -> Recording:
    bad = number in roles.defective
    return Recording(
        number, 0, 0.0, defective_session=bad, date=min(1.0, _session(parameters, seed, roles, number) / 3)
    )


def _session(parameters: Parameters, seed: int, roles: Roles, number: int) -> int:
    """Return in which session a part was recorded.

    Without a confound that is independent of the label. Under a background confound the defective parts have
    sessions of their own; under a session confound they tend to come late and the others early.
    """
    session, side, half = _rng(seed, _SESSIONS, number).random(3)
    bad = number in roles.defective
    if parameters.background_confound > 0 and bad:
        return N_SESSIONS + int(session * 2)
    if side < parameters.session_confound:
        return int(half * 2) + (N_SESSIONS // 2 if bad else 0)
    return int(session * N_SESSIONS)


def _in_session(parameters: Parameters, seed: int, roles: Roles, shot: Shot) -> Shot:
    return replace(shot, session=f"session-{_session(parameters, seed, roles, shot.recording.number) + 1}")


def _share(share: float, n: int) -> int:
    """Return that share of n, at least one where the share is not zero."""
    return min(n, max(1, round(share * n))) if share > 0 else 0


def _rng(seed: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, *stream]))


def angles_of(shots: Sequence[Shot]) -> NDArray[np.float64]:
    """Return the nominal angles of images, degrees."""
    return np.array([s.recording.angle for s in shots], np.float64)
