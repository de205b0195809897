"""Images in, scores out: the detectors."""

from .base import Detector, FitContext, ImageSet, SupportsMaps, SupportsSaving
from .registry import BUILTIN, create

__all__ = ["BUILTIN", "Detector", "FitContext", "ImageSet", "SupportsMaps", "SupportsSaving", "create"]
