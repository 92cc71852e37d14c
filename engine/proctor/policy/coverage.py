"""Coverage: for each clause of the base, whether rules stand behind it, and which.

It says what the policy looks at and nothing more. Whether somebody meets an obligation is for people to judge, so the
verdicts are about rules: `covered`, `partly`, `human-only` and `none`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from proctor.errors import NotFoundError
from proctor.opa.clauses import Clause, Machine, Status
from proctor.policy.catalogue import Catalogue
from proctor.vocabulary.words import Action


class Verdict(StrEnum):
    """What stands behind a clause."""

    COVERED = "covered"
    """Rules that deny; and a machine can check the whole clause."""
    PARTLY = "partly"
    """Rules; but they only warn, or the clause asks for more than a machine can check."""
    HUMAN_ONLY = "human-only"
    """No rule, and none could check it."""
    NONE = "none"
    """No rule, although one could check it at least in part."""


@dataclass(frozen=True, slots=True)
class Behind:
    """A rule behind a clause."""

    code: str
    title: str
    mark: str
    """Why it never denies: `only warns`, `dry run`, `from <date>`; empty where it does deny, somewhere."""

    @property
    def marked(self) -> str:
        """Return the code, and the mark if there is one."""
        return f"{self.code} ({self.mark})" if self.mark else self.code


@dataclass(frozen=True, slots=True)
class Covered:
    """A clause with its verdict."""

    clause: Clause
    verdict: Verdict
    rules: tuple[Behind, ...]

    def row(self, day: date | None) -> dict[str, Any]:
        """Return it as a row. `day`: the one on which `state` is told; None leaves the state to the dates."""
        return {
            "clause": self.clause.id,
            "title": self.clause.title,
            "verdict": str(self.verdict),
            "machine": str(self.clause.machine),
            "state": state(self.clause, day),
            "rules": [rule.marked for rule in self.rules],
        }

    def document(self, day: date) -> dict[str, Any]:
        """Return it as JSON, with everything that the clause base says."""
        return {
            **self.clause.model_dump(mode="json", by_alias=True),
            "id": self.clause.id,
            "in_force": self.clause.in_force(day),
            "verdict": str(self.verdict),
            "rules": [{"code": rule.code, "title": rule.title, "mark": rule.mark} for rule in self.rules],
        }


def of(catalogue: Catalogue, framework: str | None = None, day: date | None = None) -> list[Covered]:
    """Return every clause of `framework` (None: of all) with its verdict.

    `day` is the one on which rules count; None counts those that have yet to take effect. Raises `NotFoundError` for a
    framework that does not exist.
    """
    base = catalogue.base
    if framework is not None and framework not in base.frameworks:
        raise NotFoundError(
            f"looking for the framework {framework}", "no such one", f"There is {', '.join(base.frameworks)}"
        )
    behind: dict[str, list[Behind]] = {}
    for code, rule in catalogue.rules.items():
        mark = _mark(catalogue, code, day)
        for name in rule.custom.clauses:
            behind.setdefault(name, []).append(Behind(code, rule.title, mark))
    wanted = base.frameworks if framework is None else {framework: base.frameworks[framework]}
    return [
        Covered(clause, _verdict(clause, rules := behind.get(clause.id, [])), tuple(rules))
        for one in wanted.values()
        for clause in one.clauses
    ]


def counts(covered: Sequence[Covered]) -> Mapping[str, Mapping[str, int]]:
    """Return framework -> verdict -> number of clauses; of what was rescinded, nothing."""
    found: dict[str, Counter[str]] = {}
    for one in covered:
        if one.clause.status is not Status.RESCINDED:
            found.setdefault(one.clause.framework, Counter())[str(one.verdict)] += 1
    return {name: {str(verdict): counter[verdict] for verdict in Verdict} for name, counter in found.items()}


def state(clause: Clause, day: date | None) -> str:
    """Return since when a clause holds, or from when on, for a person."""
    text = _state(clause, day)
    later = [f"{part.from_} for {part.applies_to}" for part in clause.later if day is None or part.from_ > day]
    parts = [text, *later, *(["unverified"] if clause.status is Status.UNVERIFIED else [])]
    return "; ".join(parts)


def _state(clause: Clause, day: date | None) -> str:
    if clause.effective_from is None:
        return "draft"
    if clause.until is not None and (day is None or clause.until <= day):
        return f"rescinded {clause.until}"
    if day is None:
        return f"from {clause.effective_from}"
    return f"{'since' if clause.effective_from <= day else 'not before'} {clause.effective_from}"


def _mark(catalogue: Catalogue, code: str, day: date | None) -> str:
    effective = catalogue.rules[code].custom.effective_on
    if day is not None and effective is not None:
        # A rule counts on the whole day on which it takes effect.
        starts = datetime.fromisoformat(effective).astimezone(UTC).date()
        if day < starts:
            return f"from {starts}"
    actions = {where.action for where in catalogue.actions(code)}
    if Action.DENY in actions:
        return ""
    return "only warns" if Action.WARN in actions else "dry run"


def _verdict(clause: Clause, rules: Sequence[Behind]) -> Verdict:
    if not rules:
        return Verdict.HUMAN_ONLY if clause.machine is Machine.HUMAN else Verdict.NONE
    if clause.machine is Machine.FULL and any(not rule.mark for rule in rules):
        return Verdict.COVERED
    return Verdict.PARTLY
