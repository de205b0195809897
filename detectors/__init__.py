"""Images in, scores out: the detectors."""

from .base import Detector, FitContext, ImageSet, SupportsMaps, SupportsSaving
from .registry import BUILTIN, create
from .sklearn import as_sklearn

__all__ = ["BUILTIN", "Detector", "FitContext", "ImageSet", "SupportsMaps", "SupportsSaving", "as_sklearn", "create"]
