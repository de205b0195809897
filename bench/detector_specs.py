"""Which detector with which arguments: resolved once, before anything is trained."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bench.plugins import load_file
from detectors.base import Detector, HasWeights
from detectors.registry import BUILTIN, load_plugin, resolve_arguments
from protocols.errors import InputError

FIXED_SCORES = "scores"


@dataclass(frozen=True)
class DetectorSpec:
    """A detector's identity, picklable; part of the key of every job.

    Parameters
    ----------
    label
        Name in tables; not part of the key.
    name
        Registered name, class path, or ``scores`` for a score file.
    arguments
        All constructor arguments, defaults written out.
    version
        The class's own version string.
    class_path
        Where the class comes from.
    weights_sha256, texture_sha256
        What it builds on, if anything.
    uses_foreground
        Whether it looks at the part's masks.
    scores
        The score file and its SHA-256, for fixed scores.
    plugins
        Python files that the user named; loaded before the class is looked up.
    """

    label: str
    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    version: str = ""
    class_path: str = ""
    weights_sha256: str | None = None
    texture_sha256: str | None = None
    uses_foreground: bool = False
    scores: Path | None = None
    scores_sha256: str | None = None
    plugins: tuple[Path, ...] = ()

    @property
    def is_fixed(self) -> bool:
        """Whether the scores come from a file and nothing is trained."""
        return self.scores is not None

    def identity(self) -> dict[str, object]:
        """Return all that decides the scores of this detector, for the job's key."""
        return {
            "detector": self.class_path, "version": self.version, "init_args": dict(self.arguments),
            "weights_sha256": self.weights_sha256, "texture_sha256": self.texture_sha256,
            "scores_sha256": self.scores_sha256,
            "plugins": [file_sha256(p) for p in self.plugins] if not self.class_path.startswith("detectors.") else [],
        }  # fmt: skip

    def create(self) -> Any:
        """Make the detector."""
        return find_class(self.name, self.plugins)(**self.arguments)


def find_class(name: str, plugins: tuple[Path, ...] = ()) -> Any:
    """Return the class of a registered name or of a class path such as ``my_package.MyDetector``.

    Raises
    ------
    InputError
        Nothing of that name, the module does not import, or it is not a detector.
    """
    for path in plugins:
        load_file(path)
    if "." not in name:
        return load_plugin("detector", name, BUILTIN)
    module_name, _, attribute = name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError("class_path", name, f"a module that can be imported ({error})",
                         "Correct the path, install the package, or load a file with --plugin.") from error  # fmt: skip
    cls = getattr(module, attribute, None)
    if cls is None:
        close = get_close_matches(attribute, dir(module))
        raise InputError("class_path", name, f"a class of {module_name}" + (f" such as {close}" if close else ""),
                         "Correct the name of the class.")  # fmt: skip
    if not (isinstance(cls, type) and callable(getattr(cls, "fit", None)) and callable(getattr(cls, "score", None))):
        raise InputError("class_path", name, "a detector: a class with fit(nominal, context) and score(images)",
                         "See docs/extending.md.")  # fmt: skip
    return cls


def detector_spec(
    *, label: str, name: str, preset: str | None, init_args: Mapping[str, object], plugins: tuple[Path, ...] = ()
) -> DetectorSpec:
    """Resolve a detector: its class, all arguments, and the weights that it would use.

    Raises
    ------
    InputError
        Unknown name, preset or argument, or a value that the class refuses.
    WeightsError
        The weights are not there.
    MissingExtraError
        The detector needs an extra that is not installed.
    """
    cls = find_class(name, plugins)
    arguments = resolve_arguments(cls, label, preset, init_args)
    try:
        detector: Detector = cls(**arguments)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError) or hasattr(error, "code"):
            raise
        raise InputError(f"detector {label!r}, init_args", str(error), "arguments that the class takes",
                         "Correct init_args.") from error  # fmt: skip
    return DetectorSpec(
        label, name, arguments, str(getattr(cls, "version", "")), f"{cls.__module__}.{cls.__qualname__}",
        detector.weights_sha256 if isinstance(detector, HasWeights) else None,
        getattr(detector, "texture_sha256", None), bool(getattr(detector, "uses_foreground", False)), plugins=plugins,
    )  # fmt: skip


def fixed_scores_spec(label: str, path: Path) -> DetectorSpec:
    """Return the spec of a score file that takes part like a detector."""
    if not path.is_file():
        raise InputError(str(path), "no file", "a score file", "Correct the path in detectors[].scores.")
    return DetectorSpec(label, FIXED_SCORES, scores=path, scores_sha256=file_sha256(path), class_path=FIXED_SCORES)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
