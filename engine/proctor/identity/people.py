"""The register: principals, logins and keys in memory, written through to the database and the ledger.

Reading touches no disk, because every request is authenticated. Each change is one ledger entry with its state row in
the same transaction, and counts only once that is on disk; taking something away counts at once.
"""

import asyncio
import dataclasses
import hashlib
import hmac
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Executable, Table, insert, select, update

from proctor.errors import NotFoundError, RefusedError
from proctor.identity import keys as api_keys
from proctor.identity import principals, scope
from proctor.identity.keys import ApiKey
from proctor.identity.lockout import Lockout
from proctor.identity.principals import Principal
from proctor.ledger.journal import Journal
from proctor.ledger.records import Entry
from proctor.store import tables
from proctor.store.database import Database
from proctor.store.moments import to_text as instant
from proctor.vocabulary.principal import UNRESOLVED, Actor, Caller, PrincipalKind, Role

MAX_PRINCIPALS: Final = 100_000
MAX_ALIASES: Final = 200_000
MAX_KEYS: Final = 20_000
MAX_DAYS: Final = 730
"""Longest life of a key, in days."""
DEFAULT_DAYS: Final = 90


_Content = tuple[dict[str, Principal], dict[tuple[str, str], str], dict[str, ApiKey]]
"""Principals, owners of logins, and keys."""


class Time(Protocol):
    """The engine's clock."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        ...


class Register:
    """Implements `plugins.People`, and authenticates callers."""

    def __init__(
        self,
        *,
        database: Database,
        ledger: Journal,
        clock: Time,
        pepper: bytes,
        monotonic: Callable[[], float],
        lockout: Lockout | None = None,
    ) -> None:
        self._following = database.following
        self._ledger = ledger
        self._clock = clock
        self._pepper = pepper
        self._monotonic = monotonic
        self._lockout = lockout or Lockout()
        self._changes = database.following.add("people", self)
        self._principals: dict[str, Principal] = {}
        self._aliases: dict[tuple[str, str], str] = {}
        self._keys: dict[str, ApiKey] = {}
        self.on_change: Callable[[str | None], None] | None = None
        """Called when somebody became nobody (None), or a login of the named system somebody's, once it is on disk."""

    async def load(self) -> None:
        """Read the whole register into memory. Call it once, before anything else."""
        await asyncio.to_thread(self._changes.load)

    def read(self, connection: Connection, keys: frozenset[str] | None) -> _Content:  # noqa: ARG002 (see there)
        """Read all three tables, whatever has changed: people come and go rarely."""
        people = [principals.from_row(row) for row in _rows(connection, tables.principals)]
        issued = [api_keys.from_row(row) for row in _rows(connection, tables.api_keys)]
        return (
            {principal.id: principal for principal in people},
            {(row["system"], row["name"]): row["principal_id"] for row in _rows(connection, tables.aliases)},
            {key.prefix: key for key in issued},
        )

    def apply(self, found: _Content) -> None:
        """Put what was read in the place of what was known."""
        active = {one.id for one in self._principals.values() if one.active}
        linked = set(self._aliases)
        self._principals, self._aliases, self._keys = found
        if any(self.principal(one) is None for one in active):
            self._tell(None)
        for system in {system for system, _ in set(self._aliases) - linked}:
            self._tell(system)

    # --- Reading -----------------------------------------------------------------------------------------------------

    def principal(self, principal_id: str) -> Principal | None:
        """Return an active principal, or None."""
        found = self._principals.get(principal_id)
        return found if found is not None and found.active else None

    def principals(self) -> list[tuple[Principal, list[tuple[str, str]]]]:
        """Return all principals with their logins (system, name), oldest first."""
        logins: dict[str, list[tuple[str, str]]] = {}
        for login, owner in self._aliases.items():
            logins.setdefault(owner, []).append(login)
        ordered = sorted(self._principals.values(), key=lambda one: (one.created_at, one.id))
        return [(principal, sorted(logins.get(principal.id, []))) for principal in ordered]

    def issued(self) -> list[ApiKey]:
        """Return all keys, oldest first, those that are no longer in force as well."""
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.prefix))

    def resolve(self, system: str, name: str) -> Actor:
        """Return whom a login of `system` belongs to; an actor of kind `unresolved` where nobody linked it."""
        principal = self.principal(self._aliases.get((system, name), ""))
        if principal is None:
            return Actor(id=f"{UNRESOLVED}:{system}", kind=PrincipalKind.UNRESOLVED, authenticated_by=system)
        return principal.actor(system)

    def shown(self, system: str, name: str) -> str:
        """Return how the ledger names whoever a login of `system` belongs to: the principal, or a keyed fingerprint."""
        return self._aliases.get((system, name)) or self._fingerprint(f"{system}\x00{name}")

    def authenticate(self, header: str | None, client: str) -> Caller:
        """Return who calls, from the `Authorization` header of a request that came from the address `client`.

        Raises `RefusedError`: `unauthenticated` (401), the same for an unknown, wrong, expired and revoked key, or
        `locked_out` (429). An unknown prefix costs the same work as a wrong secret, so that time tells neither.
        """
        read = api_keys.read_header(header)
        prefix, text = read if read is not None else ("", "")
        key = self._keys.get(prefix)
        # Only prefixes that exist get an entry of their own, so that inventing prefixes does not evade the count.
        counted = prefix if key is not None else ""
        now = self._monotonic()
        if (wait := self._lockout.remaining(client, counted, now)) > 0 and header is not None:
            raise RefusedError(
                "locked_out", 429, "authenticating", "too many failures from this address",
                f"Wait {int(wait) + 1} seconds, then use a key that is in force",
            )  # fmt: skip
        same = hmac.compare_digest(
            api_keys.mac(self._pepper, text), key.mac if key is not None else bytes(hashlib.sha256().digest_size)
        )
        principal = self.principal(key.principal_id) if key is not None else None
        if not same or key is None or principal is None or not key.usable(instant(self._clock.now())):
            if header is not None:
                self._lockout.failed(client, counted, now)
            raise RefusedError(
                "unauthenticated", 401, "authenticating",
                "no credential" if header is None else "the credential is not a key that is in force",
                "Send 'Authorization: Bearer prk_...'; an admin makes a key with 'proctor key create'",
            )  # fmt: skip
        self._lockout.succeeded(client, counted)
        return _caller(principal, key)

    # --- Changing ----------------------------------------------------------------------------------------------------

    async def add(
        self,
        kind: PrincipalKind,
        name: str,
        roles: Iterable[Role],
        environments: Iterable[str],
        by: str,
        *,
        purposes: Iterable[str] = (),
        data_classes: Iterable[str] = (),
    ) -> Principal:
        """Add a principal and return it. `by` is the id of whoever does it.

        Raises `RefusedError` for a value that can't be one, `LedgerError` when it can't be recorded.
        """
        principal = Principal(
            id=principals.mint(kind),
            kind=kind,
            name=principals.checked_name(name, "name of the principal"),
            environments=principals.checked_environments(tuple(environments)),
            roles=tuple(dict.fromkeys(roles)),
            active=True,
            created_at=instant(self._clock.now()),
            purposes=principals.checked_purposes(tuple(purposes)),
            data_classes=principals.checked_data_classes(tuple(data_classes)),
        )
        async with self._changes.writing():
            _bounded(len(self._principals), MAX_PRINCIPALS, "principals")
            await self._record_principal(principal, "added", by, insert(tables.principals).values(**principal.row()))
            self._principals[principal.id] = principal
        return principal

    async def grant(
        self, principal_id: str, *, purposes: Iterable[str], data_classes: Iterable[str], by: str
    ) -> Principal:
        """Set for which purposes and on which classes of data a principal may train. Raises `NotFoundError`."""
        async with self._changes.writing():
            principal = dataclasses.replace(
                self._existing(principal_id),
                purposes=principals.checked_purposes(tuple(purposes)),
                data_classes=principals.checked_data_classes(tuple(data_classes)),
            )
            change = (
                update(tables.principals)
                .where(tables.principals.c.id == principal_id)
                .values(purposes=list(principal.purposes), data_classes=list(principal.data_classes))
            )
            await self._record_principal(principal, "granted", by, change)
            self._principals[principal_id] = principal
        return principal

    async def deactivate(self, principal_id: str, by: str) -> Principal:
        """Make a principal nobody: its keys and logins count no more, from this moment. Raises `NotFoundError`."""
        async with self._changes.writing():
            principal = dataclasses.replace(self._existing(principal_id), active=False)
            self._principals[principal_id] = principal
            change = update(tables.principals).where(tables.principals.c.id == principal_id).values(active=False)
            await self._record_principal(principal, "deactivated", by, change)
        self._tell(None)
        return principal

    async def link(self, principal_id: str, system: str, name: str, by: str) -> None:
        """Link a login of another system to a principal. One login leads to one principal, for ever.

        Raises `NotFoundError`, or `RefusedError` when the login is linked already.
        """
        principals.checked_system(system)
        principals.checked_name(name, "login")
        async with self._changes.writing():
            principal = self._existing(principal_id)
            owner = self._aliases.get((system, name))
            if owner == principal_id:
                return
            if owner is not None:
                raise RefusedError(
                    "conflict", 409, f"linking a login of {system}", f"it is linked to {owner}",
                    "Use the principal that it is linked to; a login never changes hands",
                )  # fmt: skip
            _bounded(len(self._aliases), MAX_ALIASES, "logins")
            login = self._fingerprint(f"{system}\x00{name}")
            change = insert(tables.aliases).values(system=system, name=name, principal_id=principal_id)
            await self._record_principal(principal, "linked", by, change, system=system, login=login)
            self._aliases[system, name] = principal_id
        self._tell(system)

    async def create_key(  # noqa: PLR0913 (each is one column of the key)
        self,
        principal_id: str,
        *,
        kind: str = "plain",
        roles: Iterable[Role],
        points: Iterable[str],
        environments: Iterable[str],
        asserts: Iterable[str] = (),
        days: int = DEFAULT_DAYS,
        by: str,
    ) -> tuple[ApiKey, str]:
        """Make a key and return it with its text, which is shown once and kept nowhere.

        Raises `NotFoundError`, or `RefusedError` for a value that can't be one, for roles that the principal does
        not have, and for assertions of a key that is neither of kind `gate` nor `catalog`.
        """
        async with self._changes.writing():
            principal = self._existing(principal_id)
            _bounded(len(self._keys), MAX_KEYS, "keys")
            now = self._clock.now()
            prefix, text = api_keys.mint()
            while prefix in self._keys:
                prefix, text = api_keys.mint()
            key = ApiKey(
                prefix=prefix,
                mac=api_keys.mac(self._pepper, text),
                principal_id=principal_id,
                kind=kind,
                roles=tuple(dict.fromkeys(roles)),
                points=tuple(dict.fromkeys(points)),
                environments=principals.checked_environments(tuple(environments)),
                asserts=tuple(dict.fromkeys(asserts)),
                created_at=instant(now),
                expires_at=instant(now + timedelta(days=_days(days))),
                revoked_at=None,
            )
            scope.check(key, principal)
            await self._record_key(key, "created", by, insert(tables.api_keys).values(**key.row()))
            self._keys[prefix] = key
        return key, text

    async def revoke_key(self, prefix: str, by: str) -> ApiKey:
        """Revoke a key, from this moment. Raises `NotFoundError`; revoking again changes nothing."""
        async with self._changes.writing():
            key = self._keys.get(prefix)
            if key is None:
                raise NotFoundError(
                    f"revoking the key {prefix!r:.40}", "there is no such key", "See 'proctor key list'"
                )
            if key.revoked_at is not None:
                return key
            key = dataclasses.replace(key, revoked_at=instant(self._clock.now()))
            self._keys[prefix] = key
            change = update(tables.api_keys).where(tables.api_keys.c.prefix == prefix).values(revoked_at=key.revoked_at)
            await self._record_key(key, "revoked", by, change)
        return key

    async def bootstrap(self) -> str | None:
        """Make an admin service and its key when there is no key at all, and return the key's text; else None.

        Of several servers that start on an empty database at the same time, one makes it.
        """
        async with self._following.lock("bootstrap"):
            await self._following.look()
            return None if self._keys else await self._bootstrap()

    async def _bootstrap(self) -> str:
        admin = await self.add(PrincipalKind.SERVICE, "admin", [Role.ADMIN], [], principals.LOCAL_OPERATOR)
        _, text = await self.create_key(
            admin.id, roles=[Role.ADMIN], points=["*"], environments=["*"], days=365, by=principals.LOCAL_OPERATOR
        )
        return text

    # --- Inside ------------------------------------------------------------------------------------------------------

    def _tell(self, system: str | None) -> None:
        if self.on_change is not None:
            self.on_change(system)

    def _existing(self, principal_id: str) -> Principal:
        principal = self.principal(principal_id)
        if principal is None:
            raise NotFoundError(
                f"looking for the principal {principal_id!r:.80}", "there is no active one",
                "See 'proctor principal list'",
            )  # fmt: skip
        return principal

    def _fingerprint(self, text: str) -> str:
        """Return a keyed digest of a personal text: equal texts are recognised, and nobody can guess them."""
        return "hmac-sha256:" + hmac.new(self._pepper, text.encode(), hashlib.sha256).hexdigest()

    async def _record_principal(
        self, principal: Principal, change: str, by: str, statement: Executable, **more: str
    ) -> None:
        record = {
            "change": change,
            "principal": principal.id,
            "kind": str(principal.kind),
            "name": self._fingerprint(principal.name),
            "roles": [str(role) for role in principal.roles],
            "environments": list(principal.environments),
            "purposes": list(principal.purposes),
            "data_classes": list(principal.data_classes),
            "by": by,
            "at": instant(self._clock.now()),
            **more,
        }
        entry = Entry(kind="principal", id=principal.id, record=record)
        await self._ledger.append(entry, also=[*self._changes.claim(principal.id), statement])

    async def _record_key(self, key: ApiKey, change: str, by: str, statement: Executable) -> None:
        record = {"change": change, **key.public(), "by": by, "at": instant(self._clock.now())}
        entry = Entry(kind="key", id=f"{api_keys.SCHEME}_{key.prefix}", record=record)
        await self._ledger.append(entry, also=[*self._changes.claim(key.prefix), statement])


def _rows(connection: Connection, table: Table) -> list[dict[str, Any]]:
    return [row._asdict() for row in connection.execute(select(table))]


def _caller(principal: Principal, key: ApiKey) -> Caller:
    return Caller(
        actor=principal.actor("api-key"),
        # A key never outlives a role that its principal has lost.
        roles=frozenset(key.roles) & frozenset(principal.roles),
        points=frozenset(key.points),
        environments=frozenset(key.environments),
        asserts=frozenset(key.asserts),
        credential=f"{api_keys.SCHEME}_{key.prefix}",
    )


def _days(days: int) -> int:
    if not 1 <= days <= MAX_DAYS:
        raise RefusedError(
            "invalid_request", 422, "reading the life of the key", f"{days} days", f"Give 1 to {MAX_DAYS}"
        )
    return days


def _bounded(count: int, limit: int, what: str) -> None:
    if count >= limit:
        raise RefusedError(
            "limit_reached", 409, f"adding one of the {what}", f"there are {count}", "Remove unused ones"
        )
