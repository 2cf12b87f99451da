"""Long lists in pages, and which part of time is asked for: the same on every path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError, WithJsonSchema

from plainview_ros.bridge.part import Part, Period, key_of, storable
from plainview_ros.utc import moment_s

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100

OFFSET = re.compile(r"(:\d\d(?:[.,]\d+)?) (\d\d:?\d\d)$")
"""An unencoded + of the offset arrives as a space."""

_datetime = TypeAdapter(datetime)


def read_ms(text: object) -> int:
    """Milliseconds since the epoch of an ISO 8601 time (UTC if it does not say) or of epoch time in s or ms.

    Raises:
        ValueError: it is none, or not in the years 1 to 9999.
    """
    try:
        moment = _datetime.validate_python(OFFSET.sub(r"\1+\2", text) if isinstance(text, str) else text)
        return round(moment_s(moment) * 1000)
    except (ValidationError, OverflowError):
        raise ValueError(
            f"expected a time in ISO 8601, or in s or ms since the epoch, found {str(text)[:40]!r}"
        ) from None


TIME = WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T14:05:00+01:00"]})

Start = Annotated[
    int | None,
    BeforeValidator(read_ms),
    TIME,
    Query(description="from this time on: ISO 8601 with any offset (UTC if it does not say), or s or ms since 1970"),
]
End = Annotated[int | None, BeforeValidator(read_ms), TIME, Query(description="up to, not including, this time")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="items of a page at the most")]
Cursor = Annotated[str | None, Query(description="`nextCursor` of the page before, of the same question")]
Name = Annotated[str, AfterValidator(storable), Query(max_length=200)]


@dataclass(frozen=True)
class Paging:
    """The parameters of every long list."""

    start_ms: int | None
    end_ms: int | None
    limit: int
    cursor: str | None

    def part(self, name: str, key: Sequence[type] = (int, str), **equal: str | None) -> Part:
        """What they ask for of a list.

        Args:
            name: of the list.
            key: what the list is ordered by.
            equal: columns and the values wanted; ``None``: any.

        Raises:
            BridgeError: they cannot be meant so.
        """
        wanted = {column: value for column, value in equal.items() if value is not None}
        period = Period.of(self.start_ms, self.end_ms)
        question = (name, period, sorted(wanted.items()))
        return Part(question, period, self.limit, key_of(question, self.cursor, key), wanted)


async def paging(start: Start = None, end: End = None, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Paging:
    return Paging(start, end, limit, cursor)


PagingDep = Annotated[Paging, Depends(paging)]
