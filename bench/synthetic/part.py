"""One coupling link: its centre line, its tubes, and what makes it different from the next one.

The part is a tube along a C-shaped centre line in the x-y plane: a half circle, a straight upper arm, and a lower
arm that forks into two thinner prongs (the clevis). Coordinates are right, up, towards the viewer, in units of the
frame's height, with the bow's centre at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .defects import Defect, draw_defect
from .parameters import Parameters

BOW_RADIUS = 0.30
TUBE_RADIUS = 0.085
PRONG_RADIUS = 0.043
UPPER_ARM = 0.30  # from the bow's end to the tip
LOWER_ARM = 0.13  # from the bow's end to the fork
PRONG_SPLAY, PRONG_LENGTH = 0.09, 0.15  # along x: while the prongs part, and afterwards
PRONG_OFFSET = (0.062, 0.040)  # of a prong from the arm's axis, in y and in z
STEP = 0.30  # between nodes, in tube radii: bumps of the outline are then below 0.3**2/8 = 1.1 % of the radius

TONE = 0.56  # share of light a blasted steel surface gives back
TEXTURE = (0.04, 0.06)  # amplitudes of the coarse and the fine octave
TONE_SD, TEXTURE_SD, LETTERING_SD, RADIUS_SD, TUBE_SD = 0.03, 0.03, 0.15, 0.01, 0.015  # part to part, times object_sd
LATTICE = 32

Array = NDArray[np.float32]


@dataclass(frozen=True)
class CentreLine:
    """Nodes along the tubes; a surface point belongs to the node whose sphere the camera meets first.

    Parameters
    ----------
    points, tangents
        Shape (n, 3).
    radius, arc
        Tube radius and distance along the line from the upper arm's tip, shape (n,).
    low, high
        How far along its tangent a node speaks for the tube, shape (n,); 0 at an open end.
    main
        Whether the node is on the main tube and not on a prong, shape (n,).
    """

    points: Array
    tangents: Array
    radius: Array
    arc: Array
    low: Array
    high: Array
    main: NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """A coupling link as made: shape, surface and, if it has one, its defect."""

    number: int
    line: CentreLine
    tone: float
    texture: tuple[float, float]
    lettering: float
    lattices: tuple[Array, Array]
    text_at: float  # distance along the line of the lettering's middle
    defect: Defect | None


def make_part(parameters: Parameters, seed: int, number: int, defect_kind: str | None) -> Part:
    """Return part `number`: the same for the same seed and number, with or without a defect.

    Parameters
    ----------
    parameters
        Of the factory; ``object_sd`` and ``emboss_sd`` scale the differences between parts.
    seed, number
        Decide everything random about the part.
    defect_kind
        ``dent``, ``scratch``, ``deformation``, or None for a good part.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1, number]))
    tone, coarse, fine, lettering, bow, tube = rng.standard_normal(6) * parameters.object_sd
    bow_radius = BOW_RADIUS * max(0.5, 1 + RADIUS_SD * bow)
    tube_factor = max(0.5, 1 + TUBE_SD * tube)
    lattices = (_lattice(rng), _lattice(rng))
    middle = UPPER_ARM + 0.5 * np.pi * bow_radius
    defect = None
    if defect_kind is not None:
        defect_rng = np.random.default_rng(np.random.SeedSequence([seed, 2, number]))
        length = UPPER_ARM + np.pi * bow_radius + LOWER_ARM
        defect = draw_defect(defect_kind, parameters.defect_size, parameters.defect_contrast, length, defect_rng)
    return Part(
        number=number,
        line=_centre_line(bow_radius, tube_factor, defect),
        tone=float(np.clip(TONE + TONE_SD * tone, 0.15, 0.8)),
        texture=(max(0.0, TEXTURE[0] + TEXTURE_SD * coarse), max(0.0, TEXTURE[1] + TEXTURE_SD * fine)),
        lettering=float(np.clip(1 + LETTERING_SD * parameters.emboss_sd * lettering, 0, 3)),
        lattices=lattices,
        text_at=float(middle),
        defect=defect,
    )


def _lattice(rng: np.random.Generator) -> Array:
    """Return random values on a periodic cube, with one more layer on each side so that neighbours need no modulo."""
    cube = rng.standard_normal((LATTICE, LATTICE, LATTICE), dtype=np.float32)
    return np.pad(cube, (0, 1), mode="wrap")


def _centre_line(bow_radius: float, tube_factor: float, defect: Defect | None) -> CentreLine:
    tube, prong = TUBE_RADIUS * tube_factor, PRONG_RADIUS * tube_factor
    main = _main_path(bow_radius, STEP * tube)
    arc = _distance_along(main)
    if defect is not None:
        main = main + defect.displacement(arc, _outward(main))
    paths, radii = [main], [tube]
    fork = np.array([LOWER_ARM, -bow_radius, 0.0])
    for sign in (1.0, -1.0):
        paths.append(_prong_path(fork, sign, STEP * prong))
        radii.append(prong)
    return _join(paths, radii, arc)


def _main_path(bow_radius: float, step: float) -> NDArray[np.float64]:
    """Return nodes from the upper arm's tip round the bow to the fork, shape (n, 3)."""
    bow_length = np.pi * bow_radius
    length = UPPER_ARM + bow_length + LOWER_ARM
    s = np.linspace(0, length, int(np.ceil(length / step)) + 1)
    angle = np.pi / 2 + np.clip((s - UPPER_ARM) / bow_radius, 0, np.pi)
    x = bow_radius * np.cos(angle) + np.maximum(UPPER_ARM - s, 0) + np.maximum(s - UPPER_ARM - bow_length, 0)
    return np.stack([x, bow_radius * np.sin(angle), np.zeros_like(s)], axis=1)


def _prong_path(fork: NDArray[np.float64], sign: float, step: float) -> NDArray[np.float64]:
    """Return nodes of one prong: an S away from the arm's axis, then straight on, shape (n, 3)."""
    x = np.linspace(0, PRONG_SPLAY + PRONG_LENGTH, int(np.ceil((PRONG_SPLAY + PRONG_LENGTH) / step)) + 1)
    t = np.clip(x / PRONG_SPLAY, 0, 1)
    away = sign * t * t * (3 - 2 * t)
    return fork + np.stack([x, away * PRONG_OFFSET[0], away * PRONG_OFFSET[1]], axis=1)


def _distance_along(path: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])


def _outward(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the direction in the part's plane that points out of the C, shape (n, 3)."""
    return np.cross(_tangents(path), [0.0, 0.0, 1.0])


def _tangents(path: NDArray[np.float64]) -> NDArray[np.float64]:
    along = np.gradient(path, axis=0)
    return np.asarray(along / np.linalg.norm(along, axis=1, keepdims=True))


def _join(paths: list[NDArray[np.float64]], radii: list[float], main_arc: NDArray[np.float64]) -> CentreLine:
    arcs = [main_arc] + [main_arc[-1] + _distance_along(p) for p in paths[1:]]
    low, high = [], []
    for k, path in enumerate(paths):
        half = 0.5 * np.linalg.norm(np.diff(path, axis=0), axis=1).max() * 1.05
        before, after = np.full(len(path), -half), np.full(len(path), half)
        if k == 0:
            before[0] = 0.0  # the upper arm's tip is a round end
        else:
            after[-1] = 0.0  # so is a prong's
        low.append(before)
        high.append(after)
    return CentreLine(
        points=np.concatenate(paths).astype(np.float32),
        tangents=np.concatenate([_tangents(p) for p in paths]).astype(np.float32),
        radius=np.repeat(radii, [len(p) for p in paths]).astype(np.float32),
        arc=np.concatenate(arcs).astype(np.float32),
        low=np.concatenate(low).astype(np.float32),
        high=np.concatenate(high).astype(np.float32),
        main=np.repeat([True, False, False], [len(p) for p in paths]),
    )
