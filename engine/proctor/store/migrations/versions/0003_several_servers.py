"""What several servers on one database need: versions of the registers, claims in the inbox, whose keys these are."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and add the columns."""
    op.create_table(
        "register_versions",
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("register", name="pk_register_versions"),
    )
    op.create_table(
        "register_changes",
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("register", "version", "changed_key", name="pk_register_changes"),
    )
    op.create_table(
        "key_fingerprints",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_key_fingerprints"),
    )
    for name in ("claimed_by", "claimed_until"):
        op.add_column("inbox", sa.Column(name, sa.Text()))
