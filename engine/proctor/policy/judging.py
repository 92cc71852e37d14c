"""Whether verdicts are what a case expects."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proctor.policy.cases import Case
from proctor.policy.patches import Patch


@dataclass(frozen=True, slots=True)
class Surprise:
    """Why a case did not come out as expected, and which of its patches shows it."""

    why: str
    patch: Patch


def judge(case: Case, verdicts: Sequence[Mapping[str, Any]]) -> Surprise | None:
    """Return what about the verdicts on the patched inputs, in order, the case does not expect; None if nothing.

    Raises `ValueError` when there is not one verdict for each patch: what was not evaluated proves nothing.
    """
    if not case.patches or len(verdicts) != len(case.patches):
        raise ValueError(f"{case.name}: {len(verdicts)} verdicts for {len(case.patches)} patches")
    found = [_difference(case, verdict) for verdict in verdicts]
    wrong = [Surprise(why, patch) for why, patch in zip(found, case.patches, strict=True) if why is not None]
    if case.quantifier == "every":
        return wrong[0] if wrong else None
    return (
        None
        if len(wrong) < len(found)
        else Surprise(f"no other value made it {case.expect}: {wrong[0].why}", wrong[0].patch)
    )


def _difference(case: Case, verdict: Mapping[str, Any]) -> str | None:
    found = sorted(([f["at"], f["status"]] for f in verdict["findings"] if f["rule"] == case.rule), key=str)
    if case.expect == "refused":
        # Another rule's finding would refuse as well, and prove nothing about this one.
        proven = verdict["problems"] or found
        return None if proven and verdict["outcome"] != "allow" else "its request field may be missing"
    if verdict["problems"]:
        return f"problems {_short(verdict['problems'])}"
    if case.rule not in verdict["rules"]:
        return "the rule was not asked"
    counted = verdict["rules"][case.rule]
    if case.expect in {"pass", "exempt"}:
        all_of = counted["compliant" if case.expect == "pass" else "exempt"]
        return (
            None
            if not found and all_of == counted["places"]
            else f"expected {case.expect}, found {_short(found)}, counts {_short(counted)}"
        )
    if case.expect == "not_exempt":
        return (
            None
            if [at for at, _ in found] == sorted(case.at, key=str)
            else f"expected a finding, found {_short(found)}"
        )
    wanted = sorted(([place, case.expect] for place in case.at), key=str)
    return None if found == wanted else f"expected {_short(wanted)}, found {_short(found)}"


def _short(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
