import json

import pytest
from rich.console import Console

from reports import console


@pytest.fixture(scope="module")
def clean(make):
    return make(3, memorises=())


def rendered(table, width):
    out = Console(width=width, color_system=None)
    with out.capture() as captured:
        out.print(table)
    return captured.get()


def test_the_summary_has_one_line_a_detector_with_both_figures_and_the_difference(data):
    lines = console.summary_text(data).splitlines()
    assert len(lines) == 2 + len(data.detectors)
    assert "0.977 [0.932, 1.000]  0.89 [0.82, 0.96]  +0.09 [0.03, 0.15]" in lines[-1]
    assert lines[-1].endswith("naive is too high; objects on both sides +0.081 [0.046, 0.116]")


def test_the_demo_shows_both_set_ups(data, clean):
    lines = console.demo_text(data, clean).splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["leaky"] * 3 + ["clean"] * 3


@pytest.mark.parametrize("width", [80, 120])
def test_the_tables_fit_a_terminal_without_losing_a_number(data, clean, width):
    for table in (console.summary_table(data), console.demo_table(data, clean)):
        text = rendered(table, width)
        assert max(map(len, text.splitlines())) <= width
        assert "[0.932, 1.000]" in text and "+0.09" in text


def test_json_is_strict_and_holds_full_precision(data, clean):
    both = json.loads(json.dumps(console.demo(data, clean), allow_nan=False))
    row = both["leaky"]["detectors"][1]
    stored = data.estimate("", "GLASS", "three_way", "inference", "image", "auroc")
    assert row["detector"] == "GLASS" and row["honest_image_auroc"]["value"] == stored.value


def test_undefined_numbers_are_null_in_json(data, changed):
    undefined = changed(data, results=data.results.assign(value=float("nan"), low=float("nan"), high=float("nan")))
    row = json.loads(json.dumps(console.summary(undefined), allow_nan=False))["detectors"][0]
    assert row["naive_image_auroc"] == {"value": None, "low": None, "high": None, "status": "undefined"}


def test_labels_cannot_command_the_terminal_or_the_markup(make):
    data = make(detectors=(("\x1b[31mred", 1.0), ("[bold]x[/bold]", 2.0)), repeats=2, failed=False)
    assert "\x1b" not in console.summary_text(data)
    assert "[bold]x[/bold]" in rendered(console.summary_table(data), 140)


def test_a_run_without_results_gives_an_empty_table(data, changed):
    empty = changed(data, results=data.results[:0], jobs=data.jobs[:0], detectors=())
    assert console.summary(empty)["detectors"] == []
    assert rendered(console.summary_table(empty), 80)
