"""The tables, the same on SQLite and PostgreSQL; ``migrations/`` makes them.

Four kinds:

- ``events``, what was told on /events;
- *things*: what has an id and goes through phases (strokes, leaks, alerts ...), one row each with its newest phase;
- ``audit_log``, what clients did;
- flow metrics, the only *telemetry*, as they came and rolled up to minutes and hours.

Columns have the names and units of the HTTP contract. Times are integers, milliseconds since the epoch: the same on
both databases, small, and a bucket of time is a division. In PostgreSQL ``to_timestamp(detected_at_ms / 1000.0)``
shows one, in SQLite ``datetime(detected_at_ms / 1000, 'unixepoch')``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text, TextClause, text

metadata = MetaData()

# -- events ------------------------------------------------------------------------------------------------------------

BEGAN = "log.began"
"""Type and source of a row that is no event: it stands for those up to its id that are not here."""

events = Table(
    "events",
    metadata,
    Column("ms", BigInteger, primary_key=True, autoincrement=False, comment="of the id: since the epoch"),
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="of the id: within the millisecond"),
    Column("source", Text, primary_key=True, comment="names the happening in every bridge; empty: nothing does"),
    Column("type", Text, nullable=False),
    Column("asset", Text, nullable=False, comment="id of what it is about; empty: nothing"),
    Column("data", Text, nullable=False, comment="JSON as the clients get it"),
    Index("ix_events_asset", "asset", "ms", "number"),
    comment="What was told on /events, but for telemetry",
    sqlite_with_rowid=False,  # stored in the order of the key, which is the order they are read in
)
"""The key makes a repeated insert nothing."""

# -- things ------------------------------------------------------------------------------------------------------------


ENDED: Mapping[str, Sequence[str]] = {
    "valve_actuations": ("completed", "failed", "canceled"),
    "leak_detections": ("repaired",),
    "flow_anomalies": ("closed",),
    "detections": ("ended",),
    "alerts": ("cleared",),
    "incidents": ("resolved",),
    "missions": ("completed", "failed"),
}
"""Statuses after which there is no other."""


def is_open(name: str) -> TextClause:
    """Not ended, in the words that the table's index of these has: databases use it for no others."""
    return text(f"status NOT IN ({', '.join(map(repr, ENDED[name]))})")


def _thing(name: str, comment: str, *columns: Column[object], since: str, asset: str | None) -> Table:
    """A table of things; ``since`` and ``asset`` name the columns its history is asked by."""
    still_open = is_open(name)
    indexes = [
        Index(f"ix_{name}_since", since, "id"),
        Index(f"ix_{name}_open", since, sqlite_where=still_open, postgresql_where=still_open),
    ]
    if asset is not None:
        indexes.append(Index(f"ix_{name}_asset", asset, since, "id"))
    return Table(
        name,
        metadata,
        Column("id", Text, primary_key=True, comment="UUID, the same in every bridge"),
        *columns,
        Column("stamp_ms", BigInteger, nullable=False, comment="of the newest transition; an older changes nothing"),
        Column("data", Text, nullable=False, comment="all that is known, as JSON in SI units"),
        *indexes,
        comment=comment,
    )


def _time(name: str, comment: str = "", *, nullable: bool = False) -> Column[object]:
    return Column(name, BigInteger, nullable=nullable, comment=comment or None)


def _number(name: str, comment: str) -> Column[object]:
    return Column(name, Double, comment=comment)


def _text(name: str, comment: str = "") -> Column[object]:
    return Column(name, Text, nullable=False, comment=comment or None)


valve_actuations = _thing(
    "valve_actuations",
    "Strokes",
    _text("valve_id"),
    _text("status", "requested, completed, failed, canceled"),
    _time("requested_at_ms"),
    _time("completed_at_ms", "when it ended, however", nullable=True),
    _number("target_position", "0 closed, 1 open"),
    _number("final_position", "0 closed, 1 open"),
    _number("torque_nm", "[N m] peak of the stroke"),
    _number("duration_s", "[s]"),
    Column("error_code", Integer, nullable=False, comment="as in ActuateValve.action"),
    _text("requested_by"),
    _text("reason"),
    since="requested_at_ms",
    asset="valve_id",
)

leak_detections = _thing(
    "leak_detections",
    "Leaks",
    _text("section"),
    _text("severity", "minor, major, critical"),
    _text("status", "active, contained, repaired"),
    _time("detected_at_ms"),
    _number("latitude", "[deg] WGS 84"),
    _number("longitude", "[deg]"),
    _number("position_m", "[m] from the inlet; null: only the section is known"),
    _number("volume_estimate", "[l] lost since it was detected"),
    since="detected_at_ms",
    asset="section",
)

flow_anomalies = _thing(
    "flow_anomalies",
    "Anomalies of flow lines",
    _text("line_id"),
    _text("type"),
    _text("severity", "low, medium, high: the worst since it opened"),
    _text("status", "opened, updated, closed"),
    _time("detected_at_ms"),
    _number("expected_min", "in the unit of its metric"),
    _number("expected_max", "in the unit of its metric"),
    _number("actual_value", "the worst value, in the unit of its metric"),
    since="detected_at_ms",
    asset="line_id",
)

detections = _thing(
    "detections",
    "What cameras saw",
    _text("camera_id"),
    _text("type"),
    _text("status", "started, updated, ended"),
    _number("confidence", "0..1"),
    _time("timestamp_ms", "when it was first seen"),
    since="timestamp_ms",
    asset="camera_id",
)

alerts = _thing(
    "alerts",
    "What operators were told",
    _text("module_key"),
    _text("asset_id"),
    _text("code"),
    _text("severity", "info, warning, critical"),
    _text("status", "raised, cleared"),
    _text("message"),
    _time("created_at_ms"),
    since="created_at_ms",
    asset="asset_id",
)

incidents = _thing(
    "incidents",
    "Incidents",
    _text("title"),
    _text("severity", "info, warning, critical"),
    _text("status", "active, investigating, mitigated, resolved"),
    _time("started_at_ms"),
    _time("resolved_at_ms", nullable=True),
    since="started_at_ms",
    asset=None,
)

missions = _thing(
    "missions",
    "Missions",
    _text("title"),
    _text("type", "replay, scenario"),
    _text("status", "draft, active, paused, completed, failed"),
    _time("created_at_ms"),
    _time("started_at_ms", nullable=True),
    _time("completed_at_ms", nullable=True),
    since="created_at_ms",
    asset=None,
)


@dataclass(frozen=True)
class Thing:
    """A table of things and how its history is asked for."""

    table: Table
    since: str
    """Column of the time it began; with the id the order of its history."""
    asset: str | None
    """Column of what it is about."""


THINGS: Mapping[str, Thing] = {
    thing.table.name: thing
    for thing in (
        Thing(valve_actuations, "requested_at_ms", "valve_id"),
        Thing(leak_detections, "detected_at_ms", "section"),
        Thing(flow_anomalies, "detected_at_ms", "line_id"),
        Thing(detections, "timestamp_ms", "camera_id"),
        Thing(alerts, "created_at_ms", "asset_id"),
        Thing(incidents, "started_at_ms", None),
        Thing(missions, "created_at_ms", None),
    )
}

# -- audit -------------------------------------------------------------------------------------------------------------

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Text, primary_key=True, comment="UUID"),
    _time("at_ms"),
    _text("who"),
    _text("action", "method and path"),
    Column("status", Integer, nullable=False, comment="of the HTTP answer; 0: the client left before it"),
    Index("ix_audit_log_at", "at_ms", "id"),
    comment="What clients commanded, and what was answered",
)

# -- flow metrics ------------------------------------------------------------------------------------------------------

METRICS: Mapping[str, str] = {
    "flow_rate_lpm": "[l/min]",
    "pressure_pa": "[Pa] gauge",
    "temperature_c": "[°C]",
    "viscosity": "[Pa s]",
}
"""Column and unit."""

flow_metrics = Table(
    "flow_metrics",
    metadata,
    Column("line_id", Text, primary_key=True),
    Column("timestamp_ms", BigInteger, primary_key=True, autoincrement=False),
    *(_number(name, unit) for name, unit in METRICS.items()),
    comment="Flow metrics as they came",
    sqlite_with_rowid=False,  # a line's rows lie side by side in the order of time
)


def _roll_up(name: str, comment: str) -> Table:
    columns: list[Column[object]] = []
    for metric, unit in METRICS.items():
        columns.append(Column(f"{metric}_n", Integer, nullable=False, comment="values"))
        columns += (_number(f"{metric}_{part}", unit) for part in ("sum", "min", "max"))
    return Table(
        name,
        metadata,
        Column("line_id", Text, primary_key=True),
        Column("timestamp_ms", BigInteger, primary_key=True, autoincrement=False, comment="its beginning"),
        *columns,
        comment=comment,
        sqlite_with_rowid=False,
    )


flow_metrics_minute = _roll_up("flow_metrics_minute", "Flow metrics of each minute that has any")
flow_metrics_hour = _roll_up("flow_metrics_hour", "Flow metrics of each hour that has any")

ROLL_UPS: Sequence[tuple[int, Table]] = ((60_000, flow_metrics_minute), (3_600_000, flow_metrics_hour))
"""Length [ms] of a bucket, and its table."""

roll_up_marks = Table(
    "roll_up_marks",
    metadata,
    Column("table_name", Text, primary_key=True),
    _time("until_ms", "what is older is rolled up, but for flow_metrics_late; only ever moves on"),
    comment="How far flow metrics are rolled up",
)

flow_metrics_late = Table(
    "flow_metrics_late",
    metadata,
    Column("timestamp_ms", BigInteger, primary_key=True, autoincrement=False, comment="its beginning"),
    Column("line_id", Text, primary_key=True),
    comment="Minutes to be rolled up again: rows came when that was done already",
    sqlite_with_rowid=False,
)
