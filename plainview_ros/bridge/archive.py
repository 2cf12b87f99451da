"""What routes ask the database for. Answers are made on its thread: a long page holds up no stream."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Response

from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.event_log import Selection
from plainview_ros.bridge.part import Key, Part
from plainview_ros.bridge.schemas.base import Schema
from plainview_ros.bridge.schemas.history import AuditEntry, Page
from plainview_ros.bridge.store.errors import DatabaseError

if TYPE_CHECKING:
    from plainview_ros.bridge.store.database import Database
    from plainview_ros.bridge.store.histories import Found

T = TypeVar("T")
S = TypeVar("S", bound=Schema)

logger = logging.getLogger(__name__)


async def ask(bridge: Bridge, question: Callable[[Database], T]) -> T:
    """What the database answers.

    Raises:
        BridgeError: 503, it does not answer now, or there is none.
    """
    store = bridge.keeping.store
    if store is None:
        raise BridgeError(503, "history_unavailable", "history: this bridge runs without a database")
    try:
        return await store.ask(question)
    except DatabaseError as error:
        raise BridgeError(503, "history_unavailable", f"history: {error}", retry_after_s=5) from None


def json_response(body: bytes) -> Response:
    return Response(body, media_type="application/json")


async def things(bridge: Bridge, table: str, part: Part, show: Callable[[Found], Schema]) -> Response:
    """A page of what has happened of one kind, see ``models.THINGS``."""
    return json_response(await ask(bridge, partial(_things, table, part, show)))


async def told(bridge: Bridge, part: Part, selection: Selection | None) -> Response:
    """A page of what was told on /events."""
    return json_response(await ask(bridge, partial(_told, part, selection)))


async def audit(bridge: Bridge, part: Part) -> Response:
    """A page of what clients commanded."""
    return json_response(await ask(bridge, partial(_audit, part)))


# -- on the database's thread, which imports SQLAlchemy, see store/__init__.py ----------------------------------------


def _things(table: str, part: Part, show: Callable[[Found], Schema], database: Database) -> bytes:
    from plainview_ros.bridge.store import histories

    found = histories.things(database, table, part)
    return _page(part, [each.key for each in found], shown(table, found[: part.limit], show))


def shown(table: str, found: Sequence[Found], show: Callable[[Found], S]) -> list[S]:
    """What can be shown; one thing that nobody can read does not hide all others of its page."""
    items = (_shown(table, each, show) for each in found)
    return [item for item in items if item is not None]


def _shown(table: str, found: Found, show: Callable[[Found], S]) -> S | None:
    try:
        return show(found)
    except (ValueError, KeyError, TypeError) as error:
        logger.error("left out %s of %s, it cannot be read: %r", found.key[1], table, error)
        return None


def _audit(part: Part, database: Database) -> bytes:
    from plainview_ros.bridge.store import histories

    rows: Sequence[Mapping[str, Any]] = histories.audit(database, part)
    return _page(part, [(row["at_ms"], row["id"]) for row in rows], [*map(AuditEntry.of, rows[: part.limit])])


def _told(part: Part, selection: Selection | None, database: Database) -> bytes:
    from plainview_ros.bridge.store import histories

    entries = histories.told(database, part, selection)
    cursor = part.cursor([(entry.id.ms, entry.id.number, entry.source) for entry in entries])
    items = ",".join(entry.message for entry in entries[: part.limit])  # its JSON is written already
    return f'{{"items":[{items}],"nextCursor":{"null" if cursor is None else f"{chr(34)}{cursor}{chr(34)}"}}}'.encode()


def _page(part: Part, keys: Sequence[Key], items: Sequence[Schema]) -> bytes:
    return Page(items=items, next_cursor=part.cursor(keys)).model_dump_json(by_alias=True).encode()
