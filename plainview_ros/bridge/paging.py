"""Long lists in pages, and which part of time is asked for: the same on every path. Pure.

A page is told by where the last one ended, not by how many there were before: rows that come in meanwhile, or go,
neither repeat one nor leave one out.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, TypeAlias

from fastapi import Depends, Query
from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError, WithJsonSchema

from plainview_ros.bridge.errors import BridgeError
from plainview_ros.utc import moment_s

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
MAX_INTEGER = 1 << 63

Key: TypeAlias = Sequence[int | str]
"""What a list is ordered by, of one item."""

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


def storable(text: str) -> str:
    """The text. Raises ``ValueError``: a database cannot be asked for it."""
    if "\0" in text:  # PostgreSQL has no text with it
        raise ValueError("expected text without NUL")
    return text


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


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time [ms since the epoch], the end not included; ``None``: without one."""

    start_ms: int | None = None
    end_ms: int | None = None

    @classmethod
    def of(cls, start_ms: int | None, end_ms: int | None) -> Period:
        """What a client asked for.

        Raises:
            BridgeError: it ends before it begins.
        """
        if start_ms is not None and end_ms is not None and start_ms > end_ms:
            raise BridgeError(422, "invalid_request", "start: expected a time before end")
        return cls(start_ms, end_ms)


@dataclass(frozen=True)
class Part:
    """Which part of a list is asked for."""

    question: object
    period: Period
    limit: int
    after: Key | None
    """Of the last item of the page before."""
    equal: Mapping[str, str]
    """Columns and the values they must have."""

    def cursor(self, keys: Sequence[Key]) -> str | None:
        """Of the next page; ``None`` when there is none.

        Args:
            keys: of what was found, one more than fit on this page if there are more.
        """
        return cursor_of(self.question, keys[self.limit - 1]) if len(keys) > self.limit else None


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


def cursor_of(question: object, key: Key) -> str:
    """What stands for the place after an item in the answer to a question.

    Args:
        question: all that decides which items there are, and their order; its ``repr`` is the same for the same.
        key: of the item.
    """
    text = json.dumps([_digest(question, key), *key], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def key_of(question: object, cursor: str | None, types: Sequence[type]) -> Key | None:
    """The key in a cursor, which has values of these types; none of none.

    Raises:
        BridgeError: no answer to this question had this cursor.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        digest, *key = json.loads(urlsafe_b64decode(padded.encode("ascii")))
        known = digest == _digest(question, key) and _is_key(key, types)
    except (ValueError, TypeError, RecursionError):
        known = False
    if not known:
        raise BridgeError(
            422,
            "invalid_request",
            "cursor: expected nextCursor of an answer to the same question, with the same filters",
        )
    return tuple(key)


def _is_key(key: Sequence[object], types: Sequence[type]) -> bool:
    """Whether a database can be asked for it. Raises ``ValueError`` where a text is none it can hold."""
    for value in key:
        if type(value) is str:
            storable(value).encode()
    is_in_range = all(type(value) is not int or abs(value) < MAX_INTEGER for value in key)
    return [type(value) for value in key] == list(types) and is_in_range


def _digest(question: object, key: Key) -> str:
    """Not a secret: it tells a mistake, and there is nothing to gain by a forgery."""
    return blake2b(repr((question, list(key))).encode(), digest_size=6).hexdigest()
