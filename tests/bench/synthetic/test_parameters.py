from dataclasses import fields

import pytest

from bench.synthetic.parameters import CHECKS, PROFILES, Parameters, parse_assignments, resolve
from protocols.errors import InputError


def test_every_parameter_has_a_check_and_passes_it():
    assert set(CHECKS) == {f.name for f in fields(Parameters)}
    for profile in PROFILES:
        parameters = resolve(profile)
        assert resolve(profile, parameters.to_dict()) == parameters


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("object_sd", 1.0), ("view_sd", 1.0), ("angles", "full"), ("axis_offset", 0.1), ("background", "plate"),
        ("background_confound", 0.0), ("session_confound", 0.0), ("fixture", True), ("defect_size", 0.09),
        ("defect_contrast", 3.0), ("defect_kinds", ("dent", "scratch", "deformation")), ("emboss_sd", 1.0),
        ("leak", "none"), ("leak_share", 1.0), ("near_duplicates", 0.0), ("label_noise", 0.0), ("resolution", 1.0),
        ("noise", 0.02), ("blur", 0.0), ("jpeg", None), ("off_centre", 0.0), ("rotate_test", False),
        ("rotate_train", False), ("prevalence", None), ("match_views", True),
    ],
)  # fmt: skip
def test_defaults_are_those_of_the_specification(name, default):
    assert getattr(resolve("demo"), name) == default


@pytest.mark.parametrize(
    ("profile", "size", "parts", "views"),
    [("tiny", (48, 64), (8, 4, 6), 8), ("demo", (96, 128), (20, 8, 12), 24), ("paper", (480, 640), (29, 4, 12), 120)],
)
def test_profiles_have_the_specified_sizes(profile, size, parts, views):
    p = resolve(profile)
    assert (p.image_size, (p.n_good, p.n_good_test, p.n_defective), p.n_views) == (size, parts, views)


def test_text_from_the_command_line_becomes_values():
    texts = ["image_size=[96, 128]", "resolution=1/4", "jpeg=off", "fixture=off", "angles=0,90", "noise=.1",
             "prevalence=natural", "defect_kinds=dent", "leak=none", "n_views=3", "n_views=4"]  # fmt: skip
    p = resolve("demo", parse_assignments(texts))
    assert (p.image_size, p.resolution, p.jpeg, p.fixture, p.angles) == ((96, 128), 0.25, None, False, (0.0, 90.0))
    assert (p.noise, p.prevalence, p.defect_kinds, p.leak, p.n_views) == (0.1, None, ("dent",), "none", 4)


def test_visible_pixels_grow_with_the_area():
    assert [resolve(p).visible_pixels for p in ("tiny", "demo", "paper")] == [2, 6, 150]
    assert resolve("demo", {"min_visible": 40}).visible_pixels == 40


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("noise", -0.1), ("noise", "much"), ("noise", float("nan")), ("noise", True), ("n_views", 0), ("n_views", 2.5),
        ("image_size", [96]), ("image_size", 3), ("image_size", [8, 8]), ("leak", "some"), ("background", None),
        ("resolution", 0), ("resolution", "1/0"), ("prevalence", 1), ("jpeg", 100), ("fixture", "maybe"),
        ("defect_kinds", []), ("defect_kinds", "dent,dent"), ("angles", "half"), ("leak_share", 1.1),
    ],
)  # fmt: skip
def test_an_impossible_value_is_an_error_that_names_the_key(key, value):
    with pytest.raises(InputError, match=rf"synthetic\.{key}: found .*expected"):
        resolve("demo", {key: value})


def test_an_unknown_key_is_an_error_that_names_the_nearest():
    with pytest.raises(InputError, match="found 'objekt_sd', expected .*object_sd"):
        resolve("demo", {"objekt_sd": 1})


def test_an_unknown_profile_is_an_error():
    with pytest.raises(InputError, match="found 'huge', expected one of tiny, demo, paper"):
        resolve("huge")


def test_an_assignment_without_equals_is_an_error():
    with pytest.raises(InputError, match="found 'noise', expected KEY=VALUE"):
        parse_assignments(["noise"])
