"""Reads manifests as a cluster would: YAML of several documents, JSON, folders, lists, standard input.

What another reader would take differently is refused, not guessed: a duplicate key hides one of its two values, an
alias bomb never ends. Times stay text, as in Kubernetes.
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from proctor.cli.outputs import Origin
from proctor.errors import NotFoundError, UsageError

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
MAX_BYTES: Final = 8 * 1024 * 1024
"""Of one file: what the API takes in one call."""
MAX_NODES: Final = 500_000
"""Values of one document after its aliases are written out."""
MAX_DEPTH: Final = 64
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_MERGE: Final = "tag:yaml.org,2002:merge"
_COLLECTIONS: Final = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object, with where it was written."""

    document: Mapping[str, Any]
    origin: Origin


class _MeaninglessError(ValueError):
    """YAML that is well formed and no manifest."""


def read(names: Sequence[str]) -> list[Manifest]:
    """Return the objects of files, folders (every YAML and JSON file below, sorted) and `-` (standard input).

    Raises `UsageError` for what can't be read or means nothing, and where there is no object at all: checking nothing
    must not look like a pass.
    """
    manifests = [manifest for name in names for file in _files(name) for manifest in _manifests(file)]
    if not manifests:
        raise UsageError(f"reading {', '.join(names)}", "no object in it", "Name files with Kubernetes manifests")
    return manifests


def _files(name: str) -> Iterator[str]:
    path = Path(name)
    if name == "-" or not path.is_dir():
        yield name
        return
    found = [str(file) for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES and file.is_file()]
    if not found:
        raise NotFoundError(f"reading the folder {name}", "no .yaml, .yml or .json file", "Name another folder")
    yield from found


def _bytes(name: str) -> bytes:
    try:
        if name == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFoundError(
            f"reading {name}", error.strerror or str(error), "Name a readable file, or - for standard input"
        ) from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"reading {name}", f"more than {MAX_BYTES} bytes", "Split the file")
    return content


def _manifests(name: str) -> Iterator[Manifest]:
    try:
        text = _bytes(name).decode("utf-8-sig")
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if node is not None:
                yield from _objects(_value(node), Origin(name, node.start_mark.line + 1), name)
    except UnicodeDecodeError as error:
        raise UsageError(f"reading {name}", f"not UTF-8 at byte {error.start}", "Save it as UTF-8") from error
    except RecursionError as error:
        raise UsageError(f"reading {name}", f"nested deeper than {MAX_DEPTH}", "Mend the file") from error
    except yaml.YAMLError as error:
        raise UsageError(f"reading {name}", _where(error), "Mend the file") from error
    except ValueError as error:
        raise UsageError(f"reading {name}", str(error), "Mend the file") from error


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"not YAML: line {mark.line + 1}: {what}" if mark is not None else f"not YAML: {what}"


def _objects(value: Any, origin: Origin, name: str) -> Iterator[Manifest]:
    if value is None:
        return
    if not isinstance(value, dict):
        raise UsageError(
            f"reading {name}", f"line {origin.line}: no object but a {type(value).__name__}", "Mend the file"
        )
    items = value.get("items")
    if str(value.get("kind", "")).endswith("List") and isinstance(items, list):
        for item in items:
            yield from _objects(item, origin, name)
    else:
        yield Manifest(value, origin)


def _value(node: yaml.Node) -> Any:
    return _Builder().build(node, 0)


class _Builder:
    """Makes JSON values of one document's nodes."""

    def __init__(self) -> None:
        self._scalars = yaml.constructor.SafeConstructor()
        self._built = 0

    def build(self, node: yaml.Node, depth: int) -> Any:
        """Return the JSON value of `node`. Raises `_MeaninglessError` for what JSON or a cluster can't hold."""
        self._built += 1
        if depth > MAX_DEPTH:
            raise _MeaninglessError(f"line {node.start_mark.line + 1}: nested deeper than {MAX_DEPTH}")
        if self._built > MAX_NODES:
            raise _MeaninglessError(f"more than {MAX_NODES} values once its aliases are written out")
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            raise _MeaninglessError(f"line {node.start_mark.line + 1}: {node.tag} has no place in a manifest")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(entry, depth + 1) for entry in node.value]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _MERGE:
                value = self.build(value_node, depth + 1)
                for source in value if isinstance(value, list) else [value]:
                    if not isinstance(source, dict):
                        raise _MeaninglessError(f"line {line}: << merges mappings only")
                    merged = source | merged
                continue
            key = self._key(key_node)
            if key in built:
                raise _MeaninglessError(
                    f"line {line}: the key {key!r} stands twice; one of the two values would be hidden"
                )
            built[key] = self.build(value_node, depth + 1)
        return merged | built

    def _key(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.CollectionNode):
            raise _MeaninglessError(f"line {node.start_mark.line + 1}: a key is no text")
        value = self._scalar(node)
        if value is None:
            return "null"
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag == _TIMESTAMP:
            return str(node.value)
        value = self._scalars.construct_object(node)
        finite = not isinstance(value, float) or math.isfinite(value)
        if not finite or (value is not None and not isinstance(value, str | bool | int | float)):
            raise _MeaninglessError(f"line {node.start_mark.line + 1}: {node.tag} has no place in a manifest")
        return value
