"""What was told of one asset is found without reading what was told of all others."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index("ix_events_asset", "events", ["asset", "ms", "number"])


def downgrade() -> None:
    op.drop_index("ix_events_asset", "events")
