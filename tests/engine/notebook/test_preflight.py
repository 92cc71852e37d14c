"""How a preflight looks: what was let through is not what was found in order."""

from typing import Any

import pytest

from proctor.notebook.preflight import Preflight, TrainingRefusedError
from proctor.vocabulary.words import BLOCKING, Effect


def finding(effect: Effect, status: str = "fail") -> dict[str, Any]:
    return {
        "rule": f"training.{effect}_{status}", "status": status, "effect": str(effect), "item": [],
        "message": f"the message of {effect}", "remediation": f"the remedy of {effect}",
        "why": [{"at": ["datasets", 0, "legal"], "gap": "absent"}] if status == "not_evaluable" else [],
    }  # fmt: skip


def preflight(*findings: dict[str, Any]) -> Preflight:
    fact = {
        "group": "plan",
        "about": "sha256:1",
        "tier": "observed",
        "source": "x",
        "observed_at": "2026-01-01T00:00:00Z",
    }
    decision = {
        "id": "dec_1", "outcome": "deny", "message": "denied", "reason": "non_compliant", "findings": list(findings),
        "facts": [fact],
    }  # fmt: skip
    return Preflight(decision, "https://proctor.example")


@pytest.mark.parametrize("status", ["fail", "not_evaluable"])
@pytest.mark.parametrize("effect", [effect for effect in Effect if effect not in {*BLOCKING, Effect.NONE}])
def test_what_is_let_through_is_called_by_its_effect(effect: Effect, status: str) -> None:
    shown = preflight(finding(effect, status))
    assert [line.state for line in shown.lines()] == [str(effect), "found"]
    rows = str(shown).splitlines()
    assert rows[1].split() == [str(effect), f"training.{effect}_{status}"]
    assert rows[-1].split() == ["found", "plan"]
    assert f"<td style='text-align:left'>{effect}</td>" in shown._repr_html_()


def test_what_keeps_the_run_from_starting_comes_first_and_is_what_the_error_names() -> None:
    shown = preflight(finding(Effect.WARN), finding(Effect.DENY), finding(Effect.ASK, "not_evaluable"))
    assert [line.state for line in shown.lines()] == ["missing", "wrong", "warn", "found"]
    error = TrainingRefusedError(shown)
    assert "the message of deny" in error.found
    assert "the message of ask" in error.found
    assert "the message of warn" not in error.found
