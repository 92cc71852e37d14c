"""A preflight: the decision on a training plan, and how it looks: as a table in a terminal, as HTML in a notebook."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proctor.errors import ProctorError
from proctor.vocabulary.words import BLOCKING

SUPPLIERS: Final[Mapping[str, str]] = {
    "catalog": "the catalog sends an event about the dataset",
    "ownership": "the catalog names an owner, and an admin links that name to a principal",
    "sensitivity": "the catalog tags the dataset: governance.pii, governance.data_class",
    "legal": "the catalog tags the dataset: governance.lawful_basis",
    "purposes": "the catalog tags the dataset: governance.purpose",
    "consent": "the catalog tags the dataset: governance.consent_status, governance.consent_purposes",
    "licence": "the catalog tags the dataset: governance.licence",
    "retention": "the catalog tags the dataset: governance.retention_until",
    "trainer": "an admin grants it: proctor principal grant",
    "data_use": "the catalog tags every dataset with its class",
    "risk": "an operator configures the purpose: policy.purposes",
    "plan": "you: commit your source, install every package from an index, set a seed",
    "reference": "you: name a version of the dataset",
}
"""Who can supply what is missing, by group of facts."""


@dataclass(frozen=True, slots=True)
class FactLine:
    """One line of the table: what was looked for, where, and what came of it."""

    state: str
    """`missing` (not evaluable) and `wrong` (found, and against a rule) keep the run from starting. What is against a
    rule and let through is called by its effect (`warn`, `waived`, ...), because it is no pass; the rest is `found`."""
    what: str
    about: str
    detail: str
    supply: str = ""


@dataclass(frozen=True, slots=True)
class Preflight:
    """The decision on a plan. In a notebook it shows itself as a table."""

    decision: Mapping[str, Any]
    server: str
    """Where it was decided."""
    notes: tuple[str, ...] = ()
    """What the notebook found around itself that keeps the run from being made again."""

    @property
    def id(self) -> str:
        """Return the decision's id, which runs carry in the tag `governance.preflight`."""
        return str(self.decision["id"])

    @property
    def allowed(self) -> bool:
        """Tell whether the training may start."""
        return self.decision.get("outcome") == "allow"

    def lines(self) -> list[FactLine]:
        """Return what was found, missing and wrong, the worst first."""
        found = [_line(finding) for finding in self.decision.get("findings", ())]
        found += [
            FactLine("wrong", problem["code"], problem.get("path", ""), problem["message"])
            for problem in self.decision.get("problems", ())
        ]
        seen: dict[str, Mapping[str, Any]] = {}
        for fact in self.decision.get("facts", ()):
            seen.setdefault(f"{fact['group']}", fact)
        found += [
            FactLine(
                "found", group, str(fact["about"])[:60], f"{fact['tier']}, {fact['source']}, {fact['observed_at'][:19]}"
            )
            for group, fact in sorted(seen.items())
        ]
        order = {"missing": 0, "wrong": 1, "found": 3}
        return sorted(found, key=lambda line: order.get(line.state, 2))

    def __str__(self) -> str:
        """Return the table as text."""
        rows = [f"{'ALLOW' if self.allowed else 'DENY'}  {self.id}  ({self.decision.get('reason')})"]
        lines = self.lines()
        for line in lines:
            if line.state != "found":
                rows += [f"  {line.state:<8} {line.what}", f"           {line.detail}"]
                rows += [f"           what helps: {line.supply}"] if line.supply else []
        if found := [line.what for line in lines if line.state == "found"]:
            rows.append(f"  found    {', '.join(found)}")
        return "\n".join([*rows, *(f"  note     {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        """Return the table as HTML; everything in it that came from outside is escaped."""
        colour = "#0a7d33" if self.allowed else "#b3261e"
        cells = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(text)}</td>" for text in _cells(line)) + "</tr>"
            for line in self.lines()
        )
        title = f"{'Allowed' if self.allowed else 'Denied'}: {self.decision.get('message', '')}"
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in ("", "fact", "what", "what helps"))
        return (
            f"<div><b style='color:{colour}'>{html.escape(title)}</b> <code>{html.escape(self.id)}</code>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>{notes}</div>"
        )


def _line(finding: Mapping[str, Any]) -> FactLine:
    missing = finding["status"] == "not_evaluable"
    groups: list[str] = [str(part) for gap in finding.get("why", ()) for part in gap["at"] if isinstance(part, str)]
    group = next((name for name in reversed(groups) if name in SUPPLIERS), "")
    supply = SUPPLIERS.get(group, "") if missing else finding["remediation"]
    state = str(finding["effect"])
    if state in BLOCKING:
        state = "missing" if missing else "wrong"
    about = ", ".join(finding.get("item") or []) or "the run"
    return FactLine(state, finding["rule"], about, finding["message"], supply)


def _cells(line: FactLine) -> Sequence[str]:
    return line.state, line.what, line.detail, line.supply


class TrainingRefusedError(ProctorError):
    """The plan was refused, before anything was started. `preflight` has the table."""

    def __init__(self, preflight: Preflight) -> None:
        self.preflight = preflight
        blocking = [line for line in preflight.lines() if line.state in {"missing", "wrong"}]
        found = "; ".join(f"{line.what}: {line.detail}" for line in blocking[:5]) or preflight.decision["message"]
        more = f" and {len(blocking) - 5} more" if len(blocking) > 5 else ""  # noqa: PLR2004 (as shown above)
        remedy = next((line.supply for line in blocking if line.supply), "See the table of this error's preflight")
        super().__init__(f"asking whether the training may start ({preflight.id})", found + more, remedy)

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows instead of a traceback: the table is what helps."""
        return str(self.preflight).splitlines()
