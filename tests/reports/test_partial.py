import dataclasses
import math
import re

import pandas as pd
import pytest

from protocols.results import RESULT_COLUMNS
from reports.caveats import caveats, failures
from reports.data import JOB_COLUMNS, ReportData
from reports.explain import first_line, how_computed
from reports.html import page
from reports.registry import REPORTS, write_report


@pytest.fixture(scope="module")
def small(make):
    return make(detectors=(("CS-Flow", 2.0),), repeats=2, views=1, failed=False)


def without(data, **changes):
    return dataclasses.replace(data, **changes)


CASES = {
    "results only": lambda d: ReportData("bare", d.results),
    "nothing": lambda d: ReportData("empty", pd.DataFrame(columns=list(RESULT_COLUMNS))),
    "naive only": lambda d: ReportData("naive", d.results[d.results["protocol"] == "naive"]),
    "three-way only": lambda d: without(d, results=d.results[d.results["protocol"] == "three_way"]),
    "no repeat rows": lambda d: without(d, results=d.results[d.results["repeat"].isna()]),
    "all undefined": lambda d: without(d, results=d.results.assign(value=math.nan, low=math.nan, high=math.nan,
                                                                   status="undefined", notes="no class")),
    "no intervals": lambda d: without(d, results=d.results.assign(low=math.nan, high=math.nan)),
    "infinite thresholds": lambda d: without(d, results=d.results.assign(threshold=math.inf)),
    "no maps": lambda d: without(d, worst=tuple(dataclasses.replace(w, heat=None, mask=None) for w in d.worst)),
    "constant scores": lambda d: without(d, scores=d.scores.assign(score=0.5)),
    "one class scored": lambda d: without(d, scores=d.scores[d.scores["label"] == 0]),
    "unbounded band": lambda d: without(d, roc=d.roc.assign(low=math.nan, high=math.nan)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_partial_data_still_give_a_page(small, case):
    text = page(CASES[case](small))
    assert "How this was computed" in text
    assert re.search(r">[^<]*\b(nan|None|inf)\b[^<]*<", text) is None


def test_a_single_detector_with_one_repeat_gives_every_format(make, tmp_path):
    write_report(make(detectors=(("only one", 2.0),), repeats=1, views=1, failed=False), tmp_path, list(REPORTS))
    assert (tmp_path / "index.html").is_file()


def test_a_run_in_which_every_job_failed_says_so(tmp_path):
    jobs = pd.DataFrame([("knn", "three_way", 0, "ab", "failed", "fit: boom", None, None, None, None)],
                        columns=list(JOB_COLUMNS))  # fmt: skip
    data = ReportData("failed", pd.DataFrame(columns=list(RESULT_COLUMNS)), jobs=jobs)
    assert failures(data) == ("knn, three_way, repeat 0: failed. fit: boom",)
    assert "fit: boom" in page(data)


def test_the_first_line_states_how_wide_the_intervals_are_and_on_how_many_objects_they_rest(data):
    widths = [e.high - e.low for d in data.detectors
              if (e := data.estimate("", d, "three_way", "inference", "object", "auroc"))]  # fmt: skip
    assert f"{min(widths):.2f} to {max(widths):.2f} wide" in first_line(data)
    assert "each repeat judged 6 defective objects" in first_line(data)


def test_the_first_line_without_honest_figures_says_so(data):
    assert first_line(CASES["naive only"](data)) == "No honest figure with an interval is stored in this run."


def test_the_text_names_repeats_rules_resamples_and_seed(data):
    text = " ".join(p for _, p in how_computed(data))
    for part in ("5 times", "Youden", "overkill ≤ 0.05", "2000 times", "seed 0", "class-resolved", "share of 0.01"):
        assert part in text


def test_missing_grouping_is_said_where_objects_are_explained(data):
    dataset = {**data.parameters["dataset"], "object_policy": "image_is_object"}
    steps = dict(how_computed(without(data, parameters={**data.parameters, "dataset": dataset})))
    assert "every image was taken as an object of its own" in steps["Objects"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d, "Few defective objects: a repeat judged as few as 6"),
        (lambda d: d, "only 4 of 5 repeats"),
        (lambda d: d, "Reduced presets: CS-Flow (tiny), GLASS (tiny)"),
        (lambda d: d, "Undefined: no mask marks a defect. This concerns CS-Flow, pixel largest F1; "),
        (lambda d: without(d, warnings=("Something else.",)), "Something else."),
        (lambda d: without(d, results=d.results.assign(high=0.4)), "scores may be inverted"),
    ],
    ids=["few objects", "missing repeats", "presets", "undefined", "given", "inverted"],
)
def test_what_to_distrust_is_found_in_the_data(data, change, said):
    assert any(said in line for line in caveats(change(data)))
