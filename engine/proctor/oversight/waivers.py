"""Waivers: requested by one person, signed by another, for one rule, one subject, one environment and one item.

A waiver covers a failure, never missing evidence; whether it covers a finding is proven in Rego (lib.waivers). What is
kept here is who asked and who signed. Each change is one ledger entry with its row in the same transaction.
"""

import asyncio
import dataclasses
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Executable, insert, select, update

from proctor.errors import NotFoundError, RefusedError
from proctor.ledger.journal import Journal
from proctor.ledger.outbox import OutboxMessage
from proctor.ledger.records import Entry
from proctor.store import tables
from proctor.store.database import Database
from proctor.store.moments import to_text as instant
from proctor.vocabulary.principal import Caller, PrincipalKind, Role
from proctor.vocabulary.waiver import Waiver, WaiverRequest

MAX_OPEN: Final = 100
"""Waivers for one subject and environment that are not over: they all travel in the input of its decisions."""
MAX_WAIVERS: Final = 100_000
MAX_AHEAD: Final = timedelta(days=365)
"""How far ahead a waiver may begin: one that nobody remembers is not an exception any more."""


class Time(Protocol):
    """The engine's clock."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """What the policy in force says about waivers."""

    rules: Mapping[str, Mapping[str, Any]]
    """Entries of the index by rule code: `waivable` is `{"max_days": n}` or false, `item_id` names the levels."""
    environments: Sequence[str]


EventsFor = Callable[[str, Waiver], Sequence[OutboxMessage]]
"""Returns the outgoing messages of a change (`requested`, `signed`, `revoked`) of a waiver."""


class Waivers:
    """The waivers in memory, written through to the database and the ledger."""

    def __init__(
        self,
        *,
        database: Database,
        ledger: Journal,
        clock: Time,
        policy: Callable[[], Policy],
        events_for: EventsFor | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self._events_for = events_for
        self._changes = database.following.add("waivers", self)
        self._by_id: dict[str, Waiver] = {}
        self._by_subject: dict[tuple[str, str], set[str]] = {}

    async def load(self) -> None:
        """Read all waivers into memory. Call it once, before anything else."""
        await asyncio.to_thread(self._changes.load)

    def read(self, connection: Connection, keys: frozenset[str] | None) -> list[Waiver]:
        """Read all waivers, or those with these ids."""
        wanted = select(tables.waivers.c.document)
        if keys is not None:
            wanted = wanted.where(tables.waivers.c.id.in_(keys))
        return [Waiver.model_validate(row.document) for row in connection.execute(wanted)]

    def apply(self, found: Sequence[Waiver]) -> None:
        """Put what was read in the place of what was known. A waiver never disappears."""
        for waiver in found:
            self._keep(waiver)

    # --- Reading -----------------------------------------------------------------------------------------------------

    def matching(self, subject_digest: str, environment: str, now: datetime) -> list[dict[str, Any]]:
        """Return the documents of the waivers that are in force for this subject in this environment, by id.

        Only signed, unrevoked ones with `from <= now < until`. Rego proves all of that again, and who signed.
        """
        return [_document(waiver) for waiver in self.active(subject_digest, environment, now)]

    def active(self, subject_digest: str, environment: str, now: datetime) -> list[Waiver]:
        """Return the waivers in force for this subject in this environment, by id."""
        ids = self._by_subject.get((subject_digest, environment), ())
        found = (self._by_id[waiver_id] for waiver_id in sorted(ids))
        return [waiver for waiver in found if _signed(waiver) and waiver.valid_from <= now < waiver.valid_until]

    def get(self, waiver_id: str) -> Waiver:
        """Return a waiver; raise `NotFoundError` where there is none."""
        waiver = self._by_id.get(waiver_id)
        if waiver is None:
            raise NotFoundError(
                f"looking for the waiver {waiver_id!r:.60}", "there is none", "See 'proctor waiver list'"
            )
        return waiver

    def waivers(self) -> list[Waiver]:
        """Return all waivers, the latest request first, those that are over as well."""
        return sorted(self._by_id.values(), key=lambda waiver: (waiver.requested_at, waiver.id), reverse=True)

    def state(self, waiver: Waiver) -> str:
        """Return `requested`, `signed`, `expired` or `revoked`."""
        if waiver.revoked_at is not None:
            return "revoked"
        if self._clock.now() >= waiver.valid_until:
            return "expired"
        return "requested" if waiver.signed_by is None else "signed"

    # --- Changing ----------------------------------------------------------------------------------------------------

    async def request(self, wanted: WaiverRequest, caller: Caller) -> Waiver:
        """Record a request and return the waiver, which covers nothing until a second person has signed it.

        Raises `RefusedError`: the caller is no person or has not the role, the rule does not exist or can't be
        waived, the interval is too long, over or too far ahead, or there are too many.
        """
        person = _person(caller, {Role.REQUESTER, Role.APPROVER}, "requesting a waiver")
        async with self._changes.writing():
            now = self._clock.now()
            self._check(wanted, now)
            self._bounded(wanted, now)
            waiver = Waiver(
                **wanted.model_dump(), id=f"wvr_{secrets.token_hex(8)}", requested_by=person, requested_at=now
            )
            row = {
                "id": waiver.id,
                "subject_digest": waiver.subject_digest,
                "environment": waiver.environment,
                **_content(waiver, now),
            }
            await self._record(waiver, "requested", person, now, insert(tables.waivers).values(**row))
            self._keep(waiver)
        return waiver

    async def sign(self, waiver_id: str, caller: Caller) -> Waiver:
        """Sign a waiver as the second person and return it; signing again changes nothing.

        Raises `NotFoundError`, or `RefusedError`: the caller is no person, no approver or the one who asked, or the
        waiver is revoked, over, or beyond what the policy now permits.
        """
        tried = f"signing {waiver_id[:60]}"
        person = _person(caller, {Role.APPROVER}, tried)
        async with self._changes.writing():
            waiver, now = self.get(waiver_id), self._clock.now()
            if waiver.requested_by == person:
                raise RefusedError(
                    "same_person",
                    403,
                    tried,
                    "you requested it yourself",
                    "Let another person with the role approver sign",
                )
            if waiver.revoked_at is not None or (waiver.signed_by is not None and waiver.signed_by != person):
                found = "it is revoked" if waiver.revoked_at is not None else "it is signed by another person"
                raise RefusedError("conflict", 409, tried, found, "Request a new one if it is still needed")
            if waiver.signed_by == person:
                return waiver
            # The policy may have become stricter, and the time may be over, since it was requested.
            self._check(waiver, now)
            signed = waiver.model_copy(update={"signed_by": person, "signed_at": now})
            await self._record(signed, "signed", person, now, _updated(signed, now))
            self._keep(signed)
        return signed

    async def revoke(self, waiver_id: str, caller: Caller) -> Waiver:
        """Revoke a waiver, from this moment, and return it; revoking again changes nothing.

        Raises `NotFoundError`, or `RefusedError`: the caller is no person, or neither an approver nor the one who
        asked. `LedgerError` when it could not be recorded: then it is revoked only until the next start.
        """
        tried = f"revoking {waiver_id[:60]}"
        person = _person(caller, {Role.REQUESTER, Role.APPROVER}, tried)
        async with self._changes.writing():
            waiver, now = self.get(waiver_id), self._clock.now()
            if Role.APPROVER not in caller.roles and waiver.requested_by != person:
                raise RefusedError(
                    "forbidden", 403, tried, f"it was requested by {waiver.requested_by}",
                    "Ask that person or an approver",
                )  # fmt: skip
            if waiver.revoked_at is not None:
                return waiver
            revoked = waiver.model_copy(update={"revoked_by": person, "revoked_at": now})
            self._keep(revoked)
            await self._record(revoked, "revoked", person, now, _updated(revoked, now))
        return revoked

    # --- Inside ------------------------------------------------------------------------------------------------------

    def _check(self, wanted: WaiverRequest, now: datetime) -> None:
        policy = self._policy()
        tried = f"waiving {wanted.rule}"
        rule = policy.rules.get(wanted.rule)
        if rule is None:
            raise _refused(tried, "the policy has no such rule", "See 'proctor policy list --server'")
        waivable = rule["waivable"]
        if not isinstance(waivable, Mapping):
            raise RefusedError(
                "not_waivable",
                422,
                tried,
                "this rule can't be waived",
                str(rule.get("remediation", "Mend what it found")),
            )
        if wanted.environment not in policy.environments:
            raise _refused(tried, f"{wanted.environment} is no environment", f"One of {', '.join(policy.environments)}")
        if len(wanted.item) != len(rule["item_id"]):
            raise _refused(
                tried, f"{len(wanted.item)} ids name the item, not {len(rule['item_id'])}",
                "Copy `item` from the finding in the decision",
            )  # fmt: skip
        length = wanted.valid_until - wanted.valid_from
        longest = timedelta(days=int(waivable["max_days"]))
        if not timedelta(0) < length <= longest:
            raise _refused(
                tried, f"from {wanted.valid_from} until {wanted.valid_until}", f"At most {longest.days} days"
            )
        if wanted.valid_until <= now:
            raise _refused(tried, f"it ended at {wanted.valid_until}", "Give an end in the future")
        if wanted.valid_from > now + MAX_AHEAD:
            raise _refused(tried, f"it begins at {wanted.valid_from}", f"At most {MAX_AHEAD.days} days ahead")

    def _bounded(self, wanted: WaiverRequest, now: datetime) -> None:
        ids = self._by_subject.get((wanted.subject_digest, wanted.environment), ())
        opened = sum(
            1 for one in ids if self._by_id[one].revoked_at is None and self._by_id[one].valid_until > now
        )  # fmt: skip
        if opened >= MAX_OPEN or len(self._by_id) >= MAX_WAIVERS:
            raise RefusedError(
                "limit_reached", 409, f"waiving {wanted.rule}", f"there are {opened} for this subject already",
                "Revoke those that are not needed",
            )  # fmt: skip

    def _keep(self, waiver: Waiver) -> None:
        self._by_id[waiver.id] = waiver
        self._by_subject.setdefault((waiver.subject_digest, waiver.environment), set()).add(waiver.id)

    async def _record(self, waiver: Waiver, change: str, by: str, now: datetime, statement: Executable) -> None:
        record = {"change": change, "by": by, "at": instant(now), "waiver": _plain(waiver)}
        entry = Entry(kind="waiver", id=waiver.id, record=record)
        messages = self._events_for(change, waiver) if self._events_for is not None else ()
        await self._ledger.append(entry, outbox=messages, also=[*self._changes.claim(waiver.id), statement])


def _signed(waiver: Waiver) -> bool:
    """Tell whether two different people stand behind it and nobody has taken it back."""
    return waiver.signed_by is not None and waiver.signed_by != waiver.requested_by and waiver.revoked_at is None


def _person(caller: Caller, roles: set[Role], tried: str) -> str:
    if caller.actor.kind is not PrincipalKind.PERSON:
        raise RefusedError(
            "person_required", 403, tried, f"{caller.actor.id} is not a person", "Use a key of a person's principal"
        )
    if not roles & caller.roles:
        names = " or ".join(sorted(str(role) for role in roles))
        raise RefusedError("forbidden", 403, tried, f"{caller.actor.id} has not the role {names}", "Ask an admin")
    return caller.actor.id


def _refused(tried: str, found: str, remedy: str) -> RefusedError:
    return RefusedError("invalid_request", 422, tried, found, remedy)


def _plain(waiver: Waiver) -> dict[str, Any]:
    """Return the waiver as JSON without nulls, times in the one form."""
    plain = waiver.model_dump(exclude_none=True)
    return {name: instant(value) if isinstance(value, datetime) else value for name, value in plain.items()}


def _content(waiver: Waiver, now: datetime) -> dict[str, Any]:
    return {"document": _plain(waiver), "updated_at": instant(now)}


def _updated(waiver: Waiver, now: datetime) -> Executable:
    return update(tables.waivers).where(tables.waivers.c.id == waiver.id).values(**_content(waiver, now))


def _document(waiver: Waiver) -> dict[str, Any]:
    """Return the waiver in the form of the input document."""
    return {
        "id": waiver.id,
        "rule": waiver.rule,
        "subject_digest": waiver.subject_digest,
        "environment": waiver.environment,
        "item": list(waiver.item),
        "from": instant(waiver.valid_from),
        "until": instant(waiver.valid_until),
        "requested_by": waiver.requested_by,
        "signed_by": waiver.signed_by,
    }
