"""Takes events into the inbox before they are answered, and works through it, for ever.

An event that can't be understood is kept with the reason. One that could not be recorded waits and is tried again, and
holds up no other: the newest word counts whatever the order in which words come.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog

from proctor.errors import EngineError, RefusedError, SettingsError
from proctor.plugins import Catalog, Inbox, Services, WaitingEvent
from proctor.vocabulary.principal import Caller
from proctor_adapters.openlineage.events import NoEventError, decode, encode
from proctor_adapters.openlineage.translate import Heard, translate

log = structlog.get_logger(__name__)

NAME: Final = "openlineage"
LARGE: Final = 100_000
"""Bytes from which an event is read in another thread, so that nobody who asks for a decision waits for it."""
_BATCH: Final = 100
_TRIES: Final = 3
"""Attempts at an event that could not be recorded while others could."""
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
        self._tried: dict[int, int] = {}

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
        """Return once the event is on disk; tell whether it is new.

        Raises `NoEventError` for one that can't be kept, `EngineError` when it was not taken.
        """
        raw, name = encode(event)
        sender = {"principal": caller.actor.id, "asserts": sorted(caller.asserts)}
        new = await self._inbox.put(NAME, name, raw, sender)
        self._wake.set()
        return new

    async def run(self) -> None:
        """Work through the inbox until cancelled."""
        while True:
            self._wake.clear()
            try:
                worked = await self.round()
            except EngineError as error:
                log.warning("openlineage.not_recorded", error=str(error))
                await asyncio.sleep(_AGAIN)
                continue
            if worked < _BATCH:
                try:
                    async with asyncio.timeout(_LOOK):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    async def round(self) -> int:
        """Work through what waits, up to a batch; return how many events that were.

        Raises `EngineError` when something has to be tried again.
        """
        waiting = await self._inbox.waiting(NAME, _BATCH)
        failed: list[tuple[int, EngineError]] = []
        for event in waiting:
            try:
                problem = await self._one(event)
                await self._done(event.id, problem)
            except EngineError as failure:
                failed.append((event.id, failure))
        if not failed:
            return len(waiting)
        if len(failed) < len(waiting):
            # Others were recorded, so it is this event that can't be.
            for number, error in failed:
                self._tried[number] = self._tried.get(number, 0) + 1
                if self._tried[number] >= _TRIES:
                    await self._done(number, f"it could not be recorded: {error}")
        raise failed[0][1]

    async def _done(self, number: int, problem: str | None) -> None:
        if problem is not None:
            log.warning("openlineage.not_understood", number=number, problem=problem)
        await self._inbox.done(number, problem)
        self._tried.pop(number, None)

    async def _one(self, received: WaitingEvent) -> str | None:
        """Record one event; return what of it can't be. Raises `EngineError` when it has to be tried again."""
        try:
            if len(received.body) > LARGE:
                heard = await asyncio.to_thread(_heard, received)
            else:
                heard = _heard(received)
        except NoEventError as error:
            return str(error)
        except Exception as error:
            # The last resort: a defect of ours costs this event, which is kept with its problem, and no other.
            log.exception("openlineage.defect", number=received.id)
            return f"a defect in Proctor: {error!r}"[:2000]
        problems = list(heard.left_out)
        for write in (
            partial(self._catalog.record, heard.facts),
            partial(self._catalog.link, heard.aliases),
            partial(self._catalog.connect, heard.edges),
        ):
            try:
                await write()
            except RefusedError as error:
                problems.append(str(error))
        return "; ".join(problems)[:2000] or None


def _heard(received: WaitingEvent) -> Heard:
    asserts = frozenset(map(str, received.sender.get("asserts", ())))
    return translate(decode(received.body), f"{NAME}:{received.sender.get('principal', '?')}", asserts)


def now() -> datetime:
    """Return the time with which the times of events are compared."""
    return datetime.now(UTC)
