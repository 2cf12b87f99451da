"""What has an id and goes through phases, one row each; and what clients did."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Integer, Text, text

revision = "0002"
down_revision = "0001"

ENDED = {
    "valve_actuations": "'completed', 'failed', 'canceled'",
    "leak_detections": "'repaired'",
    "flow_anomalies": "'closed'",
    "detections": "'ended'",
    "alerts": "'cleared'",
    "incidents": "'resolved'",
    "missions": "'completed', 'failed'",
}


def upgrade() -> None:
    _thing(
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
    _thing(
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
    _thing(
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
    _thing(
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
    _thing(
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
    _thing(
        "incidents",
        "Incidents",
        _text("title"),
        _text("severity", "info, warning, critical"),
        _text("status", "active, investigating, mitigated, resolved"),
        _time("started_at_ms"),
        _time("resolved_at_ms", nullable=True),
        since="started_at_ms",
    )
    _thing(
        "missions",
        "Missions",
        _text("title"),
        _text("type", "replay, scenario"),
        _text("status", "draft, active, paused, completed, failed"),
        _time("created_at_ms"),
        _time("started_at_ms", nullable=True),
        _time("completed_at_ms", nullable=True),
        since="created_at_ms",
    )
    op.create_table(
        "audit_log",
        Column("id", Text, primary_key=True, comment="UUID"),
        _time("at_ms"),
        _text("who"),
        _text("action", "method and path"),
        Column("status", Integer, nullable=False, comment="of the HTTP answer; 0: the client left before it"),
        comment="What clients commanded, and what was answered",
    )
    op.create_index("ix_audit_log_at", "audit_log", ["at_ms", "id"])


def downgrade() -> None:
    for name in (*ENDED, "audit_log"):
        op.drop_table(name)


def _thing(name: str, comment: str, *columns: Column[object], since: str, asset: str | None = None) -> None:
    op.create_table(
        name,
        Column("id", Text, primary_key=True, comment="UUID, the same in every bridge"),
        *columns,
        Column("stamp_ms", BigInteger, nullable=False, comment="of the newest transition; an older changes nothing"),
        Column("data", Text, nullable=False, comment="all that is known, as JSON in SI units"),
        comment=comment,
    )
    op.create_index(f"ix_{name}_since", name, [since, "id"])
    still_open = text(f"status NOT IN ({ENDED[name]})")
    op.create_index(f"ix_{name}_open", name, [since], sqlite_where=still_open, postgresql_where=still_open)
    if asset is not None:
        op.create_index(f"ix_{name}_asset", name, [asset, since, "id"])


def _time(name: str, comment: str | None = None, *, nullable: bool = False) -> Column[object]:
    return Column(name, BigInteger, nullable=nullable, comment=comment)


def _number(name: str, comment: str) -> Column[object]:
    return Column(name, Double, comment=comment)


def _text(name: str, comment: str | None = None) -> Column[object]:
    return Column(name, Text, nullable=False, comment=comment)
