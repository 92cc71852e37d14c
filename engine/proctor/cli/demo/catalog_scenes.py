"""Data: what the catalog says decides whether it may be trained on. Real OpenLineage events, the notebook's own API."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from proctor.cli.demo import objects
from proctor.cli.demo.people import OWNER_IN_CATALOG
from proctor.cli.demo.source import Source
from proctor.cli.demo.stage import Stage

_PRODUCER: Final = "https://example.com/catalog"
_KNOWN: Final = {"pii": "true", "licence": "internal", "purpose": objects.PURPOSE, "retention_until": "2099-01-01"}
_BASIS: Final = {"lawful_basis": "consent", "consent_status": "given", "consent_purposes": objects.PURPOSE}
TAGS: Final[Mapping[str, str]] = _KNOWN | _BASIS
"""All that has to be known of the dataset, but its owner."""
_MISSING: Final = frozenset({"data.dataset_owned", "data.lawful_basis_recorded", "data.consent_covers_purpose"})


def emit(
    stage: Stage, by: str, *, owners: tuple[str, ...] | None = None, tags: Mapping[str, str] | None = None
) -> None:
    """Send an event about the dataset with the key of `by`, as every OpenLineage client does."""
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import DatasetEvent, StaticDataset
    from openlineage.client.facet_v2 import ownership_dataset, tags_dataset
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport

    facets: dict[str, Any] = {}
    if owners is not None:
        named = [ownership_dataset.Owner(name=name, type="MAINTAINER") for name in owners]
        facets["ownership"] = ownership_dataset.OwnershipDatasetFacet(owners=named)
    if tags is not None:
        fields = [
            tags_dataset.TagsDatasetFacetFields(key=f"governance.{key}", value=value, source="catalog")
            for key, value in tags.items()
        ]
        facets["tags"] = tags_dataset.TagsDatasetFacet(tags=fields)
    scheme, _, place = objects.DATASET.partition("@")[0].partition("://")
    bucket, _, name = place.partition("/")
    dataset = StaticDataset(namespace=f"{scheme}://{bucket}", name=name, facets=facets)
    event = DatasetEvent(eventTime=datetime.now(UTC).isoformat(), producer=_PRODUCER, dataset=dataset)
    token = ApiKeyTokenProvider({"apiKey": stage.keys[by]})
    client = OpenLineageClient(transport=HttpTransport(HttpConfig(url=stage.url, auth=token)))
    try:
        client.emit(event)
    finally:
        client.close()


class CatalogScenes:
    """Scenes are played in the order of the methods."""

    def __init__(self, stage: Stage, source: Source) -> None:
        self._stage = stage
        self._tell = stage.tell
        self._source = source

    def play(self) -> None:
        """Play them all."""
        self._tell.chapter(
            "Data: may this be trained on?",
            f"Alice asks from her notebook before anything starts. The catalog knows {objects.DATASET}: people's "
            "handwriting. Nobody has said who answers for it, nor on which lawful basis it is kept.",
        )
        self._refused()
        self._not_everybodys_word()
        self._allowed()

    def _refused(self) -> None:
        emit(self._stage, "catalog", tags=_KNOWN)
        self._stage.eventually("the event reaches the catalog's facts", lambda: self._fact("sensitivity"))
        self._ask("deny", _MISSING)

    def _not_everybodys_word(self) -> None:
        self._tell.say(
            "Mallory sends what is missing with her own key. It is taken down, as what she says: a key has to be made "
            "for the facts that its word is to prove."
        )
        emit(self._stage, "mallory", owners=(OWNER_IN_CATALOG,), tags=TAGS)
        self._stage.eventually("the event reaches the catalog's facts", lambda: self._fact("ownership"))
        self._ask("deny", _MISSING)

    def _allowed(self) -> None:
        self._tell.say(
            f"The catalog says the same: an owner, {OWNER_IN_CATALOG}, who is Olga, and a lawful basis, consent. Its "
            "key may assert that."
        )
        emit(self._stage, "catalog", owners=(OWNER_IN_CATALOG,), tags=TAGS)
        self._stage.eventually("the event reaches the catalog's facts", lambda: self._fact("ownership", "observed"))
        self._ask("allow", frozenset())

    def _fact(self, group: str, tier: str | None = None) -> bool:
        """Tell whether something is known of the dataset, in this tier."""
        rows = self._stage.get("/v1/datasets")["datasets"]
        found = [row["facts"][group] for row in rows if group in row["facts"]]
        return any(tier in {None, fact["tier"]} for fact in found)

    def _ask(self, expected: str, blocking: frozenset[str]) -> None:
        """Ask as a notebook does, and show what it shows."""
        found = self._source.preflight(self._stage)
        self._tell.output(f"[Alice] >>> {self._source.call('preflight')}", str(found))
        self._tell.check("Alice's preflight", found.decision, expected=expected, blocking=blocking)
