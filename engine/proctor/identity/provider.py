"""The fact provider `principals`: what whoever deploys may do, from Proctor's own register."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from proctor.identity.people import Register
from proctor.identity.principals import LOCAL_OPERATOR
from proctor.plugins import FactGroup, Question
from proctor.vocabulary.words import EvidenceTier


class PrincipalFacts:
    """Implements `plugins.FactProvider` for the group `deployer`. Nobody else may state it."""

    name: str = "principals"
    provides: Sequence[str] = ("deployer",)
    tier: EvidenceTier = EvidenceTier.OBSERVED

    def __init__(self, register: Register, environments: Callable[[], Sequence[str]]) -> None:
        """Take the register and a function that returns the environments of the policy in force, for `*`."""
        self._register = register
        self._environments = environments

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        """Return where the actor may deploy to; nothing for one that is not in the register."""
        actor = question.actor.id
        if actor == LOCAL_OPERATOR:
            # Whoever can open the private socket can also make any principal and any key.
            return [_group(actor, self._environments(), question.now)]
        principal = self._register.principal(actor)
        if principal is None:
            return []
        environments = self._environments() if "*" in principal.environments else principal.environments
        return [_group(actor, environments, datetime.fromisoformat(principal.created_at))]


_DEPLOYER: Final = "deployer"


def _group(actor: str, environments: Sequence[str], observed_at: datetime) -> FactGroup:
    return FactGroup("", 0, _DEPLOYER, {"environments": list(environments)}, actor, observed_at)
