"""Keep devices, guesses and events."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "auth_0003"
down_revision = "auth_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here from the revision before."""
    op.create_table(
        "delays",
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    with op.batch_alter_table("delays", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_delays_account"), ["account"], unique=False)
        batch_op.create_index(batch_op.f("ix_delays_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "guesses",
        sa.Column("attempt", sa.String(length=32), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=32), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("attempt", "key"),
    )
    with op.batch_alter_table("guesses", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_guesses_account"), ["account"], unique=False)
        batch_op.create_index(batch_op.f("ix_guesses_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index("ix_guesses_key_expires_at", ["key", "expires_at"], unique=False)

    op.create_table(
        "outbox_events",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("aggregate_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("died_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("sequence"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("outbox_events", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbox_events_aggregate_id"), ["aggregate_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_outbox_events_next_attempt_at"), ["next_attempt_at"], unique=False
        )

    op.create_table(
        "devices",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_devices_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(
            "ix_devices_user_id_created_at", ["user_id", "created_at"], unique=False
        )
    _tell_of_everybody()


def _tell_of_everybody() -> None:
    """Have accounts opened for the users that there are."""
    users = sa.table("users", *map(sa.column, ("id", "username", "email", "created_at")))
    query = sa.select(users.c.id, users.c.username, users.c.email).order_by(users.c.created_at)
    moment = sa.DateTime(timezone=True)
    outbox = sa.table(
        "outbox_events",
        *map(sa.column, ("id", "aggregate_id", "type", "payload", "attempts")),
        *(sa.column(name, moment) for name in ("created_at", "next_attempt_at")),
    )
    now = datetime.now(UTC)
    op.bulk_insert(outbox, [_event(user, now) for user in op.get_bind().execute(query)])


def _event(user: sa.Row[Any, Any, Any], now: datetime) -> dict[str, Any]:
    data = {"user_id": user.id, "username": user.username, "email": user.email, "language": None}
    name = {"id": str(uuid.uuid4()), "type": "user.imported", "aggregate_id": user.id}
    envelope = {**name, "version": 1, "occurred_at": now.isoformat(), "request_id": None}
    payload = json.dumps({**envelope, "data": data})
    waiting = {"attempts": 0, "created_at": now, "next_attempt_at": now}
    return {**name, "payload": payload, **waiting}


def downgrade() -> None:
    """Go back to the revision before."""
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.drop_index("ix_devices_user_id_created_at")
        batch_op.drop_index(batch_op.f("ix_devices_expires_at"))

    op.drop_table("devices")
    with op.batch_alter_table("outbox_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_events_next_attempt_at"))
        batch_op.drop_index(batch_op.f("ix_outbox_events_aggregate_id"))

    op.drop_table("outbox_events")
    with op.batch_alter_table("guesses", schema=None) as batch_op:
        batch_op.drop_index("ix_guesses_key_expires_at")
        batch_op.drop_index(batch_op.f("ix_guesses_expires_at"))
        batch_op.drop_index(batch_op.f("ix_guesses_account"))

    op.drop_table("guesses")
    with op.batch_alter_table("delays", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_delays_expires_at"))
        batch_op.drop_index(batch_op.f("ix_delays_account"))

    op.drop_table("delays")
