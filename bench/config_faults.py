"""From pydantic's errors to ours: the full path, the line, what was found, what was expected, the nearest key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, get_args

from pydantic import BaseModel, ValidationError

from bench.faults import InputFaults
from bench.plugins import nearest_hint
from bench.yaml_lines import Document
from bench.yaml_lines import Path as KeyPath
from protocols.errors import InputError

EXPECTED = {
    "int_type": "a whole number", "int_from_float": "a whole number", "int_parsing": "a whole number",
    "float_type": "a number", "bool_type": "true or false", "string_type": "text", "tuple_type": "a list",
    "dict_type": "a mapping", "model_type": "a mapping", "model_attributes_type": "a mapping",
    "finite_number": "a finite number", "string_too_short": "text that is not empty",
    "invalid_key": "a key that is text",
    "too_short": "at least one entry", "string_pattern_mismatch": "letters, digits, - _ . (not first: - .)",
    "greater_than": "a number above {gt}", "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}", "less_than_equal": "a number of at most {le}",
}  # fmt: skip


class ConfigFaults(InputFaults):
    """Everything that is wrong with a configuration, in the order of the file; all of it is shown."""

    def __init__(self, faults: Iterable[InputError]) -> None:
        super().__init__(faults)
        self.faults = self._all


def raise_all(faults: Iterable[InputError]) -> NoReturn:
    """Raise the one fault, or all of them together."""
    found = tuple(faults)
    raise found[0] if len(found) == 1 else ConfigFaults(found)


def faults_of(error: ValidationError, data: Any, document: Document, model: type[BaseModel]) -> list[InputError]:
    """Return one fault for each of pydantic's errors, in the order of the file.

    Parameters
    ----------
    error
        What pydantic found.
    data
        What was checked.
    document
        Where it was read.
    model
        The model of the top.
    """
    found = list(_faults(error, data, document, model))
    return [fault for _, fault in sorted(found, key=lambda pair: document.line(pair[0]))]


def _faults(
    error: ValidationError, data: Any, document: Document, model: type[BaseModel]
) -> Iterator[tuple[KeyPath, InputError]]:
    seen: set[KeyPath] = set()
    for details in error.errors(include_url=False):
        context = details.get("ctx") or {}
        path = _path(details["loc"], data, details["type"])
        if details["type"] == "wrong":
            path = (*path, *(int(p) if p.isdigit() else p for p in context["at"].split(".") if p))
        if path in seen or (details["type"] == "too_short" and details["input"]):
            continue  # the second branch of a union, or a list that is short because its entries are wrong
        seen.add(path)
        kind = details["type"]
        if kind == "wrong":
            given = context["found"]
            found = _at(data, path) if given is ... else given
            expected, fix = context["expected"], context["fix"]
        elif kind == "extra_forbidden":
            known = tuple(_fields(model, path[:-1], data))
            found, expected, fix = path[-1], "a known key", f"{nearest_hint(path[-1], known)}"
        elif kind == "missing":
            found, expected, fix = "nothing", "a value", f"Add the key {path[-1]!r}."
        elif kind.startswith("union_tag"):
            found = _at(data, (*path, "name")) if kind == "union_tag_invalid" else "no name"
            names = [name.strip("' ") for name in context.get("expected_tags", "'naive', 'three_way'").split(",")]
            path = (*path, "name")
            expected, fix = f"one of {', '.join(names)}", nearest_hint(found, names)
        elif kind == "literal_error":
            names = [name.strip("' ") for name in context["expected"].replace(" or ", ", ").split(",")]
            found = details["input"]
            expected, fix = f"one of {', '.join(names)}", nearest_hint(found, names)
        else:
            found = details["input"]
            expected = EXPECTED.get(kind, details["msg"]).format(**context)
            fix = _hint(kind, found)
        yield path, InputError(document.where(path), found, expected, fix, code=_code(kind))


def _code(kind: str) -> str:
    """Return the stable name of a fault of this kind."""
    return {"extra_forbidden": "UnknownKey", "missing": "MissingKey"}.get(kind, "WrongValue")


def _hint(kind: str, found: object) -> str:
    """Return what to do about a value of the wrong type or size."""
    if kind == "less_than" and isinstance(found, (int, float)) and 1 <= found <= 100:
        return "It is a share between 0 and 1" + (f": write {found / 100:g} for {found:g} %." if found > 1 else ".")
    if isinstance(found, str) and kind in ("int_type", "float_type", "bool_type"):
        return "Write it without quotes." if found.replace(".", "", 1).isdigit() else "Correct the value."
    if kind in ("string_type", "invalid_key") and found is not None:
        return "Put quotes around it if it is meant as text."
    return "Correct the value."


def _path(location: tuple[int | str, ...], data: Any, kind: str) -> KeyPath:
    """Return pydantic's location without the names of union branches."""
    path: list[int | str] = []
    node: Any = data
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if (isinstance(node, dict) and part in node) or (
            isinstance(node, list) and isinstance(part, int) and part < len(node)
        ):
            node = node[part]  # type: ignore[index]
            path.append(part)
        elif last and kind in ("missing", "extra_forbidden"):
            path.append(part)
    return tuple(path)


def _at(data: Any, path: KeyPath) -> object:
    """Return the value at a path; ``nothing`` if there is none."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return "nothing"
    return data


def _fields(model: type[BaseModel], path: KeyPath, data: Any) -> Iterator[str]:
    """Yield the keys that the model below `path` knows."""
    models = [model]
    for part in path:
        data = data[part]
        if isinstance(part, int):
            continue
        fields = [outer.model_fields[part] for outer in models if part in outer.model_fields]
        models = [inner for field in fields for inner in _models(field.annotation)]
    if len(models) > 1:  # protocols: the one of that name
        name = data.get("name") if isinstance(data, dict) else None
        models = [m for m in models if name in get_args(m.model_fields["name"].annotation)]
    for found in models:
        yield from found.model_fields


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models inside an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
