"""The registers behind a server: people, what exists, what holds, what is wrong; and the facts that they give."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from proctor.alerts.violations import ViolationRegister
from proctor.identity import keys
from proctor.identity.people import Register
from proctor.identity.provider import PrincipalFacts
from proctor.inventory.catalog import SYSTEM as OWNERS
from proctor.inventory.catalog import CatalogFacts
from proctor.inventory.datasets import Datasets
from proctor.inventory.deployments import Deployments
from proctor.inventory.models import Inventory
from proctor.inventory.preflights import PreflightFacts
from proctor.inventory.provider import InventoryProvider
from proctor.inventory.purposes import PlannedRisk, PurposeFacts
from proctor.inventory.registry import Registry
from proctor.inventory.standing import StandingDecisions
from proctor.ledger.clock import Clock
from proctor.ledger.writer import Ledger
from proctor.oversight.provider import WaiverFacts
from proctor.oversight.waivers import Waivers
from proctor.plugins import Decider, FactProvider, Services
from proctor.settings import Settings
from proctor.store.database import Database
from proctor.store.inbox import Inbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """All registers of one server. `load` makes them."""

    register: Register
    inventory: Inventory
    deployments: Deployments
    datasets: Datasets
    registry: Registry
    standing: StandingDecisions
    violations: ViolationRegister
    inbox: Inbox
    preflights: PreflightFacts

    @classmethod
    async def load(cls, settings: Settings, database: Database, ledger: Ledger, clock: Clock) -> "Registers":
        """Read them into memory. Raises `StateError` when the database does not answer."""
        register = Register(
            database=database,
            ledger=ledger,
            clock=clock,
            pepper=keys.pepper(settings.state_dir / "keys" / "pepper"),
            monotonic=time.monotonic,
        )
        await register.load()
        inventory = await asyncio.to_thread(Inventory.load, database, ledger, clock.now)
        datasets = await asyncio.to_thread(
            Datasets.load, database, ledger, clock.now, lambda owner: register.shown(OWNERS, owner)
        )
        return cls(
            register=register,
            inventory=inventory,
            deployments=await asyncio.to_thread(Deployments.load, database, clock.now),
            datasets=datasets,
            registry=Registry(inventory, datasets, lambda: settings.policy.purposes),
            standing=await asyncio.to_thread(StandingDecisions.load, database, ledger, clock.now),
            violations=ViolationRegister(database, ledger, clock.now, settings.sinks),
            inbox=Inbox(database, clock.now),
            preflights=PreflightFacts(ledger.get, timedelta(hours=settings.preflight_hours)),
        )

    def services(self, decider: Decider, settings: Settings, name: str) -> Services:
        """Return what the adapter `name` is lent."""
        return Services(
            decider=decider,
            people=self.register,
            configuration=settings.adapters.get(name, {}),
            deployments=self.deployments,
            models=self.registry,
            catalog=self.datasets,
            standing=self.standing,
            violations=self.violations,
            inbox=self.inbox,
            preflights=self.preflights,
        )

    def providers(
        self, settings: Settings, waivers: Waivers, environments: Callable[[], Sequence[str]]
    ) -> list[FactProvider]:
        """Return the providers of Proctor's own facts; together they own `OWNED`."""
        planned = PlannedRisk(self.datasets, lambda: settings.policy.purposes)
        return [
            InventoryProvider(self.inventory, planned),
            PrincipalFacts(self.register, environments, lambda: sorted(settings.policy.purposes)),
            WaiverFacts(waivers),
            CatalogFacts(self.datasets, self.register),
            PurposeFacts(planned),
            self.preflights,
        ]
