"""Where a container gets its model from: arguments and environment of MLflow, vLLM, Triton, TorchServe and others.

A name says what a value is (see `naming`), a well-known program says what it loads (see `programs`); any other name
with `model` in it is unclassified. What is known of each serving tool:

| tool | where |
|---|---|
| MLflow | `mlflow models serve -m URI`, `--model-uri`, `MLFLOW_MODEL_URI`, `MODEL_URI` |
| vLLM, SGLang, TGI | `--model`, `--model-path`, `--model-id`, `vllm serve MODEL`, `--lora-modules`, `--revision` |
| vLLM | the draft model in `--speculative-config`, further arguments in `VLLM_ADDITIONAL_ARGS` |
| Triton, TF Serving | `--model-repository`, `--model-store`, `--model_base_path`, `MODEL_BASE_PATH` |
| TorchServe | `--models NAME=URL`, `--model-store` |
| llama.cpp, Ollama | `-m`, `-hf`, `-mu`, `ollama run NAME` |
| KServe | `STORAGE_URI`, `HF_MODEL_ID`, the arguments of `storage-initializer` |
| downloads | `hf download`, `aws s3 cp`, `gsutil`, `git clone` of the hub, `from_pretrained(...)` in inline Python |
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proctor_adapters.kubernetes import naming, programs, words
from proctor_adapters.kubernetes.configuration import plain
from proctor_adapters.kubernetes.findings import Found, below
from proctor_adapters.kubernetes.words import Token

MAX_VARIABLES: Final = 2000
MAX_JSON: Final = 100_000
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}:/")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_HARMLESS = re.compile(r"(?:[+-]?[0-9][0-9.,_]*[A-Za-z%]{0,3}|true|false|yes|no|on|off|none|null|auto)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\(([A-Za-z_][\w.-]*)\)|\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)", re.ASCII)
_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.-]{0,127})=(.*)", re.ASCII | re.DOTALL)
_FROM_ENVIRONMENT = re.compile(r"(?:environ(?:\.get)?\s*[\[(]|getenv\s*\()\s*[\"']([\w.-]+)[\"']", re.ASCII)
_PROGRAM = re.compile(r"(?:.*/)?(?:python[0-9.]*|bash|sh|vllm|env|exec|tini|dumb-init)", re.ASCII)
_PLACEHOLDER: Final = "<scheme-placeholder>://"
"""What KServe passes to the storage initializer where the scheme is only in the storage Secret."""


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A model that the container expects in its own file system; its volume, if any, says where it comes from."""

    path: str
    place: str
    role: str


class ContainerSources:
    """Reads the arguments and environment of one container."""

    def __init__(self, container: Mapping[str, Any], path: str, found: Found, role: str) -> None:
        self._container = container
        self._path = path
        self._found = found
        self._role = role
        self._environment: dict[str, str] = {}
        self._revision = ""
        self._image = image if isinstance(image := container.get("image"), str) else ""
        self.local: list[LocalPath] = []

    def read(self) -> list[LocalPath]:
        """Note all models in `found`, and return those that lie in the container's file system."""
        before = self._found.sightings
        entries = list(self._entries())
        tokens = list(words.read(self._container, self._path, self._found))
        for code, place in words.elements(self._container, self._path):
            self._calls(code, place)
        self._revision = self._find_revision(entries, tokens)
        for name, value, place in entries:
            self._classify(name, value, place)
            if isinstance(value, str) and naming.command_line(plain(name)) and "-" in value:
                self._arguments([Token(word, place) for word in words.split(value, self._found)])
        self._arguments(tokens)
        if self._initializes_storage():
            for token in tokens:
                if token.text.startswith(_PLACEHOLDER):
                    self._stored(token.place)
                elif _URI.match(token.text):
                    self._found.model(token.text, token.place, self._role)
                elif token.text.startswith("/"):
                    self.local.append(LocalPath(token.text, token.place, self._role))
        seen = self._found.sightings > before or bool(self.local)
        serves = not seen and self._serves(tokens)
        self._unseen_environment(serves=serves)
        if serves:
            # `vllm serve --config FILE`: the model is in a file that nobody sees here.
            files = [one for one in tokens if one.text.startswith("--") and naming.file(plain(one.text.split("=")[0]))]
            for token in files:
                self._found.unknown(token.place)
        return self.local

    def _initializes_storage(self) -> bool:
        """Tell whether KServe put this container in, to download what its arguments name."""
        return self._container.get("name") == "storage-initializer" or "storage-initializer" in self._image

    def _stored(self, place: str) -> None:
        """Note the model that KServe's annotations on the Pod describe, at the place that fetches it."""
        if self._found.stored is None:
            self._found.unknown(place)
        else:
            self._found.model(self._found.stored, place, self._role)

    def _serves(self, tokens: Sequence[Token]) -> bool:
        return programs.SERVERS.search(self._image) is not None or any(
            programs.SERVERS.search(token.text) for token in tokens[:4]
        )

    def _unseen_environment(self, *, serves: bool) -> None:
        """Note `envFrom` where a model can come out of it: by its name, or because a server shows no other model."""
        sources = self._container.get("envFrom")
        if sources is None:
            return
        path = below(self._path, "envFrom")
        if not isinstance(sources, list) or len(sources) > MAX_VARIABLES:
            self._found.unknown(path)
            return
        for index, entry in enumerate(sources):
            references = list(entry.values()) if isinstance(entry, dict) else []
            names = [one.get("name") for one in references if isinstance(one, dict)]
            telling = any(isinstance(name, str) and "model" in plain(name) for name in names)
            if serves or telling or not names:
                self._found.unknown(below(path, index))

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

    def _calls(self, code: str, place: str) -> None:
        """Note what inline Python loads."""
        if "(" not in code:
            return
        for argument, literal in programs.calls(code[:MAX_JSON]):
            if literal:
                self._source("model", literal, place)
                continue
            variable = _FROM_ENVIRONMENT.search(argument)
            if variable is not None and variable[1] in self._environment:
                self._source("model", self._environment[variable[1]], place)
            else:
                self._found.unknown(place)

    def _find_revision(self, entries: Sequence[tuple[str, Any, str]], tokens: Sequence[Token]) -> str:
        stated = {value for name, value, _ in entries if plain(name) in naming.REVISIONS and isinstance(value, str)}
        for position, token in enumerate(tokens):
            name, equals, value = token.text.partition("=")
            if name.startswith("-") and plain(name) in naming.REVISIONS:
                following = tokens[position + 1].text if position + 1 < len(tokens) else ""
                stated.add(value if equals else following)
        # Two revisions can't both be the one that is loaded: neither counts, and the reference stays mutable.
        return stated.pop() if len(stated) == 1 else ""

    def _arguments(self, tokens: Sequence[Token]) -> None:
        texts = [token.text for token in tokens]
        for start, end in programs.commands(texts):
            self._downloads(tokens[start:end], texts[start:end])
        position = 0
        vllm = "vllm" in self._image or any(text.endswith("vllm") for text in texts)
        if vllm and tokens and "command" not in self._container and not texts[0].startswith("-"):
            first = tokens[0]
            if first.text != "serve" and not (_ASSIGNMENT.fullmatch(first.text) or _PROGRAM.fullmatch(first.text)):
                self._source("model", first.text, first.place)
        dash_m = programs.short_model_flag(self._image, texts)
        while position < len(tokens):
            token = tokens[position]
            following = tokens[position + 1] if position + 1 < len(tokens) else None
            position += 1
            if vllm and token.text == "serve" and following and not following.text.startswith("-"):
                self._source("model", following.text, following.place)
            elif token.text == "-m" and following:
                before = tokens[position - 2].text if position > 1 else ""
                self._short_flag(before, following, known=dash_m)
            elif token.text.startswith("-"):
                position = self._flag(tokens, position, token)
            elif match := _ASSIGNMENT.fullmatch(token.text):
                self._classify(match[1], match[2], token.place)
            else:
                self._scan(token.text, token.place)

    def _downloads(self, tokens: Sequence[Token], texts: Sequence[str]) -> None:
        """Note what one simple command downloads, where it is, or may be, a model."""
        into_models = "model" in programs.destination(texts).lower()
        for index, value, certain in programs.fetched(texts):
            place = tokens[index].place
            if certain:
                self._source("model", value, place)
            elif into_models:
                expanded = self._expanded(value)
                if expanded is None:
                    self._found.unknown(place)
                elif _URI.match(expanded):
                    self._found.model(programs.from_hub(expanded), place, self._role)

    def _short_flag(self, before: str, following: Token, *, known: bool) -> None:
        """Read `-m`: MLflow's and llama.cpp's model, Python's module, or anything at all of another program."""
        module = words.PYTHON.search(before) is not None
        if (known and not module) or _URI.match(self._expanded(following.text) or ""):
            # A name without a scheme is a path to MLflow and to llama.cpp, and never a repository.
            path = re.match(r"[^/.~$]", following.text) and not _URI.match(following.text)
            self._source("model", f"./{following.text}" if path else following.text, following.place)
        else:
            self._scan(following.text, following.place)

    def _flag(self, tokens: Sequence[Token], position: int, token: Token) -> int:
        name, equals, value = token.text.partition("=")
        normal = plain(name)
        if equals:
            self._classify(name, value, token.place)
            return position
        values = []
        while position < len(tokens) and not tokens[position].text.startswith("-"):
            if programs.CONTROL.fullmatch(tokens[position].text):
                break
            values.append(tokens[position])
            position += 1
            if normal not in naming.MANY:
                break
        json_value = bool(values) and values[0].text.startswith(("{", "["))
        if not (naming.modelish(normal, flag=True) or naming.output(normal) or json_value):
            # What follows may belong to the command line and not to the flag.
            return position - len(values)
        for one in values:
            self._classify(name, one.text, one.place)
        return position

    def _classify(self, name: str, value: Any, place: str) -> None:
        normal = plain(name)
        if normal in self._found.not_models:
            return
        flag = name.startswith("-")
        if not naming.modelish(normal, flag=flag):
            if isinstance(value, str):
                self._scan(value, place, written=naming.output(normal))
            elif value is not None:
                self._found.unknown(place)
            return
        source = naming.source(normal, flag=flag)
        if value is None:  # it comes from a Secret, a ConfigMap or a field: nobody can see it here
            if source or not naming.label(normal):
                self._found.unknown(place)
        elif not isinstance(value, str):
            self._found.unknown(place)
        elif source:
            self._source(normal, value, place)
        else:
            self._labelled(normal, value, place)

    def _labelled(self, normal: str, value: str, place: str) -> None:
        expanded = self._expanded(value)
        served = normal.startswith("served")  # the name that clients ask for; nothing is loaded by it
        if expanded is None:
            if not (served or naming.label(normal)):
                self._found.unknown(place)
        elif programs.MODEL_URI.search(expanded):
            self._scan(expanded, place)
        elif not self._says_nothing(normal, expanded, served=served):
            if naming.folder(normal) and expanded.startswith("/"):
                self.local.append(LocalPath(expanded, place, self._role))
            elif naming.named(normal) and "/" in expanded and _REPOSITORY.fullmatch(expanded):
                self._source(normal, expanded, place)
            else:
                self._found.unknown(place)

    @staticmethod
    def _says_nothing(normal: str, value: str, *, served: bool) -> bool:
        if not value or _HARMLESS.fullmatch(value) or (served and _REPOSITORY.fullmatch(value)):
            return True
        return naming.label(normal) and not re.search(r"[/:]", value)

    def _scan(self, value: str, place: str, *, written: bool = False) -> None:
        if value.startswith(("{", "[")):
            self._json(value, place)
        for match in _VARIABLE.finditer(value):
            name = match[1] or match[2] or match[3]
            unseen = name not in self._environment and plain(name) not in self._found.not_models
            if unseen and naming.source(plain(name)):
                self._found.unknown(place)
        for uri in programs.mentions(value, written=written):
            self._found.model(uri, place, self._role)

    def _json(self, value: str, place: str) -> None:
        """Note the models in a JSON value, such as vLLM's `--speculative-config` and Seldon's parameters."""
        try:
            waiting = [json.loads(value)] if len(value) < MAX_JSON else []
        except (ValueError, RecursionError):
            return
        while waiting:
            one = waiting.pop()
            if isinstance(one, list):
                waiting += one
            elif isinstance(one, dict):
                if isinstance(one.get("name"), str) and isinstance(one.get("value"), str):
                    self._classify(one["name"], one["value"], place)
                waiting += [inner for inner in one.values() if isinstance(inner, dict | list)]
                for key, inner in one.items():
                    telling = isinstance(inner, str) and ("/" in inner or "$" in inner)
                    if telling and naming.source(plain(key)) and plain(key) not in self._found.not_models:
                        self._source(plain(key), inner, place)

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
        role = "adapter" if normal in naming.ADAPTERS else self._role
        expanded = self._expanded(value)
        if not expanded:
            self._found.unknown(place)
            return
        listed = normal in naming.MANY and not expanded.startswith("{")
        parts = words.split(expanded.replace(",", " "), self._found) if listed else [expanded]
        for part in parts:
            if listed and not _URI.match(part):
                part = part.partition("=")[2] or part  # noqa: PLW2901 (NAME=SOURCE names a source)
            self._one_source(normal, _from_json(part), place, role)

    def _one_source(self, normal: str, value: str, place: str, role: str) -> None:
        if value.lower().startswith("file:"):
            value = "/" + value[5:].lstrip("/")
        if _URI.match(value):
            self._found.model(programs.from_hub(value), place, role)
        elif value.startswith(("/", "./", "~")) or value in {".", ""}:
            self.local.append(LocalPath(value, place, role))
        elif normal == "models" and "/" not in value:
            return  # TorchServe: `all`, or a file in the model store, which is judged itself
        elif naming.in_image(normal) and "/" not in value:
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
