"""Let amounts be as large as money can be."""

import sqlalchemy as sa
from alembic import op

revision = "orders_0002"
down_revision = "orders_0001"
branch_labels = None
depends_on = None

# A copy of a table keeps no check that has no name.
POSITIVE = sa.CheckConstraint("quantity > 0")


def upgrade() -> None:
    """Bring the tables here from the revision before."""
    with op.batch_alter_table("cart_items", table_args=(POSITIVE,)) as batch_op:
        batch_op.alter_column(
            "price_minor",
            existing_type=sa.INTEGER(),
            type_=sa.BigInteger(),
            existing_nullable=False,
        )

    with op.batch_alter_table("order_items") as batch_op:
        batch_op.alter_column(
            "price_minor", existing_type=sa.INTEGER(), type_=sa.BigInteger(), existing_nullable=True
        )
        batch_op.alter_column(
            "expected_minor",
            existing_type=sa.INTEGER(),
            type_=sa.BigInteger(),
            existing_nullable=True,
        )

    with op.batch_alter_table("orders") as batch_op:
        batch_op.alter_column(
            "total_minor", existing_type=sa.INTEGER(), type_=sa.BigInteger(), existing_nullable=True
        )


def downgrade() -> None:
    """Go back to the revision before."""
    with op.batch_alter_table("orders") as batch_op:
        batch_op.alter_column(
            "total_minor", existing_type=sa.BigInteger(), type_=sa.INTEGER(), existing_nullable=True
        )

    with op.batch_alter_table("order_items") as batch_op:
        batch_op.alter_column(
            "expected_minor",
            existing_type=sa.BigInteger(),
            type_=sa.INTEGER(),
            existing_nullable=True,
        )
        batch_op.alter_column(
            "price_minor", existing_type=sa.BigInteger(), type_=sa.INTEGER(), existing_nullable=True
        )

    with op.batch_alter_table("cart_items", table_args=(POSITIVE,)) as batch_op:
        batch_op.alter_column(
            "price_minor",
            existing_type=sa.BigInteger(),
            type_=sa.INTEGER(),
            existing_nullable=False,
        )
