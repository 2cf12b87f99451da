"""What the database and the spool say no with."""

from __future__ import annotations


class DatabaseError(Exception):
    """The database is away, full, locked or not as it should be; the text says which, in one line."""


class DiskFullError(DatabaseError):
    """There is no room where it writes."""


class RefusedError(DatabaseError):
    """It is there, and will never take what it was given."""


class BusyError(Exception):
    """Somebody else has the lock of what was to be done."""


class SpoolError(Exception):
    """The spool cannot be used now; the text says why, in one line."""


class SpoolFullError(SpoolError):
    """It has its bytes, and none of them may be given up; or the disk has no room for more."""

    def __init__(self, text: str, of_disk: bool) -> None:
        super().__init__(text)
        self.of_disk = of_disk
