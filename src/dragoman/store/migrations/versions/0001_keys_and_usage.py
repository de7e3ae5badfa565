"""Keys, and the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes all tables."""
    _make_keys()
    _make_usage()
    _make_sums()


def downgrade() -> None:
    """Drops all tables."""
    for name in ("spent", "usage_days", "usage", "trims", "digests", "keys", "revisions"):
        op.drop_table(name)


def _make_keys() -> None:
    revisions = op.create_table("revisions", sa.Column("number", sa.BigInteger, nullable=False))
    op.bulk_insert(revisions, [{"number": 0}])
    op.create_table(
        "keys",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("grant_json", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("revoked", sa.Double),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    unrevoked = sa.text("revoked IS NULL")
    op.create_index("keys_name", "keys", ["name"], unique=True, sqlite_where=unrevoked, postgresql_where=unrevoked)
    op.create_index("keys_revision", "keys", ["revision"])
    op.create_table(
        "digests",
        sa.Column("digest", sa.Text, primary_key=True, nullable=False),
        sa.Column("key_id", sa.Text, sa.ForeignKey("keys.id"), nullable=False, index=True),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("until", sa.Double),
    )


def _make_usage() -> None:
    op.create_table(
        "usage",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        *_grouped("day", "key", "model", "backend", "surface", primary=False),
        *_counted("prompt_tokens", "completion_tokens"),
        sa.Column("estimated", sa.Integer, nullable=False),
        *_counted("cost"),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("first", sa.Double),
        sa.Column("total", sa.Double, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
    )
    op.create_index("usage_at", "usage", ["at"])
    op.create_index("usage_key_at", "usage", ["key", "at"])
    trims = op.create_table("trims", sa.Column("before", sa.Double, nullable=False))
    op.bulk_insert(trims, [{"before": 0.0}])


def _make_sums() -> None:
    op.create_table(
        "usage_days",
        *_grouped("day", "key", "model", "backend", "surface"),
        *_counted("calls", "failed", "prompt_tokens", "completion_tokens", "estimated", "cost"),
        sa.Column("seconds", sa.Double, nullable=False),
    )
    op.create_table("spent", *_grouped("key", "model", "period"), *_counted("tokens", "cost"))
    op.create_index("spent_period", "spent", ["period"])


def _grouped(*names: str, primary: bool = True) -> list["sa.Column[str]"]:
    return [sa.Column(name, sa.Text, primary_key=primary, nullable=False) for name in names]


def _counted(*names: str) -> list["sa.Column[int]"]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]
