"""The policy engine as everybody else sees it: a small Protocol, whichever way an OPA is had."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from proctor.opa.bundle import BuiltBundle

ENTRYPOINT_DECISION: Final = "governance/main/decision"
"""Path below `data` of the one decision."""


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """How the engine is, for readiness and for people."""

    ready: bool
    revision: str | None
    """Revision of the policy that answered; None where nothing did."""
    detail: str
    """What is wrong, or how it runs."""
    opa_version: str = ""
    """Empty where nobody can tell: an external OPA does not say before it is asked for its status."""


class PolicyEngine(Protocol):
    """An OPA with our policy. Implemented by `managed.ManagedOpa` and `external.ExternalOpa`."""

    async def start(self) -> None:
        """Make it answer. Raises `OpaError` when a child of ours can't be started; an external OPA may come later."""
        ...

    async def evaluate(
        self, entrypoint: str, input_bytes: bytes, deadline: float, revision: str | None = None
    ) -> dict[str, Any]:
        """Return the result of `entrypoint` for exactly these canonical bytes, before `deadline` (loop time, seconds).

        `revision` is the policy that the input was written for. While one policy replaces another, a question that was
        begun under the former one still gets its answer there. None: whichever is in force.

        Asks once. Raises `OpaError` with a reason of its own for every way of not getting a plain, whole answer.
        """
        ...

    async def health(self) -> EngineHealth:
        """Ask a canary question and return how the engine is; what is wrong is in the answer, not raised."""
        ...

    async def switch(self, bundle: BuiltBundle) -> None:
        """Put another policy in force without losing a call. Raises `OpaError`, and then the former one stays."""
        ...

    async def close(self) -> None:
        """Stop what was started. Can be called at any time, and again."""
        ...
