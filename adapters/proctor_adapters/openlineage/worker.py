"""Takes events into the inbox before they are answered, and works through it: in order, one at a time, for ever."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import structlog

from proctor.errors import EngineError, RefusedError, SettingsError
from proctor.plugins import Catalog, Inbox, Services, WaitingEvent
from proctor.vocabulary.canonical import canonical, decode
from proctor.vocabulary.principal import Caller
from proctor_adapters.openlineage.translate import NoEventError, check, translate

log = structlog.get_logger(__name__)

NAME: Final = "openlineage"
_BATCH: Final = 100
_AGAIN: Final = 1.0
"""Seconds before a database that did not answer is asked again."""
_LOOK: Final = 30.0
"""Seconds after which the inbox is looked at without a wake-up: another replica may have put something there."""


class Worker:
    """The inbox of this adapter. One per server."""

    def __init__(self, inbox: Inbox, catalog: Catalog) -> None:
        self._inbox = inbox
        self._catalog = catalog
        self._wake = asyncio.Event()

    @classmethod
    def of(cls, services: Services) -> "Worker":
        """Return the worker on what the server lends. Raises `SettingsError` where it lends no catalog."""
        if services.configuration:
            wrong = ", ".join(sorted(map(str, services.configuration)))
            raise SettingsError("reading adapters.openlineage", f"unknown: {wrong}", "Leave the section out")
        if services.inbox is None or services.catalog is None:
            raise SettingsError("making the adapter openlineage", "there is no catalog or inbox", "Update Proctor")
        return cls(services.inbox, services.catalog)

    async def take(self, event: Mapping[str, Any], caller: Caller) -> bool:
        """Return once the event is on disk; tell whether it is new. There is no event id: its content is its name."""
        raw = canonical(dict(event))
        sender = {"principal": caller.actor.id, "asserts": sorted(caller.asserts)}
        new = await self._inbox.put(NAME, hashlib.sha256(raw).hexdigest(), raw, sender)
        self._wake.set()
        return new

    async def run(self) -> None:
        """Work through the inbox until cancelled."""
        while True:
            try:
                worked = await self.round()
            except EngineError as error:
                log.warning("openlineage.inbox_unavailable", error=str(error))
                await asyncio.sleep(_AGAIN)
                continue
            if worked < _BATCH:
                try:
                    async with asyncio.timeout(_LOOK):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                self._wake.clear()

    async def round(self) -> int:
        """Work through what waits, up to a batch; return how many events that were."""
        waiting = await self._inbox.waiting(NAME, _BATCH)
        for event in waiting:
            problem = await self._one(event)
            if problem is not None:
                log.warning("openlineage.not_understood", event=event.id, problem=problem)
            await self._inbox.done(event.id, problem)
        return len(waiting)

    async def _one(self, received: WaitingEvent) -> str | None:
        """Record one event; return why it can't be. Raises `EngineError` when it has to be tried again."""
        asserts = frozenset(map(str, received.sender.get("asserts", ())))
        try:
            event = check(decode(received.body))
            facts, edges = translate(event, f"{NAME}:{received.sender.get('principal', '?')}", asserts)
            await self._catalog.record(facts)
            await self._catalog.connect(edges)
        except (NoEventError, RefusedError, ValueError) as error:
            return str(error)[:2000]
        return None
