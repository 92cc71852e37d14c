"""The fact provider `waivers`: how many exceptions bear on a subject, and for how long already."""

from collections.abc import Sequence
from datetime import timedelta

from proctor.oversight.waivers import Waivers
from proctor.plugins import FactGroup, Question
from proctor.vocabulary.words import EvidenceTier


class WaiverFacts:
    """Implements `plugins.FactProvider` for the group `waivers`. Nobody else may state it."""

    name: str = "oversight"
    provides: Sequence[str] = ("waivers",)
    tier: EvidenceTier = EvidenceTier.OBSERVED

    def __init__(self, waivers: Waivers) -> None:
        self._waivers = waivers

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        """Return the count of waivers in force and the whole days since the oldest began; zeros where none is."""
        active = self._waivers.active(question.subject_digest, question.environment, question.now)
        oldest = max((question.now - waiver.valid_from for waiver in active), default=timedelta(0))
        values = {"active": len(active), "oldest_days": oldest.days}
        return [FactGroup("", 0, "waivers", values, question.subject_digest, question.now)]
