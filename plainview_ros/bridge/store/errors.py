"""What the database says no with."""

from __future__ import annotations


class DatabaseError(Exception):
    """The database is away, full, locked or not as it should be; the text says which, in one line."""
