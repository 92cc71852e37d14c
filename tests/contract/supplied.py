"""What an organisation's own systems say in the samples, about which no provided adapter knows anything.

`rego/samples/supplied.json` maps groups to what is said by default: `values`, how many `days_ago`, and where it matters
`tier` and `about` (`purpose` or `actor` where it is not about the item or the subject). A sample lays its own
`given.supplied` over it: null takes a group back, and a key may name one item (`models/<id>/fairness`). Among the
values, `{"days_ago": 3}` stands for a time.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from proctor.plugins import FactGroup, Question
from proctor.store.moments import to_text
from proctor.vocabulary.words import EvidenceTier

_FILE: Final = Path(__file__).parents[2] / "rego" / "samples" / "supplied.json"
DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = json.loads(_FILE.read_text(encoding="utf-8"))


class Supplied:
    """A provider of every group in `supplied.json`."""

    name = "organisation"
    provides: Sequence[str] = tuple(DEFAULTS)
    tier = EvidenceTier.OBSERVED

    def __init__(self) -> None:
        self.own: Mapping[str, Mapping[str, Any] | None] = {}
        """What the sample at hand says differently."""

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        """Return every group about every item, and those of the whole request."""
        found: list[FactGroup] = []
        for name in self.provides:
            *where, group = name.split("/")
            if not where:
                found += self._said(name, name, question, None)
                continue
            for index, item in enumerate(question.items.get(where[0], ())):
                found += self._said(name, f"{where[0]}/{item['id']}/{group}", question, (where[0], index, item))
        return found

    def _said(
        self, name: str, own: str, question: Question, at: tuple[str, int, Mapping[str, Any]] | None
    ) -> list[FactGroup]:
        said = DEFAULTS[name]
        for changed in (self.own.get(name, {}), self.own.get(own, {}) if own != name else {}):
            if changed is None:
                return []
            said = {**said, **changed, "values": {**said["values"], **changed.get("values", {})}}
        about = question.about(at[2]) if at else question.subject_digest
        about = {"purpose": question.purpose or "", "actor": question.actor.id}.get(said.get("about", ""), about)
        return [
            FactGroup(
                list_name=at[0] if at else "",
                index=at[1] if at else 0,
                group=name.rpartition("/")[2],
                values={key: _value(value, question) for key, value in said["values"].items() if value is not None},
                about=about,
                observed_at=question.now - timedelta(days=said["days_ago"]),
                tier=EvidenceTier(said.get("tier", "observed")),
            )
        ]


def _value(value: Any, question: Question) -> Any:
    if isinstance(value, dict) and set(value) == {"days_ago"}:
        return to_text(question.now - timedelta(days=value["days_ago"]))
    return value


def unknown(own: Mapping[str, Any]) -> list[str]:
    """Return the keys of a sample's `given.supplied` that no group of the file has."""
    known = {(parts[0], parts[-1]) for parts in (name.split("/") for name in DEFAULTS)}
    return [key for key in own if (key.split("/")[0], key.split("/")[-1]) not in known]
