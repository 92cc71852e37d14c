"""Exit codes: what a command tells the shell, and how several decisions become one code.

0 allow, 1 deny, 2 usage, 3 engine error, 4 approval required. Only 0 ever means "go ahead".
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from proctor.errors import PolicyError, ProctorError, RefusedError, UsageError

ALLOW: Final = 0
DENY: Final = 1
USAGE: Final = 2
ENGINE_ERROR: Final = 3
APPROVAL_REQUIRED: Final = 4
INTERRUPTED: Final = 130
"""128 + SIGINT, as shells have it."""


class FailOn(StrEnum):
    """From which finding on a command fails."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


_OF_OUTCOME: Final = {
    "allow": ALLOW,
    "deny": DENY,
    "require_approval": APPROVAL_REQUIRED,
    "error": ENGINE_ERROR,
}
_WORST_FIRST: Final = (ENGINE_ERROR, DENY, APPROVAL_REQUIRED, ALLOW)
_THE_CALLERS: Final = frozenset({400, 404, 405, 406, 415, 422})
"""HTTP statuses that a different command line would mend."""
_LATER: Final = frozenset({408, 429})
"""Statuses that the same command may not meet again."""
_SERVER: Final = 500


def of_decisions(decisions: Iterable[Mapping[str, Any]], fail_on: FailOn = FailOn.ERROR) -> int:
    """Return the worst of the decisions: engine error, then deny, then approval required, then allow.

    `fail_on` `warning` makes an allow with a finding that warns a denial; `never` reports denials without failing for
    them. An engine error fails whatever `fail_on` says: nothing was judged. An outcome that is not known is one.
    """
    codes = {_of_decision(decision, fail_on) for decision in decisions}
    worst = next((code for code in _WORST_FIRST if code in codes), ALLOW)
    return ALLOW if fail_on is FailOn.NEVER and worst in (DENY, APPROVAL_REQUIRED) else worst


def _of_decision(decision: Mapping[str, Any], fail_on: FailOn) -> int:
    code = _OF_OUTCOME.get(decision.get("outcome", ""), ENGINE_ERROR)
    warned = bool(decision.get("unprovided")) or any(
        finding.get("effect") == "warn" for finding in decision.get("findings", ())
    )
    return DENY if code == ALLOW and fail_on is FailOn.WARNING and warned else code


def of_error(error: ProctorError) -> int:
    """Return the exit code of an error: usage where the caller can mend the command, deny where a rule says no."""
    if isinstance(error, UsageError):
        return USAGE
    if isinstance(error, PolicyError):
        return DENY
    if isinstance(error, RefusedError):
        if error.status in _THE_CALLERS:
            return USAGE
        return ENGINE_ERROR if error.status in _LATER or error.status >= _SERVER else DENY
    return ENGINE_ERROR
