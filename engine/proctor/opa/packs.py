"""Packs: an organisation's own folder of rules, tests and configuration, built together with the provided policy.

A pack adds rules, in packages of its own, and may bring a `configuration.yaml` with names that its rules look up, and
with stricter actions, thresholds and waivers. What changes anything else is refused here; what weakens the policy that
was there before it, by `proctor.opa.weakening`.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import Field, ValidationError

from proctor.errors import PolicyError
from proctor.opa import clauses
from proctor.opa.configuration import ActionEntry, Number, Part
from proctor.vocabulary.facts import Identifier
from proctor.vocabulary.words import RiskTier

CONFIGURATION: Final = "configuration.yaml"
_MAX_CONFIGURATION: Final = 1_000_000
"""Bytes. A configuration is written by people."""
_RULE_DEPTH: Final = 5
"""Parts of a rule's path: governance/rules/<stage>/<name>/<name>.rego."""


class PackConfiguration(Part):
    """What a pack may configure. Environments, chains, tiers and limits are the root configuration's alone."""

    actions: list[ActionEntry] = []
    thresholds: dict[Identifier, dict[RiskTier, Number] | Number] = {}
    lists: dict[Identifier, list[str]] = {}
    waivers: dict[str, Annotated[int, Field(ge=1, le=366)] | Literal[False]] = {}
    """How many days a waiver of a rule may last; false: it can't be waived."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack whose rules have been copied beside those that were there before it."""

    name: str
    """Name of its folder: what a grant calls it."""
    files: frozenset[str] = frozenset()
    """Its rules, relative to the policy's folder."""
    configuration: PackConfiguration = field(default_factory=PackConfiguration)

    @property
    def codes(self) -> frozenset[str]:
        """Return the codes of its rules."""
        parts = (Path(file).parts for file in self.files)
        return frozenset(f"{stage}.{name}" for *_, stage, name, _ in parts)


def collect(folder: Path, stage: Path, taken: set[str]) -> Pack:
    """Copy the rules of a pack into the folder `stage`, and return it with its configuration.

    `taken` holds the files that are there already. Raises `PolicyError` naming everything by which the pack could
    change what is not its own.
    """
    problems: list[str] = []
    found: set[str] = set()
    try:
        manifest = json.loads((folder / ".manifest").read_bytes())
        roots = set(manifest["roots"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PolicyError(
            f"reading the pack {folder}",
            [f".manifest: {error}"],
            "A pack lists the root of each of its rules in .manifest",
        ) from error
    for path in _files(folder):
        relative = path.relative_to(folder)
        if (
            relative.as_posix() in {".manifest", CONFIGURATION}
            or path.name.endswith("_test.rego")
            or path.suffix == ".md"
            or (path.suffix == ".json" and "samples" in relative.parts)
            or (path.suffix == ".yaml" and relative.parent == Path(clauses.PACK_FOLDER))
            or any(part.startswith(".") for part in relative.parts[:-1])  # a checkout's own folders, such as .git
        ):
            continue
        if path.suffix != ".rego":
            problems.append(f"{relative}: a pack holds rules and their tests, no data; configuration goes into YAML")
            continue
        parts = relative.parts
        expected = ("governance", "rules")
        if len(parts) != _RULE_DEPTH or parts[:2] != expected or parts[4] != f"{parts[3]}.rego":
            problems.append(f"{relative}: a rule stands at governance/rules/<stage>/<name>/<name>.rego")
            continue
        root = "/".join(parts[:4])
        if root not in roots:
            problems.append(f"{relative}: .manifest does not list the root {root}")
        if str(relative) in taken:
            problems.append(f"{relative}: this rule already exists; a pack can only add rules")
            continue
        target = stage / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        found.add(str(relative))
    problems += [
        f".manifest: root {root} has no rule" for root in sorted(roots - {"/".join(Path(f).parts[:4]) for f in found})
    ]
    configuration = _configuration(folder, problems)
    if problems:
        raise PolicyError(f"reading the pack {folder}", problems)
    return Pack(folder.resolve().name, frozenset(found), configuration)


def _configuration(folder: Path, problems: list[str]) -> PackConfiguration:
    path = folder / CONFIGURATION
    if not path.exists():
        return PackConfiguration()
    try:
        if path.stat().st_size > _MAX_CONFIGURATION:
            problems.append(f"{CONFIGURATION}: larger than {_MAX_CONFIGURATION} bytes")
            return PackConfiguration()
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return PackConfiguration.model_validate({} if document is None else document)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        problems.append(f"{CONFIGURATION}: {error}")
    except ValidationError as error:
        problems += [
            f"{CONFIGURATION}: {'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
    return PackConfiguration()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
