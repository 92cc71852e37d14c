"""Everything that a running server consists of, in one place that routes can reach. `assembly` makes it."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

import structlog

from proctor.alerts.violations import ViolationRegister
from proctor.audit.outlook import Outlook
from proctor.decide.pipeline import Decisions
from proctor.errors import EngineError
from proctor.identity.people import Register
from proctor.inventory.datasets import Datasets
from proctor.inventory.models import Inventory
from proctor.ledger.bundles import BundleStore
from proctor.ledger.clock import Clock
from proctor.ledger.outbox import Outbox
from proctor.ledger.writer import Ledger
from proctor.opa.bundle import BuiltBundle
from proctor.opa.engine import PolicyEngine
from proctor.oversight.waivers import Waivers
from proctor.plugins import Adapter
from proctor.server.access import AccessTable
from proctor.server.limits import Buckets
from proctor.server.metrics import Metrics
from proctor.server.permissions import Permissions
from proctor.settings import Settings
from proctor.store.following import Following

log = structlog.get_logger(__name__)

_HEALTH_TIMEOUT: Final = 4.0
"""Seconds that OPA has to say how it is, before that is the answer."""


class Policy:
    """The policy in force, and word of its change for those who wait for it."""

    def __init__(self, bundle: BuiltBundle) -> None:
        self.bundle = bundle
        self.ending = False
        """True: the server stops, and nobody is to begin to wait."""
        self.on_adopt: Callable[[], None] | None = None
        """Called when another policy is in force."""
        self._changed = asyncio.Event()

    def adopt(self, bundle: BuiltBundle) -> None:
        """Put another policy in force and wake everybody who waits."""
        self.bundle = bundle
        self._wake()
        if self.on_adopt is not None:
            self.on_adopt()

    def end(self) -> None:
        """Wake everybody who waits, because the server stops: a sidecar's long poll would hold it up."""
        self.ending = True
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self, seconds: float) -> None:
        """Return when the policy changes, at the latest after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return


@dataclasses.dataclass(slots=True, kw_only=True)
class Components:
    """The parts of one server."""

    settings: Settings
    clock: Clock
    following: Following | None = None
    """What other servers change; None where there can be none."""
    ledger: Ledger
    bundles: BundleStore
    outbox: Outbox
    register: Register
    inventory: Inventory
    datasets: Datasets
    violations: ViolationRegister
    waivers: Waivers
    policy: Policy
    engine: PolicyEngine
    decisions: Decisions
    outlook: Outlook
    permissions: Permissions
    adapters: Sequence[Adapter]
    access: AccessTable
    buckets: Buckets
    metrics: Metrics
    admin_key: str | None = None
    """Text of the key made at the very first start; shown once, then forgotten."""
    died: list[str] = dataclasses.field(default_factory=list)
    """Names of the background tasks that ended with an error: what they do is not done any more."""
    stack: AsyncExitStack = dataclasses.field(default_factory=AsyncExitStack)
    """What has to be stopped, in reverse order of starting."""

    async def adopt(self, bundle: BuiltBundle) -> None:
        """Put another policy in force: proven by OPA first, then pinned, then its permissions learnt.

        Raises `OpaError`, and then the policy that was in force stays. An external OPA pulls the policy only after it
        is published here: until its permissions are learnt (`assembly` keeps asking), the former ones hold.
        """
        await self.keep(bundle)
        await self.engine.switch(bundle)
        self.decisions.adopt(bundle)
        self.policy.adopt(bundle)
        self.metrics.policy(bundle.revision)
        try:
            await self.permissions.learn(bundle.digest)
        except EngineError as error:
            log.warning("server.permissions_not_learnt", error=str(error))

    async def keep(self, bundle: BuiltBundle) -> None:
        """Keep the bundle before anything is decided under it: without it a decision can't be replayed."""
        content = await asyncio.to_thread(bundle.path.read_bytes)
        await asyncio.to_thread(self.bundles.put, bundle.digest, bundle.revision, content)

    async def troubles(self) -> list[str]:
        """Return what keeps the server from being ready, one line each; nothing when it is ready."""
        found: list[str] = []
        try:
            async with asyncio.timeout(_HEALTH_TIMEOUT):
                health = await self.engine.health()
            if not health.ready:
                found.append(f"opa: {health.detail}")
            elif health.revision != self.policy.bundle.revision:
                found.append(f"opa: revision {health.revision} is in force, not {self.policy.bundle.revision}")
        except EngineError as error:
            found.append(f"opa: {error}")
        except TimeoutError:
            found.append("opa: no answer")
        if self.ledger.trouble is not None:
            found.append(f"ledger: {self.ledger.trouble}")
        if self.following is not None and self.following.trouble is not None:
            found.append(f"registers: {self.following.trouble}")
        try:
            self.clock.check()
        except EngineError as error:
            found.append(f"clock: {error}")
        found.extend(f"task: {name} died; the log has the details, and a restart is needed" for name in self.died)
        if self.permissions.digest is None:
            found.append("authorisation: OPA has not been asked yet")
        elif self.permissions.digest != self.policy.bundle.digest:
            found.append("authorisation: OPA has not been asked under this policy yet; the former permissions hold")
        return found

    async def close(self) -> None:
        """Stop everything, in reverse order of starting."""
        await self.stack.aclose()
