"""Dents, scratches and deformations: fixed places on one part's surface.

A place is given by the distance ``s`` along the centre line and the angle ``phi`` round the tube (0 points out of the
C, a quarter turn towards the viewer). ``ds`` and ``db`` are distances from the defect's middle on the surface, along
the tube and round it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

DENT_RADIUS = 0.7  # in sizes
SCRATCH_WIDTH = 0.012  # of the line, whole
SCRATCH_LENGTHS = 4  # in sizes, whole
DEFORMATION_SHIFT = 0.02  # of the centre line at contrast 3
DEFORMATION_HALF = 1.5  # half its length, in sizes
DEFORMATION_TURN = 1.15  # half its extent round the tube, in radians
FULL_CONTRAST = 3.0  # the default; amplitudes below are stated at it


@dataclass(frozen=True)
class Footprint:
    """What a defect does to surface points.

    Parameters
    ----------
    inside
        Whether a point belongs to the defect, shape (n,).
    tone
        Added to the share of light given back, shape (n,).
    slope_along, slope_round
        Slope of the surface along the tube and round it, shape (n,).
    """

    inside: NDArray[np.bool_]
    tone: Array
    slope_along: Array
    slope_round: Array


@dataclass(frozen=True)
class Defect:
    """One defect on one part."""

    kind: str
    s: float
    phi: float
    size: float
    contrast: float
    direction: float  # of a scratch on the surface, radians from the tube's direction

    def displacement(self, arc: NDArray[np.float64], outward: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shift of the centre line, shape (n, 3): zero but for a deformation."""
        if self.kind != "deformation":
            return np.zeros_like(outward)
        half = DEFORMATION_HALF * self.size
        away = np.clip((arc - self.s) / half, -1, 1)
        amount = DEFORMATION_SHIFT * self.contrast / FULL_CONTRAST * 0.5 * (1 + np.cos(np.pi * away))
        direction = np.cos(self.phi) * outward + np.sin(self.phi) * np.array([0.0, 0.0, 1.0])
        return np.asarray(amount[:, None] * direction)

    def footprint(self, ds: Array, db: Array, turn: Array, pixel: float) -> Footprint:
        """Return what the defect does at surface points.

        Parameters
        ----------
        ds, db
            Distances from the defect's middle along the tube and round it, shape (n,).
        turn
            Angle round the tube from the defect's middle, shape (n,).
        pixel
            Size of a pixel: a scratch is drawn at least that wide, and fainter in proportion.
        """
        strength = self.contrast / FULL_CONTRAST
        if self.kind == "dent":
            return _dent(ds, db, DENT_RADIUS * self.size, strength)
        if self.kind == "scratch":
            along = np.cos(self.direction) * ds + np.sin(self.direction) * db
            across = np.cos(self.direction) * db - np.sin(self.direction) * ds
            return _scratch(along, across, self, strength, pixel)
        return _deformation(ds, turn, DEFORMATION_HALF * self.size, strength)


def draw_defect(kind: str, size: float, contrast: float, length: float, rng: np.random.Generator) -> Defect:
    """Return a defect at a random place of the main tube.

    Parameters
    ----------
    kind
        ``dent``, ``scratch`` or ``deformation``.
    size, contrast
        As in the parameters.
    length
        Of the main tube; the middle keeps a tenth of it from both ends.
    rng
        Decides place and direction.
    """
    s, phi, direction = rng.uniform(0.1, 0.9), rng.uniform(-np.pi, np.pi), rng.uniform(-0.6, 0.6)
    return Defect(kind, float(s * length), float(phi), size, contrast, float(direction))


def _dent(ds: Array, db: Array, radius: float, strength: float) -> Footprint:
    rho2 = (ds * ds + db * db) / radius**2
    inside = rho2 < 1
    rest = np.where(inside, 1 - rho2, 0).astype(np.float32)
    # The dent's depth is proportional to rest**2: its slope is downhill towards the middle, and none at the rim.
    slope = 3.4 * strength * rest / radius
    return Footprint(inside, -0.36 * strength * rest, slope * ds, slope * db)


def _scratch(along: Array, across: Array, defect: Defect, strength: float, pixel: float) -> Footprint:
    half_length = 0.5 * SCRATCH_LENGTHS * defect.size
    half_width = max(0.5 * SCRATCH_WIDTH, 0.6 * pixel)
    inside = (np.abs(across) < half_width) & (np.abs(along) < half_length)
    profile = np.where(inside, 1 - (across / half_width) ** 2, 0).astype(np.float32)
    # Fades in and out over the last fifth, as a scratch does.
    ends = np.clip((half_length - np.abs(along)) / (0.2 * half_length), 0, 1)
    faint = min(1.0, 0.5 * SCRATCH_WIDTH / half_width + 0.2)
    tone = (0.60 * strength * faint * profile * ends).astype(np.float32)
    slope = np.where(inside, 0.5 * strength * across / half_width, 0).astype(np.float32)
    sine, cosine = float(np.sin(defect.direction)), float(np.cos(defect.direction))
    return Footprint(inside, tone, -sine * slope, cosine * slope)


def _deformation(ds: Array, turn: Array, half: float, strength: float) -> Footprint:
    away, round_ = np.abs(ds) / half, np.abs(turn) / DEFORMATION_TURN
    inside = (away < 1) & (round_ < 1)
    window = np.where(inside, (1 - away**2) * (1 - round_**2), 0).astype(np.float32)
    ripple = np.cos(ds * (3 * np.pi / half)) * window  # three waves over the whole length
    zero = np.zeros_like(ripple)
    return Footprint(inside, -0.18 * strength * window, 1.5 * strength * ripple, zero)
