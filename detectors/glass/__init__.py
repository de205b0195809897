"""GLASS: a patch discriminator trained with synthesised anomalies (Chen et al. 2024).

Read in this order: ``perlin``, ``textures``, ``augment``, ``synthesis`` (local anomalies), ``embedding`` (image to
patches), ``networks``, ``truncation``, ``losses``, ``step`` (global anomalies and the loss), ``judge`` (which
hypothesis), ``training``, ``detector`` (all put together).
"""

from detectors.timm_import import import_timm

import_timm()  # first of all, so that a missing extra is named as such

from .detector import GLASS  # noqa: E402

__all__ = ["GLASS"]
