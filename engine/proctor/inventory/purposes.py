"""The factors of the risk tier of what is about to be trained: of its purpose, and of its data."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from proctor.inventory.datasets import Datasets
from proctor.plugins import FactGroup, Question
from proctor.settings import PurposeSettings
from proctor.vocabulary.words import EvidenceTier, Stage

_DATASETS: Final = "datasets"


class PurposeFacts:
    """Implements `plugins.FactProvider` for the group `risk` of a run. A factor that is not known is left out."""

    name: str = "purposes"
    provides: Sequence[str] = ("risk",)
    tier: EvidenceTier = EvidenceTier.OBSERVED

    def __init__(self, datasets: Datasets, purposes: Callable[[], Mapping[str, PurposeSettings]]) -> None:
        self._datasets = datasets
        self._purposes = purposes

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        """Return the factors; nothing for a purpose that nobody configured."""
        purpose = self._purposes().get(question.purpose or "")
        if question.stage != Stage.TRAINING or purpose is None:
            return []
        values = {"exposure": purpose.exposure, "autonomy": purpose.autonomy}
        worst = self._datasets.data_class([str(item["id"]) for item in question.items.get(_DATASETS, ())])
        if worst is None:
            return [FactGroup("", 0, "risk", values, question.subject_digest, question.now)]
        name, tier, observed_at = worst
        return [FactGroup("", 0, "risk", values | {"data_class": name}, question.subject_digest, observed_at, tier)]
