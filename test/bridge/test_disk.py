"""A full disk: telemetry stops, everything else goes on, and it is told; a real one of a few megabytes."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge_messages import said
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.history_alert import HistoryAlert
from plainview_ros.bridge.journal import Journal
from plainview_ros.bridge.keeping import kept
from plainview_ros.bridge.settings import Settings
from plainview_ros.bridge.store import event_store, writer
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.disk import LOW_BYTES, RESERVE_BYTES
from plainview_ros.bridge.store.rows import Row
from ros_graph import DEADLINE_S


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BEGIN_AFTER_S", 0.0)
    monkeypatch.setattr(writer, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(writer, "LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(event_store, "DISK_EVERY_S", 0.02)


async def until(done: Any) -> None:
    while not done():  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.002)


def metric(n: int) -> Row:
    values = {"flow_rate_lpm": float(n), "pressure_pa": 1.0, "temperature_c": 2.0, "viscosity": None}
    return Row("flow_metrics", {"line_id": "line-1", "timestamp_ms": n, **values})


def audit(n: int) -> Row:
    return Row("audit_log", {"id": f"a-{n}", "at_ms": n, "who": "x", "action": "POST /x", "status": 200})


def free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def test_full_disk_stops_telemetry_and_nothing_else_until_there_is_room_again(small_disk: Path) -> None:
    url = f"sqlite:///{small_disk}/plainview.db"
    ballast = small_disk / "ballast"

    def fill() -> None:
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free_bytes(small_disk) - 4096)

    async def scenario() -> None:
        log = EventLog(10_000, 100_000_000)
        environment = Environment(small_disk, url)
        async with kept(log, environment, Settings(ring_bytes=2_000_000)) as keeping:
            store, ledger = keeping.store, keeping.ledger
            assert store is not None
            alert = HistoryAlert(log, ledger, Journal("alert_id"))

            def say(numbers: range) -> None:
                for n in numbers:
                    log.publish(said("x", n=n))
                    ledger.add(audit(n))
                    ledger.add(metric(n))
                alert.tell(store.condition)

            say(range(100))
            await until(lambda: store.behind == 0)
            reserve = small_disk / "reserve"
            assert reserve.stat().st_size == RESERVE_BYTES
            fill()
            await until(lambda: ledger.refuses_telemetry)
            assert not reserve.exists()
            assert "the disk is full: telemetry is not kept" in store.trouble
            for start in range(100, 1100, 100):
                say(range(start, start + 100))
                await until(lambda: store.behind == 0)
            assert store.given_up == 1000
            assert store.lost == 0
            ballast.unlink()
            await until(lambda: not ledger.refuses_telemetry)
            assert reserve.stat().st_size == RESERVE_BYTES
            say(range(1100, 1200))
            await until(lambda: store.behind == 0)
            assert store.trouble == ""
            types = [entry.type for entry in log.lossless(0, 10_000) if entry.type != "x"]
            assert types[:2] == ["alert.created", "alert.cleared"]
        assert not reserve.exists()
        assert free_bytes(small_disk) > LOW_BYTES

    asyncio.run(asyncio.wait_for(scenario(), DEADLINE_S))
    with closing(Database(url)) as database, database.transaction() as connection:
        count = "SELECT COUNT(*) FROM "
        assert connection.exec_driver_sql(f"{count} events WHERE type = 'x'").scalar_one() == 1200
        assert connection.exec_driver_sql(f"{count} audit_log").scalar_one() == 1200
        assert connection.exec_driver_sql(f"{count} flow_metrics").scalar_one() == 200
        assert connection.exec_driver_sql(f"{count} alerts WHERE status = 'cleared'").scalar_one() == 1
