import dataclasses
import math

import pandas as pd
import pytest

from protocols.errors import InputError
from protocols.results import COMPARISON_COLUMNS, RESULT_COLUMNS, Estimate
from reports.data import AVERAGE, ReportData
from reports.distinguished import best_detector
from reports.reasons import reasons
from reports.table import Value, cell_text
from reports.tables import TABLES, all_tables, make_table
from reports.tables.compared import sentences
from reports.tables.honest import gap, honest_figure, judged_defective_objects, naive_figure


def column(table, name):
    index = [c.name for c in table.columns].index(name)
    return [row[index] for row in table.rows]


def test_the_honest_table_comes_first():
    assert next(iter(TABLES)) == "honest"


def test_the_honest_table_has_naive_honest_difference_and_reason_of_every_detector(data):
    table = make_table("honest", data)
    assert column(table, "detector") == ["CS-Flow", "GLASS", "k-NN"]
    for name, protocol in (("naive_image_auroc", "naive"), ("honest_image_auroc", "three_way")):
        for detector, cell in zip(data.detectors, column(table, name), strict=True):
            stored = data.results[(data.results["detector"] == detector) & (data.results["protocol"] == protocol)]
            assert cell.estimate.value in set(stored["value"])
    assert all(cell.sign for cell in column(table, "naive_minus_honest"))


def test_naive_is_the_best_checkpoint_where_there_are_checkpoints_and_the_last_one_elsewhere(data):
    best = data.results.set_index(["detector", "protocol", "metric"])["value"]
    assert naive_figure(data, "", "GLASS").value == best["GLASS", "naive", "auroc_best_checkpoint"]
    of = data.results[data.results["protocol"] == "naive"]
    knn = of[(of["detector"] == "k-NN") & (of["metric"] == "auroc") & (of["level_of_analysis"] == "image")]
    assert naive_figure(data, "", "k-NN").value == knn["value"].item()


def test_why_names_the_leak_with_its_measured_size_where_it_was_measured(data):
    reasons = dict(zip(data.detectors, column(make_table("honest", data), "why"), strict=True))
    assert reasons["k-NN"][0] == "naive is too high"
    assert "same objects on both sides (image-level splits): +0.081 [0.046, 0.116]" in reasons["k-NN"]
    assert any("6 objects are in training and in the test set" in line for line in reasons["CS-Flow"])
    assert "best checkpoint picked on the test images: +0.012 [0.003, 0.021]" in reasons["CS-Flow"]


def test_a_difference_whose_interval_covers_zero_is_not_called_a_difference(data):
    reasons = dict(zip(data.detectors, column(make_table("honest", data), "why"), strict=True))
    assert gap(data, "", "GLASS").low < 0 < gap(data, "", "GLASS").high
    assert reasons["GLASS"][0] == "no difference shown"


def pair(a, b, difference, p, **more):
    row = dict.fromkeys(COMPARISON_COLUMNS)
    row.update(category="", metric="auroc", detector_a=a, detector_b=b, difference=difference, low=difference - 0.01,
               high=difference + 0.01, level=0.95, p_value=p / 2, p_adjusted=p, adjust="holm", n_tests=3,
               protocol="three_way", level_of_analysis="image", threshold_rule="", **more)  # fmt: skip
    return row


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        pytest.param([("CS-Flow", "GLASS", -0.1, 0.01), ("CS-Flow", "k-NN", 0.0, 0.9), ("GLASS", "k-NN", 0.1, 0.02)],
                     "GLASS", id="better than both others"),
        pytest.param([("CS-Flow", "GLASS", -0.1, 0.01), ("CS-Flow", "k-NN", 0.0, 0.9), ("GLASS", "k-NN", 0.1, 0.06)],
                     None, id="not distinguishable from one"),
        pytest.param([("CS-Flow", "GLASS", -0.1, 0.01)], None, id="a pair was not compared"),
        pytest.param([("CS-Flow", "GLASS", -0.1, math.nan), ("GLASS", "k-NN", 0.1, 0.02)], None, id="undefined test"),
        pytest.param([], None, id="no comparison"),
    ],
)  # fmt: skip
def test_only_a_detector_distinguishable_from_all_others_is_bold(data, rows, best):
    frame = pd.DataFrame([pair(*r) for r in rows], columns=list(COMPARISON_COLUMNS))
    changed = dataclasses.replace(data, comparisons=frame)
    assert best_detector(changed, "", "auroc", "image") == best
    bold = {row[0] for row in make_table("honest", changed).rows
            if any(isinstance(c, Value) and c.best for c in row)}  # fmt: skip
    assert bold == ({best} if best else set())


def test_for_errors_and_costs_the_smaller_value_is_the_better_one(data):
    frame = pd.DataFrame([pair("CS-Flow", "GLASS", -0.1, 0.01), pair("CS-Flow", "k-NN", -0.1, 0.01),
                          pair("GLASS", "k-NN", 0.0, 0.9)], columns=list(COMPARISON_COLUMNS))  # fmt: skip
    frame["metric"], frame["threshold_rule"] = "overkill", "youden"
    assert best_detector(dataclasses.replace(data, comparisons=frame), "", "overkill", "image", "youden") == "CS-Flow"


def test_a_single_detector_is_never_bold(make):
    alone = make(detectors=(("only", 2.0),), failed=False)
    assert not any(isinstance(c, Value) and c.best for row in make_table("honest", alone).rows for c in row)


def test_operating_points_are_those_of_the_inference_part(data):
    cells = column(make_table("operating_points", data), "sensitivity")
    over = data.results[data.results["repeat"].isna() & (data.results["partition"] == "inference")
                        & (data.results["metric"] == "sensitivity")]  # fmt: skip
    assert sorted(c.estimate.value for c in cells) == sorted(over["value"])


def test_transfer_shows_both_values_and_their_difference(data):
    table = make_table("threshold_transfer", data)
    here, there, lost = (column(table, n) for n in ("apparent", "transported", "optimism"))
    for a, b, c in zip(here, there, lost, strict=True):
        assert a.estimate.value - b.estimate.value == pytest.approx(c.estimate.value)


def test_repeats_show_a_hole_where_a_repeat_failed(data):
    assert column(make_table("repeats", data), "CS-Flow")[4] is None


def test_comparisons_are_put_in_words_with_interval_and_adjusted_p(data):
    decision, sentence = sentences(data, thresholds=False)[0]
    assert decision == "No difference shown"
    assert sentence.startswith("CS-Flow minus GLASS, image AUROC: ")
    assert "95 % interval" in sentence and "Holm over 3 comparisons" in sentence


@pytest.mark.parametrize(
    ("value", "rate", "said"),
    [
        (1.0, "0", "none of 3 experiments (4 repeats each) found a difference."),
        (1 / 3, "0.3333", "1 of 3 experiments (4 repeats each) found a difference; so few experiments may give a value "
         "below its interval."),
    ],
)  # fmt: skip
def test_replicability_stands_beside_how_many_experiments_found_something(data, value, rate, said):
    frame = pd.DataFrame([pair("A", "B", 0.02, 0.2)], columns=list(COMPARISON_COLUMNS))
    frame[["replicability", "replicability_low", "replicability_high"]] = value, 0.5, 1.0
    frame["notes"] = (
        f"rho 0.5; replicability of 3 experiments of 4 repeats each: rejection rate {rate}, p-value version 1"
    )
    text = sentences(dataclasses.replace(data, comparisons=frame), thresholds=False)[0][1]
    assert text.endswith(said)
    assert f"Replicability {value:.2f} [0.50, 1.00]; " in text


def test_pixel_rows_do_not_count_the_objects_that_a_repeat_judged(data):
    rows = data.results
    pixel = rows[(rows["metric"] == "auroc") & rows["repeat"].notna() & (rows["protocol"] == "three_way")].head(1)
    pixel = pixel.assign(level_of_analysis="pixel", n_objects_anomalous=1)
    more = dataclasses.replace(data, results=pd.concat([rows, pixel], ignore_index=True))
    assert judged_defective_objects(more) == judged_defective_objects(data)


def test_what_only_describes_a_doubtful_value_is_no_reason():
    notes = ("chance level 0.49: the share of anomalous units", "6.9% of the replicates were undefined and drawn again")
    assert reasons(Estimate(0.6, 0.5, 0.7, 0.95, status="degenerate", notes=notes)) == notes[1:]


def test_an_undefined_comparison_says_why(data):
    frame = pd.DataFrame([pair("A", "B", math.nan, math.nan)], columns=list(COMPARISON_COLUMNS))
    frame["notes"] = "all repeats are equal"
    text = sentences(dataclasses.replace(data, comparisons=frame), thresholds=False)[0][1]
    assert text == "A and B, image AUROC: not comparable (all repeats are equal)."


def test_the_mean_over_categories_comes_first_and_each_category_after_it(make):
    several = make(categories=("b", "a"), repeats=2)
    assert several.categories == (AVERAGE, "a", "b")
    assert column(make_table("honest", several), "category")[::3] == ["mean over categories", "a", "b"]


def test_an_object_level_that_equals_the_image_level_is_not_shown_twice(make):
    single = make(views=1)
    assert single.levels == ("image",)
    assert "honest_object_auroc" not in [c.name for c in make_table("honest", single).columns]


def test_undefined_values_are_shown_with_their_reason(data):
    table = make_table("localisation", data)
    assert [cell_text(c) for c in column(table, "f1_max")] == ["undefined"] * 3
    assert list(table.notes()) == ["Undefined: no mask marks a defect."]


def test_doubtful_values_are_marked_and_only_reasons_are_named(data):
    notes = "per repeat: median 0.6, min 0.5; SE_boot 0.1, SE_total 0.2; 13.8% of the replicates were drawn again"
    table = make_table(
        "honest", dataclasses.replace(data, results=data.results.assign(status="degenerate", notes=notes))
    )
    assert all(cell_text(c).endswith("] †") for c in column(table, "honest_image_auroc"))
    assert list(table.notes()) == ["† Doubtful: 13.8% of the replicates were drawn again."]


def test_requirements_keep_the_stored_verdicts(data):
    assert set(column(make_table("requirements", data), "verdict")) <= {"met", "not met", "not shown"}


def test_only_results_are_needed(data):
    bare = ReportData("bare", data.results)
    tables = all_tables(bare)
    assert {"honest", "operating_points", "repeats"} <= tables.keys()
    assert not {"comparisons", "jobs", "requirements"} & tables.keys()


@pytest.mark.parametrize("protocol", ["naive", "three_way"])
def test_one_protocol_alone_gives_a_table_without_empty_columns(data, protocol):
    alone = ReportData("x", data.results[data.results["protocol"] == protocol])
    names = [c.name for c in make_table("honest", alone).columns]
    assert "naive_minus_honest" not in names
    assert ("naive_image_auroc" in names) == (protocol == "naive")
    assert (honest_figure(alone, "", "GLASS") is None) == (protocol == "naive")


def test_no_results_at_all_give_no_tables():
    assert all_tables(ReportData("x", pd.DataFrame(columns=list(RESULT_COLUMNS)))) == {}


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match="'threshold_rule'"):
        ReportData("x", pd.DataFrame(columns=[c for c in RESULT_COLUMNS if c != "threshold_rule"]))


def test_results_read_back_from_csv_give_the_same_tables(data, tmp_path):
    data.results.to_csv(tmp_path / "results.csv", index=False)
    again = ReportData("x", pd.read_csv(tmp_path / "results.csv", keep_default_na=False, dtype=str))
    pd.testing.assert_frame_equal(again.results, data.results)
