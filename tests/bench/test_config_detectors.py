import sys

import pytest

from bench.config import config_of, read_document
from bench.config_detectors import check_detectors
from protocols.errors import InputError

PLUGIN = '''
"""A detector of the user's."""
class Mine:
    """Score everything alike."""
    version = "1"
    presets = {"tiny": {"size": 2}}
    def __init__(self, *, size=3, kind="a"):
        if size < 1:
            raise ValueError("size must be positive")
    def fit(self, nominal, context): ...
    def score(self, images): ...

class NoDetector:
    """It has no fit."""
'''


@pytest.fixture
def check(tmp_path):
    """Check one entry of `detectors` with the plug-in file loaded; return the messages of all faults."""

    def check(*entries, plugin=PLUGIN, name="users_plugin"):
        path = tmp_path / f"{name}.py"
        path.write_text(plugin)
        config = tmp_path / "a.yaml"
        lines = "".join(f"  - {entry}\n" for entry in entries)
        config.write_text(f"dataset: {{path: x}}\ndetectors:\n{lines}")
        document = read_document(config)
        try:
            check_detectors(config_of(document, config), plugins=(path,), document=document)
        except InputError as error:
            return [str(fault) for fault in getattr(error, "faults", [error])]
        return []

    yield check
    for module in [m for m in sys.modules if m.startswith("users_plugin")]:
        del sys.modules[module]


def test_a_detector_of_a_plugin_file_is_found(check):
    assert check("{class_path: users_plugin.Mine, preset: tiny, init_args: {kind: b}}") == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{class_path: no_such_package.X}", ["line 3, detectors.0.class_path", "No module named 'no_such_package'"]),
        ("{class_path: users_plugin.Mime}", ["line 3, detectors.0.class_path", "users_plugin", "Mine"]),
        ("{class_path: users_plugin.NoDetector}", ["detectors.0.class_path", "fit(nominal, context)"]),
        ("{class_path: json.dumps}", ["detectors.0.class_path", "a detector"]),
        ("{class_path: users_plugin.Mine, init_args: {sise: 1}}", ["detectors.0.init_args.sise", "['size']"]),
        ("{class_path: users_plugin.Mine, init_args: {size: 0}}", ["detectors.0.init_args", "size must be positive"]),
        ("{class_path: users_plugin.Mine, preset: paper}", ["detectors.0.preset", "found 'paper'", "['tiny']"]),
    ],
    ids=[
        "no module",
        "no class",
        "not a detector",
        "a function",
        "unknown argument",
        "refused value",
        "unknown preset",
    ],
)
def test_what_is_wrong_with_a_class_is_one_clear_error(check, entry, words):
    (message,) = check(entry)
    assert all(word in message for word in words), message


def test_all_detectors_are_checked(check):
    assert len(check("{class_path: users_plugin.Mime}", "{class_path: users_plugin.Mine, init_args: {sise: 1}}")) == 2


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("x = 1\nraise RuntimeError('no luck')\n", ["--plugin", "line 2", "RuntimeError: no luck"]),
        ("def f(:\n", ["--plugin", "line 1", "SyntaxError"]),
    ],
    ids=["raises", "no Python"],
)
def test_a_plugin_file_that_does_not_run_is_one_clear_error(check, plugin, words):
    (message,) = check("{name: knn}", plugin=plugin)
    assert all(word in message for word in words), message


def test_a_plugin_file_must_not_shadow_a_module(tmp_path):
    from bench.plugins import load_file

    path = tmp_path / "json.py"
    path.write_text("")
    import json  # noqa: F401 - so that it is there

    with pytest.raises(InputError, match="a name that no other module has"):
        load_file(path)


def test_a_missing_plugin_file_is_one_clear_error(tmp_path):
    from bench.plugins import load_file

    with pytest.raises(InputError, match="a Python file"):
        load_file(tmp_path / "gone.py")
