"""An OPA that somebody else runs: a sidecar that pulls our signed bundle and is asked over TCP or a Unix socket.

Its own health says nothing about its policy: it stays green while every new bundle is refused, and it activates an
older one as gladly as a newer, if only the signature is good. So the revision is checked in every verdict, and how old
its last word from us is, in its status report.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import structlog

from proctor.errors import OpaError
from proctor.opa import binary
from proctor.opa.bundle import BuiltBundle
from proctor.opa.client import Address, OpaClient, plain, verdict
from proctor.opa.engine import ENTRYPOINT_DECISION, EngineHealth
from proctor.opa.managed import canary
from proctor.settings import OpaSettings
from proctor.vocabulary.reasons import Reason

log = structlog.get_logger(__name__)

_ASK_EVERY: Final = 5.0
"""Seconds between two looks at the status report; while it is not good, every second."""
_ASK_AGAIN: Final = 1.0
_ASK_LIMIT: Final = 2.0
_CANARY_LIMIT: Final = 1.0
_AHEAD: Final = 300.0
"""Seconds that OPA's clock may be ahead of ours, as for evidence (lib.evidence)."""


class ExternalOpa:
    """Implements `engine.PolicyEngine` with an OPA at `settings.url`."""

    def __init__(self, bundle: BuiltBundle, settings: OpaSettings, wall: Callable[[], float] = time.time) -> None:
        token = settings.token.get_secret_value() if settings.token is not None else None
        self._client = OpaClient(Address.parse(settings.url or ""), settings.in_flight, token)
        self._bundle = bundle
        self._staleness = settings.staleness
        self._wall = wall
        self._fresh_until = float("-inf")
        self._trouble = "it has not been asked for its status yet"
        self._reason = Reason.ENGINE_UNAVAILABLE
        self._refused = ""
        """What OPA says about the newest bundle, where it did not take it."""
        self._version = ""
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the session and ask for the status once. An OPA that can't be reached yet is no error: it may come."""
        await self._client.open()
        await self._look()
        self._watching = asyncio.create_task(self._watch(), name="opa-status")

    async def evaluate(
        self,
        entrypoint: str,
        input_bytes: bytes,
        deadline: float,
        revision: str | None = None,  # noqa: ARG002 (OPA holds one policy; the verdict says which)
    ) -> dict[str, Any]:
        """Return the result; see `engine.PolicyEngine`. A policy of unknown age is `engine_stale_bundle`."""
        tried = f"asking OPA for {entrypoint}"
        if asyncio.get_running_loop().time() >= self._fresh_until:
            raise OpaError(
                tried, f"nobody knows how old its policy is: {self._trouble or self._silence(self._staleness)}",
                "See to it that OPA runs, reaches Proctor and has `status` enabled (deploy/docker/opa.yaml)",
                self._reason,
            )  # fmt: skip
        if entrypoint != ENTRYPOINT_DECISION:
            # Only the decision names its revision, so the canary vouches for every other answer.
            await canary(self._client, self._bundle.revision, deadline)
        return verdict(tried, await self._client.query(entrypoint, input_bytes, deadline))

    async def health(self) -> EngineHealth:
        """Ask for the status and the canary; return how it is."""
        if self._watching is not None and self._watching.done():
            return EngineHealth(False, None, "nobody asks it for its status any more; see the log", self._version)
        await self._look()
        if asyncio.get_running_loop().time() >= self._fresh_until:
            return EngineHealth(False, None, self._trouble, self._version)
        try:
            await canary(self._client, self._bundle.revision, asyncio.get_running_loop().time() + _CANARY_LIMIT)
        except OpaError as error:
            detail = f"{error} It did not take the newest bundle: {self._refused}" if self._refused else str(error)
            return EngineHealth(False, None, detail, self._version)
        return EngineHealth(True, self._bundle.revision, "external", self._version)

    async def switch(self, bundle: BuiltBundle) -> None:
        """Expect another policy from now on. OPA pulls it when it is published; until then answers are refused."""
        self._bundle = bundle

    async def close(self) -> None:
        """End the session."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        await self._client.close()

    # --- Staleness ---------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            good = loop.time() + _ASK_EVERY < self._fresh_until
            await asyncio.sleep(_ASK_EVERY if good else _ASK_AGAIN)
            await self._look()

    async def _look(self) -> None:
        """Ask for the status and note until when the policy counts as fresh; keep that moment if there is no answer."""
        loop = asyncio.get_running_loop()
        try:
            fresh = self._fresh(await self._status(loop.time() + _ASK_LIMIT))
        except OpaError as error:
            self._note(str(error))
            self._reason = error.reason
            if error.reason is Reason.ENGINE_STALE_BUNDLE:
                self._fresh_until = float("-inf")
            return
        self._fresh_until = loop.time() + fresh
        self._reason = Reason.ENGINE_STALE_BUNDLE
        self._note("" if fresh > 0 else self._silence(self._staleness - fresh))

    def _silence(self, age: float) -> str:
        heard = f"it heard of us more than {age:.0f} s ago for the last time"
        return f"{heard}; it did not take the newest bundle: {self._refused}" if self._refused else heard

    async def _status(self, deadline: float) -> Mapping[str, Any]:
        try:
            return await self._client.status(deadline)
        except OpaError as error:
            if error.reason is Reason.ENGINE_EVALUATION_FAILED:  # by which OPA answers that it has none
                raise self._stale(f"it gives none: {error.found}") from error
            raise

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("opa.status", trouble=trouble)
        self._trouble = trouble

    def _fresh(self, report: Mapping[str, Any]) -> float:
        """Return for how many seconds more the policy counts as fresh. Raises `OpaError` for a report that is bad.

        Fields of a bundle's status: https://www.openpolicyagent.org/docs/management-status
        """
        labels = report.get("labels")
        self._version = str(labels.get("version", "")) if isinstance(labels, Mapping) else ""
        if self._version not in binary.SUPPORTED:
            supported = " and ".join(binary.SUPPORTED)
            raise self._stale(f"it is OPA {self._version or 'of an unknown version'}; {supported} are supported")
        bundles = report.get("bundles")
        if not isinstance(bundles, Mapping) or len(bundles) != 1:
            raise self._stale("its status does not show exactly one bundle; see deploy/docker/opa.yaml")
        (bundle,) = bundles.values()
        asked = bundle.get("last_successful_request") if isinstance(bundle, Mapping) else None
        if not isinstance(asked, str):
            raise self._stale("its status says of no successful request for the policy")
        try:
            moment = datetime.fromisoformat(asked)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise self._stale(f"its status has no time that can be read: {asked[:40]!r}")
        age = self._wall() - moment.timestamp()
        if age < -_AHEAD:
            raise self._stale(f"its clock is {-age:.0f} s ahead of ours")
        refused = f"{bundle['code']}: {bundle.get('message')}" if bundle.get("code") else ""
        if refused and refused != self._refused:
            # It keeps the former policy; whether that is the right one, each verdict's revision says.
            log.warning("opa.bundle_refused", message=plain(refused))
        self._refused = plain(refused)
        return self._staleness - max(age, 0.0)

    def _stale(self, found: str) -> OpaError:
        return OpaError("reading OPA's status", found, reason=Reason.ENGINE_STALE_BUNDLE)
