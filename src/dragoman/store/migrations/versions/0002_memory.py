"""What outlives a call."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes its table."""
    op.create_table(
        "memory",
        sa.Column("key", sa.Text, primary_key=True, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_index("memory_until", "memory", ["until"])


def downgrade() -> None:
    """Drops it."""
    op.drop_table("memory")
