"""The configuration: YAML or JSON to frozen models, every default written out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SerializeAsAny,
    Strict,
    ValidationError,
    model_serializer,
    model_validator,
)

from bench import config_checks as check
from bench.config_faults import faults_of, raise_all
from bench.yaml_lines import Document, dump, override, parse
from protocols.errors import InputError

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict()]
Bool = Annotated[bool, Strict()]
Share = Annotated[Float, Field(gt=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="constants")


class RuleConfig(_Model):
    """A threshold rule with its parameters: ``youden`` or ``{rule: max_fpr, value: 0.05}``."""

    rule: Text
    parameters: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, given: Any) -> Any:
        return check.rule(given)

    @model_serializer
    def _flat(self) -> str | dict[str, JsonValue]:
        return {"rule": self.rule, **self.parameters} if self.parameters else self.rule


class SyntheticConfig(_Model):
    """The embedded data set: a profile, a seed, and any parameter of the renderer."""

    profile: Text = "demo"
    seed: Annotated[Int, Field(ge=0)] = 0
    parameters: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, given: Any) -> Any:
        return check.synthetic(given)

    @model_serializer
    def _flat(self) -> dict[str, JsonValue]:
        return {"profile": self.profile, "seed": self.seed, **self.parameters}


class DatasetConfig(_Model):
    """Where the images are and how to read them: exactly one of ``path`` and ``synthetic``.

    ``root``: a folder above a manifest and all its files, where these do not lie below the manifest.
    """

    path: Text | None = None
    synthetic: SyntheticConfig | None = None
    root: Text | None = None
    layout: Annotated[str, AfterValidator(check.known("layouts"))] = "auto"
    category: Annotated[tuple[Text, ...] | None, BeforeValidator(check.one_or_list)] = None
    object_policy: Literal["required", "image_is_object"] = "required"
    mask_above: Float | None = None
    object_from: Annotated[str, AfterValidator(check.object_pattern)] | None = None
    max_pixels: Annotated[Int, Field(ge=1)] = 100_000_000

    @model_validator(mode="after")
    def _one_source(self) -> DatasetConfig:
        check.exactly_one({"path": self.path, "synthetic": self.synthetic})
        return self


class DetectorConfig(_Model):
    """A detector by ``name`` or ``class_path``, or a file of ``scores``; ``label`` is its name in all tables."""

    name: Annotated[str, AfterValidator(check.known("detectors"))] | None = None
    class_path: Annotated[str, AfterValidator(check.class_path)] | None = None
    scores: Text | None = None
    label: Text
    preset: Literal["paper", "small", "tiny"] | None = None
    init_args: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _default_label(cls, given: Any) -> Any:
        return check.with_label(given)

    @model_validator(mode="after")
    def _one_source(self) -> DetectorConfig:
        check.exactly_one({"name": self.name, "class_path": self.class_path, "scores": self.scores})
        if self.scores is not None:
            check.unused({"preset": self.preset, "init_args": self.init_args}, "a score file has nothing to set")
        return self

    @property
    def display_name(self) -> str:
        """The label."""
        return self.label


class NaiveConfig(_Model):
    """The field's usual number."""

    name: Literal["naive"]
    nominal_test_share: Share = 0.2
    reproduce: Annotated[JsonValue, AfterValidator(check.only(None))] = None


class ThreeWayConfig(_Model):
    """The honest protocol; the meaning of each key is that of ``protocols.ThreeWay``.

    Written out, the design ``resample`` has ``repeats`` and no ``folds`` and ``runs``, the design ``rotate`` the
    opposite.
    """

    name: Literal["three_way"]
    repeats: Annotated[Int, Field(ge=1)] | None = 10
    design: Literal["resample", "rotate"] = "resample"
    merge_nominal_test: Bool = False
    thresholds: Annotated[tuple[RuleConfig, ...], Field(min_length=1), AfterValidator(check.distinct_rules)] = Field(
        default_factory=lambda: (RuleConfig(rule="youden"),)
    )
    nominal_ratio: Annotated[Float, Field(gt=0)] = 1.0
    quota_unit: Literal["image", "object"] | None = None
    min_train_share: Share = 0.5
    ndo: Literal["exclude", "evaluate"] = "exclude"
    swap: Bool = False
    folds: Annotated[Int, Field(ge=2, le=10)] | None = None
    runs: Annotated[Int, Field(ge=1)] | None = None
    compare_ungrouped: Annotated[bool | tuple[Text, ...], BeforeValidator(check.switch_or_list)] = False
    blocks: Annotated[Int, Field(ge=1)] = 1
    conditional: Bool = False

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_design(cls, given: Any) -> Any:
        return check.with_design(given)

    @model_validator(mode="after")
    def _design_has_these(self) -> ThreeWayConfig:
        check.design(self.design, swap=self.swap, blocks=self.blocks, conditional=self.conditional)
        return self


class IntervalsConfig(_Model):
    """How intervals are made."""

    method: Literal["auto"] = "auto"
    n_resamples: Annotated[Int, Field(ge=10)] = 2000


class CompareConfig(_Model):
    """How detectors are compared."""

    baseline: Text | None = None
    margin: Annotated[Float, Field(gt=0)] | None = None
    rope: Annotated[Float, Field(ge=0)] = 0.01
    adjust: Literal["holm", "bh"] = "holm"


class EvaluationConfig(_Model):
    """What is computed from the scores."""

    level: Share = 0.95
    intervals: IntervalsConfig = IntervalsConfig()
    object_score: Annotated[str, AfterValidator(check.object_score)] = "max"
    prevalence: Share | None = None
    compare: CompareConfig = CompareConfig()
    requirements: Annotated[dict[str, Float], AfterValidator(check.requirements)] = Field(default_factory=dict)


class StoreConfig(_Model):
    """What is kept beside the scores."""

    models: Literal["none", "all"] = "none"
    maps: Literal["none", "worst", "all"] = "worst"


class ReportConfig(_Model):
    """What is written in the end."""

    formats: tuple[Annotated[str, AfterValidator(check.known("reports"))], ...] = (
        "html", "csv", "markdown", "latex", "figures",
    )  # fmt: skip


ProtocolConfig = Annotated[NaiveConfig | ThreeWayConfig, Field(discriminator="name")]


class Config(_Model):
    """A run: data, detectors, protocols, and what to do with the scores."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
    seed: Annotated[Int, Field(ge=0)] = 0
    dataset: DatasetConfig
    detectors: Annotated[
        tuple[DetectorConfig, ...], Field(min_length=1), AfterValidator(check.distinct("label", "detectors"))
    ]
    protocols: Annotated[
        tuple[SerializeAsAny[ProtocolConfig], ...],
        Field(min_length=1),
        AfterValidator(check.distinct("name", "protocols")),
    ] = Field(default_factory=lambda: (NaiveConfig(name="naive"), ThreeWayConfig(name="three_way")))
    evaluation: EvaluationConfig = EvaluationConfig()
    store: StoreConfig = StoreConfig()
    report: ReportConfig = ReportConfig()

    @model_validator(mode="after")
    def _labels_exist(self) -> Config:
        trained = [d.label for d in self.detectors if d.scores is None]
        check.one_of(self.evaluation.compare.baseline, [d.label for d in self.detectors], "evaluation.compare.baseline")
        for index, protocol in enumerate(self.protocols):
            if isinstance(protocol, ThreeWayConfig) and isinstance(protocol.compare_ungrouped, tuple):
                for position, label in enumerate(protocol.compare_ungrouped):
                    check.one_of(label, trained, f"protocols.{index}.compare_ungrouped.{position}")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return plain values with every default written out; :func:`config_from_dict` gives back an equal one."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """Return YAML with every default written out; :func:`load_config` gives back an equal configuration."""
        return dump(self.to_dict())


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration file."""
    schema = Config.model_json_schema(mode="validation")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    # What users write differs from what is kept in three places: rules, the renderer's parameters, labels.
    rule = schema["$defs"]["RuleConfig"]
    any_value = rule["properties"].pop("parameters")["additionalProperties"]
    schema["$defs"]["RuleConfig"] = {"anyOf": [{"type": "string"}, {**rule, "additionalProperties": any_value}]}
    synthetic = schema["$defs"]["SyntheticConfig"]
    synthetic["properties"].pop("parameters")
    synthetic["additionalProperties"] = any_value
    schema["$defs"]["DetectorConfig"]["required"] = []
    schema["required"].remove("name")
    category = schema["$defs"]["DatasetConfig"]["properties"]["category"]
    category["anyOf"].append({"type": "string"})
    return schema


def read_document(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Document:
    """Read a configuration file and apply ``-o`` overrides; nothing is checked but the syntax.

    Raises
    ------
    InputError
        The file is missing, not text, empty, or not YAML; or an override does not fit.
    """
    path = Path(path)
    source = str(path)
    fix = "Correct the path, or make a configuration with `lab2factory init`."
    if not path.exists():
        raise InputError(source, "no such file", "a configuration file", fix, code="MissingConfig")
    if path.is_dir():
        raise InputError(source, "a folder", "a configuration file", fix, code="MissingConfig")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(source, f"a byte that is not UTF-8 at position {error.start}", "text in UTF-8",
                         "Save the file as UTF-8.", code="NotYAML") from error  # fmt: skip
    except OSError as error:
        raise InputError(source, error.strerror, "a file that can be read", "Correct its permissions.") from error
    if path.suffix.lower() == ".json":
        text = text.replace("\t", " ")  # legal in JSON between values, never inside a string; not in YAML
    document = parse(text, source)
    if document.data is None:
        raise InputError(
            source, "an empty file", "a configuration", "Start from `lab2factory init`.", code="EmptyConfig"
        )
    for assignment in overrides:
        document = override(document, assignment)
    return document


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Read and check a configuration file.

    Relative paths are looked up below the current folder, then beside the file; those found become absolute, so that
    the resolved configuration works from anywhere. ``name`` is by default that of the file.

    Raises
    ------
    InputError
        Whatever is wrong; :class:`bench.config_faults.ConfigFaults` with all faults if there are several.
    """
    return config_of(read_document(path, overrides), Path(path))


def config_from_dict(values: Mapping[str, Any], source: str = "configuration") -> Config:
    """Check a configuration given as plain values."""
    return config_of(Document(_plain(values), source, {}))


def config_of(document: Document, path: Path | None = None) -> Config:
    """Check what was read; `path` is the file it came from, if any."""
    data = document.data
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else type(data).__name__
        raise InputError(document.where(()), f"{kind} at the top", "a mapping with the keys dataset, detectors, ...",
                         "Start from `lab2factory init`.", code="NotAMapping")  # fmt: skip
    if "name" not in data:
        data = {"name": re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.") or "run" if path else "run", **data}
    data = _with_absolute_paths(data, path)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise_all(faults_of(error, data, document, Config))


def _with_absolute_paths(data: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """Return `data` with the data set's and the score files' paths made absolute where they are found."""

    def found(entry: Any, key: str) -> Any:
        if not isinstance(entry, dict) or not isinstance(entry.get(key), str) or not entry[key]:
            return entry
        given = Path(entry[key]).expanduser()
        for folder in [Path.cwd(), *([path.absolute().parent] if path else [])]:
            if (folder / given).exists():
                return {**entry, key: os.path.normpath(folder / given)}
        return entry

    detectors = data.get("detectors")
    changed = {"dataset": found(found(data["dataset"], "path"), "root")} if "dataset" in data else {}
    if isinstance(detectors, list):
        changed["detectors"] = [found(entry, "scores") for entry in detectors]
    return {**data, **changed}


def _plain(value: Any) -> Any:
    """Return tuples as lists, and whatever JSON can hold unchanged."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def same_configuration(a: str, b: str) -> list[str]:
    """Return the dotted paths at which two resolved configurations (YAML) differ; what a report looks like is free."""
    first, second = parse(a, "a").data, parse(b, "b").data
    return _differences({**first, "report": None}, {**second, "report": None}, "")


def _differences(a: Any, b: Any, path: str) -> list[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [*a, *(k for k in b if k not in a)]
        return [d for k in keys for d in _differences(a.get(k), b.get(k), f"{path}.{k}" if path else str(k))]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in _differences(x, y, f"{path}.{i}")]
    return [] if a == b else [f"{path} ({json.dumps(a, default=str)} there, {json.dumps(b, default=str)} here)"]
