"""Where a backbone's weights come from, and the SHA-256 of what was loaded.

Four sources, never one silently instead of another:

``random``
    A fixed random initialisation (:mod:`detectors.random_weights`), the same for every job.
``pretrained``
    The file of an explicit timm tag (``wide_resnet50_2.tv_in1k``) from the Hugging Face hub or its local cache.
``embedded``
    Weights shipped with the program; this version has none.
a path
    A safetensors file, or a torch file of tensors only.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from protocols.errors import WeightsError

from .registry import BUILTIN, load_plugin, resolve_arguments
from .timm_import import import_timm

SOURCES = ("random", "pretrained", "embedded")
HUB_FILE = "model.safetensors"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_unreachable: dict[str, WeightsError] = {}  # the hub is asked once a process: its retries take half a minute


def architecture(backbone: str) -> str:
    """Return the network's name without the tag of its weights."""
    return backbone.split(".")[0]


def locate(backbone: str, weights: str, *, download: bool = True) -> Path | None:
    """Return the file that `weights` means for a backbone; None for ``random``, which needs none.

    Parameters
    ----------
    backbone
        timm name with the tag of its weights, such as ``resnet18.tv_in1k``.
    weights
        ``random``, ``pretrained``, ``embedded`` or a path.
    download
        Whether the hub may be asked for a file that is not here.

    Raises
    ------
    WeightsError
        The file is not there; the message says what to do.
    """
    if weights == "random":
        return None
    if weights == "embedded":
        raise WeightsError(
            f"backbone {backbone!r}, weights", weights, "'random', 'pretrained' or a file",
            "Embedded weights come with a later version.", "EmbeddedWeightsMissing",
        )  # fmt: skip
    if weights == "pretrained":
        return _hub_file(backbone, download)
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsError(
            f"backbone {backbone!r}, weights", weights, f"one of {', '.join(SOURCES)}, or an existing file",
            "Correct the path.", "WeightsNotFound",
        )  # fmt: skip
    return path


def _hub_file(backbone: str, download: bool) -> Path:
    """Return the hub's file of an explicit tag from the local cache, or fetch it."""
    if "." not in backbone:
        raise WeightsError(
            f"backbone {backbone!r}, weights", "pretrained", "a name with an explicit tag, such as 'resnet18.tv_in1k'",
            "Name the tag: timm's default tag changes between versions.", "WeightsTagMissing",
        )  # fmt: skip
    repository = hub_repository(backbone)
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, HUB_FILE, local_files_only=True))
    except (OSError, ValueError):
        if not download:
            raise _not_here(backbone, repository, "not in the local cache") from None
    if backbone not in _unreachable:
        try:
            return Path(hf_hub_download(repository, HUB_FILE))
        except (OSError, ValueError, RuntimeError) as error:
            _unreachable[backbone] = _not_here(backbone, repository, str(error).splitlines()[0])
    raise _unreachable[backbone]


def _not_here(backbone: str, repository: str, reason: str) -> WeightsError:
    return WeightsError(
        f"backbone {backbone!r}, weights 'pretrained'", reason, f"the file {HUB_FILE} of {repository}",
        f"Connect to the network once, or download https://huggingface.co/{repository}/resolve/main/{HUB_FILE} "
        "elsewhere and give its path as `weights`; `weights: random` runs without any, and scores worse.",
        "WeightsNotFound",
    )  # fmt: skip


def hub_repository(backbone: str) -> str:
    """Return the hub repository of an explicit timm tag."""
    timm = import_timm()
    tags = timm.list_pretrained(f"{architecture(backbone)}.*")
    config = timm.get_pretrained_cfg(backbone) if backbone in tags else None
    if config is None or not config.hf_hub_id:
        raise WeightsError(
            f"backbone {backbone!r}, weights", "pretrained", f"a tag with weights, one of {tags}",
            "Correct the tag.", "WeightsTagMissing",
        )  # fmt: skip
    if (tuple(config.mean), tuple(config.std)) != (IMAGENET_MEAN, IMAGENET_STD):
        raise WeightsError(
            f"backbone {backbone!r}, weights", f"mean {config.mean} and standard deviation {config.std}",
            "weights trained with the ImageNet normalisation", "Choose another tag.", "WeightsNormalisation",
        )  # fmt: skip
    return str(config.hf_hub_id)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content; remembered as long as its size and time stay."""
    status = path.stat()
    return _sha256(str(path.resolve()), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state(path: Path) -> dict[str, Any]:
    """Return the tensors of a safetensors or torch file by name; nothing in the file is executed.

    Raises
    ------
    WeightsError
        The file is damaged, or holds anything but tensors by name.
    """
    import safetensors
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise _not_tensors(path, str(error).splitlines()[0][:200]) from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise _not_tensors(path, type(state).__name__)
    return dict(state)


def _not_tensors(path: Path, found: str) -> WeightsError:
    return WeightsError(
        str(path), found, "tensors by name, as safetensors or as torch.save of a state dict",
        "Save the model's state dict anew; whole pickled models are not loaded because that executes code.",
        "WeightsDamaged",
    )  # fmt: skip


def match_state(
    state: Mapping[str, Any], known: Mapping[str, Any], needed: Iterable[str], where: str
) -> dict[str, Any]:
    """Return the needed tensors after a strict comparison with the network.

    Parameters
    ----------
    state
        What the file holds.
    known
        The whole network's tensors; any other name in the file is an error.
    needed
        Names of those that take part; the rest (classifier, later stages) may be missing.
    where
        The file, for the message.

    Raises
    ------
    WeightsError
        Names are missing or unknown, or shapes differ; all are counted, the first five named.
    """
    # Batch counters say nothing about the function, and older files lack them.
    wanted = [name for name in needed if not name.endswith("num_batches_tracked")]
    faults = {
        "missing": [name for name in wanted if name not in state],
        "unknown": [name for name in state if name not in known],
        "of another shape": [
            f"{name} {tuple(state[name].shape)} for {tuple(known[name].shape)}"
            for name in wanted
            if name in state and state[name].shape != known[name].shape
        ],
    }
    if any(faults.values()):
        found = "; ".join(
            f"{len(names)} tensors {kind} ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"
            for kind, names in faults.items()
            if names
        )
        raise WeightsError(
            where, found, "the tensors of the network named",
            "Give the file of this network, or name another backbone.", "WeightsMismatch",
        )  # fmt: skip
    return {name: state[name] for name in wanted}


@dataclass(frozen=True)
class WeightsEntry:
    """The weights a detector would use.

    ``status`` is ``built in`` (made from a seed), ``here``, ``missing`` or ``error``; ``message`` says what to do.
    """

    detector: str
    preset: str
    backbone: str
    weights: str
    path: Path | None
    sha256: str | None
    status: str
    message: str


def list_weights(detectors: Iterable[str] | None = None, *, check: bool = False) -> list[WeightsEntry]:
    """List the weights that each detector and preset would use, without downloading any.

    Parameters
    ----------
    detectors
        Names; None: all built-in ones. Detectors without the arguments ``backbone`` and ``weights`` are left out.
    check
        Also load every file that is here into its network, and make the random ones, to show their SHA-256.
    """
    entries = []
    for name in BUILTIN if detectors is None else detectors:
        cls = load_plugin("detector", name, BUILTIN)
        for preset in getattr(cls, "presets", {}):
            arguments = resolve_arguments(cls, name, preset, {})
            if "backbone" in arguments and "weights" in arguments:
                backbone, weights = str(arguments["backbone"]), str(arguments["weights"])
                load = partial(_loaded_sha256, cls, arguments) if check else None
                entries.append(_entry(name, preset, backbone, weights, load))
    return entries


def _loaded_sha256(cls: Any, arguments: Mapping[str, Any]) -> str:
    return str(cls(**arguments).weights_sha256)


def _entry(detector: str, preset: str, backbone: str, weights: str, load: Callable[[], str] | None) -> WeightsEntry:
    path, sha256 = None, None
    try:
        path = locate(backbone, weights, download=False)
        if path is not None:
            sha256, status, message = file_sha256(path), "here", ""
        else:
            status, message = "built in", "made from a fixed seed"
        if load is not None:
            sha256 = load()
    except WeightsError as error:
        missing = error.code in ("WeightsNotFound", "EmbeddedWeightsMissing")
        status, message = "missing" if missing else "error", str(error)
    return WeightsEntry(detector, preset, backbone, weights, path, sha256, status, message)
