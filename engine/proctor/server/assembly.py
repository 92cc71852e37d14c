"""Puts a server together, part by part in the order in which they need each other, and takes it apart in reverse.

State lock, database, ledger and clock, identity, inventory, oversight, adapters, policy, OPA, decisions, alerts.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from importlib.metadata import entry_points
from typing import Final

import structlog

from proctor.alerts import delivery, events
from proctor.audit.outlook import Outlook
from proctor.audit.rejudge import Rejudge
from proctor.decide.pipeline import Decisions
from proctor.decide.recording import LedgerRecorder
from proctor.errors import EngineError, ProctorError, SettingsError
from proctor.evidence.gather import Providers
from proctor.inventory.catalog import SYSTEM as OWNERS
from proctor.ledger import keyring
from proctor.ledger.bundles import BundleStore
from proctor.ledger.cases import CaseStore
from proctor.ledger.clock import Clock
from proctor.ledger.outbox import Outbox, OutboxMessage
from proctor.ledger.records import Entry
from proctor.ledger.writer import Ledger
from proctor.opa import binary as opa_binary
from proctor.opa import bundle as bundles
from proctor.opa.bundle import BuiltBundle
from proctor.opa.engine import PolicyEngine
from proctor.oversight.waivers import Policy as WaiverPolicy
from proctor.oversight.waivers import Waivers
from proctor.plugins import ENTRY_POINT_GROUP, Adapter, AdapterFactory, Asking, Decider, Services
from proctor.policy import suppliers
from proctor.server.access import AccessTable
from proctor.server.components import Components, Policy
from proctor.server.limits import Buckets
from proctor.server.metrics import Metrics
from proctor.server.permissions import Permissions
from proctor.server.registers import Registers
from proctor.settings import Settings
from proctor.store.database import Database
from proctor.store.inbox import Inbox
from proctor.store.leadership import Leadership
from proctor.store.lock import StateLock
from proctor.store.moments import to_text
from proctor.vocabulary.decision import Decision
from proctor.vocabulary.request import DecisionRequest
from proctor.vocabulary.waiver import Waiver

log = structlog.get_logger(__name__)

HOUSEKEEPING: Final = 3600.0
"""Seconds between two rounds of removing what is over: cases past their time, messages delivered long ago."""
KEPT_MESSAGES: Final = timedelta(days=30)
KEPT_EVENTS: Final = timedelta(days=7)
"""How long foreign events stay that were understood: they can name people. Those with a problem stay."""
_LEARNING_WATCH: Final = 60.0
_LEARNING: Final = 1.0
"""Seconds between two attempts to ask OPA for the permissions, while it can't be reached."""


class _Later:
    """A decider for adapters, which are made before the policy is built and decisions can be."""

    def __init__(self) -> None:
        self.decider: Decider | None = None

    async def decide(self, request: DecisionRequest | bytes, asking: Asking) -> Decision:
        """Pass the question on."""
        if self.decider is None:
            raise EngineError("deciding", "the server is starting", "Try again")
        return await self.decider.decide(request, asking)


async def assemble(settings: Settings) -> Components:
    """Start all parts and return them. Raises `ProctorError`, and then what was started has been stopped."""
    async with AsyncExitStack() as stack:
        components = await _assemble(settings, stack)
        components.stack = stack.pop_all()
        return components


async def _assemble(settings: Settings, stack: AsyncExitStack) -> Components:
    lock = StateLock(settings.state_dir)
    lock.acquire()
    stack.callback(lock.release)
    sinks = delivery.sinks(settings.sinks, os.environ)
    database = await asyncio.to_thread(Database.open, settings.database)
    stack.callback(database.close)
    clock = Clock()
    ledger = await asyncio.to_thread(
        lambda: Ledger.open(database, settings.state_dir, clock=clock, checkpoint_every=settings.checkpoint_every)
    )
    stack.push_async_callback(ledger.close)
    registers = await Registers.load(settings, database, ledger, clock)

    later = _Later()
    adapters = load_adapters(settings, lambda name: registers.services(later, settings, name))
    bundle = await build_policy(settings, adapters)
    policy = Policy(bundle)

    def waiver_events(change: str, waiver: Waiver) -> Sequence[OutboxMessage]:
        return events.for_waiver(change, waiver, clock.now(), settings.sinks)

    waivers = Waivers(
        database=database,
        ledger=ledger,
        clock=clock,
        policy=lambda: WaiverPolicy(policy.bundle.index.rules, policy.bundle.index.environments),
        events_for=waiver_events,
    )
    await waivers.load()
    engine, opa_version = await _engine(settings, bundle, stack)
    metrics = Metrics()
    metrics.policy(bundle.revision)
    cases = await asyncio.to_thread(
        CaseStore, database, settings.state_dir, clock, timedelta(days=settings.case_retention_days)
    )
    await asyncio.to_thread(keyring.settle, database, settings.state_dir)
    following = None if database.following.alone else database.following
    own = registers.providers(settings, waivers, lambda: policy.bundle.index.environments)
    decisions = Decisions(
        engine=engine,
        bundle=bundle,
        providers=Providers([*own, *(provider for adapter in adapters for provider in adapter.providers)]),
        waivers=waivers,
        recorder=LedgerRecorder(ledger, cases.seal, lambda decision: events.for_decision(decision, settings.sinks)),
        clock=clock,
        digest_of=registers.inventory.digest_for,
        opa_version=opa_version,
        budget=30.0,
        evaluation_timeout=settings.opa.timeout,
        max_waiting=settings.server.max_waiting,
        observe=metrics.observe,
        current=following.require if following is not None else None,
    )
    later.decider = decisions
    outbox = Outbox(database, clock)
    permissions = Permissions(engine)
    components = Components(
        settings=settings,
        clock=clock,
        following=following,
        ledger=ledger,
        bundles=BundleStore(database, clock),
        outbox=outbox,
        register=registers.register,
        inventory=registers.inventory,
        datasets=registers.datasets,
        violations=registers.violations,
        waivers=waivers,
        policy=policy,
        engine=engine,
        decisions=decisions,
        outlook=Outlook(
            decisions, registers.standing, registers.deployments, ledger.get, cases.open, engine, lambda: policy.bundle
        ),
        permissions=permissions,
        adapters=adapters,
        access=AccessTable(),
        buckets=Buckets(settings.server.unauthenticated_per_second),
        metrics=metrics,
    )
    await components.keep(bundle)
    await record_policy(components, bundle)
    await _learn_permissions(components, stack)
    if sinks:
        deliverer = delivery.Delivery(outbox=outbox, sinks=sinks, now=clock.now, observe=metrics.delivered)
        stack.push_async_callback(deliverer.close)
        _background(deliverer.run(), "delivery", components, stack)
    keep_house = partial(_keep_house, cases, outbox, registers.inbox, database, clock)
    _background(Leadership(database.engine, "housekeeping").run(keep_house), "housekeeping", components, stack)
    rejudge = Rejudge(decisions, registers.standing, registers.violations)
    registers.datasets.on_change = rejudge.changed
    registers.standing.on_remember = rejudge.remembered
    registers.standing.on_end = rejudge.ended
    # Whether an owner is active is asked of the register of people, not of the catalog.
    registers.register.on_change = lambda system: rejudge.everything_changed() if system in {None, OWNERS} else None
    policy.on_adopt = rejudge.everything_changed
    _background(Leadership(database.engine, "rejudge").run(rejudge.run), "rejudge", components, stack)
    if following is not None:
        _background(following.run(), "following", components, stack)
    for adapter in adapters:
        if adapter.background is not None:
            _background(adapter.background(), f"adapter {adapter.name}", components, stack)
    components.admin_key = await registers.register.bootstrap()
    return components


def load_adapters(settings: Settings, services: Callable[[str], Services]) -> list[Adapter]:
    """Make every installed adapter. Raises `SettingsError` for one that is configured and not installed, or breaks."""
    found: dict[str, Adapter] = {}
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
        tried = f"loading the adapter {entry.name}"
        if entry.name in found:
            raise SettingsError(tried, "two installed packages provide it", "Uninstall one of them")
        try:
            factory: AdapterFactory = entry.load()
        except (ImportError, AttributeError) as error:
            raise SettingsError(tried, str(error), f"Install its extra: pip install 'proctor[{entry.name}]'") from error
        adapter = factory(services(entry.name))
        if adapter.name != entry.name:
            raise SettingsError(tried, f"it calls itself {adapter.name}", "An adapter has one name")
        found[entry.name] = adapter
    if missing := sorted(set(settings.adapters) - set(found)):
        raise SettingsError(
            f"reading the section adapters.{missing[0]}", "no such adapter is installed",
            f"Installed: {', '.join(found) or 'none'}",
        )  # fmt: skip
    return list(found.values())


async def build_policy(settings: Settings, adapters: Sequence[Adapter]) -> BuiltBundle:
    """Build, check and sign the policy. Raises `PolicyError`, or whatever keeps OPA from being found."""
    found = await asyncio.to_thread(opa_binary.find, settings)
    owned = set(suppliers.OWNED)
    stated: set[str] | None = set(suppliers.STATED)
    for adapter in adapters:
        owned.update(group for provider in adapter.providers for group in provider.provides)
        groups = adapter.extras.get("states")
        if groups is None and adapter.router is not None:
            stated = None  # it asks, and does not say what about: any group can come from it
        elif groups is not None and stated is not None:
            stated.update(groups)
    return await asyncio.to_thread(
        bundles.build,
        settings.policy,
        found.path,
        bundles.policy_dir(settings.policy_dir),
        settings.state_dir / "bundles",
        settings.state_dir / "keys" / "bundle.key",
        None if stated is None else frozenset(owned | stated),
    )


async def record_policy(components: Components, bundle: BuiltBundle) -> None:
    """Record which policy comes into force, unless the newest such entry says the same."""
    ledger, clock = components.ledger, components.clock
    newest = await asyncio.to_thread(ledger.recent, "policy", 1)
    if newest and newest[0].record.get("digest") == bundle.digest:
        return
    record = {
        "change": "in_force",
        "digest": bundle.digest,
        "revision": bundle.revision,
        "profile": bundle.index.document["profile"],
        "rules": {code: rule["digest"] for code, rule in bundle.index.rules.items()},
        "at": to_text(clock.now()),
    }
    await ledger.append(Entry(kind="policy", id=f"policy_{bundle.revision}", record=record))


async def _engine(settings: Settings, bundle: BuiltBundle, stack: AsyncExitStack) -> tuple[PolicyEngine, str]:
    """Start or reach OPA; return it with its version."""
    found = await asyncio.to_thread(opa_binary.find, settings)
    engine: PolicyEngine
    if settings.opa.url is not None:
        from proctor.opa.external import ExternalOpa  # noqa: PLC0415 (one of the two is used)

        engine = ExternalOpa(bundle, settings.opa)
    else:
        from proctor.opa.managed import ManagedOpa  # noqa: PLC0415 (one of the two is used)

        engine = ManagedOpa(bundle, found, settings.state_dir / "run", settings.opa)
    stack.push_async_callback(engine.close)
    await engine.start()
    health = await engine.health()
    return engine, health.opa_version or found.version


async def _learn_permissions(components: Components, stack: AsyncExitStack) -> None:
    """Ask OPA who may call what: now, or as soon as it can be asked; and again whenever another policy is in force.

    An external OPA may pull its first policy only after this server is up.
    """
    permissions, policy = components.permissions, components.policy

    async def learn() -> None:
        while True:
            if permissions.digest == policy.bundle.digest:
                await policy.changed(_LEARNING_WATCH)
                continue
            try:
                await permissions.learn(policy.bundle.digest)
            except EngineError as error:
                log.warning("server.permissions_not_learnt", error=str(error))
                await asyncio.sleep(_LEARNING)

    try:
        await permissions.learn(policy.bundle.digest)
    except EngineError as error:
        log.warning("server.permissions_not_learnt", error=str(error))
    _background(learn(), "permissions", components, stack)


async def _keep_house(cases: CaseStore, outbox: Outbox, inbox: Inbox, database: Database, clock: Clock) -> None:
    while True:
        try:
            expired = await asyncio.to_thread(cases.expire)
            forgotten = await outbox.forget(clock.now() - KEPT_MESSAGES)
            understood = await inbox.forget(clock.now() - KEPT_EVENTS)
            await asyncio.to_thread(database.following.forget)
            log.debug("server.kept_house", cases=expired, messages=forgotten, events=understood)
        except ProctorError as error:
            log.warning("server.housekeeping_failed", error=str(error))
        await asyncio.sleep(HOUSEKEEPING)


def _background(
    work: Coroutine[object, object, None], name: str, components: Components, stack: AsyncExitStack
) -> None:
    """Run `work` until the stack is closed. What kills it is logged at once, and keeps the server from being ready."""
    task = asyncio.create_task(work, name=name)

    def ended(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("server.task_died", task=name, error=repr(error))
            components.died.append(name)

    async def stop() -> None:
        task.cancel()
        await asyncio.wait({task})

    task.add_done_callback(ended)
    stack.push_async_callback(stop)
