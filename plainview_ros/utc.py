"""Times as people write them, in seconds since the epoch. A time without an offset is UTC, never local time."""

from __future__ import annotations

from datetime import date, datetime, timezone


def moment_s(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def midnight_s(day: date | None) -> float | None:
    """The beginning of a day; none of none."""
    return None if day is None else moment_s(datetime(day.year, day.month, day.day))


def parse_s(text: str) -> float:
    """An ISO 8601 time.

    Raises:
        ValueError: it is none.
    """
    text = text.strip()
    # Python 3.10 does not read the Z that everybody writes.
    return moment_s(datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text))
