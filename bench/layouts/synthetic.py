"""What `dataset synth` renders: a folder with synth.json and a manifest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from bench.image_files import printable
from bench.manifest import Manifest
from protocols.errors import InputError

from .csv import read_table

NAME = "synth.json"
# Switches that are traps, with the value at which they are off.
TRAPS = {
    "leak": "none", "near_duplicates": 0, "label_noise": 0, "label_noise_train": 0, "background_confound": 0,
    "session_confound": 0, "match_views": True,
}  # fmt: skip


def matches(root: Path) -> str | None:
    """Return why: the folder has a synth.json; else None."""
    return f"the folder has {NAME}" if root.is_dir() and (root / NAME).is_file() else None


def read(root: Path) -> Manifest:
    """Read a rendered set through the manifest that the factory wrote; notes name profile, seed and traps.

    Raises
    ------
    InputError
        ``synth.json`` or ``manifest.csv`` is missing or damaged.
    """
    where = printable(root / NAME)
    try:
        about = json.loads((root / NAME).read_text(encoding="utf-8"))
        parameters, profile, seed = dict(about["parameters"]), about["profile"], about["seed"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(where, f"{type(error).__name__}: {error}", "the file that `dataset synth` writes",
                         "Render the data set again.", "SynthDamaged") from error  # fmt: skip
    file = root / "manifest.csv"
    if not file.is_file():
        raise InputError(printable(file), "nothing", "the manifest that `dataset synth` writes",
                         "Render the data set again.", "SynthDamaged")  # fmt: skip
    traps = [f"{k} = {parameters[k]}" for k, off in TRAPS.items() if parameters.get(k, off) != off]
    notes = (f"rendered: profile {profile}, seed {seed}; traps: {', '.join(traps) or 'none'}",)
    listed = read_table(file, root, "synthetic")
    return replace(listed, notes=(*listed.notes, *notes))
