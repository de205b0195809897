"""What layouts share: listing folders safely, and pairing masks with images by name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from bench.image_files import is_image_name, printable, unreadable
from bench.manifest_paths import leaves_root, not_utf8
from protocols.errors import InputError


class Walk:
    """Lists images below a root; remembers what could not be read and what was passed over.

    Parameters
    ----------
    root
        The folder that all names are relative to.

    Attributes
    ----------
    faults : list of InputError
        Folders that may not be read, and links to folders outside.
    passed_over : list of str
        Files that are no images, by relative name.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: list[InputError] = []
        self.passed_over: list[str] = []
        self._real_root = os.path.realpath(root)

    def images(self, folder: str) -> list[str]:
        """Return the images below a folder (a name relative to the root), sorted; hidden files are left out."""
        found: list[str] = []
        waiting = [folder]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            path = self.root / name
            real = os.path.realpath(path)
            if real in seen:
                continue  # a link to a folder above or beside it
            seen.add(real)
            if leaves_root(path, self._real_root):
                self.faults.append(
                    InputError(
                        printable(name),
                        "a link out of the data set's folder",
                        "a folder below it",
                        "Copy the folder into the data set.",
                        "LinkOutsideRoot",
                    )
                )
                continue
            try:
                entries = sorted(os.scandir(path), key=lambda entry: entry.name)
            except OSError as error:
                self.faults.append(unreadable(error, printable(name)))
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                below = f"{name}/{entry.name}" if name else entry.name
                fault = not_utf8(below)
                if fault is not None:
                    self.faults.append(fault)  # no table and no report could hold it
                    continue
                if entry.is_dir():
                    waiting.append(below)
                elif is_image_name(entry.name):
                    found.append(below)
                else:
                    self.passed_over.append(below)
        return sorted(found)

    def folders(self, folder: str = "") -> list[str]:
        """Return the names of the folders directly below a folder, sorted."""
        try:
            return folders_in(self.root / folder)
        except OSError as error:
            self.faults.append(unreadable(error, printable(folder or str(self.root))))
            return []

    def notes(self) -> tuple[str, ...]:
        """Say what was passed over."""
        if not self.passed_over:
            return ()
        first = ", ".join(printable(name) for name in self.passed_over[:3])
        return (f"{len(self.passed_over)} files that are no images were passed over ({first})",)


def folders_in(path: Path) -> list[str]:
    """Return the names of the folders directly below, sorted; hidden ones are left out."""
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def subfolders(path: Path) -> list[str]:
    """Return the names of the folders directly below; none where there is no folder or it may not be read."""
    try:
        return folders_in(path)
    except OSError:
        return []  # a layout that cannot look does not match; reading the root names the reason


def stem(name: str) -> str:
    """Return the last part of a path without its extension."""
    return PurePosixPath(name).stem


def pair_masks(
    images: Sequence[str], masks: Iterable[str], suffixes: Sequence[str]
) -> tuple[dict[str, str], list[InputError]]:
    """Pair masks with images by name, never by order.

    Parameters
    ----------
    images
        Paths of the images of one folder.
    masks
        Paths of the masks that belong to that folder.
    suffixes
        What a mask's stem may have more than its image's, such as ``_mask``; the first that fits is taken.

    Returns
    -------
    pairs
        Mask of each image that has one.
    faults
        Masks without image (code ``MaskWithoutImage``), several masks of one image, masks of several images.
    """
    by_stem: dict[str, list[str]] = {}
    for image in images:
        by_stem.setdefault(stem(image), []).append(image)
    pairs: dict[str, str] = {}
    faults: list[InputError] = []
    for mask in masks:
        owners = next((by_stem[base] for base in _bases(stem(mask), suffixes) if base in by_stem), [])
        if not owners:
            faults.append(
                InputError(
                    printable(mask),
                    "a mask without an image",
                    f"an image of the name {stem(mask)!r}, or without {list(suffixes)}",
                    "Restore the image or remove the mask.",
                    "MaskWithoutImage",
                )
            )
        elif len(owners) > 1 or owners[0] in pairs:
            others = [*owners, *([pairs[owners[0]]] if owners[0] in pairs else [])]
            faults.append(
                InputError(
                    printable(mask),
                    [printable(name) for name in others],
                    "one mask an image and one image a mask",
                    "Give each image a name of its own.",
                    "MaskAmbiguous",
                )
            )
        else:
            pairs[owners[0]] = mask
    return pairs, faults


def _bases(name: str, suffixes: Sequence[str]) -> list[str]:
    return [name] + [name[: -len(suffix)] for suffix in suffixes if name.endswith(suffix)]


def image_row(image: str, label: int, split: str, **more: str | float) -> dict[str, str | float]:
    """Return one row of a manifest."""
    return {"image_path": image, "label_index": label, "split": split, **more}


def foregrounds(
    walk: Walk, folders: Sequence[str], images: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Find foreground masks: files of the same place below a folder, or of the same name in one flat folder.

    Parameters
    ----------
    walk
        Where to look.
    folders
        Folders that may hold them; the first that exists is taken.
    images
        For every image its place, such as ``test/good/000``, without extension.

    Returns
    -------
    pairs
        Foreground mask of each image that has one.
    notes
        What was found and not used.
    """
    folder = next((name for name in folders if (walk.root / name).is_dir()), None)
    if folder is None:
        return {}, ()
    files = {str(PurePosixPath(name).relative_to(folder).with_suffix("")): name for name in walk.images(folder)}
    count: dict[str, int] = {}
    for place in images.values():
        count[PurePosixPath(place).name] = count.get(PurePosixPath(place).name, 0) + 1
    pairs: dict[str, str] = {}
    unclear = 0
    for image, place in images.items():
        name = PurePosixPath(place).name
        if place in files:
            pairs[image] = files[place]
        elif name in files and count[name] == 1:
            pairs[image] = files[name]
        elif name in files:
            unclear += 1
    if unclear:
        return pairs, (
            f"{folder}: {unclear} images share their name with another, so their foreground mask is unclear "
            "and not used",
        )
    return pairs, ()
