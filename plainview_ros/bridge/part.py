"""Which part of a long list is asked for, and cursors. Pure: ``store/`` finds it, ``paging.py`` has it from a request.

A page is told by where the last one ended, not by how many there were before: rows that come in meanwhile, or go,
neither repeat one nor leave one out.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

from plainview_ros.bridge.errors import BridgeError

MAX_INTEGER = 1 << 63

Key: TypeAlias = Sequence[int | str]
"""What a list is ordered by, of one item."""


def storable(text: str) -> str:
    """The text. Raises ``ValueError``: a database cannot be asked for it."""
    if "\0" in text:  # PostgreSQL has no text with it
        raise ValueError("expected text without NUL")
    return text


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
