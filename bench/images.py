"""Images for detectors: lazy, and without labels, whatever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from protocols.errors import InputError

from .image_files import (
    MAX_PIXELS,
    file_sha256,
    is_image_name,
    printable,
    read_header,
    read_mask,
    read_rgb,
    unreadable,
)
from .manifest import FOREGROUND_ABOVE, Manifest


class ImageFiles:
    """An ``ImageSet`` over files: each is decoded when asked for, every time anew.

    Parameters
    ----------
    root
        Folder that the names are relative to.
    names
        The images.
    sizes
        (width, height) that each must have.
    foregrounds
        Foreground mask of each image, empty if it has none; left out: none has.
    """

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        foregrounds: Sequence[str] | None = None,
    ) -> None:
        self._root = root
        self._names = tuple(names)
        self._sizes = tuple(sizes)
        self._foregrounds = tuple(foregrounds) if foregrounds is not None else ("",) * len(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        """Return one RGB image, shape (height, width, 3)."""
        name = self._names[index]
        return read_rgb(self._root / name, printable(name), self._sizes[index])

    def digest(self, index: int, /) -> str:
        """Return the SHA-256 of the file."""
        name = self._names[index]
        return file_sha256(self._root / name, printable(name))

    def foreground(self, index: int, /) -> NDArray[np.bool_] | None:
        """Return the part's mask, shape (height, width), if there is one."""
        name = self._foregrounds[index]
        if name == "":
            return None
        return read_mask(self._root / name, printable(name), FOREGROUND_ABOVE, self._sizes[index])


class ManifestImages(ImageFiles):
    """The images of some samples of a manifest, in the order given. Labels and defect masks stay behind.

    Parameters
    ----------
    manifest
        Checked.
    sample_ids
        Which samples.
    """

    def __init__(self, manifest: Manifest, sample_ids: Sequence[str]) -> None:
        rows = manifest.frame.iloc[manifest.rows(sample_ids)]
        sizes = list(zip(rows["width"].tolist(), rows["height"].tolist(), strict=True))
        super().__init__(manifest.root, rows["image_path"].tolist(), sizes, rows["fg_mask_path"].tolist())


def images_at(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[ImageFiles, list[str]]:
    """Return the images of a folder (with those below it), or one image, that no manifest describes.

    Parameters
    ----------
    path
        A folder or an image.
    max_pixels
        Larger images are refused.

    Returns
    -------
    images
        In the order of the names.
    names
        Relative to the folder, with ``/``.

    Raises
    ------
    InputError
        There is no image, or one cannot be read; :class:`bench.faults.InputFaults` if several.
    """
    from .faults import raise_faults
    from .layouts.tree import Walk

    where = printable(path)
    try:
        single = path.is_file()
        if not single and not path.is_dir():
            raise InputError(
                where, "nothing", "a folder with images, or an image", "Correct the path.", "FolderMissing"
            )
    except OSError as error:
        raise unreadable(error, where) from error
    walk = Walk(path.parent if single else path)
    names = [path.name] if single else walk.images("")
    faults, sizes = list(walk.faults), []
    if not names and not faults:
        raise InputError(where, "no images", "at least one image", "Correct the path.", "NoImages")
    if single and not is_image_name(path.name):
        raise InputError(where, path.suffix, "an image", "Name an image, a folder or a manifest.", "ImageUnreadable")
    for name in names:
        try:
            sizes.append(read_header(walk.root / name, printable(name), max_pixels).size)
        except InputError as fault:
            faults.append(fault)
    raise_faults(faults)
    return ImageFiles(walk.root, names, sizes), names
