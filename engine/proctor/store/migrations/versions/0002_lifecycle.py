"""What the whole way of a model needs: catalog facts and lineage, standing decisions, violations, an inbox."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns and create the tables."""
    _columns()
    _catalog()
    _judging()
    _inbox()


def _columns() -> None:
    for name in ("purposes", "data_classes"):
        op.add_column("principals", sa.Column(name, sa.JSON(), server_default="[]", nullable=False))
    op.add_column("model_versions", sa.Column("files", sa.Integer()))
    for name in ("unsafe_files", "datasets"):
        op.add_column("model_versions", sa.Column(name, sa.JSON()))
    op.add_column("model_versions", sa.Column("hashed_at", sa.Text()))


def _catalog() -> None:
    op.create_table(
        "dataset_facts",
        sa.Column("urn", sa.Text(), nullable=False),
        sa.Column("fact_group", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fact_values", sa.JSON()),
        sa.Column("observed_at", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("urn", "fact_group", name="pk_dataset_facts"),
    )
    op.create_table(
        "dataset_aliases",
        sa.Column("alias_urn", sa.Text(), nullable=False),
        sa.Column("urn", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alias_urn", "urn", name="pk_dataset_aliases"),
    )
    op.create_table(
        "lineage_edges",
        sa.Column("source_urn", sa.Text(), nullable=False),
        sa.Column("target_urn", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source_urn", "target_urn", "job", name="pk_lineage_edges"),
    )
    op.create_index("ix_lineage_edges_target", "lineage_edges", ["target_urn"])


def _judging() -> None:
    op.create_table(
        "standing",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("asking", sa.JSON(), nullable=False),
        sa.Column("datasets", sa.JSON(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "stage", "environment", name="pk_standing"),
    )
    op.create_table(
        "violations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("violation_key", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("opened_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.Text()),
        sa.Column("resolution", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_violations"),
    )
    still_open = sa.text("resolved_at IS NULL")
    op.create_index(
        "uq_violations_open",
        "violations",
        ["kind", "violation_key"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", COUNTED, autoincrement=True, nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sender", sa.JSON(), nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
        sa.Column("processed_at", sa.Text()),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.UniqueConstraint("adapter", "dedupe_key", name="uq_inbox_adapter_dedupe_key"),
    )
    waiting = sa.text("processed_at IS NULL")
    op.create_index("ix_inbox_waiting", "inbox", ["adapter", "id"], sqlite_where=waiting, postgresql_where=waiting)
