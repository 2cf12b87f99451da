"""Deletes flow metrics and events that are older than they are to be kept, in small steps.

How old something is counts from the newest that is stored of its kind, or from now if that is earlier, see ``Step``.

Things (strokes, leaks, alerts, incidents ...) and the audit log are kept for ever: a busy rig makes some thousands of
them a year. Rows that are not rolled up yet are kept whatever their age.

Where events are deleted a ``log.began`` row stands for them, as for all that are missing (see ``event_table``): a
client that resumes from there is told of the gap, and goes on with the oldest that is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, Table, delete, func, insert, literal, select, tuple_

from plainview_ros.bridge.event_log import EventId
from plainview_ros.bridge.store import event_table
from plainview_ros.bridge.store.models import BEGAN, events, flow_metrics_late, roll_up_marks
from plainview_ros.bridge.store.roll_up import HOURS, MINUTES, Level, be_alone, end_of_stretch, lines, newest_ms
from plainview_ros.bridge.store.upkeep import Periods

STEP_EVENTS = 2_000

DAY_MS = 86_400_000

RETENTION_LOCK = 0x706C6171
"""Advisory lock of PostgreSQL: two that delete the same rows in different orders would wait for each other."""


class Step(NamedTuple):
    """What is done a little at a time."""

    newest_ms: Callable[[Connection], int | None]
    """Of what it is about: time that nothing was stored in makes nothing older, whatever a clock says."""
    do: Callable[[Connection, int], bool]
    """Does a little, in a new transaction, given the time [ms]; tells whether there may be more to do. ``BusyError``
    when somebody else is at it."""


def steps(periods: Periods) -> Sequence[Step]:
    """One for each table that is not kept for ever."""
    metrics = (
        (MINUTES.source, periods.raw_days, MINUTES),
        (HOURS.source, periods.minute_days, HOURS),
        (HOURS.target, periods.hour_days, None),
    )
    found = [Step(newest_ms, partial(_metrics, table, days, next_)) for table, days, next_ in metrics if days]
    if periods.event_days:
        found.append(Step(_newest_event_ms, partial(_events, periods.event_days)))
    return found


def _metrics(table: Table, days: int, next_: Level | None, connection: Connection, now_ms: int) -> bool:
    be_alone(connection, RETENTION_LOCK)
    before_ms = HOURS.begin_of(now_ms - days * DAY_MS)  # the oldest hour that is here is whole
    names = lines(connection, table)
    end_ms = end_of_stretch(connection, table, names, 0, before_ms)
    columns = table.c
    old = delete(table).where(columns.line_id.in_(names), columns.timestamp_ms < end_ms)
    if next_ is not None:  # asked in the same statement: a late row that comes meanwhile is seen with its note or not
        marks = roll_up_marks.c
        done_ms = select(marks.until_ms).where(marks.table_name == next_.target.name).scalar_subquery()
        late_ms = select(func.min(flow_metrics_late.c.timestamp_ms)).scalar_subquery()
        hour_of_late_ms = late_ms - late_ms % literal(HOURS.bucket_ms)
        old = old.where(
            columns.timestamp_ms < done_ms, columns.timestamp_ms < func.coalesce(hour_of_late_ms, literal(end_ms))
        )
    return connection.execute(old).rowcount > 0 and end_ms < before_ms


def _newest_event_ms(connection: Connection) -> int | None:
    newest: int | None = connection.scalar(select(func.max(events.c.ms)))
    return newest


def _events(days: int, connection: Connection, now_ms: int) -> bool:
    be_alone(connection, RETENTION_LOCK)
    columns = events.c
    oldest = select(columns.ms, columns.number, columns.type).where(columns.ms < now_ms - days * DAY_MS)
    found = connection.execute(oldest.order_by(*event_table.order).limit(STEP_EVENTS)).all()
    if not any(row.type != BEGAN for row in found):
        return False
    last = EventId(found[-1].ms, found[-1].number)
    connection.execute(delete(events).where(event_table.place <= tuple_(literal(last.ms), literal(last.number))))
    connection.execute(insert(events).values(**event_table.began(last).values))
    return len(found) == STEP_EVENTS
