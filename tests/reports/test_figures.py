import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports import figures
from reports.data import WorstImage
from reports.figures.forest import forest_numbers, plot_forest
from reports.figures.repeats import plot_repeats, repeat_numbers
from reports.figures.roc import plot_roc, roc_numbers
from reports.figures.scores import plot_score_histogram, plot_scores_by_type, score_numbers
from reports.figures.style import ANOMALOUS, HONEST, NAIVE, NOMINAL, shorten
from reports.figures.transfer import plot_transfer, transfer_numbers
from reports.figures.worst import heat_limits, overlay, plot_worst

PLOTS = {
    "forest": lambda d, ax: plot_forest(forest_numbers(d, ""), ax=ax),
    "roc": lambda d, ax: plot_roc(roc_numbers(d, "", "k-NN", "image"), ax=ax),
    "histogram": lambda d, ax: plot_score_histogram(score_numbers(d, "", "k-NN"), ax=ax),
    "types": lambda d, ax: plot_scores_by_type(score_numbers(d, "", "k-NN"), ax=ax),
    "transfer": lambda d, ax: plot_transfer(transfer_numbers(d, "", "k-NN", "object"), ax=ax),
    "repeats": lambda d, ax: plot_repeats(repeat_numbers(d, "", "image"), "image", ax=ax),
    "worst": lambda d, ax: plot_worst(d.worst[0], (0.0, 1.0), ax=ax),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_draws_into_the_axes_given_and_returns_them(data, name):
    ax = Figure().add_subplot()
    assert PLOTS[name](data, ax) is ax
    assert ax.has_data()


def test_a_plot_without_axes_makes_its_own(data):
    import matplotlib.pyplot as plt

    ax = PLOTS["forest"](data, None)
    assert isinstance(ax, Axes)
    plt.close(ax.figure)


def test_drawing_leaves_the_global_random_state_alone(data):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for draw in PLOTS.values():
        draw(data, Figure().add_subplot())
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_the_numbers_beside_a_figure_are_those_stored(data):
    drawing = next(d for d in figures.drawings(data) if d.name == "roc_k-NN_image")
    curve = drawing.numbers[drawing.numbers["kind"] == "three_way"]
    stored = data.roc[(data.roc["detector"] == "k-NN") & (data.roc["protocol"] == "three_way")
                      & (data.roc["level_of_analysis"] == "image")]  # fmt: skip
    assert sorted(curve["tpr"]) == sorted(stored["tpr"])
    chosen = drawing.numbers[(drawing.numbers["kind"] == "threshold") & (drawing.numbers["rule"] == "youden")]
    assert len(chosen) == 5


def test_scores_shown_are_those_of_the_inference_part_only(data):
    numbers = score_numbers(data, "", "GLASS")
    assert set(numbers["partition"]) == {"inference"}
    assert list(dict.fromkeys(numbers["group"])) == ["nominal", "deformation", "dent", "scratch"]


def test_files_carry_no_date_and_no_version(data):
    drawing = figures.drawings(data)[0]
    assert b"CreationDate" not in drawing.pdf()
    assert b"Software" not in drawing.png


def test_labels_that_give_the_same_file_name_do_not_overwrite_each_other(make):
    data = make(detectors=(("a b", 1.0), ("a/b", 2.0)), repeats=1, failed=False)
    names = [d.name for d in figures.drawings(data)]
    assert len(names) == len(set(names))
    assert {"scores_a-b", "scores_a-b-2"} <= set(names)


def test_figure_csv_escapes_formulas(make):
    data = make(detectors=(("=1+1", 1.0),), repeats=1, failed=False)
    forest = next(d for d in figures.drawings(data) if d.section == "forest")
    assert "'=1+1" in forest.csv() and "\n=1+1" not in forest.csv()


def lightness(rgb):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("pair", [(HONEST, NAIVE), (NOMINAL, ANOMALOUS)], ids=["honest-naive", "nominal-anomalous"])
def test_colours_that_must_be_told_apart_differ_for_the_colour_blind(pair):
    # Machado, Oliveira and Fernandes 2009, severity 1.0: protanopia and deuteranopia, on linear RGB
    matrices = [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ]
    for matrix in matrices:
        seen = [np.clip(np.array(matrix) @ np.array(c) ** 2.2, 0, 1) ** (1 / 2.2) for c in pair]
        assert np.linalg.norm(seen[0] - seen[1]) > 0.4


def item(heat, mask=None):
    image = np.full((40, 60, 3), 120, np.uint8)
    return WorstImage("", "d", "s", "o", 1, "dent", 0.5, 0.4, "escape", image, heat, mask)


def test_maps_share_one_scale_so_that_a_quiet_map_looks_quiet():
    loud, quiet = np.zeros((40, 60), np.float32), np.zeros((40, 60), np.float32)
    loud[10:20, 10:20], quiet[10:20, 10:20] = 10.0, 0.5
    limits = heat_limits([item(loud), item(quiet)])
    plain = overlay(item(np.zeros((40, 60), np.float32)), limits).astype(int)
    change = [np.abs(overlay(item(h), limits).astype(int) - plain).max() for h in (loud, quiet)]
    assert change[0] > 2 * change[1]


def test_the_outline_surrounds_the_mask_and_leaves_it_visible():
    mask = np.zeros((40, 60), bool)
    mask[10:20, 10:20] = True
    drawn = overlay(item(None, mask), (0.0, 1.0))
    assert (drawn[mask] == 120).all()
    assert (drawn[9, 10:20] == 255).all()


@pytest.mark.parametrize("heat", [np.full((40, 60), 3.0), np.full((40, 60), np.nan), np.zeros((7, 9))],
                         ids=["constant", "not finite", "another size"])  # fmt: skip
def test_odd_maps_are_drawn(heat):
    assert overlay(item(heat), heat_limits([item(heat)])).shape == (40, 60, 3)


def test_labels_on_axes_are_short_and_printable():
    assert shorten("x" * 50) == "x" * 21 + "…"
    assert shorten("检") == "?"


def test_an_empty_table_of_numbers_can_be_drawn():
    empty = pd.DataFrame(columns=["detector", "repeat", "value", "low", "high"])
    assert plot_repeats(empty, ax=Figure().add_subplot()).get_legend() is None
