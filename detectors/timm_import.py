"""Import timm even where torchvision's compiled operators cannot be loaded.

timm imports torchvision, whose package index wheel is built for the CUDA build of torch. Beside the CPU build
its compiled library does not load, and its Python part then stops with ``operator torchvision::nms does not
exist``: it describes the shapes of two operators that nobody has declared. Nothing here uses them, so in that one
case they are declared (without an implementation) and the import is tried once more.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from protocols.errors import MissingExtraError

_SYMPTOM = "operator torchvision::nms does not exist"
_SCHEMAS = ("nms", "qnms")
_declared: list[Any] = []  # a torch.library.Library withdraws its operators when it is collected


def import_timm() -> ModuleType:
    """Return the module ``timm``.

    Raises
    ------
    MissingExtraError
        torch or timm is not installed.
    """
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("torch", "torchvision", "timm"):
            raise MissingExtraError("a backbone", "train") from error
        raise
    except RuntimeError as error:
        if _SYMPTOM not in str(error):
            raise
    _forget("timm", "torchvision")
    _declare_operators()
    return importlib.import_module("timm")


def _forget(*packages: str) -> None:
    """Drop half-imported modules: a second import would take them as they are."""
    for name in list(sys.modules):
        if name.split(".")[0] in packages:
            del sys.modules[name]


def _declare_operators() -> None:
    """Declare the two operators that torchvision's Python part describes at import."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in _SCHEMAS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
