import json
import pickle

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.config import (
    NaiveConfig,
    RuleConfig,
    ThreeWayConfig,
    config_from_dict,
    json_schema,
    load_config,
    same_configuration,
)
from protocols.errors import InputError

MINIMAL = {"dataset": {"path": "nowhere/images"}, "detectors": [{"name": "knn"}]}

FULL = """\
name: links
seed: 0
dataset:
  path: nowhere/links
  layout: auto
  category: null
  object_policy: required
  mask_above: null
  object_from: '(?P<object>part\\d+)'
detectors:
  - name: csflow
    label: CS-Flow
    preset: small
    init_args: {img_size: [256, 256], weights: random}
  - class_path: my_package.MyDetector
    init_args: {}
  - scores: vendor.csv
protocols:
  - name: naive
  - name: three_way
    repeats: 10
    design: resample
    merge_nominal_test: false
    thresholds:
      - youden
      - {rule: cost, missed: 100, false_alarm: 2, prevalence: 0.01}
      - {rule: max_fpr, value: 0.05}
    compare_ungrouped: [CS-Flow]
    blocks: 1
    conditional: false
evaluation:
  level: 0.95
  intervals: {method: auto, n_resamples: 2000}
  object_score: max
  prevalence: 0.01
  compare: {baseline: null, margin: null, rope: 0.01, adjust: holm}
  requirements: {object_sensitivity: 0.95, object_overkill: 0.02}
store: {models: none, maps: worst}
report: {formats: [html, csv, markdown, latex, figures]}
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def faults(path, overrides=()):
    with pytest.raises(InputError) as caught:
        load_config(path, overrides)
    return [str(fault) for fault in getattr(caught.value, "faults", [caught.value])]


def changed(**changes):
    return yaml.safe_dump({**MINIMAL, **changes})


def with_three_way(**keys):
    return changed(protocols=[{"name": "three_way", **keys}])


def test_the_example_of_the_specification_loads(write):
    config = load_config(write(FULL))
    assert [d.display_name for d in config.detectors] == ["CS-Flow", "MyDetector", "vendor"]
    assert isinstance(config.protocols[0], NaiveConfig)
    assert isinstance(config.protocols[1], ThreeWayConfig)
    assert [(t.rule, t.parameters) for t in config.protocols[1].thresholds] == [
        ("youden", {}), ("cost", {"missed": 100, "false_alarm": 2, "prevalence": 0.01}), ("max_fpr", {"value": 0.05}),
    ]  # fmt: skip
    assert config.protocols[1].compare_ungrouped == ("CS-Flow",)


@pytest.mark.parametrize("text", [FULL, changed()], ids=["full", "minimal"])
def test_the_resolved_configuration_loads_as_an_equal_one(write, text):
    config = load_config(write(text))
    again = load_config(write(config.to_yaml(), "config.yaml"), [f"name={config.name}"])
    assert again == config
    assert again.to_yaml() == config.to_yaml()
    assert config_from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("keys", "resolved"),
    [
        ({}, {"repeats": 10, "folds": None, "runs": None}),
        ({"repeats": None}, {"repeats": 10, "folds": None, "runs": None}),
        ({"repeats": 3, "swap": True}, {"repeats": 3, "swap": True, "folds": None, "runs": None}),
        ({"design": "rotate"}, {"repeats": None, "folds": 5, "runs": 10}),
        ({"design": "rotate", "folds": 4, "blocks": 2}, {"repeats": None, "folds": 4, "runs": 10, "blocks": 2}),
        ({"blocks": 3, "conditional": True}, {"repeats": 10, "blocks": 3, "conditional": True}),
    ],
    ids=str,
)
def test_every_design_writes_out_its_own_defaults_and_loads_again(write, keys, resolved):
    config = load_config(write(with_three_way(**keys)))
    written = yaml.safe_load(config.to_yaml())["protocols"][0]
    assert {key: written[key] for key in resolved} == resolved
    again = load_config(write(config.to_yaml(), "config.yaml"), [f"name={config.name}"])
    assert again == config
    assert again.to_yaml() == config.to_yaml()
    jsonschema.validate(config.to_dict(), json_schema())


def test_all_defaults_are_written_out(write):
    written = yaml.safe_load(load_config(write(changed())).to_yaml())
    assert written["name"] == "a"
    assert written["seed"] == 0
    assert written["detectors"] == [
        {"name": "knn", "class_path": None, "scores": None, "label": "knn", "preset": None, "init_args": {}}
    ]
    assert [p["name"] for p in written["protocols"]] == ["naive", "three_way"]
    assert written["protocols"][1]["thresholds"] == ["youden"]
    assert written["evaluation"]["level"] == 0.95
    assert written["evaluation"]["intervals"] == {"method": "auto", "n_resamples": 2000}


def test_json_with_tabs_loads_too(write):
    assert load_config(write(json.dumps(MINIMAL, indent="\t"), "a.json")) == load_config(write(changed()))


def test_a_byte_order_mark_does_not_matter(write):
    assert load_config(write(b"\xef\xbb\xbf" + changed().encode())).seed == 0


def test_found_paths_become_absolute_and_others_stay(write, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "s.csv").write_text("x")
    text = yaml.safe_dump({"dataset": {"path": "images"}, "detectors": [{"scores": "s.csv"}, {"scores": "gone.csv"}]})
    config = load_config(write(text))
    assert config.dataset.path == str(tmp_path / "images")
    assert [d.scores for d in config.detectors] == [str(tmp_path / "s.csv"), "gone.csv"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", ["a.yaml", "an empty file", "lab2factory init"]),
        (b"# nothing\n", ["an empty file"]),
        (b"\xff\xfe\x00", ["not UTF-8"]),
        (b"a: [1,\nb: 2\n", ["a.yaml, line 3", "YAML"]),
        (b"a: 1\n\tb: 2\n", ["line 2", "YAML"]),
        (b"- 1\n- 2\n", ["a list at the top", "a mapping"]),
        (b"just words\n", ["str at the top", "a mapping"]),
        (b"a: !!python/object/apply:os.system [ls]\n", ["line 1", "could not determine a constructor"]),
        (b"seed: 1\nname: x\nseed: 2\n", ["line 3, seed", "each key once", "line 1"]),
        (b"a: 1\n---\nb: 2\n", ["line 2", "another document"]),
    ],
    ids=[
        "empty",
        "comment",
        "binary",
        "not closed",
        "tab",
        "list",
        "scalar",
        "python tag",
        "key twice",
        "two documents",
    ],
)
def test_what_is_no_configuration_file_is_one_clear_error(write, text, words):
    (message,) = faults(write(text))
    assert all(word in message for word in words), message
    assert message.count(", expected ") == 1


@pytest.mark.parametrize("name", ["missing.yaml", ""], ids=["missing", "folder"])
def test_a_missing_file_is_one_clear_error(tmp_path, name):
    (message,) = faults(tmp_path / name)
    assert "lab2factory init" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(evaluatoin={}), ["evaluatoin", "a known key", "Did you mean 'evaluation'?"]),
        (changed(detectors=[{"name": "knn", "prest": "tiny"}]), ["detectors.0.prest", "Did you mean 'preset'?"]),
        (with_three_way(repeat=3), ["protocols.0.repeat", "Did you mean 'repeats'?"]),
        (changed(evaluation={"compare": {"ropes": 1}}), ["evaluation.compare.ropes", "'rope'"]),
        (changed(seed="0"), ["seed", "found '0'", "a whole number", "without quotes"]),
        (changed(seed=True), ["seed", "found True", "a whole number"]),
        (changed(seed=-1), ["seed", "at least 0"]),
        (changed(name=5), ["name", "found 5", "text", "quotes"]),
        (changed(name="../x"), ["name", "letters, digits"]),
        (changed(detectors="knn"), ["detectors", "found 'knn'", "a list"]),
        (changed(detectors=[]), ["detectors", "at least one entry"]),
        (changed(detectors=["knn"]), ["detectors.0", "found 'knn'", "a mapping"]),
        (changed(detectors=[{"name": "kn"}]), ["detectors.0.name", "csflow", "Did you mean 'knn'?"]),
        (changed(detectors=[{"preset": "tiny"}]), ["detectors.0", "none of them", "name, class_path, scores"]),
        (changed(detectors=[{"name": "knn", "scores": "a.csv"}]), ["detectors.0", "both name and scores"]),
        (changed(detectors=[{"scores": "a.csv", "preset": "tiny"}]), ["detectors.0.preset", "score file"]),
        (changed(detectors=[{"name": "knn", "preset": "tinny"}]), ["detectors.0.preset", "Did you mean 'tiny'?"]),
        (changed(detectors=[{"class_path": "knn"}]), ["detectors.0.class_path", "my_package.MyDetector"]),
        (changed(detectors=[{"name": "knn"}, {"name": "knn"}]), ["detectors.1.label", "found 'knn'", "own label"]),
        (changed(protocols=[{"name": "naiv"}]), ["protocols.0.name", "naive, three_way", "Did you mean 'naive'?"]),
        (changed(protocols=[{"repeats": 3}]), ["protocols.0.name", "no name", "naive, three_way"]),
        (changed(protocols=[{"name": "naive"}, {"name": "naive"}]), ["protocols.1.name", "once"]),
        (with_three_way(repeats=0), ["protocols.0.repeats", "found 0", "at least 1"]),
        (with_three_way(repeats=-3), ["protocols.0.repeats", "found -3", "at least 1"]),
        (with_three_way(repeats=2.5), ["protocols.0.repeats", "found 2.5", "a whole number"]),
        (with_three_way(thresholds=["yuden"]), ["protocols.0.thresholds.0", "Did you mean 'youden'?"]),
        (with_three_way(thresholds=[{"rule": "cots"}]), ["thresholds.0.rule", "found 'cots'", "'cost'"]),
        (with_three_way(thresholds=[{"rule": "max_fpr"}]), ["thresholds.0", "'value'", "{rule: max_fpr, value: 0.05}"]),
        (with_three_way(thresholds=["max_fpr"]), ["thresholds.0", "'value'"]),
        (with_three_way(thresholds=[{"rule": "youden", "value": 1}]), ["thresholds.0.value", "a parameter of youden"]),
        (with_three_way(thresholds=[{"rule": "max_fpr", "value": 5}]), ["thresholds.0.value", "0.05 for 5 %"]),
        (with_three_way(thresholds=[{"rule": "max_fpr", "value": "a"}]), ["thresholds.0.value", "a number"]),
        (with_three_way(thresholds=[{"rule": "np_umbrella", "value": 0}]), ["thresholds.0.value", "between 0 and 1"]),
        (with_three_way(thresholds=[{"rule": "conformal", "value": 1}]), ["thresholds.0.value", "between 0 and 1"]),
        (with_three_way(thresholds=[{"rule": "np_umbrella", "value": 0.1, "delta": 0}]), ["delta", "chance between"]),
        (with_three_way(thresholds=[{"rule": "target_escape", "value": 0.1, "guarantee": 95}]),
         ["thresholds.0.guarantee", "chance between 0 and 1"]),
        (with_three_way(thresholds=[{"rule": "target_escape", "value": 0, "guarantee": 0.05}]), ["thresholds.0.value"]),
        (with_three_way(thresholds=[{"rule": "cost", "missed": 0, "false_alarm": 1}]), ["missed", "above 0"]),
        (with_three_way(thresholds=[{"rule": "cost", "missed": 1, "false_alarm": -1}]), ["false_alarm", "above 0"]),
        (with_three_way(thresholds=[{"rule": "cost", "missed": 1, "false_alarm": 1, "prevalence": 1}]),
         ["thresholds.0.prevalence", "between 0 and 1"]),
        (with_three_way(thresholds=["youden", "youden"]), ["thresholds.1", "each rule once"]),
        (with_three_way(thresholds=[]), ["thresholds", "at least one entry"]),
        (with_three_way(design="rotat"), ["protocols.0.design", "found 'rotat'", "Did you mean 'rotate'?"]),
        (with_three_way(folds=5), ["protocols.0.folds", "no folds with design resample", "Set design to rotate"]),
        (with_three_way(runs=5), ["protocols.0.runs", "no runs with design resample"]),
        (with_three_way(design="rotate", repeats=5), ["protocols.0.repeats", "found 5", "Set runs and folds instead"]),
        (with_three_way(design="rotate", folds=1), ["protocols.0.folds", "found 1", "at least 2"]),
        (with_three_way(design="rotate", folds=11), ["protocols.0.folds", "found 11", "at most 10"]),
        (with_three_way(design="rotate", runs=0), ["protocols.0.runs", "found 0", "at least 1"]),
        (with_three_way(design="rotate", swap=True), ["protocols.0.swap", "only design resample has swap"]),
        (with_three_way(design="rotate", conditional=True, blocks=2),
         ["protocols.0.conditional", "only design resample has conditional"]),
        (with_three_way(swap=1), ["protocols.0.swap", "true or false"]),
        (with_three_way(blocks=0), ["protocols.0.blocks", "found 0", "at least 1"]),
        (with_three_way(conditional=True), ["protocols.0.blocks", "found 1", "at least 2 blocks with conditional"]),
        (changed(protocols=[{"name": "naive", "reproduce": "x"}]), ["reproduce", "this version"]),
        (with_three_way(compare_ungrouped=["knm"]), ["compare_ungrouped.0", "Did you mean 'knn'?"]),
        (with_three_way(compare_ungrouped="knn"), ["compare_ungrouped", "a list of detectors' labels"]),
        (with_three_way(quota_unit="images"), ["quota_unit", "'image'"]),
        (changed(dataset={"path": "x", "layout": "mvtek"}), ["dataset.layout", "Did you mean 'mvtec'?"]),
        (changed(dataset={}), ["dataset", "none of them", "path, synthetic"]),
        (changed(dataset={"path": "x", "synthetic": {}}), ["dataset", "both path and synthetic"]),
        (changed(dataset={"path": "x", "category": 3}), ["dataset.category", "a list of names"]),
        (changed(dataset={"path": "x", "object_from": "("}), ["object_from", "a regular expression"]),
        (changed(dataset={"path": "x", "object_from": "a"}), ["object_from", "a group called 'object'"]),
        (changed(dataset={"synthetic": {"profile": "dmo"}}), ["dataset.synthetic", "'dmo'", "tiny, demo, paper"]),
        (changed(dataset={"synthetic": {"leek": "views"}}), ["dataset.synthetic.leek", "leak"]),
        (changed(evaluation={"level": 0}), ["evaluation.level", "found 0", "above 0"]),
        (changed(evaluation={"level": 1}), ["evaluation.level", "found 1", "below 1", "between 0 and 1"]),
        (changed(evaluation={"level": 95}), ["evaluation.level", "found 95", "write 0.95 for 95 %"]),
        (changed(evaluation={"level": float("nan")}), ["evaluation.level", "a finite number"]),
        (changed(evaluation={"prevalence": 0}), ["evaluation.prevalence", "above 0"]),
        (changed(evaluation={"prevalence": 1}), ["evaluation.prevalence", "below 1"]),
        (changed(evaluation={"intervals": {"method": "bca"}}), ["evaluation.intervals.method", "one of auto"]),
        (changed(evaluation={"object_score": "maximum"}), ["evaluation.object_score", "topk_mean(3)"]),
        (changed(evaluation={"requirements": {"object_sensitivty": 0.9}}),
         ["evaluation.requirements.object_sensitivty", "Did you mean 'object_sensitivity'?"]),
        (changed(evaluation={"requirements": {"object_sensitivity": 95}}), ["from 0 to 1", "not per cent"]),
        (changed(evaluation={"compare": {"baseline": "kn"}}), ["evaluation.compare.baseline", "Did you mean 'knn'?"]),
        (changed(evaluation={"compare": {"adjust": "bonferoni"}}), ["evaluation.compare.adjust", "holm, bh"]),
        (changed(store={"maps": "best"}), ["store.maps", "none, worst, all"]),
        (changed(report={"formats": ["htm"]}), ["report.formats.0", "Did you mean 'html'?"]),
        (changed(evaluation=None), ["evaluation", "found None", "a mapping"]),
        (yaml.safe_dump({"detectors": [{"name": "knn"}]}), ["dataset", "found 'nothing'", "Add the key 'dataset'"]),
    ],
    ids=lambda value: "-" if isinstance(value, str) else " ".join(value)[:60],
)  # fmt: skip
def test_every_bad_value_is_one_clear_error(write, text, words):
    (message,) = faults(write(text))
    assert all(word in message for word in words), message
    assert "Traceback" not in message
    assert message.count(": found ") == 1


def test_all_faults_are_reported_at_once_in_the_order_of_the_file_with_their_lines(write):
    text = (
        "dataset: {path: x}\ndetectors:\n  - name: knm\n    prest: tiny\n"
        "protocols:\n  - name: three_way\n    repeats: 0\nevaluation:\n  level: 95\n"
    )
    found = faults(write(text))
    places = [message.split(": found")[0].rpartition("a.yaml, ")[2] for message in found]
    assert places == [
        "line 3, detectors.0.name", "line 4, detectors.0.prest", "line 7, protocols.0.repeats",
        "line 9, evaluation.level",
    ]  # fmt: skip


def test_several_faults_survive_pickling(write):
    with pytest.raises(InputError) as caught:
        load_config(write(changed(seed=-1, nam="x")))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert len(caught.value.faults) == 2


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("seed=7", lambda c: c.seed == 7),
        ("detectors.0.preset=tiny", lambda c: c.detectors[0].preset == "tiny"),
        ("detectors.1.name=csflow", lambda c: [d.name for d in c.detectors] == ["knn", "csflow"]),
        ("detectors.0.init_args.lr=1e-3", lambda c: c.detectors[0].init_args == {"lr": 0.001}),
        ("evaluation.intervals.n_resamples=50", lambda c: c.evaluation.intervals.n_resamples == 50),
        ("protocols=[{name: naive}]", lambda c: c.protocols == (NaiveConfig(name="naive"),)),
        ("dataset.mask_above=null", lambda c: c.dataset.mask_above is None),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_an_override_replaces_one_value(write, override, read):
    assert read(load_config(write(changed()), [override]))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed", ["-o seed", "KEY=VALUE"]),
        ("=3", ["KEY=VALUE"]),
        ("detectors.5.preset=tiny", ["-o detectors.5.preset=tiny", "an index from 0 to 1"]),
        ("detectors.knn.preset=tiny", ["found 'knn'", "an index from 0"]),
        ("dataset.path.x=1", ["a mapping or a list at 'dataset.path'"]),
        ("seed=[1", ["-o seed=[1", "YAML"]),
        ("evaluation.level=95", ["-o evaluation.level=95, evaluation.level", "0.95"]),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_bad_override_names_itself(write, override, words):
    (message,) = faults(write(changed()), [override])
    assert all(word in message for word in words), message


def test_later_overrides_win(write):
    assert load_config(write(changed()), ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize("text", [FULL, changed()], ids=["full", "minimal"])
def test_the_json_schema_accepts_what_loads(write, text):
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(text), schema)
    jsonschema.validate(load_config(write(text)).to_dict(), schema)


def test_the_json_schema_refuses_unknown_keys():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**MINIMAL, "evaluatoin": {}}, json_schema())


def test_a_configuration_cannot_be_changed():
    config = config_from_dict(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3


def test_only_the_report_may_differ_between_two_runs_of_a_folder():
    config = config_from_dict(MINIMAL).to_yaml()
    assert same_configuration(config, config_from_dict({**MINIMAL, "report": {"formats": ["csv"]}}).to_yaml()) == []
    (difference,) = same_configuration(config, config_from_dict({**MINIMAL, "evaluation": {"level": 0.9}}).to_yaml())
    assert difference == "evaluation.level (0.95 there, 0.9 here)"


words = st.text("aey01.:-+_#'\" \n\tä~{[,", max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(words, plain, max_size=4))
def test_any_init_args_survive_the_resolved_configuration(arguments):
    from bench.yaml_lines import dump, parse

    config = config_from_dict({**MINIMAL, "detectors": [{"name": "knn", "init_args": arguments}]})
    assert parse(config.to_yaml(), "x").data == config.to_dict()
    assert parse(dump(arguments), "x").data == arguments


def test_a_rule_can_be_given_as_plain_keyword_arguments():
    assert RuleConfig(rule="max_fpr", parameters={"value": 0.1}) == RuleConfig.model_validate(
        {"rule": "max_fpr", "value": 0.1}
    )
