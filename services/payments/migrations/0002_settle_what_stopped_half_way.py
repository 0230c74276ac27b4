"""Settle what stopped half-way."""

import sqlalchemy as sa
from alembic import op

revision = "payments_0002"
down_revision = "payments_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here from the revision before."""
    with op.batch_alter_table("payments") as batch_op:
        batch_op.add_column(sa.Column("settle_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(
            "ix_payments_unsettled",
            ["settle_at"],
            unique=False,
            sqlite_where=sa.text("settle_at IS NOT NULL"),
            postgresql_where=sa.text("settle_at IS NOT NULL"),
        )

    with op.batch_alter_table("refunds") as batch_op:
        batch_op.add_column(sa.Column("settle_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(
            "ix_refunds_unfinished",
            ["settle_at"],
            unique=False,
            sqlite_where=sa.text("completed_at IS NULL"),
            postgresql_where=sa.text("completed_at IS NULL"),
        )

    # Nobody would be told of what was under way before.
    op.execute(
        "UPDATE payments SET settle_at = updated_at WHERE status IN ('pending', 'authorised')"
    )
    op.execute("UPDATE refunds SET settle_at = created_at WHERE completed_at IS NULL")

    # What they said is not known any more.  One that comes again is a hint like a new one.
    op.execute("DELETE FROM webhook_events")
    with op.batch_alter_table("webhook_events") as batch_op:
        batch_op.add_column(sa.Column("amount_minor", sa.BigInteger(), nullable=False))
        batch_op.add_column(sa.Column("currency", sa.String(length=3), nullable=False))


def downgrade() -> None:
    """Go back to the revision before."""
    with op.batch_alter_table("webhook_events") as batch_op:
        batch_op.drop_column("currency")
        batch_op.drop_column("amount_minor")

    with op.batch_alter_table("refunds") as batch_op:
        batch_op.drop_index(
            "ix_refunds_unfinished",
            sqlite_where=sa.text("completed_at IS NULL"),
            postgresql_where=sa.text("completed_at IS NULL"),
        )
        batch_op.drop_column("settle_at")

    with op.batch_alter_table("payments") as batch_op:
        batch_op.drop_index(
            "ix_payments_unsettled",
            sqlite_where=sa.text("settle_at IS NOT NULL"),
            postgresql_where=sa.text("settle_at IS NOT NULL"),
        )
        batch_op.drop_column("settle_at")
