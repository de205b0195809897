"""The renderer against geometry that can be computed in another way."""

import numpy as np
import pytest

from bench.synthetic.camera import Pose, photograph
from bench.synthetic.parameters import resolve
from bench.synthetic.part import BOW_RADIUS, TUBE_RADIUS, make_part
from bench.synthetic.recording import Recording, render, visible_defect_pixels
from bench.synthetic.surface import LATTICE, value_noise

STILL = {"view_sd": 0, "object_sd": 0, "noise": 0, "fixture": "off"}


def picture(settings, kind=None, angle=0.0, number=3, draw=0, seed=0, **recording):
    p = resolve("demo", settings)
    return render(p, seed, make_part(p, seed, number, kind), Recording(number, draw, angle, **recording))


def test_the_outline_of_the_bow_is_that_of_a_torus():
    p = resolve("demo", {**STILL, "image_size": [240, 320]})
    mask = picture(p.to_dict()).foreground
    rows, columns = np.indices(mask.shape)
    x, y = (columns + 0.5 - 160) / 240, (120 - 0.5 - rows) / 240
    bow = x < -0.02
    exact = np.abs(np.hypot(x, y) - BOW_RADIUS) < TUBE_RADIUS
    assert (mask[bow] != exact[bow]).mean() < 0.004  # only rim pixels may differ


def test_normals_and_points_lie_on_the_tube():
    part = make_part(resolve("demo", STILL), 0, 0, None)
    surface = photograph(part.line, Pose(0.6, 0.1, (0, 0)), 200, 260)
    bow = part.line.main[surface.node] & (surface.position[0] < -0.05)
    x, y, z = surface.position[:, bow]
    ring = np.hypot(x, y)
    tube = np.hypot(ring - BOW_RADIUS, z)
    assert np.allclose(tube, TUBE_RADIUS, atol=0.001)
    exact = np.stack([x / ring * (ring - BOW_RADIUS), y / ring * (ring - BOW_RADIUS), z]) / tube
    assert (exact * surface.normal[:, bow]).sum(0).min() > 0.995


def test_a_whole_turn_is_no_turn_and_half_a_turn_is_the_mirror_about_the_axis():
    settings = {**STILL, "axis_offset": 0, "background": "black"}
    change = np.abs(picture(settings).image.astype(int) - picture(settings, angle=360.0).image)
    assert (change > 1).mean() < 0.002  # rim pixels, by rounding
    front, back = picture(settings).foreground, picture(settings, angle=180.0).foreground
    # The prongs lean towards the viewer, so only the rows above them mirror.
    assert (front[:60, ::-1] != back[:60]).mean() < 0.002


def test_a_turned_camera_sees_the_turned_picture():
    settings = {**STILL, "image_size": [100, 100], "axis_offset": 0.02, "fixture": "on"}
    upright = picture(settings, "dent", 30.0)
    for turns in (1, 2, 3):
        turned = picture(settings, "dent", 30.0, quarter_turns=turns)
        difference = np.abs(turned.image.astype(int) - np.rot90(upright.image, turns).astype(int))
        assert (difference.max(axis=2) > 8).mean() < 0.02
        assert (turned.foreground != np.rot90(upright.foreground, turns)).mean() < 0.002


@pytest.mark.parametrize("kind", ["dent", "scratch", "deformation"])
def test_a_defect_changes_its_part_of_the_image_and_hardly_anything_else(kind):
    settings = {**STILL, "image_size": [192, 256]}
    seen = 0
    for angle in range(0, 360, 45):
        good, bad = picture(settings, None, angle), picture(settings, kind, angle)
        change = np.abs(good.image.astype(int) - bad.image.astype(int)).max(axis=2)
        assert not (bad.defect & ~bad.foreground).any()
        if bad.defect.sum() >= 60:
            seen += 1
            assert change[bad.defect].mean() > 12
        near = np.zeros_like(bad.defect)
        for row, column in np.argwhere(bad.defect):
            near[max(0, row - 9) : row + 10, max(0, column - 9) : column + 10] = True
        if kind != "deformation":  # which bends the part
            assert (change[~near] <= 1).mean() > 0.995
    assert 2 <= seen <= 7  # visible in some views only


def test_visible_pixels_are_counted_without_rendering():
    p = resolve("demo", {})
    part = make_part(p, 1, 4, "deformation")
    recordings = [Recording(4, k, 30.0 * k) for k in range(12)]
    counts = [visible_defect_pixels(p, 1, part, r) for r in recordings]
    assert counts == [int(render(p, 1, part, r).defect.sum()) for r in recordings]
    assert min(counts) < p.visible_pixels <= max(counts)


def test_parts_differ_and_repeated_recordings_of_one_part_differ_less():
    settings = {"object_sd": 3.5, "noise": 0}
    first = picture(settings, number=0, draw=0).image.astype(float)
    again = picture(settings, number=0, draw=7).image.astype(float)
    others = [picture(settings, number=n, draw=0).image.astype(float) for n in range(1, 6)]
    assert not np.array_equal(first, again)
    assert np.abs(first - again).mean() < np.mean([np.abs(first - o).mean() for o in others])


def test_without_variation_only_noise_tells_recordings_apart():
    p = {"view_sd": 0, "noise": 0}
    assert np.array_equal(picture(p, draw=0).image, picture(p, draw=9).image)
    noisy = {"view_sd": 0, "noise": 0.05}
    residual = picture(noisy, draw=0).image.astype(float) - picture(noisy, draw=9).image.astype(float)
    assert residual.std() / np.sqrt(2) / 255 == pytest.approx(0.05, rel=0.06)


def test_the_fixture_and_the_backgrounds_are_what_they_say():
    blue = picture({"noise": 0}).image.astype(int)
    assert (blue[:, :, 2] > blue[:, :, 0] + 40).sum() > 20
    bare = picture({"noise": 0, "fixture": "off"}).image.astype(int)
    assert (bare[:, :, 2] > bare[:, :, 0] + 40).sum() == 0
    black = picture({"background": "black", **STILL})
    assert black.image[~black.foreground].mean() < 2
    flicker = [picture({"background": "flicker", "noise": 0, "view_sd": 0}, draw=k).image for k in (0, 1)]
    assert 0 < (np.abs(flicker[0].astype(int) - flicker[1]).max(axis=2) > 3).mean() < 0.05


def test_the_confounds_change_the_plate_and_the_colours():
    plain = picture(STILL).image.mean(axis=(0, 1))
    brighter = picture({**STILL, "background_confound": 1}, defective_session=True).image.mean(axis=(0, 1))
    assert np.all(brighter - plain > 0.5 * 0.08 * 255)
    early = picture({**STILL, "session_confound": 1}, date=0.0).image.mean(axis=(0, 1))
    late = picture({**STILL, "session_confound": 1}, date=1.0).image.mean(axis=(0, 1))
    assert late[0] > early[0] and late[2] < early[2]


@pytest.mark.parametrize("settings", [{"resolution": 0.25}, {"blur": 2}], ids=["resolution", "blur"])
def test_detail_is_lost_but_not_the_brightness(settings):
    sharp, soft = picture(STILL).image.astype(float), picture({**STILL, **settings}).image.astype(float)
    assert soft.mean() == pytest.approx(sharp.mean(), abs=1.5)
    assert np.abs(np.diff(soft, axis=1)).mean() < 0.6 * np.abs(np.diff(sharp, axis=1)).mean()


def test_off_centre_moves_the_part_by_that_much():
    settings = {**STILL, "background": "black"}
    middle = np.argwhere(picture(settings).foreground).mean(axis=0)
    moved = [np.argwhere(picture({**settings, "off_centre": 0.05}, draw=k).foreground).mean(axis=0) for k in range(4)]
    assert np.hypot(*(np.array(moved) - middle).T) == pytest.approx(np.full(4, 0.05 * 96), abs=0.6)


def test_noise_gradient_matches_finite_differences():
    rng = np.random.default_rng(0)
    lattice = np.pad(rng.standard_normal((LATTICE,) * 3).astype(np.float32), (0, 1), mode="wrap")
    places = rng.uniform(-0.5, 0.5, (3, 200)).astype(np.float32)
    _, gradient = value_noise(lattice, places, 0.1)
    for axis in range(3):
        step = np.zeros((3, 1), np.float32)
        step[axis] = 1e-3
        change = value_noise(lattice, places + step, 0.1)[0] - value_noise(lattice, places - step, 0.1)[0]
        assert np.allclose(change / 2e-3, gradient[axis], atol=0.35)
