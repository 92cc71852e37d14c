"""The fact provider `principals`: what whoever asks may do, from Proctor's own register."""

from collections.abc import Callable, Sequence
from datetime import datetime

from proctor.identity.people import Register
from proctor.identity.principals import LOCAL_OPERATOR
from proctor.plugins import FactGroup, Question
from proctor.vocabulary.words import DATA_CLASSES, EvidenceTier


class PrincipalFacts:
    """Implements `plugins.FactProvider` for the groups `deployer` and `trainer`. Nobody else may state them."""

    name: str = "principals"
    provides: Sequence[str] = ("deployer", "trainer")
    tier: EvidenceTier = EvidenceTier.OBSERVED

    def __init__(
        self,
        register: Register,
        environments: Callable[[], Sequence[str]],
        purposes: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Take the register, and what `*` stands for: the environments of the policy in force, and its purposes."""
        self._register = register
        self._environments = environments
        self._purposes = purposes

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        """Return where the actor may deploy to and what they may train; nothing for one that is not in the register."""
        actor = question.actor.id
        if actor == LOCAL_OPERATOR:
            # Whoever can open the private socket can also make any principal and any key.
            return self._groups(actor, ("*",), ("*",), ("*",), question.now)
        principal = self._register.principal(actor)
        if principal is None:
            return []
        since = datetime.fromisoformat(principal.created_at)
        return self._groups(actor, principal.environments, principal.purposes, principal.data_classes, since)

    def _groups(
        self,
        actor: str,
        environments: Sequence[str],
        purposes: Sequence[str],
        data_classes: Sequence[str],
        observed_at: datetime,
    ) -> list[FactGroup]:
        deployer = {"environments": _expanded(environments, self._environments())}
        trainer = {
            "purposes": _expanded(purposes, self._purposes()),
            "data_classes": _expanded(data_classes, DATA_CLASSES),
        }
        return [
            FactGroup("", 0, "deployer", deployer, actor, observed_at),
            FactGroup("", 0, "trainer", trainer, actor, observed_at),
        ]


def _expanded(names: Sequence[str], everything: Sequence[str]) -> list[str]:
    return list(everything if "*" in names else names)
