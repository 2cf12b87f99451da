"""Flow metrics of each minute from the rows as they came, and of each hour from those of its minutes.

In small steps, each a transaction of at most ``STEP_ROWS`` rows or of one bucket. A step computes whole buckets anew
and never adds to one: done twice it changes nothing, so it does not matter how often, by whom or in which order.

**Late rows.** What is older than the mark of a table is rolled up. A row that comes later still (the database was away,
a recording is replayed with its own stamps) notes its minute in ``flow_metrics_late``, in the transaction that writes
it; noted minutes, and their hours, are done again. The mark could move back instead, but then one row of last month
would have the whole month done again.

**More values win.** A roll-up is replaced only by one of at least as many values. Rows do not change, so a minute gains
values as long as its rows are here; one computed from fewer has lost rows to retention and is the poorer one. A row
later than ``raw_days`` therefore makes the roll-up of a minute that has none, and is left out of one that has.

**Writers and steps** exclude each other: a step that cannot see a row which is being written would pass it by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    Connection,
    Select,
    Table,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite

from plainview_ros.bridge.store.errors import BusyError
from plainview_ros.bridge.store.models import METRICS, ROLL_UPS, flow_metrics, flow_metrics_late, roll_up_marks
from plainview_ros.bridge.store.rows import Value

STEP_ROWS = 10_000
"""A step takes about 15 ms with these on SQLite on an idle machine."""
LATE_MINUTES = 50

LATENESS_MS = 15_000
"""Younger rows wait: more of their minute may be under way. Those that come even later are late."""

ROLL_UP_LOCK = 0x706C6170
"""Advisory lock of PostgreSQL: shared by writers of flow metrics, exclusive in a step."""


@dataclass(frozen=True)
class Level:
    """One kind of roll-up."""

    source: Table
    target: Table
    bucket_ms: int

    def begin_of(self, at_ms: int) -> int:
        """Of the bucket that a time falls into."""
        return at_ms - at_ms % self.bucket_ms


(_MINUTE_MS, _MINUTES), (_HOUR_MS, _HOURS) = ROLL_UPS
MINUTES = Level(flow_metrics, _MINUTES, _MINUTE_MS)
HOURS = Level(_MINUTES, _HOURS, _HOUR_MS)

# -- writers -----------------------------------------------------------------------------------------------------------


def before_write(connection: Connection) -> None:
    """To be called in a transaction before it writes flow metrics."""
    if connection.dialect.name == "postgresql":  # in SQLite there is one writer at a time
        connection.execute(select(func.pg_advisory_xact_lock_shared(ROLL_UP_LOCK)))


def after_write(connection: Connection, rows: Iterable[Mapping[str, Value]]) -> None:
    """To be called when it has written them: notes those that are late."""
    done_ms = mark(connection, MINUTES)
    if done_ms is None:
        return
    keys: set[tuple[Any, Any]] = {(row["line_id"], row["timestamp_ms"]) for row in rows}
    late = sorted({(MINUTES.begin_of(at_ms), line) for line, at_ms in keys if at_ms < done_ms})
    if late:
        note: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(flow_metrics_late)
        noted = [{"timestamp_ms": minute_ms, "line_id": line} for minute_ms, line in late]
        connection.execute(note.on_conflict_do_nothing(), noted)


# -- steps -------------------------------------------------------------------------------------------------------------


def step(connection: Connection, now_ms: int) -> bool:
    """Do a little of what is to be done, in a new transaction; whether there may be more.

    Raises:
        BusyError: a writer was in the way, or another bridge does it.
    """
    be_alone(connection, ROLL_UP_LOCK)
    settled_ms = MINUTES.begin_of(now_ms - LATENESS_MS)
    if _redo(connection) or _advance(connection, MINUTES, settled_ms):
        return True
    minutes_ms = mark(connection, MINUTES)
    return minutes_ms is not None and _advance(connection, HOURS, HOURS.begin_of(minutes_ms))


def be_alone(connection: Connection, lock: int) -> None:
    """Hold the lock until the transaction ends, which has written nothing yet.

    Nobody waits in a queue here, for who comes behind in it would wait too, and that may be a writer.

    Raises:
        BusyError: somebody else holds it.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif not connection.scalar(select(func.pg_try_advisory_xact_lock(lock))):
        raise BusyError


def mark(connection: Connection, level: Level) -> int | None:
    """What is older is rolled up, but for minutes noted as late; ``None`` before the first step."""
    marks = roll_up_marks.c
    return connection.scalar(select(marks.until_ms).where(marks.table_name == level.target.name))


def behind_ms(connection: Connection, now_ms: int) -> Mapping[str, int]:
    """Of each table for how long its next bucket could have been made."""
    behind = {}
    for level in (MINUTES, HOURS):
        done_ms = mark(connection, level)
        if done_ms is None:  # nothing yet
            oldest_ms = _oldest_ms(connection)
            done_ms = None if oldest_ms is None else level.begin_of(oldest_ms)
        settled_ms = now_ms - LATENESS_MS - level.bucket_ms
        behind[level.target.name] = 0 if done_ms is None else max(0, settled_ms - done_ms)
    return behind


def late_minutes(connection: Connection) -> int:
    """How many minutes are to be rolled up again."""
    return connection.scalar(select(func.count()).select_from(flow_metrics_late)) or 0


def lines(connection: Connection, table: Table) -> Sequence[str]:
    """The lines that a table has rows of."""
    found = _lines(table)
    return connection.scalars(select(found.c.line_id).where(found.c.line_id.is_not(None))).all()


def _lines(table: Table) -> CTE:
    """They, and one ``NULL``; jumps from one to the next, where ``DISTINCT`` would read all rows."""
    line = table.c.line_id
    found = select(func.min(line).label("line_id")).cte("lines", recursive=True)
    following = select(func.min(line)).where(line > found.c.line_id).scalar_subquery()
    return found.union_all(select(following).where(found.c.line_id.is_not(None)))


def newest_ms(connection: Connection) -> int | None:
    """Of all lines, as they came or, where those are gone, rolled up."""
    for table in (flow_metrics, MINUTES.target, HOURS.target):
        each = _lines(table)
        newest = select(func.max(table.c.timestamp_ms)).where(table.c.line_id == each.c.line_id).scalar_subquery()
        found = connection.scalar(select(func.max(select(newest.label("ms")).select_from(each).subquery().c.ms)))
        if found is not None:
            return int(found)
    return None


def end_of_stretch(connection: Connection, table: Table, names: Sequence[str], since_ms: int, limit_ms: int) -> int:
    """Until when there are ``STEP_ROWS`` rows or a few less, or the limit where that comes first."""
    if not names:
        return limit_ms
    columns, each = table.c, max(1, STEP_ROWS // len(names))
    ends = [
        select(
            select(columns.timestamp_ms)
            .where(columns.line_id == name, columns.timestamp_ms >= since_ms, columns.timestamp_ms < limit_ms)
            .order_by(columns.timestamp_ms)
            .offset(each)
            .limit(1)
            .scalar_subquery()
            .label("end_ms")
        )
        for name in names
    ]
    end_ms = connection.scalar(select(func.min(union_all(*ends).subquery().c.end_ms)))
    return limit_ms if end_ms is None else end_ms


def _oldest_ms(connection: Connection) -> int | None:
    columns = flow_metrics.c
    oldest = [
        connection.execute(select(func.min(columns.timestamp_ms)).where(columns.line_id == line)).scalar_one()
        for line in lines(connection, flow_metrics)
    ]
    return min(oldest, default=None)


def _advance(connection: Connection, level: Level, limit_ms: int) -> bool:
    done_ms = mark(connection, level)
    since_ms = 0 if done_ms is None else done_ms
    if since_ms >= limit_ms:
        return False
    names = lines(connection, level.source)
    end_ms = level.begin_of(end_of_stretch(connection, level.source, names, since_ms, limit_ms))
    end_ms = min(limit_ms, max(end_ms, since_ms + level.bucket_ms))
    _roll_up(connection, level, names, since_ms, end_ms)
    if done_ms is None:
        connection.execute(insert(roll_up_marks).values(table_name=level.target.name, until_ms=end_ms))
    else:
        advanced = roll_up_marks.update().where(roll_up_marks.c.table_name == level.target.name)
        connection.execute(advanced.values(until_ms=end_ms))
    return True


def _redo(connection: Connection) -> bool:
    late = flow_metrics_late.c
    noted = select(late.timestamp_ms, late.line_id).order_by(late.timestamp_ms, late.line_id).limit(LATE_MINUTES)
    minutes = [(int(row.timestamp_ms), str(row.line_id)) for row in connection.execute(noted)]
    for minute_ms, line in minutes:
        _roll_up(connection, MINUTES, [line], minute_ms, minute_ms + MINUTES.bucket_ms)
    hours_ms = mark(connection, HOURS)
    for hour_ms, line in sorted({(HOURS.begin_of(minute_ms), line) for minute_ms, line in minutes}):
        if hours_ms is not None and hour_ms < hours_ms:
            _roll_up(connection, HOURS, [line], hour_ms, hour_ms + HOURS.bucket_ms)
    if minutes:
        connection.execute(delete(flow_metrics_late).where(tuple_(late.timestamp_ms, late.line_id).in_(minutes)))
    return bool(minutes)


def _roll_up(connection: Connection, level: Level, names: Sequence[str], since_ms: int, end_ms: int) -> None:
    """Whole buckets."""
    target = level.target.c
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    rolled_up: Any = dialect.insert(level.target).from_select(
        [column.name for column in level.target.columns], _buckets(level, names, since_ms, end_ms)
    )
    new = rolled_up.excluded
    changed = {column.name: new[column.name] for column in level.target.columns if not column.primary_key}
    more = _values(new) >= _values(target)
    connection.execute(
        rolled_up.on_conflict_do_update(index_elements=["line_id", "timestamp_ms"], set_=changed, where=more)
    )


def _values(columns: Any) -> Any:
    return sum((columns[f"{metric}_n"] for metric in METRICS), start=literal(0))


def _buckets(level: Level, names: Sequence[str], since_ms: int, end_ms: int) -> Select[Any]:
    source = level.source.c
    bucket_ms: Any = literal_column(str(level.bucket_ms))
    begin = source.timestamp_ms - source.timestamp_ms % bucket_ms
    values: list[Any] = []
    for metric in METRICS:
        if level.source is flow_metrics:
            column = source[metric]
            values += (func.count(column), func.sum(column), func.min(column), func.max(column))
        else:
            values.append(func.sum(source[f"{metric}_n"]))
            values += (getattr(func, how)(source[f"{metric}_{how}"]) for how in ("sum", "min", "max"))
    here = (source.line_id.in_(names), source.timestamp_ms >= since_ms, source.timestamp_ms < end_ms)
    return select(source.line_id, begin, *values).where(*here).group_by(source.line_id, begin)
