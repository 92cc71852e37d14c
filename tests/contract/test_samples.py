"""Replays the samples through the whole path: a real inventory, register, waivers and ledger, and a real OPA.

A sample (`rego/samples/<stage>/*.json`) says what the systems of record hold, who asks what, and what comes out, down
to the sentence that a person reads. What catalogs and MLflow say comes in through their adapters. Beside them, every
path of an input is spoilt, and every malformed container tried, in the OPA that production runs: strict, on a Unix
socket, behind the engine's own client.
"""

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

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
from proctor.opa import binary, bundle
from proctor.opa.bundle import BuiltBundle
from proctor.opa.engine import ENTRYPOINT_DECISION, PolicyEngine
from proctor.opa.managed import ManagedOpa
from proctor.oversight.provider import WaiverFacts
from proctor.oversight.waivers import Policy as WaiverPolicy
from proctor.oversight.waivers import Waivers
from proctor.plugins import Asking, Services
from proctor.settings import OpaSettings, PolicySettings, PurposeSettings, Settings
from proctor.vocabulary.canonical import canonical
from proctor.vocabulary.decision import Decision, Verdict
from proctor.vocabulary.principal import Actor, Caller, PrincipalKind, Role
from proctor.vocabulary.request import DecisionRequest
from proctor.vocabulary.waiver import WaiverRequest
from proctor_adapters.mlflow.configuration import MlflowSettings
from proctor_adapters.mlflow.gate import Gate
from proctor_adapters.mlflow.models import GateCall, ManifestCall
from proctor_adapters.openlineage import events
from proctor_adapters.openlineage.translate import translate
from tests.contract.semantics import oracle
from tests.engine.identity.stores import Stores, stores
from tests.live.documents import at, changed, paths

SAMPLES = Path(__file__).parents[2] / "rego" / "samples"
REPLAYED = {
    f"{path.parent.name}/{path.stem}": json.loads(path.read_text())
    for path in sorted(SAMPLES.glob("*/*.json"))
    if path.parent.name != "inputs"
}
INPUTS = {path.stem: json.loads(path.read_text()) for path in sorted((SAMPLES / "inputs").glob("*.json"))}
pytestmark = pytest.mark.asyncio(loop_scope="module")
OUTCOMES = {"allowed": {"allow"}, "asked": {"require_approval"}, "denied": {"deny", "error"}}
ADMIN = "service:localoperator"
ASKED = {
    "create_run": ("training", "run", "run"),
    "register": ("registration", "model_version", "register"),
    "promote": ("registration", "model_version", "promote"),
}
"""What a call of MLflow's plugin asks: stage, kind of subject and operation."""


@dataclass(frozen=True)
class Running:
    """The provided policy in a running OPA."""

    engine: PolicyEngine
    bundle: BuiltBundle
    version: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opa(opa_binary: Path) -> AsyncIterator[Running]:
    folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # a socket's path has at most 107 bytes
    try:
        built = bundle.build(
            PolicySettings(profile="strict"),
            opa_binary,
            bundle.policy_dir(None),
            folder / "bundles",
            folder / "keys" / "bundle.key",
        )
        found = binary.find(Settings(opa=OpaSettings(binary=opa_binary), state_dir=folder))
        engine = ManagedOpa(built, found, folder / "run", OpaSettings())
        await engine.start()
        yield Running(engine, built, found.version)
        await engine.close()
    finally:
        shutil.rmtree(folder)


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
        yield World(held, register, inventory, waivers, decisions, datasets, services, purposes)


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


async def ask(opa: Running, document: Any) -> Verdict:
    """Return the verdict on one input, as the engine's own client gets it from a strict OPA."""
    deadline = asyncio.get_running_loop().time() + 10
    return Verdict.model_validate(await opa.engine.evaluate(ENTRYPOINT_DECISION, canonical(document), deadline))


# --- Samples ---------------------------------------------------------------------------------------------------------


@pytest.mark.each_database
@pytest.mark.parametrize("name", REPLAYED)
async def test_a_sample_is_decided_as_it_says(name: str, opa: Running, state_dir: Path) -> None:
    sample = REPLAYED[name]
    async with world(opa, state_dir) as made:
        await arrange(sample, made)
        decision = await decided(sample, made)
        assert answer(decision, made) == sample["expect"], sample["about"]
        assert decision.recorded
        assert made.stores.ledger.get(decision.id) == decision.record()
    stage, stem = name.split("/")
    assert decision.outcome in OUTCOMES[stem.split("_")[0]]
    assert stage == asked(sample)[0]
    assert decision.stage in {stage, None}, "a request that is not valid has none"
    if not decision.allowed:
        assert decision.findings or decision.problems


async def test_every_rule_has_a_sample_that_it_allows_and_one_that_it_denies(opa: Running) -> None:
    samples = list(REPLAYED.values())
    rules = set(opa.bundle.index.rules)
    assert {asked(sample)[0] for sample in samples} == {code.partition(".")[0] for code in rules}
    denied = {f["rule"] for s in samples for f in s["expect"]["findings"] if f["effect"] in {"deny", "ask"}}
    assert denied == rules
    selected: set[str] = set()
    for sample in samples:
        if sample["expect"]["outcome"] == "allow":
            selection = opa.bundle.index.selection(*asked(sample))
            assert selection is not None
            selected |= set(selection.codes) - {finding["rule"] for finding in sample["expect"]["findings"]}
    assert selected == rules


# --- Inputs that nobody should send ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INPUTS)
async def test_the_input_samples_are_allowed(name: str, opa: Running) -> None:
    verdict = await ask(opa, INPUTS[name])
    assert (verdict.outcome, verdict.problems, verdict.findings) == ("allow", [], [])


UNREAD = (
    ("actor", "authenticated_by"), ("actor", "groups"), ("actor", "kind"),
    ("subject", "id"), ("subject", "name"),
    ("context", "request_id"), ("context", "cases"),
)  # fmt: skip
"""Paths of an input that no rule and no check reads: they are for records and messages."""
UNREAD_AT_RUNTIME = (("facts", "images"), ("subject", "parts", "images"))
"""No rule looks at the images of what runs."""
UNREAD_OF_EVIDENCE = {"source", "fetched_at", "digest"}


def _matters(name: str, path: tuple[str | int, ...]) -> bool:
    unread = UNREAD + (UNREAD_AT_RUNTIME if name == "runtime" else ())
    if any(path[: len(one)] == one for one in unread):
        return False
    return not (path[-2:-1] == ("evidence",) and path[-1] in UNREAD_OF_EVIDENCE)


def _wrong(value: Any) -> list[Any]:
    """Return values of every other type, and the empty ones of its own."""
    candidates: list[Any] = [None, True, False, 5, -1, "x", "", [], [None], ["x"], {}, {"x": "x"}]
    return [other for other in candidates if type(other) is not type(value) or (other in ("", {}) and other != value)]


@pytest.mark.parametrize("name", INPUTS)
async def test_a_wrong_value_anywhere_in_an_input_never_allows(name: str, opa: Running) -> None:
    """Each path, each other type, and nothing at all: exhaustive, because a list of examples forgets the one hole."""
    document = INPUTS[name]
    changes = [
        (path, other)
        for path in paths(document)
        if _matters(name, path)
        for other in (..., *_wrong(at(document, path)))
    ]
    allowed = []
    for start in range(0, len(changes), 8):  # as many as keep both processors at work
        some = changes[start : start + 8]
        verdicts = await asyncio.gather(*(ask(opa, changed(document, change)) for change in some))
        for change, verdict in zip(some, verdicts, strict=True):
            if verdict.outcome == "allow":
                # Where several values are right, the oracle says so, from the rules' meaning and without Rego.
                if name in {"deployment", "runtime"} or not oracle.may_be_allowed(changed(document, change)):
                    allowed.append(change)
            else:
                assert verdict.findings or verdict.problems, change
    assert allowed == []
    assert len(changes) > 300


_GOOD = INPUTS["deployment"]["facts"]["models"][0]
MALFORMED_LISTS: list[Any] = [
    "x", 5, True, False, None, "", {}, {"a": _GOOD}, {"0": _GOOD}, [], [[]], [[_GOOD]], ["x"], [None], [5], [True],
    [{}], [_GOOD], [_GOOD, _GOOD], [_GOOD, None], [_GOOD, "x"], [None, _GOOD], [_GOOD, {}], [[_GOOD], _GOOD],
]  # fmt: skip
MALFORMED_FACTS: list[Any] = ["x", 5, True, None, "", [], {}, [_GOOD], {"models": _GOOD}]
MALFORMED_INPUTS: list[Any] = [{}, None, "x", 5, True, "", [], [{}], [None], {"input": {}}, {"Input": {}}]


@pytest.mark.parametrize("facts_list", ["models", "images"])
async def test_a_malformed_list_never_allows(facts_list: str, opa: Running) -> None:
    for value in MALFORMED_LISTS:
        verdict = await ask(opa, changed(INPUTS["deployment"], (("facts", facts_list), value)))
        assert verdict.outcome == "deny", value
        assert any(finding.at[:1] == [facts_list] for finding in verdict.findings), value


async def test_malformed_facts_never_allow(opa: Running) -> None:
    for value in MALFORMED_FACTS:
        verdict = await ask(opa, changed(INPUTS["deployment"], (("facts",), value)))
        assert verdict.outcome in {"deny", "error"}, value
        assert verdict.findings or verdict.problems, value


async def test_a_malformed_input_is_an_error_with_problems(opa: Running) -> None:
    for value in MALFORMED_INPUTS:
        verdict = await ask(opa, value)
        assert verdict.outcome == "error", value
        assert {"bad_schema", "bad_clock", "bad_actor", "bad_subject"} <= {problem.code for problem in verdict.problems}


# --- Requests that nobody should send --------------------------------------------------------------------------------


def _hostile_requests() -> Iterator[bytes]:
    good = REPLAYED["deployment/allowed_registered_models"]["request"]
    for value in (*MALFORMED_INPUTS, *MALFORMED_FACTS):
        yield json.dumps(value).encode()
    for path in paths(good):
        value = at(good, path)
        if len(path) in {1, 2} or path[:3] == ("facts", "models", 0):
            for other in (None, 5, "", [], {}, [None], {"x": "x"}, {"0": value}):
                if type(other) is not type(value):
                    yield json.dumps(changed(good, (path, other))).encode()
    text = json.dumps(good)
    yield text.replace('"facts": {', '"facts": {"models": [], ', 1).encode()  # a key twice
    yield text.replace('"deploy"', '"deploy\\ud800"', 1).encode()
    yield text.replace('"mutable": false', '"mutable": NaN', 1).encode()
    yield text.replace('"schema"', '"waivers": [], "schema"', 1).encode()
    yield text.replace('"schema"', '"risk_tier": "low", "schema"', 1).encode()
    yield text.replace('"schema"', '"context": {"now": "2026-01-01T00:00:00Z"}, "schema"', 1).encode()
    yield (b"[" * 100) + (b"]" * 100)
    yield text.encode()[:-1]
    yield b"\xff" + text.encode()
    yield b""


async def test_a_malformed_request_is_a_denial_that_says_where(opa: Running, tmp_path: Path) -> None:
    sample = REPLAYED["deployment/allowed_registered_models"]
    async with world(opa, tmp_path) as made:
        await arrange(sample, made)
        for raw in _hostile_requests():
            decision = await made.decisions.decide(raw, asking(sample, made))
            assert decision.outcome == "deny", raw
            # A group that is null is a group that is not there: that is for the rules to say.
            assert decision.reason == "invalid_request" or b": null" in raw, raw
            assert decision.problems or decision.findings, raw
            assert decision.recorded
        decision = await made.decisions.decide(json.dumps(sample["request"]).encode(), asking(sample, made))
        assert decision.outcome == "allow"


# --- Strict and not --------------------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", INPUTS)
async def test_strict_and_lenient_opa_say_the_same(name: str, opa: Running, opa_binary: Path, tmp_path: Path) -> None:
    """`opa test` has no strict mode and production has: libraries that raise no error make them one policy."""
    batch: dict[str, Any] = {}
    document = INPUTS[name]
    batch[name] = document
    for path in paths(document):
        for number, other in enumerate((..., None, 5, "x", [], {})):
            batch[f"{name}:{path}:{number}"] = changed(document, (path, other))
    batch |= {f"malformed:{number}": value for number, value in enumerate(MALFORMED_INPUTS)}
    (tmp_path / "input.json").write_text(json.dumps({"batch": batch}))
    query = "{name: found | some name, one in input.batch; found := data.governance.main.decision with input as one}"

    async def answers(*flags: str) -> dict[str, Any]:
        command = [opa_binary, "eval", *flags, "--bundle", opa.bundle.path, "--input", tmp_path / "input.json"]
        done = await asyncio.to_thread(
            subprocess.run, [*command, "--format", "json", query], capture_output=True, check=False, timeout=100
        )
        assert done.returncode == 0, done.stdout.decode()[:2000] + done.stderr.decode()[:2000]
        found: dict[str, Any] = json.loads(done.stdout)["result"][0]["expressions"][0]["value"]
        return found

    lenient, strict = await asyncio.gather(answers(), answers("--strict-builtin-errors"))
    assert set(lenient) == set(batch)
    assert lenient == strict
    assert len(batch) > 200
