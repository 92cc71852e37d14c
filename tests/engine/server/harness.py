"""A server over a real database and ledger, with an OPA and a decider that answer what a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from proctor.alerts import events
from proctor.alerts.violations import ViolationRegister
from proctor.audit.outlook import Outlook
from proctor.decide.ids import decision_id
from proctor.errors import OpaError
from proctor.identity.principals import Principal
from proctor.inventory.datasets import Datasets
from proctor.inventory.deployments import Deployments
from proctor.inventory.models import Inventory
from proctor.inventory.standing import StandingDecisions
from proctor.ledger.bundles import BundleStore
from proctor.ledger.cases import CaseStore
from proctor.ledger.clock import Clock
from proctor.ledger.outbox import Outbox
from proctor.ledger.records import Entry
from proctor.ledger.writer import Ledger
from proctor.opa.bundle import BuiltBundle
from proctor.opa.engine import EngineHealth
from proctor.opa.index import Index
from proctor.oversight.waivers import Policy as WaiverPolicy
from proctor.oversight.waivers import Waivers
from proctor.plugins import Adapter, Asking
from proctor.server.access import AccessTable
from proctor.server.app import create_app
from proctor.server.components import Components, Policy
from proctor.server.limits import Buckets
from proctor.server.local import LocalOperator
from proctor.server.metrics import Metrics
from proctor.server.permissions import Permissions
from proctor.settings import ServerSettings, Settings
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import PrincipalKind, Role
from tests.engine.identity.stores import Hands, Stores
from tests.live import databases

RULES: dict[str, Any] = {
    "deployment.resource_limits_set": {
        "title": "Limits", "severity": "medium", "waivable": {"max_days": 30}, "item_id": [], "digest": "sha256:1"
    },
    "deployment.model_registered": {
        "title": "Registered", "severity": "critical", "waivable": False, "item_id": ["id"], "digest": "sha256:2"
    },
}  # fmt: skip
DIGEST = "sha256:" + "d" * 64
LOCAL = "service:localoperator"


class FakeOpa:
    """Answers authz from a function; everything else is not asked here."""

    def __init__(self, allows: Callable[[dict[str, Any]], bool]) -> None:
        self.allows = allows
        self.down: OpaError | None = None
        self.asked: list[dict[str, Any]] = []
        self.revision = "r1"
        self.ready = True

    async def evaluate(self, entrypoint: str, input_bytes: bytes, deadline: float) -> dict[str, Any]:
        assert entrypoint == "authz/decision"
        assert deadline > asyncio.get_running_loop().time()
        if self.down is not None:
            raise self.down
        asked = json.loads(input_bytes)
        self.asked.append(asked)
        return {"allow": self.allows(asked)}

    async def health(self) -> EngineHealth:
        if self.down is not None:
            raise self.down
        return EngineHealth(ready=self.ready, revision=self.revision, detail="it says so", opa_version="1.22.2")

    async def switch(self, bundle: BuiltBundle) -> None:
        if self.down is not None:
            raise self.down
        self.revision = bundle.revision


class FakeDecisions:
    """Records each decision in the real ledger, as the real ones are."""

    def __init__(self, ledger: Ledger, clock: Hands) -> None:
        self._ledger = ledger
        self._clock = clock
        self.asked: list[tuple[Any, Asking]] = []
        self.outcome: dict[str, Any] = {"outcome": "deny", "reason": "non_compliant", "message": "1 rule denies"}
        self.waiting = 0

    def adopt(self, bundle: BuiltBundle) -> None:
        return

    async def decide(self, request: Any, asking: Asking) -> Decision:
        self.asked.append((request, asking))
        decision = Decision(
            id=decision_id(), received_at=self._clock.now(), decided_at=self._clock.now(), dry_run=asking.dry_run,
            actor=asking.caller.actor.id, **self.outcome,
        )  # fmt: skip
        if asking.dry_run:
            return decision
        await self._ledger.append(Entry("decision", decision.id, decision.record()))
        return decision.model_copy(update={"recorded": True})


@dataclass
class Harness:
    """What a test of the API has in its hands."""

    app: FastAPI
    parts: Components
    opa: FakeOpa
    decisions: FakeDecisions
    hands: Hands
    keys: dict[str, str] = field(default_factory=dict)
    people: dict[str, Principal] = field(default_factory=dict)

    async def person(self, name: str, *roles: Role, kind: PrincipalKind = PrincipalKind.PERSON) -> str:
        register = self.parts.register
        self.people[name] = await register.add(kind, name, roles, ["prod"], LOCAL)
        _, self.keys[name] = await register.create_key(
            self.people[name].id, roles=roles, points=["*"], environments=["*"], by=LOCAL
        )
        return self.keys[name]

    def client(self, name: str | None = None, *, local: bool = False, address: str = "10.0.0.1") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.keys[name]}"} if name else {}
        transport = httpx.ASGITransport(LocalOperator(self.app) if local else self.app, client=(address, 1234))
        return httpx.AsyncClient(transport=transport, base_url="http://proctor", headers=headers)

    async def call(self, method: str, path: str, name: str | None = None, **options: Any) -> httpx.Response:
        local = options.pop("local", False)
        address = options.pop("address", "10.0.0.1")
        async with self.client(name, local=local, address=address) as client:
            return await client.request(method, path, **options)


def bundle(path: Path, revision: str = "r1", digest: str = DIGEST) -> BuiltBundle:
    """Return a bundle that no OPA has ever seen."""
    document = {
        "revision": revision,
        "rules": RULES,
        "environments": ["dev", "prod"],
        "profile": "starter",
        "warned": {},
    }
    archive = path / f"{revision}.tar.gz"
    archive.write_bytes(f"bundle {revision}".encode())
    return BuiltBundle(archive, digest, revision, Index(document), path / "bundle.pub")


def _everything(_: dict[str, Any]) -> bool:
    return True


@asynccontextmanager
async def harness(
    state_dir: Path,
    *,
    allows: Callable[[dict[str, Any]], bool] = _everything,
    adapters: tuple[Adapter, ...] = (),
    learn: bool = True,
    **server: Any,
) -> AsyncIterator[Harness]:
    """Yield a running API without a network."""
    settings = Settings(state_dir=state_dir, server=ServerSettings(**server))
    database = databases.opened(state_dir)
    ledger = Ledger.open(database, state_dir, clock=Clock())
    try:
        stores = Stores(database, ledger, Hands(), state_dir)
        opa = FakeOpa(allows)
        decisions = FakeDecisions(ledger, stores.hands)
        policy = Policy(bundle(state_dir))
        waivers = Waivers(
            database=database,
            ledger=ledger,
            clock=stores.hands,
            policy=lambda: WaiverPolicy(policy.bundle.index.rules, policy.bundle.index.environments),
            events_for=lambda change, waiver: events.for_waiver(change, waiver, stores.hands.now(), settings.sinks),
        )
        parts = Components(
            settings=settings,
            clock=stores.hands,  # type: ignore[arg-type] # moved by hand
            ledger=ledger,
            bundles=BundleStore(database, Clock()),
            outbox=Outbox(database, Clock()),
            register=stores.register(),
            inventory=Inventory.load(database, ledger, stores.hands.now),
            datasets=Datasets.load(database, ledger, stores.hands.now),
            violations=ViolationRegister(database, ledger, stores.hands.now, settings.sinks),
            waivers=waivers,
            policy=policy,
            engine=opa,  # type: ignore[arg-type] # as much of one as is asked
            decisions=decisions,  # type: ignore[arg-type] # the same
            outlook=Outlook(
                decisions,
                StandingDecisions.load(database, ledger, stores.hands.now),
                Deployments.load(database, stores.hands.now),
                ledger.get,
                CaseStore(database, state_dir, Clock(), timedelta(days=1)).open,
                opa,  # type: ignore[arg-type] # the same
                lambda: policy.bundle,
            ),
            permissions=Permissions(opa),  # type: ignore[arg-type] # the same
            adapters=adapters,
            access=AccessTable(),
            buckets=Buckets(settings.server.unauthenticated_per_second),
            metrics=Metrics(),
        )
        if learn:
            await parts.permissions.learn(DIGEST)
        yield Harness(create_app(settings, components=parts), parts, opa, decisions, stores.hands)
    finally:
        await ledger.close()
        database.close()
