"""Flow metrics as they came, and rolled up to minutes and hours."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Integer, Text

revision = "0003"
down_revision = "0002"

METRICS = {"flow_rate_lpm": "[l/min]", "pressure_pa": "[Pa] gauge", "temperature_c": "[°C]", "viscosity": "[Pa s]"}
UNTIL = "what is older is rolled up, but for flow_metrics_late; only ever moves on"


def upgrade() -> None:
    values = [_number(metric, unit) for metric, unit in METRICS.items()]
    _metrics("flow_metrics", "Flow metrics as they came", None, values)
    for length in ("minute", "hour"):
        comment = f"Flow metrics of each {length} that has any"
        _metrics(f"flow_metrics_{length}", comment, "its beginning", _roll_up())
    op.create_table(
        "roll_up_marks",
        Column("table_name", Text, primary_key=True),
        Column("until_ms", BigInteger, nullable=False, comment=UNTIL),
        comment="How far flow metrics are rolled up",
    )
    op.create_table(
        "flow_metrics_late",
        Column("timestamp_ms", BigInteger, primary_key=True, autoincrement=False, comment="its beginning"),
        Column("line_id", Text, primary_key=True),
        comment="Minutes to be rolled up again: rows came when that was done already",
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for name in ("flow_metrics_late", "roll_up_marks", "flow_metrics_hour", "flow_metrics_minute", "flow_metrics"):
        op.drop_table(name)


def _metrics(name: str, comment: str, time: str | None, values: list[Column[object]]) -> None:
    op.create_table(
        name,
        Column("line_id", Text, primary_key=True),
        Column("timestamp_ms", BigInteger, primary_key=True, autoincrement=False, comment=time),
        *values,
        comment=comment,
        sqlite_with_rowid=False,
    )


def _roll_up() -> list[Column[object]]:
    columns: list[Column[object]] = []
    for metric, unit in METRICS.items():
        columns.append(Column(f"{metric}_n", Integer, nullable=False, comment="values"))
        columns += (_number(f"{metric}_{part}", unit) for part in ("sum", "min", "max"))
    return columns


def _number(name: str, comment: str) -> Column[object]:
    return Column(name, Double, comment=comment)
