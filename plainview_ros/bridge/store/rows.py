"""Rows on their way into the database, as plain values.

Nothing of SQLAlchemy here: rows are made on the asyncio side, before the database is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

Value: TypeAlias = str | int | float | None
"""What every database, the spool and JSON can hold; NaN and infinity are ``None``."""

TELEMETRY_TABLES = frozenset({"flow_metrics"})
"""Worth their newest rows: these go first when there is no place left. Rows of all other tables are never given up."""


class Row(NamedTuple):
    """One row of one table; written twice it is there once."""

    table: str
    values: Mapping[str, Value]

    @property
    def size(self) -> int:
        """Characters of its texts: what makes one row take more memory than another."""
        return sum(len(value) for value in self.values.values() if type(value) is str)

    @property
    def is_telemetry(self) -> bool:
        """Whether it may be given up."""
        return self.table in TELEMETRY_TABLES
