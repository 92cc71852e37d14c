"""From OPA's answer to what is recorded: the verdict read strictly, counted again, and put into words.

Deciding and replaying share this: what a replay finds is what deciding would have found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from proctor.decide import recount, render
from proctor.errors import OpaError
from proctor.opa.index import Index, Selection
from proctor.vocabulary.decision import Finding, Problem, RiskAssessment, RuleCount, Verdict
from proctor.vocabulary.reasons import Reason
from proctor.vocabulary.words import Outcome

_REASONS: Final = {
    Outcome.ALLOW: Reason.COMPLIANT,
    Outcome.DENY: Reason.NON_COMPLIANT,
    Outcome.REQUIRE_APPROVAL: Reason.APPROVAL_REQUIRED,
    Outcome.ERROR: Reason.POLICY_PROBLEM,
}


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What follows from a verdict."""

    outcome: Outcome
    reason: Reason
    tier: RiskAssessment
    findings: list[Finding]
    problems: list[Problem]
    rules: dict[str, RuleCount]
    rule_digests: dict[str, str]
    unprovided: list[str]


def conclude(
    result: Any, document: Mapping[str, Any], facts: Mapping[str, Any], index: Index, selection: Selection
) -> Conclusion:
    """Return what follows from OPA's `result` on the input `document`.

    `facts` are what messages may speak of: those of the input, and what was gathered beside them. Raises `OpaError`
    for an answer that is no verdict, or that does not follow from its own findings and the pinned index.
    """
    verdict = _verdict(result)
    recount.recount(verdict, document, index, selection)
    if verdict.problems:
        problems = [Problem(code=problem.code, message=problem.detail) for problem in verdict.problems]
        no_rules = any(problem.code == "no_rules" for problem in problems)
        reason = Reason.ENGINE_NO_RULES if no_rules else Reason.POLICY_PROBLEM
        return Conclusion(Outcome.ERROR, reason, verdict.tier, [], problems, {}, {}, [])
    stated = {
        "environment": document["environment"],
        "purpose": document.get("purpose"),
        "actor": document["actor"]["id"],
        "subject": {"name": document["subject"]["name"]},
    }
    unprovided = render.unprovided(verdict, index)
    return Conclusion(
        verdict.outcome,
        _REASONS[verdict.outcome],
        verdict.tier,
        render.findings(verdict, facts, stated, index, unprovided),
        [],
        verdict.rules,
        {code: index.rules[code]["digest"] for code in selection.codes},
        unprovided,
    )


def unknown_operation(stage: str, kind: str, operation: str) -> Problem:
    """Return the problem of a question that selects no rule."""
    found = f"no rule applies to {operation} of a {kind} at {stage}"
    return Problem(code="unknown_operation", path="/operation", message=found)


def unknown_environment(index: Index) -> Problem:
    """Return the problem of a question about an environment that is not configured."""
    known = ", ".join(index.environments)
    return Problem(code="unknown_environment", path="/environment", message=f"is none of {known}")


def _verdict(result: Any) -> Verdict:
    try:
        return Verdict.model_validate(result)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(map(str, first["loc"])) or "the result"
        raise OpaError("reading the verdict", f"{where}: {first['msg']}", reason=Reason.ENGINE_BAD_SHAPE) from error
