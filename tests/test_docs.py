"""What the documentation shows, runs; what it names, exists; what it tabulates, is so."""

import dataclasses
import doctest
import io
import json
import os
import re
import shlex
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import typer
import yaml

from bench.cli.main import app, execute
from bench.cli.settings import FLAGS, take

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
LINKED = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "examples/README.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHRUNK = {
    "detectors": [{"name": "pixel_stats"}],
    "protocols": [{"name": "naive"}, {"name": "three_way", "repeats": 2}],
    "evaluation": {"intervals": {"n_resamples": 20}},
    "report": {"formats": ["csv"]},
}


def named(path):
    return path.relative_to(ROOT).as_posix()


def text_of(page):
    return page.read_text(encoding="utf-8")


def commands_in(block):
    """The command lines of a fenced block, without prompts and comments."""
    lines = (shlex.split(line, comments=True) for line in block.splitlines())
    return [words for words in lines if words and words[0] in ("lab2factory", "make")]


def mentioned_commands(text):
    """All command lines: of fenced blocks, and in the text."""
    found = [words[1:] for _, block in FENCE.findall(text) for words in commands_in(block) if words[0] != "make"]
    inline = re.findall(r"`lab2factory ([^`\n]+)`", FENCE.sub("", text))
    return found + [shlex.split(line) for line in inline]


# -- running ---------------------------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path, tiny_links, monkeypatch):
    """An empty folder in which ``path/to/images`` is a small rendered data set."""
    shutil.copytree(tiny_links, tmp_path / "path/to/images")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("LAB2FACTORY_CACHE", str(tmp_path / "cache"))
    yield tmp_path
    for name in [n for n, m in sys.modules.items() if str(getattr(m, "__file__", "") or "").startswith(str(tmp_path))]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def tiny_links(tmp_path_factory):
    from bench.synthetic import render_dataset

    return render_dataset(tmp_path_factory.mktemp("docs") / "links", profile="tiny", seed=0).parent


def lab2factory(*arguments):
    """Run a command in this process; returns exit code, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = execute([str(a) for a in arguments])
    return code, out.getvalue(), err.getvalue()


def shrink(path, detectors=None):
    """Make what ``init`` wrote a matter of seconds; its data set stays ``path/to/images``."""
    values = yaml.safe_load(path.read_text())
    values.update({**SHRUNK, **({"detectors": detectors} if detectors else {})})
    path.write_text(yaml.safe_dump(values))


def assert_session(block, namespace, name):
    """Run an interactive session; what it prints is what the page shows. Sessions of a page share their names."""
    session = doctest.DocTestParser().get_doctest(block, {}, name, None, 0)
    session.globs = namespace
    found = io.StringIO()
    assert doctest.DocTestRunner().run(session, out=found.write, clear_globs=False).failed == 0, found.getvalue()


def without_placeholders(words, workspace):
    """A command with KEY replaced by a job, done in this process where it would start others."""
    if words[0] == "run" and "--schema" not in words:
        words = [*words, "--backend", "inline"]
    jobs = [
        p for p in (workspace / "runs/with-models/jobs").glob("*") if "three_way" in (p / "record.json").read_text()
    ]
    return [w.replace("/KEY", f"/{jobs[0].name}") if jobs else w for w in words]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_a_page_shows_runs_in_its_order(page, workspace):
    text, config = text_of(page), workspace / "lab2factory.yaml"
    blocks = FENCE.findall(text)
    detectors = next((yaml.safe_load(block)["detectors"] for kind, block in blocks if kind == "yaml"), None)
    if not any(["lab2factory", "init"] in commands_in(block) for _, block in blocks):
        assert lab2factory("init")[0] == 0
        shrink(config, detectors)
    namespace = {}
    for kind, block in blocks:
        if kind == "python" and block.startswith(">>> "):
            assert_session(block, namespace, named(page))
        elif kind == "python":
            file = re.match(r"# (\w+\.py)\n", block)
            if file:
                (workspace / file[1]).write_text(block)
            else:
                with redirect_stdout(io.StringIO()) as out:
                    exec(compile(block, named(page), "exec"), {})
                assert "print(" not in block or out.getvalue().strip()
        for words in commands_in(block):
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", text_of(ROOT / "Makefile"), re.MULTILINE), words
                continue
            code, out, err = lab2factory(*without_placeholders(words[1:], workspace))
            assert code == 0, f"{shlex.join(words)}: {err}"
            assert out.strip(), shlex.join(words)
            if words[1] == "init":
                shrink(config, detectors)


@pytest.mark.data
def test_the_magnetic_tile_example_plans_its_jobs(tmp_path, monkeypatch):
    data = Path(os.environ.get("LAB2FACTORY_DATA", ROOT.parent / "shared/data")) / "mtd"
    if not data.is_dir():
        pytest.skip(f"no magnetic tiles in {data}: set LAB2FACTORY_DATA to the folder that holds mtd")
    monkeypatch.chdir(tmp_path)
    place = (
        () if (ROOT / "examples/../../shared/data/mtd").resolve() == data.resolve() else ("-o", f"dataset.path={data}")
    )
    code, out, err = lab2factory("run", ROOT / "examples/mtd.yaml", *place, "--dry-run", "--json")
    assert code == 0, err
    planned = json.loads(out)["jobs"]
    assert {(job["detector"], job["protocol"]) for job in planned} == {
        (detector, protocol) for detector in ("kNN", "CS-Flow", "GLASS") for protocol in ("naive", "three_way")
    }
    assert sum(job["protocol"] == "three_way" for job in planned) == 9


# -- commands and options --------------------------------------------------------------------------------------


def parse(arguments):
    """Parse a command line as the program does, without running it; raises what the program would print."""
    rest = [a for a in take(list(arguments))[1] if a != "--json"]
    command, name, context = typer.main.get_command(app), "lab2factory", None
    while True:
        context = command.make_context(name, list(rest), parent=context)
        if not hasattr(command, "resolve_command"):
            return command
        rest = [*getattr(context, "_protected_args", []), *context.args]
        name, command, rest = command.resolve_command(context, rest)


def all_commands():
    """(words, command) of every command that does something."""
    open_ = [((), typer.main.get_command(app))]
    while open_:
        words, command = open_.pop()
        if hasattr(command, "commands"):
            open_ += [((*words, name), child) for name, child in command.commands.items()]
        else:
            yield words, command


COMMANDS = dict(sorted(all_commands()))
OPTIONS = {option for command in COMMANDS.values() for p in command.params for option in p.opts}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_in_its_help_that_parses(words):
    examples = re.findall(r"lab2factory ([^\n]+)", COMMANDS[words].help.partition("Example:")[2])
    assert examples
    for example in examples:
        assert tuple(shlex.split(example)[: len(words)]) == words
        assert parse(shlex.split(example)) is not None


@pytest.mark.parametrize("page", LINKED, ids=named)
def test_every_command_and_option_that_a_page_names_exists(page):
    text = text_of(page)
    for words in mentioned_commands(text):
        known = next((w for w in COMMANDS if tuple(words[: len(w)]) == w), None)
        assert known is not None or words[0] in {w[0] for w in COMMANDS} | {"--help", "--version"}, words
        own = {o for p in COMMANDS[known].params for o in p.opts} if known else set()
        assert {w for w in words if w.startswith("-")} <= own | set(FLAGS) | {"--help", "--version"}, words
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert mentioned <= OPTIONS | set(FLAGS) | {"--help", "--version", "--strict"}


@pytest.mark.parametrize("page", LINKED, ids=named)
def test_what_a_page_links_to_is_there(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text_of(page)))
    local = [t.partition("#")[0] for t in targets if not t.startswith(("http", "#"))]
    assert [t for t in local if not (page.parent / t).exists()] == []


# -- tables ----------------------------------------------------------------------------------------------------


def table_rows(text, heading):
    """The cells of the first table behind a piece of text, without its two head lines."""
    lines = text[text.index(heading) + len(heading) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    end = next((i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start + 2 : end]]


def names_in(rows):
    return [name for row in rows for name in re.findall(r"`([\w.\[\]]+)`", row[0])]


def test_every_switch_of_the_factory_is_listed_with_its_default():
    from bench.synthetic.parameters import PROFILES, Parameters, resolve

    text = text_of(ROOT / "docs/data.md")
    listed = {row[0].strip("`"): json.loads(row[1].strip("`")) for row in table_rows(text, "Every switch")}
    assert listed == Parameters().to_dict()
    for name, size, *counts in table_rows(text, "## The rendered data set"):
        of = resolve(name.strip("`"))
        assert [int(n) for n in re.findall(r"\d+", size)] == list(of.image_size)
        assert [int(c) for c in counts[:3]] == [of.n_good, of.n_good_test, of.n_defective]
        views, *limits = (int(n) for n in re.findall(r"\d+", counts[3]))
        assert views == of.n_views
        limited = [of.n_train_images, of.n_test_images, of.n_defect_images]
        assert limits == [n for n in limited if n is not None]
    assert len(table_rows(text, "## The rendered data set")) == len(PROFILES)


def test_every_layout_and_manifest_column_is_listed():
    from bench.layouts import LAYOUTS
    from bench.manifest import COLUMNS

    text = text_of(ROOT / "docs/data.md")
    assert names_in(table_rows(text, "## Layouts")) == list(LAYOUTS)
    assert set(names_in(table_rows(text, "## Manifest"))) == set(COLUMNS)


def test_every_rule_with_its_parameters_and_every_column_of_the_tables_is_listed():
    from protocols.results import COMPARISON_COLUMNS, RESULT_COLUMNS
    from protocols.thresholds import RULES

    text = text_of(ROOT / "docs/protocols.md")
    rules = {n: set(re.findall(r"`(\w+)`", row[2])) for row in table_rows(text, "## Threshold rules")
             for n in names_in([row])}  # fmt: skip
    assert set(rules) == set(RULES)
    for name, rule in RULES.items():
        assert set(rule.required) | set(rule.optional) == rules[name], name
    assert names_in(table_rows(text, "## Columns of results.csv")) == list(RESULT_COLUMNS)
    assert set(names_in(table_rows(text, "## Columns of comparisons.csv"))) == set(COMPARISON_COLUMNS)


def flat(values, prefix):
    for key, value in values.items():
        yield from flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [(f"{prefix}{key}", value)]


def test_every_key_of_the_configuration_is_listed_with_its_default():
    from bench.config import config_from_dict

    default = config_from_dict({"dataset": {"path": "x"}, "detectors": [{"name": "knn"}]}).to_dict()
    expected = dict(flat({k: v for k, v in default.items() if k not in ("detectors", "protocols", "name")}, ""))
    expected |= {f"{p['name']}.{k}": v for p in default["protocols"] for k, v in p.items() if k != "name"}
    expected |= {f"detectors[].{k}": v for k, v in default["detectors"][0].items() if k != "label"}
    expected |= {"dataset.path": None, "detectors[].name": None}
    rows = {row[0].strip("`"): row[1] for row in table_rows(text_of(ROOT / "docs/runs.md"), "## Configuration")}
    assert set(rows) == set(expected) | {"name", "protocols", "detectors[].label"}
    assert {key: json.loads(rows[key].strip("`")) for key in expected} == expected


@pytest.mark.parametrize("name", ["csflow", "glass", "knn", "pixel_stats"])
def test_presets_are_listed_as_they_are(name):
    from detectors.registry import BUILTIN, load_plugin, resolve_arguments

    cls = load_plugin("detector", name, BUILTIN)
    rows = table_rows(text_of(ROOT / "docs/detectors.md"), f"### {name}\n")
    assert list(BUILTIN) == names_in(table_rows(text_of(ROOT / "docs/detectors.md"), "# Detectors"))
    for column, preset in enumerate(("paper", "small", "tiny"), 1):
        listed = {row[0].strip("`"): json.loads(row[column] or row[1]) for row in rows}
        assert listed == json.loads(json.dumps(resolve_arguments(cls, name, preset, {})))


def test_the_tests_that_the_detector_page_names_are_there():
    text = text_of(ROOT / "docs/detectors.md")
    rows = table_rows(text, "## What the references do")
    files = {name for row in rows for name in re.findall(r"`([^`]+\.py)`", row[3])}
    assert files
    assert [name for name in sorted(files) if not (ROOT / "tests/detectors" / name).is_file()] == []


def test_options_of_the_three_way_protocol_have_the_defaults_listed():
    from protocols.three_way import ThreeWay

    rows = table_rows(text_of(ROOT / "docs/protocols.md"), "lab2factory splits check splits path/to/images\n```")
    of = {f.name: f.default for f in dataclasses.fields(ThreeWay)} | {"compare_ungrouped": False}
    for name, default, _ in rows:
        assert yaml.safe_load(default) == of[name.strip("`")], name
