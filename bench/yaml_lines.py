"""YAML (or JSON) read with the line of every key kept, so that an error can name it.

Two habits of YAML 1.1 are switched off because they bite in configurations: ``1e-3`` is a number, and what looks
like a date stays text. A key given twice is an error instead of a silent choice.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from protocols.errors import InputError

Path = tuple[str | int, ...]  # keys and list indexes from the top

_FLOAT = re.compile(
    r"^[-+]?(?:(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


def _resolvers(inherited: Mapping[str, list[tuple[str, Any]]]) -> dict[str, list[tuple[str, Any]]]:
    """Return implicit resolvers without dates and with our floats after the integers."""
    dropped = (_TIMESTAMP, "tag:yaml.org,2002:float")
    ours = {first: [pair for pair in pairs if pair[0] not in dropped] for first, pairs in inherited.items()}
    for first in "-+0123456789.":
        ours.setdefault(first, []).append(("tag:yaml.org,2002:float", _FLOAT))
    return ours


class _Loader(yaml.SafeLoader):
    """The safe loader with our resolvers."""

    yaml_implicit_resolvers = _resolvers(yaml.SafeLoader.yaml_implicit_resolvers)


class _Dumper(yaml.SafeDumper):
    """The safe dumper with the same resolvers: it quotes what the loader would not take as text."""

    yaml_implicit_resolvers = _resolvers(yaml.SafeDumper.yaml_implicit_resolvers)

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, False)


@dataclass(frozen=True)
class Document:
    """Plain values and where they stand.

    Parameters
    ----------
    data
        Dicts, lists, str, int, float, bool and None.
    source
        Name of the file, for messages.
    places
        For each path its line (``"line 7"``) or the override that set it (``"-o seed=1"``).
    """

    data: Any
    source: str
    places: dict[Path, str] = field(default_factory=dict)

    def where(self, path: Path) -> str:
        """Return the file, the nearest known place and the path, as in ``a.yaml, line 3, evaluation.level``."""
        place = self._place(path)
        return ", ".join(part for part in (self.source, place, dotted(path)) if part)

    def line(self, path: Path) -> int:
        """Return the line of a path; what came from elsewhere (overrides) sorts last."""
        word, _, number = self._place(path).partition(" ")
        return int(number) if word == "line" else sys.maxsize

    def _place(self, path: Path) -> str:
        known = next((path[:n] for n in range(len(path), -1, -1) if path[:n] in self.places), ())
        return self.places.get(known, "")


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as users type it: ``detectors.0.preset``."""
    return ".".join(str(part) for part in path)


def parse(text: str, source: str) -> Document:
    """Read YAML text.

    Raises
    ------
    InputError
        The text is not YAML, holds several documents, or gives a key twice.
    """
    places: dict[Path, str] = {}
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return Document(None, source, places)
            _note_lines(node, (), places, source)
            data = loader.construct_document(node)
        finally:
            loader.dispose()
    except InputError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise InputError(where, problem, "YAML (or JSON)", "Correct the file; a YAML-aware editor shows the place.",
                         code="NotYAML") from error  # fmt: skip
    except (RecursionError, ValueError) as error:
        raise InputError(source, str(error), "YAML (or JSON)", "Correct the file.", code="NotYAML") from error
    return Document(data, source, places)


def _note_lines(node: yaml.Node, path: Path, places: dict[Path, str], source: str) -> None:
    """Remember the line of each key and element below `node`; refuse double keys."""
    places.setdefault(path, f"line {node.start_mark.line + 1}" if path else "")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(item, (*path, index), places, source)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in seen and key != "<<":
                raise InputError(f"{source}, line {line}, {dotted((*path, key))}", "a second value", "each key once",
                                 f"Remove this one or that in line {seen[key]}.", code="DuplicateKey")  # fmt: skip
            seen[key] = line
            places[(*path, key)] = f"line {line}"
            _note_lines(value_node, (*path, key), places, source)


def override(document: Document, assignment: str) -> Document:
    """Return the document with one value replaced.

    Parameters
    ----------
    document
        What to change; it is left as it is.
    assignment
        ``KEY=VALUE``: KEY is a dotted path with list indexes (``detectors.0.preset``; the index after the last
        appends), VALUE is YAML.

    Raises
    ------
    InputError
        There is no ``=``, the value is not YAML, or the path leads through something that has no keys.
    """
    name = f"-o {assignment}"
    key, equals, value = assignment.partition("=")
    if not equals or not key.strip():
        raise InputError(name, assignment, "KEY=VALUE", "For example: -o detectors.0.preset=tiny")
    pieces: list[str] = key.strip().split(".")
    new = parse(value, name).data
    path: list[str | int] = []

    def replaced(node: Any, rest: list[str]) -> Any:
        if not rest:
            return new
        piece = rest[0]
        if isinstance(node, list):
            index = int(piece) if piece.isascii() and piece.isdigit() else -1
            if not 0 <= index <= len(node):
                raise InputError(name, piece, f"an index from 0 to {len(node)} below {dotted(path)!r}",
                                 "Lists are addressed by number, as in detectors.0.preset.")  # fmt: skip
            path.append(index)
            return [*node[:index], replaced(node[index] if index < len(node) else None, rest[1:]), *node[index + 1 :]]
        if node is None or isinstance(node, dict):
            path.append(piece)
            return {**(node or {}), piece: replaced((node or {}).get(piece), rest[1:])}
        raise InputError(name, node, f"a mapping or a list at {dotted(path)!r}", "Correct the path before the = sign.")

    data = replaced(document.data, pieces)
    kept = {p: place for p, place in document.places.items() if p[: len(path)] != tuple(path)}
    return Document(data, document.source, {**kept, tuple(path): name})


def dump(data: Any) -> str:
    """Return plain values as YAML that :func:`parse` reads back equal; keys stay in order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)
