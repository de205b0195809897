"""CS-Flow: a normalising flow over frozen features at three image scales (Rudolph et al. 2022).

Read in this order: ``permutation``, ``subnet``, ``flow`` (the mathematics), ``extractor`` (image to features),
``training``, ``scoring``, ``detector`` (all put together).
"""

from detectors.timm_import import import_timm

import_timm()  # first of all, so that a missing extra is named as such

from .detector import CSFlow  # noqa: E402

__all__ = ["CSFlow"]
