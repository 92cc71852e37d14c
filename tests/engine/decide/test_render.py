"""What a decision tells of a verdict: findings, and rules that nobody supplies facts for."""

from typing import Any

from proctor.decide import render
from proctor.vocabulary.decision import PolicyIdentity, RiskAssessment, Verdict, VerdictFinding
from proctor.vocabulary.words import Effect, Outcome, RiskTier, Status
from tests.engine.decide.policies import make_index, rule

LOUD, SILENT = "deployment.registered", "deployment.stamped"
INDEX = make_index(rule(LOUD), rule(SILENT), warned={SILENT: "no provider for models/*/stamp"})


def _finding(code: str = SILENT, *gaps: str, **changed: Any) -> VerdictFinding:
    why = [{"at": ["models", 0, "stamp"], "gap": gap} for gap in gaps or ("absent",)]
    body = {"rule": code, "at": ["models", 0], "item": ["m"], "status": Status.NOT_EVALUABLE, "effect": Effect.WARN}
    return VerdictFinding.model_validate({**body, "why": why, "by": None} | changed)


def _verdict(*findings: VerdictFinding) -> Verdict:
    tier, policy = RiskAssessment(value=RiskTier.LOW, unknown=[]), PolicyIdentity(revision="r")
    return Verdict(outcome=Outcome.ALLOW, tier=tier, findings=list(findings), rules={}, problems=[], policy=policy)


def test_a_rule_that_nobody_supplies_facts_for_is_named_once_and_has_no_findings() -> None:
    verdict = _verdict(_finding(), _finding(at=["models", 1]))
    unprovided = render.unprovided(verdict, INDEX)
    assert unprovided == [SILENT]
    assert render.findings(verdict, {}, {}, INDEX, unprovided) == []


def test_whatever_says_more_than_that_nothing_is_known_is_a_finding() -> None:
    for louder in (
        _finding(SILENT, "absent", "stale"),
        _finding(why=[]),
        _finding(status=Status.FAIL),
        _finding(effect=Effect.DENY),
        _finding(effect=Effect.DRYRUN),
    ):
        verdict = _verdict(_finding(at=["models", 1]), louder)
        assert render.unprovided(verdict, INDEX) == []
        assert len(render.findings(verdict, {}, {}, INDEX, [])) == 2


def test_only_the_rules_of_the_profile_are_silent() -> None:
    verdict = _verdict(_finding(LOUD))
    assert render.unprovided(verdict, INDEX) == []
