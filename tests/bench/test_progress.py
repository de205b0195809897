import io
import re

import pytest
from rich.console import Console

from bench.progress import Progress, duration
from bench.store import RunStore

JOBS = [(f"{i:016x}", f"knn three_way {i}") for i in range(3)] + [("f" * 16, "csflow naive 0")]
DONE = {"status": "done", "message": ""}


@pytest.fixture
def stream():
    return io.StringIO()


def progress(stream, terminal=False, **options):
    return Progress(console=Console(file=stream, force_terminal=terminal, width=100, color_system=None), **options)


def test_plain_lines_say_when_jobs_begin_and_end(stream, tmp_path):
    with progress(stream) as shown:
        shown.start_jobs(JOBS, skipped=2, store=RunStore(tmp_path))
        shown.job_started(JOBS[0][0])
        shown.job_finished(JOBS[0][0], DONE)
        shown.job_started(JOBS[3][0])
        shown.job_finished(JOBS[3][0], {"status": "failed", "phase": "fit", "message": "out of [memory]"})
    lines = [line[9:] for line in stream.getvalue().splitlines()]
    assert lines[0] == "4 jobs to do, 2 done already"
    assert lines[1] == "started knn three_way 0"
    assert re.fullmatch(r"done knn three_way 0 \(\d\.\d s; 1 of 4, about \d\.\d s left\)", lines[2])
    assert lines[4].startswith("FAILED csflow naive 0 in phase fit: out of [memory] (")


def test_what_a_job_says_becomes_a_plain_line(stream, tmp_path):
    store = RunStore(tmp_path)
    with progress(stream, verbose=True) as shown:
        shown._every = 0.0
        shown.start_jobs(JOBS, store=store)
        shown.job_started(JOBS[0][0])
        store.report_progress(JOBS[0][0], phase="fit", done=12, total=40, loss=0.51349)
        shown._look()
    assert "knn three_way 0: fit 12/40 loss=0.5135 (" in stream.getvalue()


def test_what_an_earlier_attempt_said_is_forgotten(stream, tmp_path):
    store = RunStore(tmp_path)
    store.report_progress(JOBS[0][0], phase="maps", done=9, total=9)
    with progress(stream) as shown:
        shown._every = 0.0
        shown.start_jobs(JOBS, store=store)
        shown.job_started(JOBS[0][0])
        shown._look()
    assert "maps" not in stream.getvalue()


def test_steps_are_told_at_the_start_at_the_end_and_now_and_then(stream):
    with progress(stream) as shown:
        for i in range(1, 1001):
            shown.step("hashing images", i, 1000)
    assert [line[9:] for line in stream.getvalue().splitlines()] == [
        "hashing images: 1 of 1000", "hashing images: 1000 of 1000",
    ]  # fmt: skip


def test_quiet_says_nothing(stream, tmp_path):
    with progress(stream, terminal=True, quiet=True) as shown:
        shown.status("reading")
        shown.step("hashing", 1, 1)
        shown.start_jobs(JOBS, store=RunStore(tmp_path))
        shown.job_started(JOBS[0][0])
        shown.job_finished(JOBS[0][0], {"status": "failed", "message": "x"})
    assert stream.getvalue() == ""


def test_a_terminal_shows_jobs_and_the_time_left(stream, tmp_path):
    store = RunStore(tmp_path)
    with progress(stream, terminal=True) as shown:
        shown.start_jobs(JOBS, skipped=1, store=store)
        shown.job_started(JOBS[0][0])
        shown.job_finished(JOBS[0][0], DONE)
        shown.job_started(JOBS[1][0])
        store.report_progress(JOBS[1][0], phase="fit", done=1, total=4, loss=0.25)
        shown._look()
        shown._live.refresh()
    text = stream.getvalue()
    assert "1 of 4 jobs, 1 done already, about" in text
    assert "knn three_way 1" in text
    assert "fit 1/4 loss=0.25" in text


def test_no_live_view_is_made_when_it_is_not_wanted(stream):
    with progress(stream, terminal=True, live=False) as shown:
        shown.status("reading")
    assert stream.getvalue()[9:] == "reading\n"


def test_the_time_left_comes_from_jobs_of_the_same_kind(stream, tmp_path):
    with progress(stream, quiet=True) as shown:
        shown.start_jobs(JOBS, store=RunStore(tmp_path))
        assert shown.seconds_left() is None
        shown._most_at_once = 2
        shown._seconds = {"knn three_way": [2.0, 4.0], "csflow naive": [100.0]}
        assert shown.seconds_left() == pytest.approx((3 * 3.0 + 100.0) / 2)
        shown._seconds = {"knn three_way": [3.0]}  # an unmeasured kind counts like the mean of all
        assert shown.seconds_left() == pytest.approx(4 * 3.0 / 2)


def test_what_happened_is_written_to_the_run(stream, tmp_path):
    store = RunStore(tmp_path)
    with progress(stream, quiet=True) as shown:
        shown.start_jobs(JOBS, store=store)
        shown.job_started(JOBS[0][0])
        shown.job_finished(JOBS[0][0], DONE)
        shown.job_finished(JOBS[1][0], {"status": "failed", "message": "why"})
    assert [(e["event"], e["key"]) for e in store.events()] == [
        ("started", JOBS[0][0]), ("done", JOBS[0][0]), ("failed", JOBS[1][0]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.9, "9.9 s"), (59, "59 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min")]
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text
