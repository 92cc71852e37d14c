import pytest

from proctor.cli import exits
from proctor.errors import ClockError, PolicyError, ProctorError, RefusedError, SettingsError
from tests.engine.cli.decisions import decision, finding


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], 0),
        (["allow"], 0),
        (["deny"], 1),
        (["error"], 3),
        (["require_approval"], 4),
        (["allow", "require_approval"], 4),
        (["require_approval", "deny", "allow"], 1),
        (["deny", "error", "require_approval"], 3),
        (["allow", "something new"], 3),
    ],
)
def test_worst_decision_wins(outcomes: list[str], code: int) -> None:
    assert exits.of_decisions([decision(outcome) for outcome in outcomes]) == code


def test_no_outcome_is_an_engine_error() -> None:
    assert exits.of_decisions([{}]) == 3


@pytest.mark.parametrize(("effect", "code"), [("warn", 1), ("waived", 0), ("dryrun", 0)])
def test_fail_on_warning_fails_for_warnings_only(effect: str, code: int) -> None:
    allowed = decision("allow", findings=[finding(effect=effect)])
    assert exits.of_decisions([allowed]) == 0
    assert exits.of_decisions([allowed], exits.FailOn.WARNING) == code


@pytest.mark.parametrize(("outcome", "code"), [("deny", 0), ("require_approval", 0), ("error", 3)])
def test_fail_on_never_still_fails_for_engine_errors(outcome: str, code: int) -> None:
    assert exits.of_decisions([decision(outcome)], exits.FailOn.NEVER) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("a", "b"), 2),
        (PolicyError("a", ["b"]), 1),
        (ClockError("a", "b"), 3),
        (ProctorError("a", "b"), 3),
        (RefusedError("x", 400, "a", "b"), 2),
        (RefusedError("x", 401, "a", "b"), 1),
        (RefusedError("x", 403, "a", "b"), 1),
        (RefusedError("x", 409, "a", "b"), 1),
        (RefusedError("x", 413, "a", "b"), 1),
        (RefusedError("x", 429, "a", "b"), 3),
        (RefusedError("x", 503, "a", "b"), 3),
    ],
)
def test_errors_have_codes(error: ProctorError, code: int) -> None:
    assert exits.of_error(error) == code
