"""Image files: headers, pixels as RGB, masks, hashes. Nothing is decoded before its size is known."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from protocols.errors import InputError

# Read by content, not by name; formats that start other programs (EPS) or have no pixels (SVG) are left out.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".ppm", ".pgm"})
MAX_PIXELS = 100_000_000

Key = tuple[str, int, int]

_ORIENTATION = 0x0112  # EXIF tag
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class Header:
    """What a file says about itself, before any pixel is decoded."""

    width: int
    height: int
    mode: str
    format: str
    n_frames: int
    orientation: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height


_headers: dict[Key, Header] = {}
_digests: dict[Key, str] = {}


def printable(path: Path | str) -> str:
    """Return a path that can be printed, whatever bytes its name has."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def is_image_name(name: str) -> bool:
    """Whether a file name is that of an image; hidden files (``._000.png``, ``.DS_Store``) are not."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS


def read_header(path: Path, where: str, max_pixels: int = MAX_PIXELS) -> Header:
    """Check a file without decoding it and return what its header says.

    Truncation is found by the end of the file where the format has one (PNG, JPEG, BMP, WEBP); other formats, and
    files whose end looks odd, are decoded. What was found is remembered per (path, size, time of change).

    Parameters
    ----------
    path
        The file.
    where
        Its name in messages.
    max_pixels
        Larger images are refused by their header alone.

    Raises
    ------
    InputError
        Codes ``ImageMissing``, ``PermissionDenied``, ``ImageEmpty``, ``ImageUnreadable``, ``ImageTooLarge``,
        ``ImageTruncated``.
    """
    key = _file_key(path, where)
    if key[1] == 0:
        raise InputError(
            where, "an empty file (0 bytes)", "an image", "Copy the file again or remove it.", "ImageEmpty"
        )
    header = _headers.get(key)
    if header is not None:
        _refuse_large(header.size, where, max_pixels)
        return header
    with _opened(path, where) as image:
        _refuse_large(image.size, where, max_pixels)
        n_frames = int(getattr(image, "n_frames", 1))
        header = Header(*image.size, image.mode, str(image.format), n_frames, _orientation(image))
        if not _ends_well(path, header.format, key[1]):
            _decode(image, where)
    _headers[key] = header
    return header


def read_rgb(
    path: Path, where: str, size: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Decode a file to RGB.

    16-bit grey values are divided by 256; every other mode goes through Pillow's conversion to RGB (an alpha channel
    is dropped); of an animation the first frame is taken; EXIF orientation is not applied, as masks do not have it.

    Parameters
    ----------
    path
        The file.
    where
        Its name in messages.
    size
        (width, height) it had when the data set was read; another size now is an error.
    max_pixels
        Bound if `size` is not known.

    Returns
    -------
    array, shape (height, width, 3)

    Raises
    ------
    InputError
        As :func:`read_header`, and ``ImageChanged`` if the size is another.
    """
    with _opened(path, where) as image:
        _refuse_other_size(image.size, size, where, max_pixels)
        _decode(image, where)
        if image.mode == "I" or image.mode in _SIXTEEN_BIT:
            grey = _eight_bit(np.asarray(image), where)
            return np.repeat(grey[:, :, None], 3, axis=2)
        if image.mode == "P" and "transparency" in image.info:
            # Pillow warns about palettes whose transparency is a string of bytes unless they pass through RGBA.
            return np.array(image.convert("RGBA").convert("RGB"))
        return np.array(image.convert("RGB"))


def read_mask(
    path: Path, where: str, above: float, size: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> NDArray[np.bool_]:
    """Decode a mask: true where the grey value is greater than `above`.

    Parameters
    ----------
    path, where, size, max_pixels
        As for :func:`read_rgb`.
    above
        On the scale 0 to 255.

    Returns
    -------
    array, shape (height, width)
    """
    return np.asarray(read_grey(path, where, size, max_pixels) > above)


def read_grey(
    path: Path, where: str, size: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8] | NDArray[np.float64]:
    """Decode the grey values of a mask, on the scale 0 to 255; 16-bit values are divided by 256 without rounding.

    Returns
    -------
    array, shape (height, width)
        uint8, or float64 for 16-bit files.
    """
    with _opened(path, where) as image:
        _refuse_other_size(image.size, size, where, max_pixels)
        _decode(image, where)
        if image.mode == "I" or image.mode in _SIXTEEN_BIT:
            return np.asarray(image).astype(np.float64) / 256
        if image.mode == "P" and "transparency" in image.info:
            return np.array(image.convert("RGBA").convert("L"))
        return np.array(image.convert("L"))


def file_sha256(path: Path, where: str) -> str:
    """Return the SHA-256 of a file's bytes; remembered per (path, size, time of change) within the process."""
    key = _file_key(path, where)
    if key not in _digests:
        with path.open("rb") as file:
            _digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _digests[key]


def pixel_sha256(pixels: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of an image's shape and pixels: equal for the same picture in two files."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def unreadable(error: OSError, where: str) -> InputError:
    """Say why the operating system does not give a file or folder."""
    if isinstance(error, PermissionError):
        return InputError(
            where,
            "permission denied",
            "a file or folder that may be read",
            "Give yourself the right to read it.",
            "PermissionDenied",
        )
    if isinstance(error, FileNotFoundError):
        return InputError(where, "no such file", "an image", "Correct the path or restore the file.", "ImageMissing")
    return InputError(
        where, error.strerror or str(error), "a readable file", "Check the disk and the path.", "ImageUnreadable"
    )


def _file_key(path: Path, where: str) -> Key:
    try:
        stat = path.stat()
    except OSError as error:
        raise unreadable(error, where) from error
    return str(path), stat.st_size, stat.st_mtime_ns


_lifted = 0
_limit: int | None = None
_lifting = threading.Lock()


@contextmanager
def _pillow_limit_lifted() -> Iterator[None]:
    """Let Pillow open headers of any size: we refuse by our own limit, before decoding.

    Pillow's limit is a global of its module. It is put back when the last thread inside leaves.
    """
    global _lifted, _limit
    with _lifting:
        if _lifted == 0:
            _limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _lifted += 1
    try:
        yield
    finally:
        with _lifting:
            _lifted -= 1
            if _lifted == 0:
                Image.MAX_IMAGE_PIXELS = _limit


@contextmanager
def _opened(path: Path, where: str) -> Iterator[Image.Image]:
    """Open an image, with its faults in our words."""
    with _pillow_limit_lifted():
        try:
            image = Image.open(path, formats=FORMATS)
        except UnidentifiedImageError as error:
            raise InputError(
                where,
                _beginning(path),
                f"an image ({', '.join(FORMATS)})",
                "Convert the file or remove it.",
                "ImageUnreadable",
            ) from error
        except OSError as error:
            if error.errno is not None:
                raise unreadable(error, where) from error
            raise _truncated(error, where) from error
        except (ValueError, SyntaxError, EOFError) as error:
            raise _truncated(error, where) from error
        with image:
            yield image


def _decode(image: Image.Image, where: str) -> None:
    try:
        image.load()
    except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:
        raise _truncated(error, where) from error


def _truncated(error: Exception, where: str) -> InputError:
    return InputError(
        where,
        f"damaged or truncated: {error}",
        "a complete image",
        "Copy the file again or remove it.",
        "ImageTruncated",
    )


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _refuse_large(size: tuple[int, int], where: str, max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise InputError(
            where,
            f"{size[0]} x {size[1]} pixels",
            f"at most {max_pixels} pixels",
            "Make it smaller, or raise --max-pixels if you trust the file.",
            "ImageTooLarge",
        )


def _refuse_other_size(found: tuple[int, int], expected: tuple[int, int] | None, where: str, max_pixels: int) -> None:
    if expected is None:
        _refuse_large(found, where, max_pixels)
    elif found != expected:
        raise InputError(
            where,
            f"{found[0]} x {found[1]} pixels",
            f"{expected[0]} x {expected[1]}, the size when the data set was read",
            "The file has changed since: start again.",
            "ImageChanged",
        )


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 if there is none or it cannot be read."""
    if "exif" not in image.info and image.format != "TIFF":
        return 1  # asking a PNG for EXIF data would decode it
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, KeyError, struct.error):
        return 1
    return value if isinstance(value, int) else 1


def _ends_well(path: Path, kind: str, n_bytes: int) -> bool:
    """Whether the file ends as its format prescribes; False also where the format has no mark to look at."""
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(max(0, n_bytes - 12))
        tail = file.read()
    if kind == "PNG":
        return tail == _PNG_END
    if kind == "JPEG":
        return tail.endswith(b"\xff\xd9")
    if kind == "BMP":
        return 0 < int.from_bytes(head[2:6], "little") <= n_bytes
    if kind == "WEBP":
        return int.from_bytes(head[4:8], "little") + 8 <= n_bytes
    return False


def _eight_bit(values: NDArray[np.generic], where: str) -> NDArray[np.uint8]:
    wide = values.astype(np.int64)
    if wide.size and (wide.min() < 0 or wide.max() > 65535):
        raise InputError(
            where,
            f"grey values from {wide.min()} to {wide.max()}",
            "16-bit grey values (0 to 65535)",
            "Convert the image to 8 or 16 bits.",
            "ImageUnreadable",
        )
    return (wide >> 8).astype(np.uint8)
