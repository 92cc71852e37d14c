"""The clause base: what laws, standards and frameworks ask for, as data that rules point to.

One file for each framework below `governance/clauses` of the provided policy, and below `clauses` of a pack. Titles are
ours; `machine` says how far a machine can check a clause at all. No decision reads any of it: the bundle's index only
says, of the clauses that its rules name, what they were when it was built.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from proctor.errors import PolicyError
from proctor.opa.annotations import RuleAnnotation

FOLDER: Final = Path("governance") / "clauses"
"""Below the provided policy."""
PACK_FOLDER: Final = "clauses"
"""Below a pack."""
_DEFAULTED: Final = ("status", "effective_from", "until", "later", "supersedes", "source", "note")
"""Keys of a clause that its file can give once for all."""
_NEAREST: Final = 3


class Status(StrEnum):
    """How much a clause counts."""

    ENACTED = "enacted"
    """Law, as published."""
    UNVERIFIED = "unverified"
    """Binding by all that is known, but its text or its date was not read in the official publication."""
    PUBLISHED = "published"
    """A standard or framework that one chooses to follow."""
    DRAFT = "draft"
    RESCINDED = "rescinded"


class Machine(StrEnum):
    """How far a machine can check a clause."""

    FULL = "full"
    PARTLY = "partly"
    HUMAN = "human"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Later(_Part):
    """To whom a clause applies only after its `effective_from`."""

    from_: Annotated[date, Field(alias="from")]
    applies_to: Annotated[str, Field(min_length=3, max_length=120)]


class Clause(_Part):
    """One clause of one framework."""

    framework: str
    clause: Annotated[str, Field(pattern=r"^[A-Za-z0-9.()-]{1,40}$")]
    title: Annotated[str, Field(min_length=3, max_length=120)]
    status: Annotated[Status, Field(strict=False)]
    effective_from: date | None = None
    """The first day; None of a draft alone."""
    until: date | None = None
    """The day from which it no longer holds; of what was rescinded, and of nothing else."""
    later: list[Later] = []
    supersedes: list[str] = []
    source: Annotated[str, Field(pattern=r"^https://\S+$")]
    machine: Annotated[Machine, Field(strict=False)]
    note: str = ""

    @property
    def id(self) -> str:
        """Return the name that rules use: `<framework>/<clause>`."""
        return f"{self.framework}/{self.clause}"

    def in_force(self, day: date) -> bool:
        """Tell whether it holds on `day` for anybody; the interval is half-open, and a draft never holds."""
        started = self.effective_from is not None and self.effective_from <= day
        return started and (self.until is None or day < self.until)

    @model_validator(mode="after")
    def _dated(self) -> "Clause":
        if (self.effective_from is None) != (self.status is Status.DRAFT):
            raise ValueError("a draft has no effective_from, and everything else has one")
        if (self.until is None) == (self.status is Status.RESCINDED):
            raise ValueError("what was rescinded has an `until`, and nothing else has")
        dates = [day for day in (self.effective_from, *(part.from_ for part in self.later), self.until) if day]
        if (self.later and self.effective_from is None) or sorted(set(dates)) != dates:
            raise ValueError("effective_from, later and until follow each other in time")
        return self


class Framework(_Part):
    """One file: a framework with its clauses."""

    framework: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
    title: Annotated[str, Field(min_length=3, max_length=120)]
    source: Annotated[str, Field(pattern=r"^https://\S+$")]
    clauses: Annotated[list[Clause], Field(min_length=1, max_length=2000)]


@dataclass(frozen=True, slots=True)
class ClauseBase:
    """All frameworks, and all clauses by their ids, in the order of their files."""

    frameworks: Mapping[str, Framework]
    clauses: Mapping[str, Clause]

    def problems(self, rule: RuleAnnotation) -> Iterator[str]:
        """Yield one line for each clause of a rule that does not exist, stands twice, or was rescinded.

        A rescinded clause may stand beside what superseded it, for those whose records still name it.
        """
        named = rule.custom.clauses
        for clause_id in dict.fromkeys(named):
            clause = self.clauses.get(clause_id)
            if named.count(clause_id) > 1:
                yield f"{rule.file}: clause {clause_id} stands twice"
            if clause is None:
                yield f"{rule.file}: clause {clause_id}: {self._nearest(clause_id)}"
            elif clause.status is Status.RESCINDED:
                heirs = [other.id for other in self.clauses.values() if clause_id in other.supersedes]
                if not set(heirs) & set(named):
                    by = f"superseded by {' and '.join(heirs)}: name that" if heirs else "nothing superseded it"
                    yield f"{rule.file}: clause {clause_id} was rescinded on {clause.until}, {by}"

    def _nearest(self, clause_id: str) -> str:
        framework, _, clause = clause_id.partition("/")
        if framework not in self.frameworks:
            near = difflib.get_close_matches(framework, self.frameworks, _NEAREST)
            return f"there is no framework {framework}; there is {', '.join(near or self.frameworks)}"
        known = {other.clause.lower(): other.id for other in self.frameworks[framework].clauses}
        near = difflib.get_close_matches(clause.lower(), known, _NEAREST, 0.5)
        if near:
            return f"{framework} has no such clause; the nearest are {', '.join(known[name] for name in near)}"
        return f"{framework} has no such clause; 'proctor policy coverage --framework {framework}' lists them"

    def named_by(self, rules: Sequence[RuleAnnotation]) -> dict[str, dict[str, str]]:
        """Return what the index keeps of the clauses that `rules` name: title, status and first day."""
        named = sorted({clause_id for rule in rules for clause_id in rule.custom.clauses})
        return {
            clause_id: {
                "title": (clause := self.clauses[clause_id]).title,
                "status": str(clause.status),
                "effective_from": "" if clause.effective_from is None else clause.effective_from.isoformat(),
            }
            for clause_id in named
        }


def load(source: Path, packs: Sequence[Path] = ()) -> ClauseBase:
    """Read the clauses of the provided policy at `source` and of the packs.

    Raises `PolicyError` with one line for each file, clause or key that is wrong.
    """
    problems: list[str] = []
    frameworks: dict[str, Framework] = {}
    clauses: dict[str, Clause] = {}
    folder = source / FOLDER
    files = sorted(folder.glob("*.yaml"))
    if not files:
        problems.append(f"{folder}: no .yaml file")
    for file in [*files, *(file for pack in packs for file in sorted((pack / PACK_FOLDER).glob("*.yaml")))]:
        framework = _read(file, problems)
        if framework is None:
            continue
        if framework.framework != file.stem:
            problems.append(f"{file}: the framework {framework.framework} stands in {framework.framework}.yaml")
        if framework.framework in frameworks:
            problems.append(f"{file}: the framework {framework.framework} exists; a pack adds frameworks of its own")
            continue
        frameworks[framework.framework] = framework
        for clause in framework.clauses:
            if clause.id in clauses:
                problems.append(f"{file}: clause {clause.id} stands twice")
            clauses[clause.id] = clause
    problems += _unresolved(clauses)
    if problems:
        raise PolicyError("reading the clauses", problems, "docs/policy-authors.md, 'Clauses', says what a file holds")
    return ClauseBase(frameworks, clauses)


def check(base: ClauseBase, rules: Sequence[RuleAnnotation]) -> None:
    """Raise `PolicyError` with one line for each clause that a rule may not name."""
    problems = [problem for rule in rules for problem in base.problems(rule)]
    if problems:
        raise PolicyError(
            "checking the clauses of the rules", problems, "'proctor policy coverage' lists the clauses that there are"
        )


def _unresolved(clauses: Mapping[str, Clause]) -> Iterator[str]:
    for clause in clauses.values():
        for other in clause.supersedes:
            if other not in clauses:
                yield f"{clause.id} supersedes {other}, which does not exist"
            elif clauses[other].status is not Status.RESCINDED:
                yield f"{clause.id} supersedes {other}, which is {clauses[other].status} and not rescinded"


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: YAML would hide the first value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {name!r} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _read(file: Path, problems: list[str]) -> Framework | None:
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a safe loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        problems.append(f"{file}: {' '.join(str(error).split())}")
        return None
    if not isinstance(document, dict) or not isinstance(document.get("clauses"), list):
        problems.append(f"{file}: not a mapping with `framework`, `title`, `source` and a list `clauses`")
        return None
    defaults = document.pop("defaults", None) or {}
    if not isinstance(defaults, dict) or (unknown := sorted(set(defaults) - set(_DEFAULTED))):
        problems.append(f"{file}: defaults: {unknown if isinstance(defaults, dict) else 'no mapping'}")
        return None
    given = {"framework": document.get("framework"), "source": document.get("source"), **defaults}
    document["clauses"] = [given | entry if isinstance(entry, dict) else entry for entry in document["clauses"]]
    try:
        return Framework.model_validate(document)
    except ValidationError as error:
        problems += [
            f"{file}: {'.'.join(map(str, _named(item['loc'], document)))}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
    return None


def _named(path: tuple[int | str, ...], document: Mapping[str, Any]) -> list[Any]:
    """Return the path of an error with the clause's own id in place of its number."""
    if len(path) > 1 and path[0] == "clauses" and isinstance(path[1], int):
        entry = document["clauses"][path[1]]
        name = entry.get("clause") if isinstance(entry, dict) else None
        return ["clauses", name or path[1], *path[2:]]
    return list(path)
