"""Write a synthetic data set: images, masks, manifest; all of it or nothing."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from protocols.errors import InputError

from .parameters import Parameters, resolve
from .part import make_part
from .plan import Roles, Shot, assign_roles, plan_shots, regular_recordings
from .recording import Picture, reencode, render, visible_defect_pixels

RENDERER_VERSION = "1"  # change it when the same parameters would give other pixels
MANIFEST_COLUMNS = (
    "sample_id", "image_path", "label_index", "split", "object_id", "view", "defect_type", "mask_path", "fg_mask_path",
    "angle", "session", "width", "height", "defect_area", "transform", "true_label",
)  # fmt: skip

Report = Callable[[str, int, int], None]
T = TypeVar("T")
R = TypeVar("R")


def render_dataset(
    out: str | Path,
    *,
    profile: str = "demo",
    seed: int = 0,
    parameters: Mapping[str, object] | None = None,
    workers: int = 1,
    report: Report | None = None,
) -> Path:
    """Render a data set into a folder; the same arguments give the same bytes, whatever the number of workers.

    Parameters
    ----------
    out
        Folder that does not exist yet, is empty, or holds this very data set (then nothing is rendered).
    profile
        ``tiny``, ``demo`` or ``paper``.
    seed
        At least 0.
    parameters
        Switches of the factory by name; they win over the profile.
    workers
        Processes.
    report
        Called with (phase, done, total).

    Returns
    -------
    Path
        The manifest in it.

    Raises
    ------
    InputError
        An unknown or impossible parameter, a negative seed, or a folder with something else in it.
    """
    resolved = resolve(profile, parameters)
    _check_seed(seed)
    if workers < 1:
        raise InputError("workers", workers, "at least 1", "Correct the number of workers.")
    out = Path(out)
    description = _description(profile, seed, resolved)
    if _is_complete(out, description):
        return out / "manifest.csv"
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        counts = _render_into(partial, resolved, seed, workers, report or _silent)
        text = json.dumps({**description, "counts": counts}, indent=1, sort_keys=True) + "\n"
        (partial / "synth.json").write_text(text, encoding="utf-8")
        partial.chmod(0o755)
        _move(partial, out, description)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out / "manifest.csv"


def dataset_key(profile: str = "demo", seed: int = 0, parameters: Mapping[str, object] | None = None) -> str:
    """Return a name for exactly this data set: 16 hexadecimal digits of a SHA-256 over all that decides it."""
    description = _description("", seed, resolve(profile, parameters))
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:16]


def _description(profile: str, seed: int, parameters: Parameters) -> dict[str, object]:
    return {
        "schema": 1, "renderer": RENDERER_VERSION, "profile": profile, "seed": seed,
        "parameters": parameters.to_dict(), "visible_pixels": parameters.visible_pixels,
    }  # fmt: skip


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise InputError("seed", seed, "a whole number of at least 0", "Correct the seed.")


def _is_complete(out: Path, description: Mapping[str, object]) -> bool:
    """Return whether the folder holds this data set; anything else in it is an error."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    try:
        found = json.loads((out / "synth.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(str(out), "other files", "a new or empty folder", "Choose another folder.") from None
    same = ("renderer", "seed", "parameters")
    if not isinstance(found, dict) or any(found.get(k) != description[k] for k in same):
        raise InputError(str(out), "a synthetic set with other parameters or another seed", "a new or empty folder",
                         "Choose another folder, or remove this one.")  # fmt: skip
    if not (out / "manifest.csv").is_file():
        raise InputError(str(out), "no manifest.csv", "the whole data set", "Remove the folder and render it again.")
    return True


def _move(partial: Path, out: Path, description: Mapping[str, object]) -> None:
    try:
        os.replace(partial, out)  # an empty folder gives way
    except OSError:
        if not _is_complete(out, description):  # another process may have been faster
            raise


def _render_into(root: Path, parameters: Parameters, seed: int, workers: int, report: Report) -> dict[str, int]:
    roles = assign_roles(parameters, seed)
    with_defect = [n for n in roles.kinds if n in roles.defective or n in roles.train]
    areas = {}
    probes = _each(_probe, [(parameters, seed, roles, n) for n in with_defect], workers)
    for done, (number, found) in enumerate(probes, 1):
        areas[number] = found
        report("find visible defects", done, len(with_defect))
    shots = plan_shots(parameters, seed, roles, areas)
    by_part: dict[int, list[Shot]] = {}
    for shot in shots:
        by_part.setdefault(shot.recording.number, []).append(shot)
        for folder in _folders(shot):
            (root / folder).mkdir(parents=True, exist_ok=True)
    done = 0
    for n in _each(_write_part, [(root, parameters, seed, roles, group) for group in by_part.values()], workers):
        done += n
        report("render", done, len(shots))
    _write_manifest(root / "manifest.csv", shots, parameters)
    return _counts(shots, roles)


def _probe(task: tuple[Parameters, int, Roles, int]) -> tuple[int, list[int]]:
    """Return how many defect pixels each regular recording of a part shows."""
    parameters, seed, roles, number = task
    part = make_part(parameters, seed, number, roles.kinds[number])
    recordings = regular_recordings(parameters, seed, roles, number)
    return number, [visible_defect_pixels(parameters, seed, part, r) for r in recordings]


def _write_part(task: tuple[Path, Parameters, int, Roles, list[Shot]]) -> int:
    """Render and write all images of one part."""
    root, parameters, seed, roles, shots = task
    part = make_part(parameters, seed, shots[0].recording.number, roles.kinds.get(shots[0].recording.number))
    for shot in shots:
        if shot.source is None:
            picture = render(parameters, seed, part, shot.recording)
        else:
            number = shot.source.number
            copied = render(parameters, seed, make_part(parameters, seed, number, roles.kinds.get(number)), shot.source)
            picture = Picture(reencode(copied.image), copied.foreground, copied.defect)
        _save(root / _image_path(shot), picture.image)
        _save(root / _foreground_path(shot), picture.foreground)
        if _mask_path(shot):
            _save(root / _mask_path(shot), picture.defect)
    return len(shots)


def _save(path: Path, pixels: NDArray[np.uint8] | NDArray[np.bool_]) -> None:
    from PIL import Image

    if pixels.dtype == np.bool_:
        Image.fromarray(pixels.view(np.uint8) * np.uint8(255)).save(path, "PNG", compress_level=3)
    else:
        # Sensor noise does not compress: a higher level costs time and saves nothing.
        Image.fromarray(pixels).save(path, "PNG", compress_level=1)


def _each(work: Callable[[T], R], tasks: Iterable[T], workers: int) -> Iterator[R]:
    """Yield ``work(task)`` as results come."""
    if workers == 1:
        yield from map(work, tasks)
        return
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=workers, return_as="generator_unordered")(delayed(work)(t) for t in tasks)


def _folder(shot: Shot) -> str:
    return shot.defect_type if shot.label == 1 else "good"


def _folders(shot: Shot) -> Iterator[str]:
    yield f"{shot.split}/{_folder(shot)}"
    yield f"fg_mask/{shot.split}/{_folder(shot)}"
    if _mask_path(shot):
        yield f"ground_truth/{_folder(shot)}"


def _image_path(shot: Shot) -> str:
    return f"{shot.split}/{_folder(shot)}/{shot.stem}.png"


def _foreground_path(shot: Shot) -> str:
    return f"fg_mask/{shot.split}/{_folder(shot)}/{shot.stem}.png"


def _mask_path(shot: Shot) -> str:
    """Return the defect mask's path; empty where none is due (nominal, or called anomalous without a defect)."""
    return f"ground_truth/{_folder(shot)}/{shot.stem}_defect.png" if shot.label == shot.true_label == 1 else ""


def _write_manifest(path: Path, shots: list[Shot], parameters: Parameters) -> None:
    height, width = parameters.image_size
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for shot in sorted(shots, key=lambda s: s.stem):
            writer.writerow({
                "sample_id": shot.stem, "image_path": _image_path(shot), "label_index": shot.label,
                "split": shot.split, "object_id": shot.object_id, "view": shot.view, "defect_type": shot.defect_type,
                "mask_path": _mask_path(shot), "fg_mask_path": _foreground_path(shot),
                "angle": round(shot.recording.angle, 6), "session": shot.session, "width": width, "height": height,
                "defect_area": shot.defect_area, "transform": shot.transform, "true_label": shot.true_label,
            })  # fmt: skip


def _counts(shots: list[Shot], roles: Roles) -> dict[str, int]:
    test = [s for s in shots if s.split == "test"]
    return {
        "train": len(shots) - len(test),
        "test_nominal": sum(s.label == 0 and s.recording.number not in roles.defective for s in test),
        "test_ndo": sum(s.label == 0 and s.recording.number in roles.defective for s in test),
        "test_anomalous": sum(s.label == 1 for s in test),
        "objects": len({s.recording.number for s in shots}),
        "objects_in_train_and_test": len({s.recording.number for s in test} & set(roles.train)),
    }


def _silent(phase: str, done: int, total: int) -> None:
    """Report nothing."""
