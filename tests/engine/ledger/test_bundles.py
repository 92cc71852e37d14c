import pytest
from sqlalchemy import update

from proctor.errors import LedgerError
from proctor.ledger.bundles import BundleStore
from proctor.ledger.clock import Clock
from proctor.store.database import Database
from proctor.store.tables import bundles

ARCHIVE = b"\x1f\x8bthe archive"


def test_a_bundle_is_kept_once_by_its_digest(database: Database) -> None:
    store = BundleStore(database, Clock())
    assert store.get("sha256:1") is None
    assert store.put("sha256:1", "r1", ARCHIVE)
    assert not store.put("sha256:1", "r1", b"the same policy, packed again")
    found = store.get("sha256:1")
    assert found is not None
    assert (found.revision, found.content) == ("r1", ARCHIVE)


def test_changed_bytes_are_an_error(database: Database) -> None:
    store = BundleStore(database, Clock())
    store.put("sha256:1", "r1", ARCHIVE)
    database.write(update(bundles).values(content=b"weaker rules"))
    with pytest.raises(LedgerError, match="were changed"):
        store.get("sha256:1")
