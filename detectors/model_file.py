"""One safetensors file holds a fitted detector: its tensors, and in the metadata what is needed to make it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocols.errors import InputError, WeightsError

METADATA_KEY = "lab2factory"


@dataclass(frozen=True)
class ModelHeader:
    """What a model file says about its detector; `details` are facts about the training, for readers only."""

    detector: str
    class_path: str
    version: str
    init_args: Mapping[str, Any]
    weights_sha256: str | None
    details: Mapping[str, Any] = field(default_factory=dict)


def write_model(path: Path, tensors: Mapping[str, Any], header: ModelHeader) -> None:
    """Write tensors (contiguous, on any device) and the header to one safetensors file."""
    from safetensors.torch import save_file

    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(content, path, metadata={METADATA_KEY: json.dumps(header.__dict__, sort_keys=True)})


def read_header(path: Path) -> ModelHeader:
    """Return the header of a model file without reading its tensors.

    Raises
    ------
    InputError
        Not a model file of ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = (file.metadata() or {}).get(METADATA_KEY)
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file", "a model file", "Correct the path.") from error
    except SafetensorError as error:
        raise InputError(str(path), str(error), "a model file (safetensors)", "Store the model again.") from error
    if metadata is None:
        raise InputError(str(path), "safetensors without our header", "a model file that a detector stored",
                         "Give the model.safetensors of a job.")  # fmt: skip
    return ModelHeader(**json.loads(metadata))


def read_model(path: Path, class_path: str, version: str) -> tuple[ModelHeader, dict[str, Any]]:
    """Return header and tensors of a model file, after checking that it belongs to a detector.

    Raises
    ------
    InputError
        Another detector or version wrote it.
    """
    from safetensors.torch import load_file

    header = read_header(path)
    if (header.class_path, header.version) != (class_path, version):
        raise InputError(str(path), f"{header.class_path} version {header.version}", f"{class_path} version {version}",
                         "Load it with the detector that stored it, or train again.")  # fmt: skip
    return header, load_file(path)


def check_weights(path: Path, header: ModelHeader, sha256: str | None) -> None:
    """Refuse a model whose backbone has other weights than those it was trained with.

    Raises
    ------
    WeightsError
        The SHA-256 differ.
    """
    if header.weights_sha256 != sha256:
        raise WeightsError(str(path), sha256, f"backbone weights with SHA-256 {header.weights_sha256}",
                           "Use the weights the model was trained with.", "WeightsMismatch")  # fmt: skip
