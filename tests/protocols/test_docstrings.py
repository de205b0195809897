"""Every public statistic says what it computes, of what, when it refuses, and shows it on an example that runs."""

import doctest
import inspect
import re
import types

import pytest

import protocols

EXPORTED = {name: getattr(protocols, name) for name in protocols.__all__}
FUNCTIONS = {name: value for name, value in EXPORTED.items() if isinstance(value, types.FunctionType)}
CLASSES = {name: value for name, value in EXPORTED.items() if isinstance(value, type)}
RECORDS = {name: value for name, value in CLASSES.items() if not issubclass(value, BaseException)}

# Counts and rearrangements: they have no formula to cite. A record of counts is checked when it is made.
NO_SOURCE = {"aggregate_by_object", "confusion", "discordant_objects", "trivial_costs"}
NEVER_REFUSES = {"decision_metrics"}


def sections(value):
    """The text before the first heading, and the text of each section of a NumPy docstring."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.getdoc(value), flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def parameters_of(function):
    return [name for name in inspect.signature(function).parameters if name not in ("args", "kwargs")]


def named(text):
    """The parameters that a section lists: several may share a line, ``**`` marks keywords."""
    lines = re.findall(r"^([*\w][^\n]*?)(?: : [^\n]*)?$(?=\n    )", text.replace("\\\n", " "), flags=re.MULTILINE)
    return [name.strip(" *") for line in lines for name in line.split(",")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_first_line_is_a_sentence(name):
    first = inspect.getdoc(FUNCTIONS[name]).partition("\n")[0]
    assert first.endswith((".", "?", "*"))
    assert 20 <= len(first) <= 120


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_described(name):
    function = FUNCTIONS[name]
    listed = named(sections(function).get("Parameters", ""))
    assert [p for p in parameters_of(function) if p not in listed] == []
    assert [p for p in listed if p not in parameters_of(function)] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_returns(name):
    text = sections(FUNCTIONS[name])["Returns"]
    assert re.match(r"[\w`. ,\[\]|]+\n    \S", text)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - NEVER_REFUSES))
def test_a_function_says_when_it_refuses(name):
    listed = re.findall(r"^(\w+)$", sections(FUNCTIONS[name])["Raises"], re.MULTILINE)
    assert listed
    assert set(listed) <= set(EXPORTED)
    raised = set(re.findall(r"raise (\w+)\(", inspect.getsource(FUNCTIONS[name])))
    assert raised <= set(listed)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - NO_SOURCE))
def test_a_statistic_cites_its_source(name):
    references = sections(FUNCTIONS[name])["References"]
    assert re.search(r"\(\d{4}\)|As in :func:", references)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_shown_at_work_with_its_result(name):
    examples = doctest.DocTestParser().get_examples(sections(FUNCTIONS[name]).get("Examples", ""))
    assert any(re.search(rf"\b{name}\(", e.source) for e in examples)
    assert any(e.want for e in examples)


@pytest.mark.parametrize("name", RECORDS)
def test_records_describe_their_fields(name):
    value = RECORDS[name]
    text = inspect.getdoc(value)
    fields = [f for f in getattr(value, "__dataclass_fields__", {}) if not f.startswith("_")]
    assert [f for f in fields if not re.search(rf"\b{f}\b", text)] in ([], ["frame"])


@pytest.mark.parametrize("name", CLASSES)
def test_classes_have_docstrings_of_their_own(name):
    assert CLASSES[name].__doc__ and not CLASSES[name].__doc__.startswith(f"{name}(")
