# ruff: noqa: E402 - nothing may import torch before the skip
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")

from PIL import Image

from detectors.glass.augment import OPERATIONS, vary
from detectors.glass.loader import epoch_batches
from detectors.glass.perlin import blob_mask, patch_labels, perlin_mask, perlin_noise
from detectors.glass.pictures import map_to_image, to_square
from detectors.glass.seeds import Purpose, numpy_generator
from detectors.glass.synthesis import blend, blend_weight, draw_mask, paste
from detectors.glass.textures import PATTERNS, FolderTextures, ProceduralTextures
from protocols.errors import InputError


def rng(seed=0):
    return np.random.default_rng(seed)


def square(size=64):
    return rng(9).integers(0, 256, (size, size, 3)).astype(np.uint8)


def test_perlin_noise_is_zero_on_the_lattice_and_bounded():
    noise = perlin_noise(rng(), 64, (8, 4))
    assert noise.shape == (64, 64)
    np.testing.assert_allclose(noise[::8, ::16], 0, atol=1e-6)
    assert 0.3 < np.abs(noise).max() <= 1.0 + 1e-6


def test_perlin_noise_equals_a_loop_over_pixels():
    size, cells = 32, (4, 2)
    angles = rng(3).uniform(0, 2 * np.pi, (5, 3))

    def fade(t):
        return 6 * t**5 - 15 * t**4 + 10 * t**3

    expected = np.empty((size, size))
    for row in range(size):
        for column in range(size):
            y, x = row * cells[0] / size, column * cells[1] / size
            i, j = int(y), int(x)

            def dot(a, b, i=i, j=j, y=y, x=x):
                angle = angles[i + a, j + b]
                return np.sin(angle) * (y - i - a) + np.cos(angle) * (x - j - b)

            dots = [[dot(a, b) for b in (0, 1)] for a in (0, 1)]
            wy, wx = fade(y - i), fade(x - j)
            top, bottom = (d[0] * (1 - wx) + d[1] * wx for d in dots)
            expected[row, column] = np.sqrt(2) * (top * (1 - wy) + bottom * wy)
    np.testing.assert_allclose(perlin_noise(rng(3), size, cells), expected, atol=1e-5)


def statistics(size, n):
    source, covered, labelled = rng(1), [], []
    while len(covered) < n:
        mask = perlin_mask(source, size)
        if mask.any():
            covered.append(mask.mean())
            labelled.append(patch_labels(mask, size // 8).mean())
    return np.array(covered), np.array(labelled)


@pytest.mark.parametrize(
    ("size", "covered", "labelled"), [(288, 0.056, 0.143), (160, None, 0.206)], ids=["288 pixels", "160 pixels"]
)
def test_masks_cover_as_much_as_measured_on_the_reference_program(size, covered, labelled):
    n = 500
    pixels, patches = statistics(size, n)
    # Both sides are samples; the reference's is taken as no larger than ours.
    tolerance = 3.3 * np.sqrt(2 / n)
    assert patches.mean() == pytest.approx(labelled, abs=tolerance * patches.std())
    if covered is not None:
        assert pixels.mean() == pytest.approx(covered, abs=tolerance * pixels.std())
        assert np.median(pixels) == pytest.approx(0.048, abs=1.25 * tolerance * pixels.std())
        assert 0.2 < pixels.max() < 0.5


def test_the_mask_is_union_intersection_or_the_first_alone():
    kinds = set()
    for seed in range(40):
        source = rng(seed)
        first, second, u = blob_mask(source, 64), blob_mask(source, 64), source.uniform()
        expected = first | second if u > 2 / 3 else first & second if u > 1 / 3 else first
        assert np.array_equal(perlin_mask(rng(seed), 64), expected)
        kinds.add(int(u * 3))
    assert kinds == {0, 1, 2}


def test_a_single_pixel_labels_its_patch():
    mask = np.zeros((64, 64), dtype=bool)
    mask[15, 40] = True
    labels = patch_labels(mask, 8)
    assert labels.sum() == 1 and labels[1, 5]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.__name__)
def test_every_operation_keeps_size_and_mode_and_depends_on_its_generator_only(operation):
    picture = Image.fromarray(square())
    first, second = (np.asarray(operation(picture, rng(4))) for _ in range(2))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert np.array_equal(np.asarray(picture), square())
    assert not np.array_equal(first, square()) or operation.__name__ in ("autocontrast",)


def test_three_different_operations_are_applied_in_the_order_drawn(monkeypatch):
    calls = []
    spies = tuple(lambda image, _rng, k=k: calls.append(k) or image for k in range(9))
    monkeypatch.setattr("detectors.glass.augment.OPERATIONS", spies)
    source = rng(5)
    expected = rng(5).choice(9, size=3, replace=False).tolist()
    vary(Image.fromarray(square()), source)
    assert calls == expected and len(set(calls)) == 3


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("size", [32, 96])
def test_every_pattern_fills_a_square_within_0_and_1(pattern, size):
    field = pattern(rng(2), size)
    assert field.shape == (size, size) and field.dtype == np.float32
    assert field.min() >= -1e-5 and field.max() <= 1 + 1e-5 and field.std() > 0.01


def test_a_texture_folder_is_hashed_by_names_and_contents(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("a/x.png", "y.png"):
        Image.fromarray(square()).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    before = FolderTextures(tmp_path).sha256()
    assert before == FolderTextures(str(tmp_path)).sha256()
    (tmp_path / "notes.txt").write_text("changed")
    assert before == FolderTextures(tmp_path).sha256()
    Image.fromarray(255 - square()).save(tmp_path / "y.png")
    changed = FolderTextures(tmp_path).sha256()
    (tmp_path / "y.png").rename(tmp_path / "z.png")
    assert len({before, changed, FolderTextures(tmp_path).sha256()}) == 3


@pytest.mark.parametrize("case", ["missing", "empty", "broken"])
def test_a_bad_texture_folder_is_named(tmp_path, case):
    folder = tmp_path / "textures"
    if case != "missing":
        folder.mkdir()
    if case == "broken":
        (folder / "broken.png").write_text("text")
    with pytest.raises(InputError, match="texture_dir"):
        FolderTextures(folder).draw(rng(), 64)


def test_blending_follows_the_formula_and_leaves_the_rest_alone():
    source = rng(7)
    image, texture = source.normal(size=(2, 3, 32, 32)).astype(np.float32)
    mask = source.random((32, 32)) < 0.3
    beta = np.float32(0.3)
    np.testing.assert_allclose(
        blend(image, texture, mask, beta), image * (1 - mask) + ((1 - beta) * texture + beta * image) * mask, rtol=1e-6
    )


def test_blend_weights_are_clipped_normal():
    weights = np.array([blend_weight(source) for source in [rng(8)] for _ in range(20_000)])
    assert weights.min() == np.float32(0.2) and weights.max() == np.float32(0.8)
    assert weights.mean() == pytest.approx(0.5, abs=0.003) and weights.std() == pytest.approx(0.1, abs=0.003)


def test_defects_stay_inside_the_foreground():
    foreground = np.zeros((64, 64), dtype=bool)
    foreground[20:40, 10:50] = True
    for seed in range(20):
        pasted = paste(rng(seed), square(), ProceduralTextures(), 8, foreground=foreground)
        assert pasted.mask.any() and not (pasted.mask & ~foreground).any()
        assert np.array_equal(pasted.labels, patch_labels(pasted.mask, 8))


@pytest.mark.parametrize("n_pixels", [0, 1], ids=["empty", "almost empty"])
def test_a_foreground_that_no_mask_meets_ends_and_is_reported(n_pixels):
    foreground = np.zeros((64, 64), dtype=bool)
    foreground[0, :n_pixels] = True  # the corner: rotation fills it with zeros nearly always
    mask, n_masks = draw_mask(rng(0), 64, foreground, max_masks=3)
    assert not mask.any() and n_masks == (3 if n_pixels else 0)
    pasted = paste(rng(0), square(), ProceduralTextures(), 8, foreground=np.zeros((64, 64), dtype=bool))
    assert pasted.empty and not pasted.labels.any()


def test_a_sample_depends_on_seed_epoch_and_index_only():
    seed = np.random.SeedSequence(3)

    def pasted(epoch, index):
        generator = numpy_generator(seed, Purpose.SYNTHESIS, epoch, index)
        return paste(generator, square(), ProceduralTextures(), 8).image

    first = pasted(0, 0)
    assert not np.array_equal(first, pasted(0, 1)) and not np.array_equal(first, pasted(1, 0))
    seed.spawn(2)  # what others do with the sequence does not matter
    assert np.array_equal(first, pasted(0, 0))


@pytest.mark.parametrize(
    ("n", "batch_size", "limit", "seen"), [(1000, 8, 392, 400), (100, 8, 392, 100), (400, 8, 391, 392), (5, 8, 0, 5)]
)
def test_an_epoch_ends_after_the_batch_that_passes_the_limit(n, batch_size, limit, seen):
    assert sum(len(b) for b in epoch_batches(np.arange(n), batch_size, limit)) == seen


def test_a_mask_pixel_too_small_for_the_square_still_counts_as_foreground():
    mask = np.zeros((900, 900), dtype=bool)
    mask[450, 450] = True
    assert to_square(mask, 32).sum() >= 1


def test_the_crop_keeps_the_centre_and_its_map_returns_there():
    image = np.zeros((40, 100, 3), dtype=np.uint8)
    image[:, 30:70] = 200
    assert (to_square(image, 32, "shorter_side")[:, 2:-2] == 200).all()
    assert to_square(image, 32)[:, 0].max() == 0
    full = map_to_image(np.ones((32, 32), dtype=np.float32), (40, 100), "shorter_side")
    assert full.shape == (40, 100)
    np.testing.assert_allclose(full[:, 30:70], 1, atol=1e-6)
    assert not full[:, :30].any() and not full[:, 70:].any()
