"""The annotation of a rule: what it says of itself, read through `opa inspect` and checked field by field.

A rule is a package below `governance.rules` with one package-scoped METADATA block. Whatever the model below does
not know is refused, so a misspelt key can't switch a check off.
"""

import json
import os
import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from proctor.errors import PolicyError
from proctor.vocabulary.words import EvidenceTier, Operation, Severity, Stage, SubjectKind

FieldType = Literal["string", "strings", "number", "boolean", "timestamp"]
About = Literal["item", "subject", "purpose", "actor"]
_DURATION = re.compile(r"^P(?:(\d{1,5})D)?(?:T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,5})M)?(?:(\d{1,5})S)?)?$")


class Part(BaseModel):
    """Base of all annotation parts: unknown keys are refused, types are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Application(Part):
    """Where a rule applies."""

    stage: Annotated[Stage, Field(strict=False)]
    kind: Annotated[SubjectKind, Field(strict=False)]
    operations: Annotated[list[Annotated[Operation, Field(strict=False)]], Field(min_length=1)]


class Need(Part):
    """One piece of the evidence contract: a fact group, or a field of the request itself."""

    at: str | None = None
    of: str | None = None
    about: About = "item"
    fields: dict[str, FieldType] = {}
    max_age: str | None = None
    min_tier: Annotated[EvidenceTier, Field(strict=False)] = EvidenceTier.OBSERVED
    unless_exempt: bool = False
    present_only: bool = False
    """True where the rule needs the group to be proven, but reads nothing of it: who somebody is, for example."""
    request: str | None = None
    type: FieldType | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Need":
        if self.request is not None:
            if self.at is not None or self.fields or self.type is None:
                raise ValueError("a request need has only `request` and `type`")
        elif self.at is None or not self.fields:
            raise ValueError("a need names its group with `at` and at least one of its `fields`")
        return self

    @property
    def max_age_s(self) -> int:
        """Return the age bound in seconds; 0 where there is none."""
        return 0 if self.max_age is None else int(parse_duration(self.max_age).total_seconds())


class Waivable(Part):
    """How long a waiver of this rule may last."""

    max_days: Annotated[int, Field(ge=1, le=366)]


class Custom(Part):
    """The `custom` block of a rule's METADATA."""

    severity: Annotated[Severity, Field(strict=False)]
    applies_to: Annotated[list[Application], Field(min_length=1)]
    for_each: Annotated[str, Field(pattern=r"^(?:|[a-z_]+/\*|[a-z_]+/\*/[a-z_]+/\*)$")]
    may_be_empty: bool = False
    item_id: list[str] = []
    evidence: Annotated[list[Need], Field(min_length=1)]
    approvable: bool = False
    waivable: Waivable | Literal[False] = False
    controls: Annotated[list[Annotated[str, Field(pattern=r"^G-[A-Z]{3}-\d{2}$")]], Field(min_length=1)]
    clauses: Annotated[list[Annotated[str, Field(pattern=r"^[a-z0-9-]+/[A-Za-z0-9.()-]+$")]], Field(min_length=1)]
    message: Annotated[str, Field(min_length=10, max_length=300)]
    remediation: Annotated[str, Field(min_length=10, max_length=400)]
    owner: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]+$")]
    effective_on: str | None = None

    @property
    def levels(self) -> list[str]:
        """Return the list names of `for_each`: `datasets/*/columns/*` gives `["datasets", "columns"]`."""
        return levels(self.for_each)

    @field_validator("effective_on")
    @classmethod
    def _utc(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
            raise ValueError('write it as a quoted UTC time such as "2026-01-01T00:00:00Z"')
        if value is not None:
            datetime.fromisoformat(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "Custom":
        if len(self.item_id) != len(self.levels):
            raise ValueError(f"item_id needs one field for each level of for_each ({len(self.levels)})")
        for need in self.evidence:
            if need.max_age is not None:
                parse_duration(need.max_age)
            if need.of is not None:
                levels(need.of)
        return self


class RuleAnnotation(Part):
    """A rule: its code `<stage>.<name>`, where it is written and what it says of itself."""

    code: Annotated[str, Field(pattern=r"^[a-z]+\.[a-z][a-z0-9_]*$")]
    file: str
    title: Annotated[str, Field(min_length=3, max_length=80)]
    description: Annotated[str, Field(min_length=20)]
    custom: Custom


def levels(scope: str) -> list[str]:
    """Split a scope such as `models/*` into its list names; raise `ValueError` for anything else."""
    if scope == "":
        return []
    parts = scope.split("/")
    if len(parts) not in (2, 4) or any(part != "*" for part in parts[1::2]) or "*" in parts[::2]:
        raise ValueError(f"{scope!r} is no scope: write `models/*` or `datasets/*/columns/*`")
    return parts[::2]


def parse_duration(text: str) -> timedelta:
    """Parse an ISO 8601 duration of days, hours, minutes and seconds (`P7D`, `PT1H`); raise `ValueError` otherwise."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration: write `P7D` or `PT12H`")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not duration:
        raise ValueError(f"{text!r}: a zero age would make every fact stale")
    return duration


def inspect(binary: Path, folder: Path) -> dict[str, Any]:
    """Return what `opa inspect` says of a folder: packages with their files, relative to it, and annotations.

    Relative, because the index names each rule's file: the same policy is the same index wherever it is built.
    Raises `PolicyError` with OPA's own message when a file does not parse.
    """
    done = subprocess.run(
        [str(binary), "inspect", "--annotations", "--format", "json", str(folder)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        detail = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise PolicyError(f"reading the policy in {folder}", detail.splitlines() or ["opa inspect failed"])
    found: dict[str, Any] = json.loads(done.stdout)
    found["namespaces"] = {
        package: [os.path.relpath(file, folder) for file in files]
        for package, files in found.get("namespaces", {}).items()
    }
    return found


def rules_of(inspected: dict[str, Any]) -> list[RuleAnnotation]:
    """Return the annotation of every rule package, sorted by code.

    Raises `PolicyError` naming each package without a package-scoped annotation and each key that is wrong.
    """
    wanted = {
        name: files[0]
        for name, files in inspected.get("namespaces", {}).items()
        if name.startswith("data.governance.rules.") and files
    }
    problems: list[str] = []
    rules: list[RuleAnnotation] = []
    blocks: dict[str, dict[str, Any]] = {}
    for entry in inspected.get("annotations") or []:
        if entry["annotations"].get("scope") == "package":
            blocks[".".join(str(part["value"]) for part in entry["path"])] = entry["annotations"]
    for package, file in sorted(wanted.items()):
        block = blocks.get(package)
        if block is None:
            problems.append(f"{file}: no METADATA block directly above `package`; start from `proctor policy new`")
            continue
        try:
            rules.append(
                RuleAnnotation(
                    code=package.removeprefix("data.governance.rules."),
                    file=file,
                    title=block.get("title", ""),
                    description=block.get("description", ""),
                    custom=Custom.model_validate(block.get("custom", {})),
                )
            )
        except ValidationError as error:
            problems += [
                f"{file}: {'.'.join(map(str, item['loc'])) or 'annotation'}: {item['msg']}"
                for item in error.errors(include_url=False, include_input=False)
            ]
    if problems:
        raise PolicyError("reading the annotations of the rules", problems)
    return rules
