"""docs/statistics.md names every statistic, and shows each at work."""

import re
from pathlib import Path

import pytest

import protocols

TEXT = (Path(__file__).resolve().parents[1] / "docs/statistics.md").read_text(encoding="utf-8")
EXAMPLES = "\n".join(re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
PROSE = re.sub(r"^```python\n.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
FUNCTIONS = [name for name in protocols.__all__ if name.islower()]
METHODS = [part for part in re.split(r"^#{2,3} ", PROSE, flags=re.MULTILINE) if "**Answers:**" in part]


@pytest.mark.parametrize("name", protocols.__all__)
def test_every_exported_name_is_explained(name):
    assert f"`{name}" in PROSE


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_shown_at_work(name):
    assert re.search(rf"\bp\.{name}\(", EXAMPLES)


@pytest.mark.parametrize("section", METHODS, ids=lambda s: s.partition("\n")[0][:50])
def test_every_method_says_when_it_fails(section):
    assert "**Fails" in section


def test_functions_stand_in_a_section_that_says_what_they_answer():
    headings = " ".join(section.partition("\n")[0] for section in METHODS)
    assert [name for name in FUNCTIONS if f"`{name}`" not in headings] == []


def test_methods_say_what_to_believe():
    believed = [section for section in METHODS if "**Believe**" in section]
    assert len(believed) > 0.75 * len(METHODS)
    assert len(METHODS) >= 35


def test_all_statuses_and_errors_are_named():
    for word in ("ok", "approximate", "degenerate", "undefined"):
        assert f"`{word}`" in PROSE
