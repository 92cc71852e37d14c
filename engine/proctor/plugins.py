"""The whole contract between Proctor and an adapter, on one page.

An adapter translates a foreign event into a `DecisionRequest`, asks, and renders the `Decision` as the foreign
system's own reply. It registers a function under the entry-point group `proctor.adapters`:

    [project.entry-points."proctor.adapters"]
    kubernetes = "proctor_adapters.kubernetes:create"

which receives `Services` and returns an `Adapter`. Beside it, `states()` returns the fact groups that come with the
adapter's questions (also `extras["states"]`); of an adapter without it, any group may. Proctor never imports an
adapter by name, and adapters never import each other.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import Actor, Caller
from proctor.vocabulary.request import DecisionRequest
from proctor.vocabulary.words import EvidenceTier

if TYPE_CHECKING:
    from fastapi import APIRouter

ENTRY_POINT_GROUP: Final = "proctor.adapters"
DOCTOR_GROUP: Final = "proctor.doctor"
"""Entry points of `proctor doctor NAME`: functions of the type `Examine`, for systems that run beside Proctor."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What one examination found. `state` is `ok`, `note` (works, but look at it) or `broken`."""

    check: str
    state: str
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Asking:
    """What surrounds one question: who asks, how long they wait, and how strong their facts are."""

    caller: Caller
    budget: float
    """Seconds until the caller stops waiting."""
    source: str
    """Name that goes into `evidence.source` of the facts in the request."""
    tier: EvidenceTier | None = None
    """Tier of every fact in the request. None: by `tiers`, else by the caller's `asserts`, group by group."""
    tiers: Mapping[str, EvidenceTier] = field(default_factory=dict)
    """Tier by group (`models/*/evaluation`), where the adapter knows who made each: what the subject's own author wrote
    is `declared`, however it came here."""
    dry_run: bool = False
    """True: nothing is recorded and nothing is sent; a metric remains."""
    effective_at: datetime | None = None
    """The date that rules are taken at; None: now. Only a dry run may look ahead."""
    body_digest: str | None = None
    """Digest of the whole foreign event, when the request holds only a part of it."""


@dataclass(frozen=True, slots=True)
class FactGroup:
    """One group of evidence for one place, as a provider established it."""

    list_name: str
    """`models`, `images`, ... or empty for a group of the whole request."""
    index: int
    """Index of the item in the question's list; 0 where `list_name` is empty."""
    group: str
    values: Mapping[str, Any]
    about: str
    observed_at: datetime
    tier: EvidenceTier | None = None
    """Tier of this group. None: the provider's own."""
    source: str | None = None
    """Who established it, where the provider only passes it on. None: the provider itself."""


@dataclass(frozen=True, slots=True)
class Question:
    """What providers are asked about: the request after its items have been identified. Items are read-only."""

    stage: str
    operation: str
    environment: str
    purpose: str | None
    actor: Actor
    subject_digest: str
    items: Mapping[str, Sequence[Mapping[str, Any]]]
    """Items by list, each with `id`, maybe `digest`, and the groups that came with the request."""
    now: datetime
    stated: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Groups on the whole request as they came with it (`claim`, `plan`), whoever stated them. Read-only."""

    @staticmethod
    def about(item: Mapping[str, Any]) -> str:
        """Return what evidence on `item` must be about: its digest, or its own reference where there is none."""
        return str(item.get("digest") or item["id"])


class FactProvider(Protocol):
    """A system of record that can answer for some fact groups. One provider for each group."""

    name: str
    provides: Sequence[str]
    """Groups as `models/*/registration` or `deployer`."""
    tier: EvidenceTier

    async def gather(self, question: Question) -> Sequence[FactGroup]:
        """Return what is known; leave out what isn't. Raises `EngineError` only when nothing can be said at all."""
        ...


class Decider(Protocol):
    """The one path from request to decision."""

    async def decide(self, request: DecisionRequest | bytes, asking: Asking) -> Decision:
        """Return the decision, whatever goes wrong: failures are decisions with the outcome `error`."""
        ...


class People(Protocol):
    """Who a login of another system is."""

    def resolve(self, system: str, name: str) -> Actor:
        """Return the linked principal, or an actor of kind `unresolved` that no rule takes for anybody."""
        ...


class Models(Protocol):
    """The inventory of model versions, as far as the registry's adapter writes it."""

    async def register(self, version: "RegisteredVersion", by: str) -> None:
        """Return once the version is on disk; registering the same again confirms it.

        Raises `RefusedError` (409) when it is registered with another digest: its files have changed.
        """
        ...

    async def allow(self, name: str, version: str, environments: Sequence[str], by: str) -> None:
        """Return once its digest may be deployed in `environments`. Raises `NotFoundError`, `RefusedError`."""
        ...

    def digest(self, name: str, version: str) -> str | None:
        """Return the digest of a registered, unwithdrawn version, or None; no I/O."""
        ...

    def hashed(self, name: str, version: str) -> bool:
        """Tell whether the files of a registered version were hashed; no I/O."""
        ...

    def allowed_in(self, name: str, version: str) -> Sequence[str]:
        """Return the environments in which the version may be deployed; no I/O."""
        ...

    def trained(self, name: str, version: str) -> "Trained | None":
        """Return what a registered, unwithdrawn version was made for and from, or None; no I/O."""
        ...


@dataclass(frozen=True, slots=True)
class Trained:
    """What is known of a registered version's training."""

    digest: str
    purpose: str | None
    datasets: Sequence[str]
    """URNs of the datasets that it was trained on, without their versions."""


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A model version as the registry's adapter hands it over, with its files hashed."""

    name: str
    version: str
    digest: str
    """Of the canonical manifest of all files, names included (`proctor.vocabulary.artifacts`)."""
    uris: Sequence[str]
    unsafe_files: Sequence[str]
    files: int
    observed_at: datetime
    author: str | None = None
    purpose: str | None = None
    datasets: Sequence[str] = ()
    """URNs of the datasets that it was trained on."""


class Catalog(Protocol):
    """The inventory of datasets, as far as a catalog's adapter writes it."""

    async def record(self, facts: Sequence["DatasetFact"]) -> None:
        """Return once the facts are on disk. An older fact never replaces a newer one; the same again is no change."""
        ...

    async def connect(self, edges: Sequence["LineageEdge"]) -> None:
        """Return once the edges of the lineage graph are on disk."""
        ...

    async def link(self, aliases: Sequence["DatasetAliases"]) -> None:
        """Return once the other names of datasets are on disk. Only for sources that may say what is known of them."""
        ...


@dataclass(frozen=True, slots=True)
class DatasetFact:
    """One group of one dataset, as a catalog knows it from a moment on."""

    namespace: str
    name: str
    """Namespace and name are canonical (`proctor.vocabulary.datasets`)."""
    group: str
    """A group of `DatasetItem`: `ownership`, `legal`, ..."""
    values: Mapping[str, Any] | None
    """None: the catalog took it back."""
    observed_at: datetime
    source: str
    """`<adapter>:<principal>`."""
    tier: EvidenceTier


@dataclass(frozen=True, slots=True)
class DatasetAliases:
    """All other names of one dataset, as a catalog knows them from a moment on; none takes the former ones back."""

    namespace: str
    name: str
    aliases: Sequence[tuple[str, str]]
    """Canonical namespaces and names."""
    observed_at: datetime
    source: str
    """`<adapter>:<principal>`."""


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """A job read one dataset and wrote another."""

    source: tuple[str, str]
    target: tuple[str, str]
    job: str
    run: str
    observed_at: datetime


class Preflights(Protocol):
    """Decisions on training plans, as the ledger has them."""

    async def read(self, decision: str) -> Mapping[str, Any] | None:
        """Return the record of the decision on a training plan with this id, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """Something that was allowed, and was seen to be taken out of use."""

    subject: str
    """Name of the subject of the request that was allowed."""
    stage: str
    environment: str
    item: str
    """Reference of what left. Where another item holds by now, that one still does."""
    by: str
    """Who did it."""
    at: datetime
    why: str


class Standing(Protocol):
    """What was allowed and still holds, so that it can be judged again when what it rested on changes."""

    async def end(self, ended: Ended) -> None:
        """Return once the observation is in the ledger, and what was allowed for this item holds no longer.

        Raises `EngineError` where it can't be recorded.
        """
        ...

    async def remember(self, request: DecisionRequest, asking: "Asking", decision: Decision) -> None:
        """Return once it is on disk; a later one of the same subject, stage and environment replaces it."""
        ...


class Violations(Protocol):
    """What exists or happened and is against policy. Opened once, updated, resolved; never duplicated."""

    async def open(self, kind: str, key: str, subject: str, detail: Mapping[str, Any]) -> None:
        """Return once the violation `kind` of `key` is open on disk, its alert in the outbox."""
        ...

    async def resolve(self, kind: str, key: str, why: str) -> None:
        """Return once it is resolved on disk; does nothing where none is open."""
        ...

    async def open_keys(self, kind: str) -> frozenset[str]:
        """Return the keys of all open violations of this kind, whichever server opened them."""
        ...


class WaitingEvent(Protocol):
    """A foreign event that is on disk and waits to be worked through."""

    @property
    def id(self) -> int:
        """Return its number in the inbox."""
        ...

    @property
    def body(self) -> bytes:
        """Return it as it came."""
        ...

    @property
    def sender(self) -> Mapping[str, Any]:
        """Return who sent it, as the adapter wrote it down."""
        ...


class Inbox(Protocol):
    """Where foreign events are put before they are answered."""

    async def put(self, adapter: str, dedupe_key: str, body: bytes, sender: Mapping[str, Any]) -> bool:
        """Return once the event is on disk; tell whether it is new. Raises `StateError`: then it was not taken."""
        ...

    async def waiting(self, adapter: str, limit: int) -> Sequence[WaitingEvent]:
        """Return events that wait, in the order in which they came."""
        ...

    async def done(self, event_id: int, problem: str | None = None) -> None:
        """Note that an event was worked through, or why it can't be."""
        ...


class Deployments(Protocol):
    """What was last let into the world, so that a change which doesn't show it (a scale) can be judged on it."""

    def known(self, workload: str) -> Mapping[str, Any] | None:
        """Return the document of the last allowed deployment of `workload`, or None; no I/O."""
        ...

    async def remember(self, workload: str, document: Mapping[str, Any], decision: Decision) -> None:
        """Return once it is on disk. Raises `EngineError` when it will not be: then the change must be refused."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What Proctor lends to an adapter."""

    decider: Decider
    people: People
    configuration: Mapping[str, Any]
    """The adapter's own section of the configuration file, not yet validated."""
    deployments: Deployments | None = None
    """None: nothing is known of earlier deployments, and what would be judged on them is refused."""
    models: Models | None = None
    catalog: Catalog | None = None
    standing: Standing | None = None
    violations: Violations | None = None
    inbox: Inbox | None = None
    preflights: Preflights | None = None


@dataclass(frozen=True, slots=True)
class Adapter:
    """What an adapter gives to Proctor."""

    name: str
    router: "APIRouter | None" = None
    """Mounted under `/v1/adapters/<name>`."""
    fixed: "APIRouter | None" = None
    """Routes whose whole paths a producer fixes, such as `/api/v1/lineage`; mounted as they are, with a credential."""
    unauthenticated: Sequence[str] = ()
    """Paths below the mount that need no credential, each with a reason in the adapter's docstring."""
    providers: Sequence[FactProvider] = ()
    background: Callable[[], Coroutine[Any, Any, None]] | None = None
    """Work that runs as long as the server does; it is cancelled at the end."""
    translate_manifest: Callable[..., Any] | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)


AdapterFactory = Callable[[Services], Adapter]
Examine = Callable[[Mapping[str, str], str | None], Iterator[Examined]]
"""Takes the environment of the foreign system's process, and its address where it runs. Changes nothing."""
