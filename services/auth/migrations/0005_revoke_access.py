"""Revoke access."""

import sqlalchemy as sa
from alembic import op

revision = "auth_0005"
down_revision = "auth_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here from the revision before."""
    op.create_table(
        "revocations",
        sa.Column("access_id", sa.String(length=32), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("access_id"),
    )
    with op.batch_alter_table("revocations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_revocations_revoked_at"), ["revoked_at"], unique=False)

    op.add_column("login_sessions", sa.Column("access_id", sa.String(length=32), nullable=True))
    # Tokens from before name the session itself.
    op.execute("UPDATE login_sessions SET access_id = id")
    with op.batch_alter_table("login_sessions", schema=None) as batch_op:
        batch_op.alter_column("access_id", existing_type=sa.String(length=32), nullable=False)
        batch_op.create_index(batch_op.f("ix_login_sessions_access_id"), ["access_id"], unique=True)


def downgrade() -> None:
    """Go back to the revision before."""
    with op.batch_alter_table("login_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_login_sessions_access_id"))
        batch_op.drop_column("access_id")

    with op.batch_alter_table("revocations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_revocations_revoked_at"))

    op.drop_table("revocations")
