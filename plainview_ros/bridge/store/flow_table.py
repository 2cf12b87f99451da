"""Flow metrics: as they came, and as figures over stretches of time.

A figure is made of whole hours and minutes that are rolled up, where there are any, and of rows as they came for the
rest: the ends of the stretch, and what is too young to be rolled up.

All of it belongs to the thread of the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import BigInteger, Connection, Select, Table, func, literal_column, select

from plainview_ros.bridge.flow_history import Spread
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.models import METRICS, ROLL_UPS, flow_metrics, roll_up_marks

MINUTE_MS, HOUR_MS = (length_ms for length_ms, _ in ROLL_UPS)
UNITS_MS = (1, 1000, MINUTE_MS, HOUR_MS)
"""Of the lengths of buckets: each up to the next."""
ONE_BUCKET_MS = 1 << 60
"""Longer than any time: everything is in one."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Of some values of one metric."""

    count: int
    sum: float
    min: float
    max: float

    @property
    def spread(self) -> Spread:
        return Spread(self.min, self.max, self.sum / self.count)

    def with_(self, other: Figure | None) -> Figure:
        if other is None:
            return self
        return Figure(
            self.count + other.count, self.sum + other.sum, min(self.min, other.min), max(self.max, other.max)
        )


Figures: TypeAlias = Mapping[str, Figure]
"""Of each metric that has any values."""


class Sample(NamedTuple):
    """A row of ``flow_metrics``, in the units of the HTTP contract."""

    timestamp_ms: int
    flow_rate_lpm: float | None
    pressure_pa: float | None
    temperature_c: float | None
    viscosity: float | None


class Stretch(NamedTuple):
    """From one time to another [ms since the epoch], the end not included."""

    start_ms: int
    end_ms: int


def samples(database: Database, line_id: str, stretch: Stretch, after_ms: int | None, max_rows: int) -> list[Sample]:
    """The first samples of a stretch after a time, oldest first."""
    columns = flow_metrics.c
    start_ms = stretch.start_ms if after_ms is None else max(stretch.start_ms, after_ms + 1)
    query = (
        select(*(columns[name] for name in Sample._fields))
        .where(columns.line_id == line_id, columns.timestamp_ms >= start_ms, columns.timestamp_ms < stretch.end_ms)
        .order_by(columns.timestamp_ms)
        .limit(max_rows)
    )
    with database.transaction() as connection:
        return list(map(Sample._make, connection.execute(query)))


def count_samples(database: Database, line_id: str, stretch: Stretch, most: int) -> int:
    """How many samples there are as they came; counting stops at the most."""
    columns = flow_metrics.c
    some = (
        select(columns.timestamp_ms)
        .where(columns.line_id == line_id)
        .where(columns.timestamp_ms >= stretch.start_ms, columns.timestamp_ms < stretch.end_ms)
        .limit(most)
    )
    with database.transaction() as connection:
        return connection.scalar(select(func.count()).select_from(some.subquery())) or 0


def oldest_ms(database: Database, line_id: str) -> int | None:
    """From when on there is anything of a line, if only rolled up."""
    with database.transaction() as connection:
        known = [at_ms for table in _tables() if (at_ms := _oldest_ms(connection, table, line_id)) is not None]
    return min(known, default=None)


def total(database: Database, line_id: str, stretch: Stretch) -> Figures:
    """Of all values in a stretch."""
    with database.transaction() as connection:
        return _buckets(connection, line_id, stretch, ONE_BUCKET_MS, ROLL_UPS).get(0, {})


def series(database: Database, line_id: str, stretch: Stretch, points: int) -> tuple[int, Mapping[int, Figures]]:
    """Length of the buckets [ms], and the figures of those that are not empty by their beginnings, in order.

    Buckets begin at multiples of their length since the epoch, so that they stay where they are while time moves on.
    They are never shorter than what is kept of that time.
    """
    with database.transaction() as connection:
        bucket_ms = bucket_length_ms(stretch, points, _resolution_ms(connection, line_id, stretch.start_ms))
        levels = [(length_ms, table) for length_ms, table in ROLL_UPS if bucket_ms % length_ms == 0]
        buckets = _buckets(connection, line_id, stretch, bucket_ms, levels)
    return bucket_ms, {number * bucket_ms: buckets[number] for number in sorted(buckets)}


def bucket_length_ms(stretch: Stretch, points: int, at_least_ms: int) -> int:
    """The least length with which a stretch touches no more buckets than so many, in whole units."""
    exact_ms = max(1, -(-(stretch.end_ms - stretch.start_ms) // (points - 1)))
    fits_ms = next((unit_ms for unit_ms, longer_ms in pairwise(UNITS_MS) if exact_ms <= longer_ms), HOUR_MS)
    unit_ms = max(fits_ms, at_least_ms)
    return -(-exact_ms // unit_ms) * unit_ms


def _resolution_ms(connection: Connection, line_id: str, start_ms: int) -> int:
    """Length of the shortest buckets that what is kept from a time on can be told in; 1: of any."""
    tables = list(zip((1, MINUTE_MS, HOUR_MS), _tables(), strict=True))
    oldest = [(unit_ms, _oldest_ms(connection, table, line_id)) for unit_ms, table in tables]
    # Compared by the hour: the oldest minute begins before the first row in it.
    hours = {unit_ms: at_ms // HOUR_MS for unit_ms, at_ms in oldest if at_ms is not None}
    wanted = max(start_ms // HOUR_MS, min(hours.values(), default=0))
    return next((unit_ms for unit_ms, hour in hours.items() if hour <= wanted), 1)


def _tables() -> Sequence[Table]:
    """The finest first."""
    return (flow_metrics, *(table for _, table in ROLL_UPS))


def _oldest_ms(connection: Connection, table: Table, line_id: str) -> int | None:
    at_ms: int | None = connection.scalar(select(func.min(table.c.timestamp_ms)).where(table.c.line_id == line_id))
    return at_ms


def _buckets(
    connection: Connection, line_id: str, stretch: Stretch, bucket_ms: int, levels: Sequence[tuple[int, Table]]
) -> dict[int, dict[str, Figure]]:
    """Of each bucket that has any values, by its number since the epoch."""
    buckets: dict[int, dict[str, Figure]] = {}
    for table, part in _parts(stretch, levels, _marks(connection)):
        for row in connection.execute(_figures(table, line_id, part, bucket_ms)):
            figures = buckets.setdefault(row.bucket, {})
            for place, metric in enumerate(METRICS):
                count, *others = row[1 + 4 * place : 5 + 4 * place]
                if count:
                    figures[metric] = Figure(int(count), *others).with_(figures.get(metric))
    return buckets


def _parts(
    stretch: Stretch, levels: Sequence[tuple[int, Table]], marks: Mapping[str, int]
) -> Iterator[tuple[Table, Stretch]]:
    """Which table has which part of a stretch: the longest roll-ups that fit, rows as they came for the rest."""
    rest = [stretch]
    for length_ms, table in reversed(levels):
        left: list[Stretch] = []
        for start_ms, end_ms in rest:
            first_ms = -(-start_ms // length_ms) * length_ms
            last_ms = min(end_ms, marks.get(table.name, 0)) // length_ms * length_ms
            if first_ms < last_ms:
                yield table, Stretch(first_ms, last_ms)
                left += [Stretch(start_ms, first_ms), Stretch(last_ms, end_ms)]
            else:
                left.append(Stretch(start_ms, end_ms))
        rest = [each for each in left if each.start_ms < each.end_ms]
    for each in rest:
        yield flow_metrics, each


def _marks(connection: Connection) -> Mapping[str, int]:
    """Until when each table is rolled up [ms]."""
    return {row.table_name: row.until_ms for row in connection.execute(select(roll_up_marks))}


def _figures(table: Table, line_id: str, part: Stretch, bucket_ms: int) -> Select[Any]:
    columns = table.c
    # As a literal, not a parameter: PostgreSQL would not see that it is the same expression in both places.
    bucket = columns.timestamp_ms // literal_column(str(bucket_ms), BigInteger)
    return (
        select(bucket.label("bucket"), *_aggregates(table))
        .where(columns.line_id == line_id)
        .where(columns.timestamp_ms >= part.start_ms, columns.timestamp_ms < part.end_ms)
        .group_by(bucket)
    )


def _aggregates(table: Table) -> Iterable[Any]:
    columns = table.c
    for metric in METRICS:
        if table is flow_metrics:
            value = columns[metric]
            yield from (func.count(value), func.sum(value), func.min(value), func.max(value))
        else:
            yield from (func.sum(columns[f"{metric}_n"]), func.sum(columns[f"{metric}_sum"]))
            yield from (func.min(columns[f"{metric}_min"]), func.max(columns[f"{metric}_max"]))
