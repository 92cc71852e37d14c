"""Stories: samples that say what the systems of record hold, who asks what, and what comes out (`rego/samples`).

A story may be `like` another one: then it holds only what is different. Objects are laid over one another, everything
else takes the other's place, and null takes a key away that the other one has. In an object that the other one does not
have, null is null: `given.supplied` says with it that nobody says anything.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

from proctor.alerts.violations import ViolationRegister
from proctor.decide.pipeline import Decisions
from proctor.decide.recording import LedgerRecorder
from proctor.evidence.gather import Providers
from proctor.evidence.identify import Identified, identify
from proctor.identity.people import Register
from proctor.identity.provider import PrincipalFacts
from proctor.inventory.catalog import CatalogFacts
from proctor.inventory.datasets import Datasets
from proctor.inventory.models import Inventory
from proctor.inventory.preflights import PreflightFacts
from proctor.inventory.provider import InventoryProvider
from proctor.inventory.purposes import PlannedRisk, PurposeFacts
from proctor.inventory.registry import Registry
from proctor.inventory.standing import StandingDecisions
from proctor.ledger.cases import CaseStore
from proctor.ledger.clock import Clock
from proctor.opa.bundle import BuiltBundle
from proctor.opa.engine import PolicyEngine
from proctor.oversight.provider import WaiverFacts
from proctor.oversight.waivers import Policy as WaiverPolicy
from proctor.oversight.waivers import Waivers
from proctor.plugins import Asking, Services
from proctor.settings import PurposeSettings
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from proctor.vocabulary.request import DecisionRequest
from proctor.vocabulary.waiver import WaiverRequest
from proctor_adapters.mlflow.configuration import MlflowSettings
from proctor_adapters.mlflow.gate import Gate
from proctor_adapters.mlflow.models import GateCall, ManifestCall
from proctor_adapters.openlineage import events
from proctor_adapters.openlineage.translate import translate
from tests.contract.supplied import Supplied, unknown
from tests.engine.identity.stores import Stores, stores

SAMPLES = Path(__file__).parents[2] / "rego" / "samples"
ADMIN = "service:localoperator"
ASKED = {
    "create_run": ("training", "run", "run"),
    "register": ("registration", "model_version", "register"),
    "promote": ("registration", "model_version", "promote"),
}
"""What a call of MLflow's plugin asks: stage, kind of subject and operation."""


def laid_over(base: Any, change: Any) -> Any:
    """Return `base` with `change` over it; neither is changed itself."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    merged = {key: laid_over(base.get(key), value) for key, value in change.items() if value is not None}
    return {**{key: value for key, value in base.items() if key not in change}, **merged}


def _read(name: str) -> dict[str, Any]:
    own: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    if "like" not in own:
        return own
    base = _read(own.pop("like"))
    del base["expect"]
    found: dict[str, Any] = laid_over(base, own)
    return found


STORIES = {
    name: _read(name)
    for name in sorted(f"{path.parent.name}/{path.stem}" for path in SAMPLES.glob("*/*.json"))
    if not name.startswith("inputs/")
}


@dataclass(frozen=True)
class Running:
    """The provided policy in a running OPA."""

    engine: PolicyEngine
    bundle: BuiltBundle
    version: str


@dataclass
class World:
    """The systems of record as one sample describes them."""

    stores: Stores
    register: Register
    inventory: Inventory
    waivers: Waivers
    decisions: Decisions
    datasets: Datasets
    services: Services
    """What the adapters are lent."""
    purposes: dict[str, PurposeSettings]
    """The purposes that the sample's operator has configured."""
    supplied: Supplied
    """The organisation's own systems."""
    people: dict[str, str] = field(default_factory=dict)
    """Nickname in the sample -> minted id."""
    preflights: dict[str, str] = field(default_factory=dict)
    """Nickname in the sample -> id of the decision."""

    def minted(self, nickname: str) -> str:
        return self.people.get(nickname, nickname)


@asynccontextmanager
async def world(opa: Running, folder: Path) -> AsyncIterator[World]:
    async with stores(folder) as held:
        held.hands.time = Clock().now()
        register = held.register()
        inventory = Inventory.load(held.database, held.ledger, held.hands.now)
        waivers = Waivers(
            database=held.database,
            ledger=held.ledger,
            clock=held.hands,
            policy=lambda: WaiverPolicy(opa.bundle.index.rules, opa.bundle.index.environments),
        )
        datasets = Datasets.load(held.database, held.ledger, held.hands.now)
        purposes: dict[str, PurposeSettings] = {}
        planned = PlannedRisk(datasets, lambda: purposes)
        preflights = PreflightFacts(held.ledger.get, timedelta(hours=12))
        supplied = Supplied()
        cases = CaseStore(held.database, folder, Clock(), timedelta(days=1))
        decisions = Decisions(
            engine=opa.engine,
            bundle=opa.bundle,
            providers=Providers(
                [
                    InventoryProvider(inventory, planned),
                    PrincipalFacts(register, lambda: opa.bundle.index.environments, lambda: sorted(purposes)),
                    WaiverFacts(waivers),
                    CatalogFacts(datasets, register),
                    PurposeFacts(planned),
                    preflights,
                    supplied,
                ]
            ),
            waivers=waivers,
            recorder=LedgerRecorder(held.ledger, cases.seal, lambda _: []),
            clock=held.hands,
            digest_of=inventory.digest_for,
            opa_version=opa.version,
            budget=30.0,
            evaluation_timeout=10.0,
            max_waiting=100,
        )
        services = Services(
            decider=decisions, people=register, configuration={}, catalog=datasets, preflights=preflights,
            models=Registry(inventory, datasets, lambda: purposes),
            standing=StandingDecisions.load(held.database, held.ledger, held.hands.now),
            violations=ViolationRegister(held.database, held.ledger, held.hands.now, []),
        )  # fmt: skip
        yield World(held, register, inventory, waivers, decisions, datasets, services, purposes, supplied)


async def arrange(sample: Mapping[str, Any], world: World) -> None:
    """Put into the systems of record what the sample says they hold, each thing on its own day."""
    given, hands = sample["given"], world.stores.hands
    today = hands.time
    hands.time = today - timedelta(days=1000)
    for nickname, who in given["principals"].items():
        kind = PrincipalKind(who["kind"])
        principal = await world.register.add(
            kind, nickname, [], who.get("environments", []), ADMIN,
            purposes=who.get("purposes", []), data_classes=who.get("data_classes", []),
        )  # fmt: skip
        world.people[nickname] = principal.id
        for system, login in who.get("logins", {}).items():
            await world.register.link(principal.id, system, login, ADMIN)
        if who.get("gone"):
            await world.register.deactivate(principal.id, ADMIN)
    for name, purpose in given.get("purposes", {}).items():
        world.purposes[name] = PurposeSettings.model_validate(purpose)
    for model in given.get("models", ()):
        hands.time = today - timedelta(days=model["days_ago"])
        await world.inventory.register(
            name=model["name"],
            version=model["version"],
            digest=model["digest"],
            uris=model.get("uris", ()),
            author=world.people.get(model.get("author", "")),
            exposure=model.get("exposure"),
            autonomy=model.get("autonomy"),
            data_class=model.get("data_class"),
            by=ADMIN,
        )
        await world.inventory.allow(model["name"], model["version"], model["allowed"], by=ADMIN)
        if model.get("withdrawn"):
            await world.inventory.withdraw(model["name"], model["version"], by=ADMIN)
    hands.time = today
    world.supplied.own = given.get("supplied", {})
    assert unknown(world.supplied.own) == []
    happened = [(said["days_ago"] * 24, _say(said, world)) for said in given.get("catalog", ())]
    happened += [
        (planned["hours_ago"], _ask_before(nickname, planned, world))
        for nickname, planned in given.get("preflights", {}).items()
    ]
    for _, event in sorted(happened, key=itemgetter(0), reverse=True):  # in the order in which it happened
        await event
    for hashed in given.get("manifests", ()):
        call = ManifestCall.model_validate(filled(hashed, world))
        await Gate(world.services, MlflowSettings()).manifest(call, mlflow(world))
    await _waive(sample, world)


async def _say(said: Mapping[str, Any], world: World) -> None:
    """Take an event of a catalog as the OpenLineage adapter does, from a key that asserts these groups."""
    now = world.stores.hands.time
    moment = now - timedelta(days=said["days_ago"])
    event = events.check({"eventTime": moment.isoformat(), **said["event"]}, now)
    heard = translate(event, f"openlineage:{world.minted(said['by'])}", frozenset(said["asserts"]))
    assert heard.left_out == []
    await world.datasets.record(heard.facts)
    await world.datasets.link(heard.aliases)


async def _ask_before(nickname: str, planned: Mapping[str, Any], world: World) -> None:
    """Decide on a training plan as somebody asked hours ago; what came out is what runs claim."""
    hands = world.stores.hands
    today = hands.time
    hands.time = today - timedelta(hours=planned["hours_ago"])
    principal = world.minted(planned["by"])
    anywhere = frozenset({"*"})
    caller = Caller(Actor(principal, PrincipalKind.PERSON, "api-key"), frozenset({Role.REQUESTER}), anywhere, anywhere)
    raw = json.dumps(planned["request"]).encode()
    decision = await world.decisions.decide(raw, Asking(caller, budget=30.0, source=f"caller:{principal}"))
    assert decision.outcome == planned["outcome"], decision.message
    world.preflights[nickname] = decision.id
    hands.time = today


def filled(value: Any, world: World) -> Any:
    """Return a part of a sample with `{"days_ago": 3}` and `{"preflight": NAME}` as what they stand for here."""
    if isinstance(value, dict):
        if set(value) == {"days_ago"}:
            moment: datetime = world.stores.hands.time - timedelta(days=value["days_ago"])
            return moment.isoformat()
        if set(value) == {"preflight"} and value["preflight"] in world.preflights:
            return world.preflights[value["preflight"]]
        return {key: filled(part, world) for key, part in value.items()}
    return [filled(part, world) for part in value] if isinstance(value, list) else value


def mlflow(world: World) -> Caller:
    """Return MLflow's gate, as its own key makes it."""
    actor = Actor(world.minted("mlflow"), PrincipalKind.SERVICE, "api-key")
    return Caller(actor, frozenset({Role.GATE}), frozenset({"mlflow-registry"}), frozenset({"*"}))


class Overheard:
    """Decides as the world does, and keeps the decision that the adapter renders."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.decision: Decision | None = None

    async def decide(self, request: DecisionRequest | bytes, asking: Asking) -> Decision:
        self.decision = await self._world.decisions.decide(request, asking)
        return self.decision


async def decided(sample: Mapping[str, Any], world: World) -> Decision:
    """Ask what the sample asks: a request as it is, or a call of MLflow's plugin by way of the gate."""
    if "gate" not in sample:
        raw = json.dumps(filled(sample["request"], world)).encode()
        return await world.decisions.decide(raw, asking(sample, world))
    overheard = Overheard(world)
    gate = Gate(replace(world.services, decider=overheard), MlflowSettings())
    reply = await gate.ask(GateCall.model_validate(filled(sample["gate"], world)), mlflow(world))
    assert overheard.decision is not None, reply.message
    assert (reply.allowed, reply.decision) == (overheard.decision.allowed, overheard.decision.id)
    return overheard.decision


def asked(sample: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return stage, kind of subject and operation of what the sample asks."""
    if "gate" in sample:
        return ASKED[sample["gate"]["action"]]
    request = sample["request"]
    return request["stage"], request["subject"]["kind"], request["operation"]


async def _waive(sample: Mapping[str, Any], world: World) -> None:
    hands = world.stores.hands
    today = hands.time
    for waiver in sample["given"].get("waivers", ()):
        request = DecisionRequest.model_validate_json(json.dumps(sample["request"]), strict=True)
        identified = identify(request, world.inventory.digest_for)
        assert isinstance(identified, Identified)
        hands.time = today - timedelta(days=waiver["started_days_ago"])
        wanted = WaiverRequest(
            rule=waiver["rule"],
            subject_digest=identified.digest,
            environment=request.environment,
            item=waiver["item"],
            valid_from=hands.time,
            valid_until=hands.time + timedelta(days=waiver["days"]),
            reason="what the sample is about",
        )
        requested = await world.waivers.request(wanted, _person(world.minted(waiver["requested_by"]), Role.REQUESTER))
        await world.waivers.sign(requested.id, _person(world.minted(waiver["signed_by"]), Role.APPROVER))
    hands.time = today


def _person(principal: str, role: Role) -> Caller:
    actor = Actor(principal, PrincipalKind.PERSON, "api-key")
    return Caller(actor, frozenset({role}), frozenset({"*"}), frozenset({"*"}))


def asking(sample: Mapping[str, Any], world: World) -> Asking:
    caller = sample["caller"]
    principal = world.minted(caller["actor"])
    actor = Actor(principal, PrincipalKind(principal.split(":")[0]), "kubernetes")
    anywhere = frozenset({"*"})
    asserted = frozenset(caller["asserts"])
    return Asking(Caller(actor, frozenset({Role.GATE}), anywhere, anywhere, asserted), budget=30.0, source="sample")


def answer(decision: Decision, world: World) -> dict[str, Any]:
    """Return what a sample expects of a decision; minted ids become the nicknames of the sample again."""
    text = json.dumps(
        {
            "outcome": decision.outcome,
            "reason": decision.reason,
            "tier": decision.tier.value if decision.tier else None,
            "findings": [
                {
                    "rule": finding.rule,
                    "item": finding.item,
                    "status": finding.status,
                    "effect": finding.effect,
                    "message": finding.message,
                    "gaps": sorted({gap.gap for gap in finding.why}),
                }
                for finding in decision.findings
            ],
            "problems": [{"code": problem.code, "path": problem.path} for problem in decision.problems],
        }
    )
    for nickname, principal in world.people.items():
        text = text.replace(principal, nickname)
    found: dict[str, Any] = json.loads(text)
    return found
