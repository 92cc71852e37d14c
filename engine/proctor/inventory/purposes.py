"""The factors of the risk tier of what is not registered yet: of its purpose by configuration, of its data by catalog.

What is about to be trained has no version that could have recorded them, and neither has a version that is about to be
registered. What is registered has them in the inventory, as they were then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from proctor.inventory.datasets import Datasets
from proctor.plugins import FactGroup, Question
from proctor.settings import PurposeSettings
from proctor.vocabulary.words import EvidenceTier, Stage

_DATASETS: Final = "datasets"


@dataclass(frozen=True, slots=True)
class Factors:
    """The factors that are known, and how well: as weakly and as anciently as the weakest and oldest behind them."""

    values: Mapping[str, str]
    tier: EvidenceTier
    observed_at: datetime


class PlannedRisk:
    """Says what the purpose and the datasets of a question amount to. Makes no I/O."""

    def __init__(self, datasets: Datasets, purposes: Callable[[], Mapping[str, PurposeSettings]]) -> None:
        self._datasets = datasets
        self._purposes = purposes

    def factors(self, question: Question) -> Factors | None:
        """Return the factors, without the class of data where it is not known; None for an unconfigured purpose."""
        purpose = self._purposes().get(question.purpose or "")
        if purpose is None:
            return None
        values = {"exposure": purpose.exposure, "autonomy": purpose.autonomy}
        worst = self._datasets.data_class([str(item["id"]) for item in question.items.get(_DATASETS, ())])
        if worst is None:
            return Factors(values, EvidenceTier.OBSERVED, question.now)
        name, tier, observed_at = worst
        # Configuration is what an operator set, and no better than that.
        weakest = min(tier, EvidenceTier.OBSERVED, key=lambda one: one.rank)
        return Factors(values | {"data_class": name}, weakest, observed_at)


class PurposeFacts:
    """Implements `plugins.FactProvider` for the group `risk` of a run. A factor that is not known is left out."""

    name: str = "purposes"
    provides: Sequence[str] = ("risk",)
    tier: EvidenceTier = EvidenceTier.OBSERVED

    def __init__(self, planned: PlannedRisk) -> None:
        self._planned = planned

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        """Return the factors; nothing for a purpose that nobody configured."""
        factors = self._planned.factors(question) if question.stage == Stage.TRAINING else None
        if factors is None:
            return []
        about = question.subject_digest
        return [FactGroup("", 0, "risk", factors.values, about, factors.observed_at, factors.tier)]
