"""Where a container gets its model from: arguments and environment of MLflow, vLLM, Triton, TorchServe and others.

A name says what a value is: of a *source* (`--model-uri`, `HF_MODEL_ID`) the value is a model; a *label* (`MODEL_NAME`)
with a bare value is none; any other name with `model` in it is unclassified. What is known of each serving tool:

| tool | where |
|---|---|
| MLflow | `mlflow models serve -m URI`, `--model-uri`, `MLFLOW_MODEL_URI`, `MODEL_URI` |
| vLLM, SGLang, TGI | `--model`, `--model-path`, `--model-id`, `vllm serve MODEL`, `--lora-modules`, `--revision` |
| Triton, TF Serving | `--model-repository`, `--model-store`, `--model_base_path`, `MODEL_BASE_PATH` |
| TorchServe | `--models NAME=URL`, `--model-store` |
| KServe | `STORAGE_URI`, `HF_MODEL_ID`, the arguments of `storage-initializer` |
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proctor_adapters.kubernetes.configuration import plain
from proctor_adapters.kubernetes.findings import Found, below

MAX_TOKENS: Final = 5000
MAX_VARIABLES: Final = 2000
_SOURCE_ENDINGS: Final = (
    "modeluri", "modelurl", "modeluris", "modelurls", "modelid", "modelpath", "modeldir", "modelrepository",
    "modelstore", "modelbasepath", "storageuri", "storageuris", "modelnameorpath", "modelsource", "modellocation",
)  # fmt: skip
_SOURCES: Final = frozenset(
    {"model", "models", "hfrepo", "hfmodel", "hf", "pretrainedmodel", "loramodules", "speculativemodel",
     "draftmodel", "checkpointpath", "modelcheckpoint", "modelweights", "peftadapterid", "adapteruri"}
)  # fmt: skip
_LABEL_ENDINGS: Final = (
    "name", "names", "version", "type", "format", "class", "host", "port", "timeout", "workers", "threads", "len",
    "length", "size", "device", "dtype", "mode", "level", "count", "enabled", "interval", "revision", "impl",
)  # fmt: skip
_ADAPTERS: Final = frozenset({"loramodules", "peftadapterid", "adapteruri"})
_REVISIONS: Final = frozenset({"revision", "modelrevision", "hfrevision", "hfmodelrevision"})
_MANY: Final = frozenset({"models", "loramodules"})
_IN_IMAGE: Final = ("path", "dir", "store", "repository")
"""Names whose bare relative value is a folder of the image, which is judged as an image."""
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}:/")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_HARMLESS = re.compile(r"(?:[+-]?[0-9][0-9.,_]*[A-Za-z%]{0,3}|true|false|yes|no|on|off|none|null|auto)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\(([A-Za-z_][\w.-]*)\)|\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)", re.ASCII)
_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.-]{0,127})=(.*)", re.ASCII | re.DOTALL)
MLFLOW_URI: Final = re.compile(r"(?:models|runs|mlflow-artifacts):/[^\s\"'`;,|&<>()\[\]{}\\]+")
"""Forms that mean a model wherever they stand, even inside a script."""


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A model that the container expects in its own file system; its volume, if any, says where it comes from."""

    path: str
    place: str
    role: str


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    place: str


class ContainerSources:
    """Reads the arguments and environment of one container."""

    def __init__(self, container: Mapping[str, Any], path: str, found: Found, role: str) -> None:
        self._container = container
        self._path = path
        self._found = found
        self._role = role
        self._environment: dict[str, str] = {}
        self._revision = ""
        self.local: list[LocalPath] = []

    def read(self) -> list[LocalPath]:
        """Note all models in `found`, and return those that lie in the container's file system."""
        entries = list(self._entries())
        tokens = [*self._tokens("command"), *self._tokens("args")]
        self._revision = self._find_revision(entries, tokens)
        for name, value, place in entries:
            self._classify(name, value, place)
        self._arguments(tokens)
        if self._initializes_storage():
            for token in tokens:
                if _URI.match(token.text):
                    self._found.model(token.text, token.place, self._role)
                elif token.text.startswith("/"):
                    self.local.append(LocalPath(token.text, token.place, self._role))
        return self.local

    def _initializes_storage(self) -> bool:
        """Tell whether KServe put this container in, to download what its arguments name."""
        image = self._container.get("image")
        named = self._container.get("name") == "storage-initializer"
        return named or (isinstance(image, str) and "storage-initializer" in image)

    def _entries(self) -> Iterator[tuple[str, Any, str]]:
        """Yield (name, value, place) of each variable; a value taken from elsewhere is None."""
        variables = self._container.get("env")
        if variables is None:
            return
        path = below(self._path, "env")
        if not isinstance(variables, list) or len(variables) > MAX_VARIABLES:
            self._found.unknown(path)
            return
        for index, variable in enumerate(variables):
            place = below(path, index)
            if not isinstance(variable, dict) or not isinstance(variable.get("name"), str):
                self._found.unknown(place)
                continue
            value = variable.get("value")
            if value is None and "valueFrom" not in variable:
                value = ""
            if isinstance(value, str):
                self._environment[variable["name"]] = value
            yield variable["name"], value, below(place, "value" if "value" in variable else "valueFrom")

    def _tokens(self, field: str) -> list[_Token]:
        values = self._container.get(field)
        if values is None:
            return []
        path = below(self._path, field)
        if not isinstance(values, list):
            self._found.unknown(path)
            return []
        tokens: list[_Token] = []
        for index, value in enumerate(values):
            place = below(path, index)
            if not isinstance(value, str):
                self._found.unknown(place)
                break
            tokens += [_Token(text, place) for text in self._words(value)[: MAX_TOKENS + 1]]
            if len(tokens) > MAX_TOKENS:
                self._found.unknown(place)
                break
        return tokens

    def _find_revision(self, entries: Sequence[tuple[str, Any, str]], tokens: Sequence[_Token]) -> str:
        stated = {value for name, value, _ in entries if plain(name) in _REVISIONS and isinstance(value, str)}
        for position, token in enumerate(tokens):
            name, equals, value = token.text.partition("=")
            if name.startswith("-") and plain(name) in _REVISIONS:
                following = tokens[position + 1].text if position + 1 < len(tokens) else ""
                stated.add(value if equals else following)
        # Two revisions can't both be the one that is loaded: neither counts, and the reference stays mutable.
        return stated.pop() if len(stated) == 1 else ""

    def _arguments(self, tokens: Sequence[_Token]) -> None:
        position = 0
        image = self._container.get("image")
        vllm = (isinstance(image, str) and "vllm" in image) or any(t.text.endswith("vllm") for t in tokens)
        if vllm and tokens and "command" not in self._container and not tokens[0].text.startswith("-"):
            first = tokens[0]
            if first.text != "serve" and not _ASSIGNMENT.fullmatch(first.text):
                self._source("model", first.text, first.place)
        while position < len(tokens):
            token = tokens[position]
            following = tokens[position + 1] if position + 1 < len(tokens) else None
            position += 1
            if vllm and token.text == "serve" and following and not following.text.startswith("-"):
                self._source("model", following.text, following.place)
            elif token.text == "-m" and following:
                self._short_flag(tokens, position - 1, following)
            elif token.text.startswith("-"):
                position = self._flag(tokens, position, token)
            elif match := _ASSIGNMENT.fullmatch(token.text):
                self._classify(match[1], match[2], token.place)
            else:
                self._scan(token.text, token.place)

    def _short_flag(self, tokens: Sequence[_Token], position: int, following: _Token) -> None:
        """Read `-m`: MLflow's and llama.cpp's model, or Python's module."""
        before = tokens[position - 1].text if position else ""
        if re.search(r"python[0-9.]*$", before) and not _URI.match(following.text):
            return
        self._source("model", following.text, following.place)

    def _flag(self, tokens: Sequence[_Token], position: int, token: _Token) -> int:
        name, equals, value = token.text.partition("=")
        normal = plain(name)
        if equals:
            self._classify(name, value, token.place)
            return position
        values = []
        while position < len(tokens) and not tokens[position].text.startswith("-"):
            values.append(tokens[position])
            position += 1
            if normal not in _MANY:
                break
        if not self._modelish(normal):
            # What follows may belong to the command line and not to the flag.
            return position - len(values)
        for one in values:
            self._classify(name, one.text, one.place)
        return position

    def _modelish(self, normal: str) -> bool:
        return "model" in normal or normal.endswith("storageuri") or normal in _SOURCES

    def _classify(self, name: str, value: Any, place: str) -> None:
        normal = plain(name)
        if normal in self._found.not_models:
            return
        if not self._modelish(normal):
            if isinstance(value, str):
                self._scan(value, place)
            elif value is not None:
                self._found.unknown(place)
            return
        source = normal in _SOURCES or normal.endswith(_SOURCE_ENDINGS)
        if value is None:  # it comes from a Secret, a ConfigMap or a field: nobody can see it here
            if source or not normal.endswith(_LABEL_ENDINGS):
                self._found.unknown(place)
        elif not isinstance(value, str):
            self._found.unknown(place)
        elif source:
            self._source(normal, value, place)
        else:
            self._labelled(normal, value, place)

    def _labelled(self, normal: str, value: str, place: str) -> None:
        expanded = self._expanded(value)
        if expanded is None:
            self._found.unknown(place)
        elif MLFLOW_URI.search(expanded):
            self._scan(expanded, place)
        else:
            label = normal.startswith("max") or normal.endswith(_LABEL_ENDINGS)
            bare = not re.search(r"[/:]", expanded)
            if not (_HARMLESS.fullmatch(expanded) or not expanded or (label and bare)):
                self._found.unknown(place)

    def _words(self, value: str) -> list[str]:
        """Split what a shell would split. Text with unbalanced quotes, and long text, is split at white space."""
        if value.startswith("{") or not re.search(r"\s", value):
            return [value]
        self._found.script_room -= len(value)
        if self._found.script_room < 0:
            return value.split()
        try:
            lexer = shlex.shlex(value, posix=True, punctuation_chars=";|&")
            lexer.whitespace_split = True
            lexer.commenters = ""
            return list(lexer)
        except ValueError:
            return value.split()

    def _scan(self, value: str, place: str) -> None:
        for match in MLFLOW_URI.finditer(value):
            self._found.model(match[0], place, self._role)

    def _expanded(self, value: str) -> str | None:
        """Return `value` with the container's own variables put in; None where one is not known here."""
        for _ in range(4):
            if "$" not in value:
                return value
            self._found.expansions -= 1
            if self._found.expansions < 0:
                return None
            names = [match[1] or match[2] or match[3] for match in _VARIABLE.finditer(value)]
            if not names or any(name not in self._environment for name in names):
                return None
            value = _VARIABLE.sub(lambda match: self._environment[match[1] or match[2] or match[3]], value)[:4096]
        return None

    def _source(self, normal: str, value: str, place: str) -> None:
        role = "adapter" if normal in _ADAPTERS else self._role
        expanded = self._expanded(value)
        if not expanded:
            self._found.unknown(place)
            return
        listed = normal in _MANY and not expanded.startswith("{")
        parts = self._words(expanded.replace(",", " ")) if listed else [expanded]
        for part in parts:
            if listed and not _URI.match(part):
                part = part.partition("=")[2] or part  # noqa: PLW2901 (NAME=SOURCE names a source)
            self._one_source(normal, _from_json(part), place, role)

    def _one_source(self, normal: str, value: str, place: str, role: str) -> None:
        if value.lower().startswith("file:"):
            value = "/" + value[5:].lstrip("/")
        if _URI.match(value):
            self._found.model(value, place, role)
        elif value.startswith(("/", "./", "~")) or value in {".", ""}:
            self.local.append(LocalPath(value, place, role))
        elif normal == "models" and "/" not in value:
            return  # TorchServe: `all`, or a file in the model store, which is judged itself
        elif normal.endswith(_IN_IMAGE) and "/" not in value:
            return
        elif _REPOSITORY.fullmatch(value):
            revision = f"@{self._revision}" if self._revision else ""
            self._found.model(f"hf://{value}{revision}", place, role)
        else:
            self._found.unknown(place)


def _from_json(value: str) -> str:
    """Return the path of vLLM's JSON form of an adapter, `{"name": ..., "path": ...}`, else the value itself."""
    if not value.startswith("{"):
        return value
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return value
    path = document.get("path") if isinstance(document, dict) else None
    return path if isinstance(path, str) else value
