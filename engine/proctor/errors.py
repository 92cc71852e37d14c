"""Every error that Proctor raises on purpose, in one tree.

    ProctorError
    |- UsageError                what the person at the command line or in the settings got wrong (exit 2)
    |  |- SettingsError
    |  `- NotFoundError
    |- RefusedError              a caller may not do this; `code` says why (HTTP 401, 403, 409, 422, 429)
    |- PolicyError               a policy can't be built or is not acceptable; carries one line per problem
    `- EngineError               Proctor can't answer; carries the `Reason` (exit 3, enforced as a denial)
       |- OpaError               anything between us and OPA
       |- LedgerError            the decision can't be recorded
       |- ClockError             the wall clock jumped
       `- StateError             the state directory, its lock or its database

Each message says what was tried, what was found and what to do.
"""

from collections.abc import Sequence
from typing import ClassVar

from proctor.vocabulary.reasons import Reason


class ProctorError(Exception):
    """Base of the tree. `tried`, `found` and `remedy` are sentences without a final full stop."""

    def __init__(self, tried: str, found: str, remedy: str = "") -> None:
        self.tried = tried
        self.found = found
        self.remedy = remedy
        super().__init__(f"{tried}: {found}." + (f" {remedy}." if remedy else ""))


class UsageError(ProctorError):
    """The person at the command line can mend it: wrong options, files that don't exist."""


class SettingsError(UsageError):
    """A setting or the configuration file is wrong."""


class NotFoundError(UsageError):
    """What was named does not exist."""


class RefusedError(ProctorError):
    """A caller may not do this. `code` is one of the API's closed set, `status` its HTTP status."""

    def __init__(self, code: str, status: int, tried: str, found: str, remedy: str = "") -> None:
        super().__init__(tried, found, remedy)
        self.code = code
        self.status = status


class PolicyError(ProctorError):
    """A policy was refused. `problems` holds one `path: what, how to mend it` line each."""

    def __init__(self, tried: str, problems: Sequence[str], remedy: str = "") -> None:
        self.problems = list(problems)
        super().__init__(tried, "; ".join(self.problems), remedy)


class EngineError(ProctorError):
    """Proctor can't answer. Enforced as a denial at every point."""

    default_reason: ClassVar[Reason] = Reason.INTERNAL_ERROR

    def __init__(self, tried: str, found: str, remedy: str = "", reason: Reason | None = None) -> None:
        super().__init__(tried, found, remedy)
        self.reason = reason or self.default_reason


class OpaError(EngineError):
    """OPA could not be asked, or what it answered is no verdict."""

    default_reason = Reason.ENGINE_UNAVAILABLE


class LedgerError(EngineError):
    """The ledger did not take a record."""

    default_reason = Reason.LEDGER_UNAVAILABLE


class ClockError(EngineError):
    """The wall clock moved against the boot clock."""

    default_reason = Reason.CLOCK_JUMP


class StateError(EngineError):
    """The state directory can't be used."""
