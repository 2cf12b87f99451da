"""Days of flow metrics in a database, of a known signal, quickly: ``python -m benchmark.history_data URL --days 30``.

The rows are made in the database itself, in transactions of one line's day, and go past ``Database.put``: they are not
noted as late, so the database should have none newer that are rolled up already.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from plainview_ros.bridge.store import roll_up
from plainview_ros.bridge.store.database import Database

DAY_MS = 86_400_000

SERIES = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count) "
    "SELECT :start + i * :step AS t FROM n",
    "postgresql": "SELECT :start + i * :step AS t FROM generate_series(0::bigint, :count - 1) AS i",
}
INSERT = """INSERT INTO flow_metrics (line_id, timestamp_ms, flow_rate_lpm, pressure_pa, temperature_c, viscosity)
SELECT ':line', t, 600.0 + abs(t % 7200000 - 3600000) / 36000.0 + t / :step % 7,
       1200000.0 + abs(t % 86400000 - 43200000) / 432.0 + t / :step % 11, 40.0 + t % 3600000 / 360000.0, 0.008
FROM (:series) AS times"""


class Sample(NamedTuple):
    """What is written for a time."""

    flow_rate_lpm: float
    pressure_pa: float
    temperature_c: float
    viscosity: float


def sample(at_ms: int, step_ms: int = 1000) -> Sample:
    """Triangles of two hours and of a day, with a tooth from row to row."""
    number = at_ms // step_ms
    return Sample(
        600.0 + abs(at_ms % 7_200_000 - 3_600_000) / 36_000.0 + number % 7,
        1_200_000.0 + abs(at_ms % DAY_MS - DAY_MS // 2) / 432.0 + number % 11,
        40.0 + at_ms % 3_600_000 / 360_000.0,
        0.008,
    )


def fill(database: Database, lines: Sequence[str], start_ms: int, end_ms: int, step_ms: int = 1000) -> int:
    """Write the lines' rows from one time to another; returns how many."""
    rows, part_ms = 0, DAY_MS // step_ms * step_ms
    for begin_ms in range(start_ms, end_ms, part_ms):
        count = -(-(min(begin_ms + part_ms, end_ms) - begin_ms) // step_ms)
        for line in lines:
            text = INSERT.replace(":series", SERIES[database.dialect]).replace(":line", line)
            for name, value in (("start", begin_ms), ("step", step_ms), ("count", count)):
                text = text.replace(f":{name}", str(value))
            with database.transaction() as connection:
                connection.exec_driver_sql(text.replace("%", "%%") if database.dialect == "postgresql" else text)
            rows += count
    return rows


def roll_up_all(database: Database, now_ms: int) -> int:
    """Roll up all there is; returns in how many steps."""
    steps = 0
    while True:
        with database.transaction() as connection:
            if not roll_up.step(connection, now_ms):
                return steps
        steps += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="as SQLAlchemy writes it")
    parser.add_argument("--days", type=int, default=30, help="until now, at 1 Hz")
    parser.add_argument("--lines", nargs="+", default=["line-a"], help="ids")
    arguments = parser.parse_args()
    now_ms = int(datetime.now(timezone.utc).timestamp()) * 1000
    database = Database(arguments.url)
    began_s = time.monotonic()
    rows = fill(database, arguments.lines, now_ms - arguments.days * DAY_MS, now_ms)
    filled_s = time.monotonic()
    steps = roll_up_all(database, now_ms)
    print(
        f"{rows:,} rows in {filled_s - began_s:.1f} s; rolled up in {time.monotonic() - filled_s:.1f} s, {steps} steps"
    )
    database.close()


if __name__ == "__main__":
    main()
