"""What was told on /events. A database that has the table already, of before there were migrations, keeps it."""

from alembic import op
from sqlalchemy import BigInteger, Column, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "events",
        Column("ms", BigInteger, primary_key=True, autoincrement=False, comment="of the id: since the epoch"),
        Column(
            "number", BigInteger, primary_key=True, autoincrement=False, comment="of the id: within the millisecond"
        ),
        Column("source", Text, primary_key=True, comment="names the happening in every bridge; empty: nothing does"),
        Column("type", Text, nullable=False),
        Column("asset", Text, nullable=False, comment="id of what it is about; empty: nothing"),
        Column("data", Text, nullable=False, comment="JSON as the clients get it"),
        comment="What was told on /events, but for telemetry",
        sqlite_with_rowid=False,
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("events")
