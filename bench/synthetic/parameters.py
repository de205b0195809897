"""Every switch of the synthetic factory: its name, its default, what it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Literal

from protocols.errors import InputError

KINDS = ("dent", "scratch", "deformation")
BACKGROUNDS = ("plate", "black", "random", "flicker")
LEAKS = ("none", "views", "rerecorded")

# At 96 rows a defect counts as visible from 6 pixels on; other sizes scale with the area of the frame.
_VISIBLE_PIXELS, _VISIBLE_ROWS = 6, 96


@dataclass(frozen=True)
class Parameters:
    """What the factory makes and how it photographs it; lengths are in units of the frame's height.

    Parameters
    ----------
    image_size
        Height and width in pixels.
    n_views
        Recordings of each part.
    n_good, n_good_test, n_defective
        Parts: good ones for training, good ones for the test, defective ones (test).
    n_train_images, n_test_images, n_defect_images
        At most so many images: good training, good test, images that show a defect; None keeps all.
    keep_ndo
        Whether views of a defective part that do not show its defect are kept (test, labelled nominal).
    object_sd, view_sd
        Strength of the variation from part to part and from recording to recording.
    angles
        ``full`` turn, ``one`` side (15 degrees either way), or the angles themselves in degrees.
    axis_offset
        Where the vertical axis of rotation is; the part's bow is centred on 0.
    background
        ``plate``, ``black``, ``random``, or ``flicker``: the fittings' brightness varies from image to image.
    background_confound
        The plate is brighter by 0.08 times this in the sessions of the defective parts.
    session_confound
        Strength of a colour drift with the session, and of the tie between session and label.
    fixture
        Whether the gripper with its blue ring is in the picture.
    defect_kinds, defect_size, defect_contrast
        Which defects, how large, how strong.
    min_visible
        Visible defect pixels from which an image is anomalous; None: 6 at 96 rows, in proportion to the area.
    emboss_sd
        Factor on the lettering's variation.
    leak, leak_share
        ``views``: this share of the good test parts is also in training with other views; ``rerecorded``: with
        repeated recordings of the same views. They replace other parts: training keeps its size.
    near_duplicates
        Share of test images that are re-encoded training images under a test part's name.
    label_noise, label_noise_train
        Share of test labels that are flipped; share of training parts with a defect nobody noticed.
    resolution
        Factor by which images are scaled down and up again.
    noise, blur, jpeg
        Sensor noise (sd, full scale = 1), Gaussian blur (sd in pixels), JPEG quality (None: off).
    off_centre
        How far part and gripper are out of the middle, in a random direction for every image.
    rotate_test, rotate_train
        Add a copy of each good test image turned by 90, 180 or 270 degrees; turn three quarters of the training images.
    prevalence
        Share of test images that are defective; None: as it comes.
    match_views
        Whether good test parts are recorded at the angles at which the defective ones show their defects.
    """

    image_size: tuple[int, int] = (96, 128)
    n_views: int = 24
    n_good: int = 20
    n_good_test: int = 8
    n_defective: int = 12
    n_train_images: int | None = None
    n_test_images: int | None = None
    n_defect_images: int | None = None
    keep_ndo: bool = True
    object_sd: float = 1.0
    view_sd: float = 1.0
    angles: Literal["full", "one"] | tuple[float, ...] = "full"
    axis_offset: float = 0.10
    background: str = "plate"
    background_confound: float = 0.0
    session_confound: float = 0.0
    fixture: bool = True
    defect_kinds: tuple[str, ...] = KINDS
    defect_size: float = 0.09
    defect_contrast: float = 3.0
    min_visible: int | None = None
    emboss_sd: float = 1.0
    leak: str = "none"
    leak_share: float = 1.0
    near_duplicates: float = 0.0
    label_noise: float = 0.0
    label_noise_train: float = 0.0
    resolution: float = 1.0
    noise: float = 0.02
    blur: float = 0.0
    jpeg: int | None = None
    off_centre: float = 0.0
    rotate_test: bool = False
    rotate_train: bool = False
    prevalence: float | None = None
    match_views: bool = True

    @property
    def visible_pixels(self) -> int:
        """Defect pixels from which an image is anomalous."""
        if self.min_visible is not None:
            return self.min_visible
        return max(2, round(_VISIBLE_PIXELS * (self.image_size[0] / _VISIBLE_ROWS) ** 2))

    @property
    def n_parts(self) -> int:
        """Parts of all three roles together."""
        return self.n_good + self.n_good_test + self.n_defective

    def to_dict(self) -> dict[str, object]:
        """Return the parameters as plain JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


PROFILES: dict[str, dict[str, object]] = {
    "tiny": {"image_size": (48, 64), "n_views": 8, "n_good": 8, "n_good_test": 4, "n_defective": 6},
    "demo": {},
    "paper": {
        "image_size": (480, 640), "n_views": 120, "n_good": 29, "n_good_test": 4, "n_defective": 12,
        "n_train_images": 3424, "n_test_images": 403, "n_defect_images": 165, "keep_ndo": False,
    },
}  # fmt: skip

Check = Callable[[object], object]  # returns the value in its own type, raises ValueError


def _integer(low: int) -> tuple[Check, str]:
    def check(value: object) -> int:
        number = _as_float(value)
        if number != int(number) or number < low:
            raise ValueError
        return int(number)

    return check, f"a whole number of at least {low}"


def _number(low: float, high: float, *, above: bool = False) -> tuple[Check, str]:
    def check(value: object) -> float:
        number = _as_float(value)
        if not low <= number <= high or (above and number == low):
            raise ValueError
        return number

    return check, f"a number {'above' if above else 'from'} {low:g} {'and at most' if above else 'to'} {high:g}"


def _switch() -> tuple[Check, str]:
    words = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}

    def check(value: object) -> bool:
        word = str(value).lower()
        if word not in words:
            raise ValueError
        return words[word]

    return check, "on or off"


def _choice(*names: str) -> tuple[Check, str]:
    def check(value: object) -> str:
        if value is None and "none" in names:
            return "none"
        if value not in names:
            raise ValueError
        return str(value)

    return check, f"one of {', '.join(names)}"


def _optional(inner: tuple[Check, str], *words: str) -> tuple[Check, str]:
    def check(value: object) -> object:
        if value is None or value is False or str(value).lower() in words:
            return None
        return inner[0](value)

    return check, f"{inner[1]}, or {words[0]}"


def _angles(value: object) -> object:
    if value in ("full", "one"):
        return value
    return tuple(_as_float(v) for v in _as_list(value))


def _kinds(value: object) -> tuple[str, ...]:
    kinds = tuple(str(v) for v in _as_list(value))
    if not set(kinds) <= set(KINDS) or len(set(kinds)) < len(kinds):
        raise ValueError
    return kinds


def _size(value: object) -> tuple[int, ...]:
    size = tuple(_integer(16)[0](v) for v in _as_list(value))
    if len(size) != 2 or max(size) > 8192:  # type: ignore[type-var, operator]
        raise ValueError
    return size  # type: ignore[return-value]


def _as_list(value: object) -> list[object]:
    if isinstance(value, str):
        value = [v.strip() for v in value.split(",")]
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise ValueError
    return values


def _as_float(value: object) -> float:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, str):
        value = float(Fraction(value.strip())) if "/" in value else float(value)
    if not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
        raise ValueError
    return float(value)


def _quality(value: object) -> object:
    number = _integer(1)[0](value)
    if not isinstance(number, int) or number > 95:
        raise ValueError
    return number


_SHARE = _number(0, 1)
_COUNT = _optional(_integer(1), "all", "none", "null")

CHECKS: dict[str, tuple[Check, str]] = {
    "image_size": (_size, "[height, width] in pixels, each from 16 to 8192"),
    "n_views": _integer(1),
    "n_good": _integer(1),
    "n_good_test": _integer(0),
    "n_defective": _integer(0),
    "n_train_images": _COUNT,
    "n_test_images": _COUNT,
    "n_defect_images": _COUNT,
    "keep_ndo": _switch(),
    "object_sd": _number(0, 10),
    "view_sd": _number(0, 10),
    "angles": (_angles, "full, one, or a list of degrees"),
    "axis_offset": _number(-1, 1),
    "background": _choice(*BACKGROUNDS),
    "background_confound": _number(0, 5),
    "session_confound": _SHARE,
    "fixture": _switch(),
    "defect_kinds": (_kinds, f"different ones of {', '.join(KINDS)}"),
    "defect_size": _number(0, 0.3, above=True),
    "defect_contrast": _number(0, 10),
    "min_visible": _optional(_integer(1), "auto", "none", "null"),
    "emboss_sd": _number(0, 10),
    "leak": _choice(*LEAKS),
    "leak_share": _SHARE,
    "near_duplicates": _SHARE,
    "label_noise": _SHARE,
    "label_noise_train": _SHARE,
    "resolution": _number(0, 1, above=True),
    "noise": _number(0, 1),
    "blur": _number(0, 50),
    "jpeg": _optional((_quality, "a whole number from 1 to 95"), "off", "none", "null"),
    "off_centre": _number(0, 1),
    "rotate_test": _switch(),
    "rotate_train": _switch(),
    "prevalence": _optional(_number(0, 0.99, above=True), "natural", "none", "null"),
    "match_views": _switch(),
}


def resolve(profile: str, settings: Mapping[str, object] | None = None) -> Parameters:
    """Return the parameters of a profile with some of them set.

    Parameters
    ----------
    profile
        ``tiny``, ``demo`` or ``paper``.
    settings
        Values by name; numbers may be text, also as in ``1/4``, lists may be text with commas.

    Raises
    ------
    InputError
        No such profile or parameter (the nearest names are shown), or a value it cannot have.
    """
    if profile not in PROFILES:
        raise InputError("synthetic profile", profile, f"one of {', '.join(PROFILES)}", "Correct the profile.")
    values = dict(PROFILES[profile])
    for key, value in (settings or {}).items():
        if key not in CHECKS:
            close = get_close_matches(str(key), CHECKS) or sorted(CHECKS)
            raise InputError("synthetic parameters", key, f"a known key (nearest: {', '.join(close)})",
                             "Correct the key.", code="UnknownKey")  # fmt: skip
        check, expected = CHECKS[key]
        try:
            values[key] = check(value)
        except (ValueError, TypeError, ZeroDivisionError):
            raise InputError(f"synthetic.{key}", value, expected, "Correct the value.") from None
    return Parameters(**values)  # type: ignore[arg-type]


def parse_assignments(assignments: list[str]) -> dict[str, object]:
    """Return ``KEY=VALUE`` texts as a mapping; a later one wins.

    Raises
    ------
    InputError
        A text without ``=``.
    """
    settings: dict[str, object] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InputError("--set", text, "KEY=VALUE", f"Keys are: {', '.join(CHECKS)}.")
        settings[key.strip()] = value.strip().strip("[]")
    return settings
