"""All tables, as SQLAlchemy Core sees them. Times are text as `moments` writes them, so both databases agree.

The append-only triggers on `ledger_entries` and `ledger_checkpoints` stand in the migrations.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

SCHEMA_REVISION: Final = "0003"
"""The newest migration. Compared with the database's own at start, so that alembic is imported only when needed."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts a key up by itself only when its type is exactly INTEGER.
_COUNTED = BigInteger().with_variant(Integer(), "sqlite")

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("entry_index", _COUNTED, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
)
"""`record`: the canonical bytes. `leaf`: their RFC 6962 leaf hash. `id` and `kind` repeat the record, for look-up."""
# Nearly all entries are decisions, and each index that they touch is another page to sync: so they touch one.
_DECISIONS, _OTHERS = text("kind = 'decision'"), text("kind <> 'decision'")
Index(
    "uq_ledger_entries_decision",
    ledger_entries.c.id,
    unique=True,
    sqlite_where=_DECISIONS,
    postgresql_where=_DECISIONS,
)
for _column in (ledger_entries.c.id, ledger_entries.c.kind):
    Index(
        f"ix_ledger_entries_other_{_column.name}",
        _column,
        ledger_entries.c.entry_index,
        sqlite_where=_OTHERS,
        postgresql_where=_OTHERS,
    )

ledger_head = Table(
    "ledger_head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("recorded_at", Text),
    Column("boot_id", Text),
    Column("clock_offset", BigInteger),
)
"""One row. `frontier`: the roots of the complete subtrees, largest first, 32 bytes each. `recorded_at`: time of the
newest entry. `clock_offset`: microseconds of wall clock minus boot clock under `boot_id`."""

ledger_checkpoints = Table(
    "ledger_checkpoints",
    metadata,
    Column("size", _COUNTED, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _COUNTED, primary_key=True, autoincrement=True),
    Column("sink", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("next_at", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("delivered_at", Text),
    Column("dead", Boolean(create_constraint=False), nullable=False, server_default=false()),
    UniqueConstraint("sink", "dedupe_key"),
)
Index(
    "ix_outbox_waiting",
    outbox.c.next_at,
    sqlite_where=text("delivered_at IS NULL AND NOT dead"),
    postgresql_where=text("delivered_at IS NULL AND NOT dead"),
)

cases = Table(
    "cases",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("sealed", LargeBinary),
    Column("key_id", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("masked_at", Text),
)
"""`sealed`: nonce and ciphertext of the canonical input; null once it has expired or was masked."""
Index("ix_cases_expires_at", cases.c.expires_at)

bundles = Table(
    "bundles",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("revision", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("content_digest", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

principals = Table(
    "principals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("environments", JSON, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("purposes", JSON, nullable=False, server_default="[]"),
    Column("data_classes", JSON, nullable=False, server_default="[]"),
    Column("active", Boolean(create_constraint=False), nullable=False, server_default=true()),
    Column("created_at", Text, nullable=False),
)

aliases = Table(
    "aliases",
    metadata,
    Column("system", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("principal_id", Text, ForeignKey("principals.id"), nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("prefix", Text, primary_key=True),
    Column("mac", LargeBinary, nullable=False),
    Column("principal_id", Text, ForeignKey("principals.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("points", JSON, nullable=False),
    Column("environments", JSON, nullable=False),
    Column("asserts", JSON, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
)

waivers = Table(
    "waivers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("subject_digest", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
)
Index("ix_waivers_subject", waivers.c.subject_digest, waivers.c.environment)

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("environments", JSON, nullable=False),
    Column("author", Text),
    Column("purpose", Text),
    Column("exposure", Text),
    Column("autonomy", Text),
    Column("data_class", Text),
    Column("registered_by", Text, nullable=False),
    Column("registered_at", Text, nullable=False),
    Column("withdrawn_at", Text),
    Column("files", Integer),
    Column("unsafe_files", JSON),
    Column("datasets", JSON),
    Column("hashed_at", Text),
    UniqueConstraint("name", "version"),
)
Index("ix_model_versions_digest", model_versions.c.digest)

model_uris = Table(
    "model_uris",
    metadata,
    Column("locator", Text, primary_key=True),
    Column("model_version_id", Text, ForeignKey("model_versions.id"), primary_key=True),
)

deployments = Table(
    "deployments",
    metadata,
    Column("workload", Text, primary_key=True),
    Column("subject_digest", Text, nullable=False),
    Column("document", JSON, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("decided_at", Text, nullable=False),
)

dataset_facts = Table(
    "dataset_facts",
    metadata,
    Column("urn", Text, primary_key=True),
    Column("fact_group", Text, primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("fact_values", JSON),
    Column("observed_at", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("tier", Text, nullable=False),
)
"""The newest word on each group of each dataset; `fact_values` is null where the catalog took it back."""

dataset_aliases = Table(
    "dataset_aliases",
    metadata,
    Column("alias_urn", Text, primary_key=True),
    Column("urn", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("observed_at", Text, nullable=False),
)
"""Other names of datasets. One name can be that of several: a table and a view over the same folder."""

lineage_edges = Table(
    "lineage_edges",
    metadata,
    Column("source_urn", Text, primary_key=True),
    Column("target_urn", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("observed_at", Text, nullable=False),
)
Index("ix_lineage_edges_target", lineage_edges.c.target_urn)

standing = Table(
    "standing",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("request", JSON, nullable=False),
    Column("asking", JSON, nullable=False),
    Column("datasets", JSON, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("decided_at", Text, nullable=False),
)
"""What was allowed and still holds: the request as it was judged, so that it can be judged again."""

violations = Table(
    "violations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("violation_key", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("opened_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("resolved_at", Text),
    Column("resolution", Text),
)
_OPEN = text("resolved_at IS NULL")
Index(
    "uq_violations_open",
    violations.c.kind,
    violations.c.violation_key,
    unique=True,
    sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", _COUNTED, primary_key=True, autoincrement=True),
    Column("adapter", Text, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("sender", JSON, nullable=False),
    Column("received_at", Text, nullable=False),
    Column("processed_at", Text),
    Column("problem", Text),
    Column("claimed_by", Text),
    Column("claimed_until", Text),
    UniqueConstraint("adapter", "dedupe_key"),
)
"""Foreign events, on disk before they are answered. `problem`: why one could not be processed; it stays as it came."""
_WAITING = text("processed_at IS NULL")
Index("ix_inbox_waiting", inbox.c.adapter, inbox.c.id, sqlite_where=_WAITING, postgresql_where=_WAITING)

register_versions = Table(
    "register_versions",
    metadata,
    Column("register", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("token", Text, nullable=False),
)
"""How often each register was changed, where several servers may; `token` is another one after each change."""

register_changes = Table(
    "register_changes",
    metadata,
    Column("register", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("changed_key", Text, primary_key=True),
)
"""What the newest versions changed, so that a server reads again only that."""

key_fingerprints = Table(
    "key_fingerprints",
    metadata,
    Column("name", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
)
"""With which keys the database was made. A fingerprint is a digest of a random key, and tells nothing of it."""

LEDGER_TABLES: Final = frozenset({ledger_entries, ledger_head, ledger_checkpoints})
"""Only the ledger's own writer changes these."""
