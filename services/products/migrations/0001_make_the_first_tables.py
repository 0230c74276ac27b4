"""Make the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "products_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here from the revision before."""
    op.create_table(
        "products",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "title",
            sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("brand", sa.String(length=100), nullable=False),
        sa.Column(
            "category",
            sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("stock", sa.Integer(), nullable=False),
        sa.Column("thumbnail", sa.String(length=500), nullable=True),
        sa.Column("tag_text", sa.String(length=500), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("source_key", sa.String(length=2000), nullable=True),
        sa.CheckConstraint("stock >= 0", name="stock_never_negative"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source_key"),
    )
    with op.batch_alter_table("products") as batch_op:
        batch_op.create_index("ix_products_category", ["category", "id"], unique=False)
        batch_op.create_index("ix_products_price", ["price_minor", "id"], unique=False)
        batch_op.create_index("ix_products_title", ["title", "id"], unique=False)

    op.create_table(
        "reservations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("reservations") as batch_op:
        batch_op.create_index("ix_reservations_due", ["status", "expires_at"], unique=False)

    op.create_table(
        "reservation_lines",
        sa.Column("reservation_id", sa.String(length=64), nullable=False),
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.CheckConstraint("quantity > 0", name="quantity_positive"),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["products.id"],
        ),
        sa.ForeignKeyConstraint(
            ["reservation_id"],
            ["reservations.id"],
        ),
        sa.PrimaryKeyConstraint("reservation_id", "product_id"),
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("reservation_lines")
    with op.batch_alter_table("reservations") as batch_op:
        batch_op.drop_index("ix_reservations_due")

    op.drop_table("reservations")
    with op.batch_alter_table("products") as batch_op:
        batch_op.drop_index("ix_products_title")
        batch_op.drop_index("ix_products_price")
        batch_op.drop_index("ix_products_category")

    op.drop_table("products")
