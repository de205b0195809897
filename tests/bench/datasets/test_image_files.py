import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.image_files import (
    file_sha256,
    is_image_name,
    pixel_sha256,
    printable,
    read_grey,
    read_header,
    read_mask,
    read_rgb,
)
from protocols.errors import InputError


def checker(height=6, width=8):
    return ((np.indices((height, width)).sum(axis=0) % 2) * 200).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_divided_by_256(tmp_path, suffix):
    values = np.array([[0, 255, 256, 511], [512, 40000, 65279, 65535]], np.uint16)
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(values).save(path)
    assert np.array_equal(read_rgb(path, "deep"), np.repeat((values // 256)[:, :, None], 3, axis=2).astype(np.uint8))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "1"])
def test_other_modes_go_through_pillows_conversion_to_rgb(tmp_path, mode):
    rng = np.random.default_rng(5)
    image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).convert(mode)
    path = tmp_path / "a.png"
    image.save(path)
    read = read_rgb(path, "a")
    assert read.shape == (6, 8, 3) and read.dtype == np.uint8
    assert np.array_equal(read, np.asarray(image.convert("RGB")))


def test_cmyk_is_read(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (8, 6), (0, 255, 255, 0)).save(path)
    red = read_rgb(path, "a")[0, 0].astype(int)
    assert red[0] > 200 and red[1] < 60 and red[2] < 60


def test_a_palette_with_transparent_entries_is_read_without_a_warning(tmp_path):
    image = Image.fromarray(checker()).convert("P")
    path = tmp_path / "a.png"
    image.save(path, transparency=bytes([0] * 256))
    assert np.array_equal(read_rgb(path, "a")[:, :, 0], checker())


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_of_an_animation_the_first_frame_is_read(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 6), color) for color in ("#ff0000", "#00ff00")]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], **({"lossless": True} if suffix == "webp" else {}))
    assert read_header(path, "a").n_frames == 2
    assert read_rgb(path, "a")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp", "ppm"])
@pytest.mark.parametrize("kept", [0.9, 0.6], ids=["end missing", "half missing"])
def test_a_truncated_image_is_found_without_being_asked_to_decode(tmp_path, suffix, kept):
    rng = np.random.default_rng(0)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    read_header(path, "whole")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InputError, match=r"^broken: found .*, expected (a complete image|an image \(PNG)") as caught:
        read_header(path, "broken")
    assert caught.value.code in ("ImageTruncated", "ImageUnreadable")


def test_a_jpeg_with_bytes_behind_its_end_is_no_fault(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(checker()).save(path)
    path.write_bytes(path.read_bytes() + b"\0" * 40)
    assert read_header(path, "a").size == (8, 6)


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", "ImageEmpty", r"found 'an empty file \(0 bytes\)', expected an image"),
        (b"this is text, not a picture", "ImageUnreadable", r"found b'this is text, no', expected an image"),
        (b"\x89PNG\r\n\x1a\n", "ImageUnreadable", r"expected an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "ImageUnreadable", r"expected an image"),
    ],
    ids=["zero bytes", "text", "a signature only", "PostScript, which would start a program"],
)
def test_what_is_no_image_is_named(tmp_path, content, code, message):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_header(path, "a.png")
    assert caught.value.code == code


def png_that_claims(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [11_000, 60_000], ids=["where Pillow warns", "where Pillow refuses"])
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(side, side))
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(
        InputError, match=rf"found '{side} x {side} pixels', expected at most 100000000 pixels"
    ) as caught:
        read_header(path, "bomb.png")
    assert caught.value.code == "ImageTooLarge"
    with pytest.raises(InputError, match="expected at most"):
        read_rgb(path, "bomb.png")
    assert Image.MAX_IMAGE_PIXELS == before
    assert read_header(path, "bomb.png", max_pixels=side * side).size == (side, side)
    with pytest.raises(InputError, match="expected at most 100000000"):
        read_header(path, "bomb.png")  # remembered headers are judged anew


def test_pillows_limit_is_back_after_many_threads(tmp_path, draw):
    paths = [draw(tmp_path / f"{n}.png") for n in range(40)]
    before = Image.MAX_IMAGE_PIXELS
    threads = [threading.Thread(target=lambda p=path: read_rgb(p, "a")) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == before


def test_a_file_that_changed_since_it_was_read_is_refused(tmp_path, draw):
    path = draw(tmp_path / "a.png", size=(8, 6))
    draw(path, size=(9, 6))
    with pytest.raises(InputError, match="found '9 x 6 pixels', expected 8 x 6, the size when the data set was read"):
        read_rgb(path, "a.png", size=(8, 6))


def test_a_mask_is_what_is_above_the_limit(tmp_path):
    values = np.array([[0, 1, 127, 128, 255]], np.uint8)
    path = tmp_path / "m.png"
    Image.fromarray(values).save(path)
    assert read_mask(path, "m", 0).tolist() == [[False, True, True, True, True]]
    assert read_mask(path, "m", 127).tolist() == [[False, False, False, True, True]]


def test_small_values_of_a_sixteen_bit_mask_are_not_lost(tmp_path):
    path = tmp_path / "m.png"
    Image.fromarray(np.array([[0, 1, 32768]], np.uint16)).save(path)
    assert read_mask(path, "m", 0).tolist() == [[False, True, True]]
    assert read_grey(path, "m").tolist() == [[0, 1 / 256, 128]]


def test_a_digest_is_that_of_the_bytes_and_follows_a_change(tmp_path):
    import hashlib

    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    assert file_sha256(path, "a") == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"three")
    assert file_sha256(path, "a") == hashlib.sha256(b"three").hexdigest()


def test_equal_pixels_have_equal_digests_and_other_shapes_do_not():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert pixel_sha256(pixels) == pixel_sha256(pixels.copy(order="F"))
    assert pixel_sha256(pixels) != pixel_sha256(pixels.reshape(4, 2, 3))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="gone.png: found 'no such file'"):
        read_header(tmp_path / "gone.png", "gone.png")


def test_hidden_and_other_files_are_no_images():
    names = ["a.png", "B.JPG", "c.TIFF", "._a.png", ".DS_Store", "Thumbs.db", "readme.txt", "png"]
    assert [name for name in names if is_image_name(name)] == ["a.png", "B.JPG", "c.TIFF"]


def test_a_name_that_is_not_utf8_can_be_printed():
    assert printable(Path(os.fsdecode(b"caf\xe9.png"))) == "caf\\udce9.png"


def test_exif_orientation_is_told_and_not_applied(tmp_path):
    image = Image.fromarray(checker())
    exif = image.getexif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    image.save(path, exif=exif)
    header = read_header(path, "a")
    assert header.orientation == 6 and header.size == (8, 6) and read_rgb(path, "a").shape == (6, 8, 3)
