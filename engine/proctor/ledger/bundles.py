"""The bundle store: every policy that ever judged, by its digest, so that decisions can be replayed under it."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from proctor.errors import LedgerError
from proctor.ledger.clock import Clock
from proctor.store.database import Database
from proctor.store.moments import to_text
from proctor.store.tables import bundles
from proctor.vocabulary.canonical import digest_bytes


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle as it was built: the signed archive and what it is known by."""

    digest: str
    revision: str
    created_at: str
    content: bytes = field(repr=False)


class BundleStore:
    """Keeps bundles for good. Any thread may call it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def put(self, digest: str, revision: str, content: bytes) -> bool:
        """Keep a bundle under the digest of its policy; tell whether it is new.

        The digest is over what the archive holds, so two archives of one policy may differ in bytes (times,
        signature): the first stays. Raises `StateError` when the database does not take it.
        """
        if self._database.read(select(bundles.c.digest).where(bundles.c.digest == digest)):
            return False
        values = {
            "digest": digest,
            "revision": revision,
            "content": content,
            "content_digest": digest_bytes(content),
            "created_at": to_text(self._clock.now()),
        }

        def keep(connection: Connection) -> bool:
            # Two servers can come to the same policy at the same time.
            make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            fresh = make(bundles).values(**values).on_conflict_do_nothing().returning(bundles.c.digest)
            return connection.execute(fresh).first() is not None

        return self._database.transact(keep)

    def get(self, digest: str) -> StoredBundle | None:
        """Return the bundle with `digest`; raise `LedgerError` when its bytes have changed since it was kept."""
        rows = self._database.read(select(bundles).where(bundles.c.digest == digest))
        if not rows:
            return None
        row = rows[0]
        content = bytes(row.content)
        if digest_bytes(content) != row.content_digest:
            raise LedgerError(
                f"reading the bundle {digest}", "its bytes were changed", "Build it again from its source"
            )
        return StoredBundle(row.digest, row.revision, row.created_at, content)
