"""The tables, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, Table, Text

metadata = MetaData()

BEGAN = "log.began"
"""Type and source of a row that is no event: it stands for those up to its id that are not here."""

events = Table(
    "events",
    metadata,
    Column("ms", BigInteger, primary_key=True, autoincrement=False, comment="of the id: since the epoch"),
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="of the id: within the millisecond"),
    Column("source", Text, primary_key=True, comment="names the happening in every bridge; empty: nothing does"),
    Column("type", Text, nullable=False),
    Column("asset", Text, nullable=False, comment="id of what it is about; empty: nothing"),
    Column("data", Text, nullable=False, comment="JSON as the clients get it"),
    comment="What was told on /events, but for telemetry",
    sqlite_with_rowid=False,  # stored in the order of the key, which is the order they are read in
)
"""The key makes a repeated insert nothing. Pages of it are all that is asked for now, so there is no other index."""
