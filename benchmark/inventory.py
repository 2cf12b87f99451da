"""What is in a database, held against what was published: the tables are read past the bridge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, create_engine, func, select
from sqlalchemy.exc import DBAPIError

from benchmark.messages import stroke_id
from plainview_ros.bridge.store.models import BEGAN, alerts, audit_log, events, flow_metrics, valve_actuations

REQUESTED, COMPLETED = "valve.actuation.requested", "valve.actuation.completed"
SHOWN = 5


@dataclass(frozen=True)
class Kept:
    """Of one load of strokes, what the database has."""

    events: int
    """Rows."""
    strokes: int
    holes: int
    """Rows that tell of events that are not here, but for those before all events: there were none."""
    lost: Sequence[int]
    """Numbers of the messages of :class:`benchmark.messages.Strokes` whose event is not here."""
    repeated: int
    late: int
    """Rows behind one of a later message."""
    unfinished: int
    """Strokes whose row is not that of their last transition."""

    @classmethod
    def of(cls, url: str, published: int) -> Kept:
        """Read it all. Raises ``sqlalchemy.exc.DBAPIError``."""
        numbers: list[int] = []
        told = holes = 0
        engine = create_engine(url)
        with engine.connect() as connection:
            query = select(events.c.type, events.c.data).order_by(events.c.ms, events.c.number, events.c.source)
            for kind, data in connection.execution_options(yield_per=1000).execute(query):
                if kind in (REQUESTED, COMPLETED):
                    stroke = int(json.loads(data)["actuationId"].replace("-", ""), 16) - 1
                    numbers.append(2 * stroke + (kind == COMPLETED))
                holes += kind == BEGAN and told > 0
                told += kind != BEGAN
            table = valve_actuations.c
            phases = {row.id: row.status for row in connection.execute(select(table.id, table.status))}
        engine.dispose()
        return cls(
            events=len(numbers),
            strokes=len(phases),
            holes=holes,
            lost=sorted(set(range(published)) - set(numbers)),
            repeated=len(numbers) - len(set(numbers)),
            late=_late(numbers),
            unfinished=sum(phases.get(str(stroke_id(n))) != "completed" for n in range(published // 2)),
        )

    def is_exact(self, published: int) -> bool:
        """Whether every event is here once and in order, and every stroke with its last transition."""
        holes = (self.holes, len(self.lost), self.repeated, self.late, self.unfinished)
        return not any(holes) and (self.events, self.strokes) == (published, (published + 1) // 2)

    def __str__(self) -> str:
        lost = f"{len(self.lost)} lost" + (f" ({', '.join(map(str, self.lost[:SHOWN]))} ...)" if self.lost else "")
        return (
            f"{self.events:,} events ({lost}, {self.repeated} repeated, {self.late} out of order, {self.holes} holes), "
            f"{self.strokes:,} strokes ({self.unfinished} not as they ended)"
        )


def rows(url: str, table: str) -> int:
    """How many rows there are of ``events``, ``flow_metrics`` or ``alerts``; none when it does not answer now."""
    return _count(url, select(func.count()).select_from(TABLES[table]))


def metrics_since(url: str, since_ms: int) -> int:
    """Rows of flow metrics whose stamp is not before a time; none when it does not answer now."""
    table = flow_metrics
    return _count(url, select(func.count()).select_from(table).where(table.c.timestamp_ms >= since_ms))


def commanded(url: str, action: str) -> bool:
    """Whether the audit log has a command, such as ``POST /valves/v-1/actuate``."""
    table = audit_log
    return _count(url, select(func.count()).select_from(table).where(table.c.action == action)) > 0


def newest_stroke_s(url: str) -> float:
    """When the newest stroke that is here was requested [s since the epoch]; 0 when there is none or no answer now."""
    return _count(url, select(func.coalesce(func.max(valve_actuations.c.requested_at_ms), 0))) / 1000


def finished(url: str) -> int:
    """Strokes that are here as they ended; none when it does not answer now."""
    table = valve_actuations
    return _count(url, select(func.count()).select_from(table).where(table.c.status == "completed"))


TABLES = {table.name: table for table in (events, flow_metrics, alerts)}


def alert_messages(url: str) -> list[str]:
    """What operators were told, oldest first."""
    engine = create_engine(url)
    with engine.connect() as connection:
        messages = list(connection.execute(select(alerts.c.message).order_by(alerts.c.created_at_ms)).scalars())
    engine.dispose()
    return messages


def _count(url: str, query: Select[int]) -> int:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.execute(query).scalar_one()
    except DBAPIError:
        return 0
    finally:
        engine.dispose()


def _late(numbers: Iterable[int]) -> int:
    late, newest = 0, -1
    for number in numbers:
        late += number < newest
        newest = max(number, newest)
    return late
