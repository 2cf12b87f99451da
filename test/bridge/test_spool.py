"""Rows that wait on disk while the database is away: in order, bounded, and there whatever end the process met."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from bridge_messages import said
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.keeping import Keeping, kept
from plainview_ros.bridge.settings import Settings
from plainview_ros.bridge.store import database as database_module
from plainview_ros.bridge.store import event_store, event_table, spool, writer
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.errors import SpoolError, SpoolFullError
from plainview_ros.bridge.store.own_thread import OwnThread
from plainview_ros.bridge.store.rows import Row
from plainview_ros.bridge.store.spool import Spool
from postgres import Postgres
from ros_graph import DEADLINE_S


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BEGIN_AFTER_S", 0.0)
    monkeypatch.setattr(writer, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(writer, "LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(writer, "SLOW_S", 0.3)
    monkeypatch.setattr(writer, "END_S", 0.3)
    monkeypatch.setattr(event_store, "ASK_AT_START_S", 0.1)
    monkeypatch.setattr(database_module, "LOCK_TIMEOUT_S", 0.05)
    monkeypatch.setattr(spool, "LOCK_TIMEOUT_S", 0.05)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, DEADLINE_S))


async def until(done: Any) -> None:
    while not done():  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.002)


@asynccontextmanager
async def opened(path: Path, max_bytes: int = 1_000_000) -> AsyncIterator[Spool]:
    thread = OwnThread("spool")
    queue = Spool(path, max_bytes, thread)
    await queue.open()
    yield queue
    await queue.close()
    thread.end()


def metric(n: int, line: str = "line-1") -> Row:
    values = {"flow_rate_lpm": float(n), "pressure_pa": 1.0, "temperature_c": 2.0, "viscosity": None}
    return Row("flow_metrics", {"line_id": line, "timestamp_ms": n, **values})


def audit(n: int, who: str = "http 127.0.0.1") -> Row:
    return Row("audit_log", {"id": f"a-{n}", "at_ms": n, "who": who, "action": "POST /valves", "status": 200})


async def all_of(queue: Spool) -> list[Row]:
    return list((await queue.page(1_000_000)).rows)


def test_rows_come_out_in_the_order_they_went_in_also_in_the_next_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        rows = [audit(n) if n % 3 else metric(n) for n in range(100)]
        async with opened(tmp_path / "spool.db") as queue:
            assert not (tmp_path / "spool.db").exists(), "while it is empty it costs nothing"
            await queue.put(lambda: rows[:60])
            page = await queue.page(40)
            assert page.rows == rows[:40]
            await queue.drop(page)
        async with opened(tmp_path / "spool.db") as queue:
            assert queue.rows == 20
            await queue.put(lambda: rows[60:])
            assert await all_of(queue) == rows[40:]
            await queue.drop(await queue.page(1000))
            assert (queue.rows, queue.bytes) == (0, 0)

    run(scenario())


def test_the_oldest_telemetry_goes_first_and_nothing_else_ever(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(tmp_path / "spool.db", 20_000) as queue:
            for n in range(0, 1000, 10):
                rows = [*map(metric, range(n, n + 10)), audit(n)]
                await queue.put(rows.copy)
                assert queue.bytes <= 20_000
            rows = await all_of(queue)
            assert [row for row in rows if not row.is_telemetry] == [audit(n) for n in range(0, 1000, 10)]
            left = [row.values["timestamp_ms"] for row in rows if row.is_telemetry]
            assert left == list(range(1000 - len(left), 1000))
            assert queue.given_up == 1000 - len(left)
            with pytest.raises(SpoolFullError):
                await queue.put(lambda: [audit(n) for n in range(1000, 1200)])
            assert not any(row.is_telemetry for row in await all_of(queue))
            await queue.put(lambda: [metric(5000)])

    run(scenario())


def test_things_are_read_before_all_is_counted_that_is_here(tmp_path: Path) -> None:
    def alert(n: int) -> Row:
        return Row("alerts", {"id": f"t-{n}", "stamp_ms": n})

    async def scenario() -> None:
        async with opened(tmp_path / "spool.db") as queue:
            await queue.put(lambda: [alert(1), *map(metric, range(100)), audit(1), alert(2)])
        thread = OwnThread("spool")
        queue = Spool(tmp_path / "spool.db", 1_000_000, thread)
        assert await queue.things(10) == [alert(2), alert(1)]
        assert queue.rows == 0, "that takes half a second when there is much telemetry"
        await queue.open()
        assert queue.rows == 103
        await queue.close()
        thread.end()

    run(scenario())


def test_damaged_file_is_kept_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "spool.db").write_bytes(b"this is no database" * 1000)
        thread = OwnThread("spool")
        queue = Spool(tmp_path / "spool.db", 1_000_000, thread)
        with pytest.raises(SpoolError, match="was damaged"):
            await queue.open()
        aside = await asyncio.to_thread(Path(queue.damaged).read_bytes)
        assert aside.startswith(b"this is no database")
        await queue.put(lambda: [audit(1)])
        assert await all_of(queue) == [audit(1)]
        await queue.close()
        thread.end()

    run(scenario())


def test_file_that_can_not_even_be_moved_aside_is_of_no_use_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "time", lambda: 1000.0)
    in_the_way = tmp_path / "spool.db.damaged-1000"
    in_the_way.mkdir()
    (tmp_path / "spool.db").write_bytes(b"this is no database" * 1000)

    async def scenario() -> None:
        thread = OwnThread("spool")
        queue = Spool(tmp_path / "spool.db", 1_000_000, thread)
        with pytest.raises(SpoolError, match="can neither be used nor moved aside"):
            await queue.open()
        in_the_way.rmdir()
        with pytest.raises(SpoolError, match="was damaged"):
            await queue.open()
        await queue.put(lambda: [audit(1)])
        assert await all_of(queue) == [audit(1)]
        await queue.close()
        thread.end()

    run(scenario())


# -- around the database -----------------------------------------------------------------------------------------------


def place_of(postgres: Postgres, folder: Path) -> str:
    given = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(folder)}
    return str(Environment.of(given).database_url)


@asynccontextmanager
async def keeping(
    url: str, folder: Path, capacity: int = 10_000, **changed: Any
) -> AsyncIterator[tuple[EventLog, Keeping]]:
    log = EventLog(capacity, 100_000_000)
    async with kept(log, Environment(folder, url), Settings(**changed)) as keeping:
        yield log, keeping


def in_database(url: str) -> tuple[list[int], int, int]:
    """Numbers of the events in order, and how many rows of the audit log and of telemetry there are."""
    with closing(Database(url)) as database, database.transaction() as connection:
        audits = connection.exec_driver_sql("SELECT COUNT(*) FROM audit_log").scalar_one()
        metrics = connection.exec_driver_sql("SELECT COUNT(*) FROM flow_metrics").scalar_one()
    with closing(Database(url)) as database:
        newest = event_table.newest(database, 1_000_000)
        return [entry.data["n"] for entry in newest.entries] if newest else [], audits, metrics


def say(log: EventLog, keeping: Keeping, numbers: range) -> None:
    for n in numbers:
        log.publish(said("x", n=n))
        keeping.ledger.add(audit(n))
        keeping.ledger.add(metric(n))


@pytest.mark.parametrize("way", ["away", "hanging"])
def test_runs_without_a_database_leave_everything_to_the_run_that_has_it(
    postgres: Postgres, tmp_path: Path, way: str
) -> None:
    url = place_of(postgres, tmp_path)
    unreachable: AbstractContextManager[None] = getattr(postgres, way)()

    async def scenario() -> None:
        async with keeping(url, tmp_path, 50) as (log, first):
            say(log, first, range(20))
            await until(lambda: first.store and first.store.behind == 0)
            with unreachable:
                say(log, first, range(20, 40))
                await until(lambda: first.store and first.store.trouble)
                for start in range(40, 400, 20):
                    say(log, first, range(start, start + 20))
                    await until(lambda: first.store and first.store.writer.in_memory == 0)
                say(log, first, range(400, 410))
                began_s = time.monotonic()
                assert first.store is not None
                await first.store.close()
                assert time.monotonic() - began_s < DEADLINE_S / 5
                assert first.store.spool is not None
                assert first.store.writer.in_memory == 0
        async with keeping(url, tmp_path, 50) as (log, again):
            say(log, again, range(410, 420))
            await until(lambda: again.store and again.store.behind == 0 and again.store.trouble == "")
            assert again.store is not None
            assert again.store.lost == 0

    run(scenario())
    assert in_database(url) == (list(range(420)), 420, 420)


def test_a_run_that_starts_and_ends_without_a_database_is_whole(postgres: Postgres, tmp_path: Path) -> None:
    url = place_of(postgres, tmp_path)

    async def scenario() -> None:
        async with keeping(url, tmp_path) as (log, first):
            say(log, first, range(10))
        with postgres.away():
            for start in (10, 20):
                async with keeping(url, tmp_path) as (log, without):
                    say(log, without, range(start, start + 10))
        async with keeping(url, tmp_path) as (log, again):
            say(log, again, range(30, 40))
            await until(lambda: again.store and again.store.behind == 0)

    run(scenario())
    assert in_database(url) == (list(range(40)), 40, 40)


def test_row_that_is_refused_for_ever_holds_up_no_other(postgres: Postgres, tmp_path: Path) -> None:
    url = place_of(postgres, tmp_path)

    async def scenario() -> None:
        async with keeping(url, tmp_path) as (log, kept_well):
            say(log, kept_well, range(50))
            kept_well.ledger.add(audit(1 << 70))
            kept_well.ledger.add(Row("nowhere", {"id": "x"}))
            kept_well.ledger.add(Row("audit_log", {"id": "without the rest"}))
            kept_well.ledger.add(audit(51, "NUL \0 and half of a character \ud800"))
            say(log, kept_well, range(52, 60))
            await until(lambda: kept_well.store and kept_well.store.behind == 0)
            assert kept_well.store is not None
            assert kept_well.store.writer.refused == 3
            assert "3 refused" in kept_well.store.condition.told
            assert kept_well.store.trouble == ""

    run(scenario())
    assert in_database(url)[1:] == (59, 58)


def test_damaged_rows_of_the_spool_hold_up_no_others(postgres: Postgres, tmp_path: Path) -> None:
    url = place_of(postgres, tmp_path)
    in_database(url)  # the tables are there

    async def scenario() -> None:
        with postgres.away():
            async with keeping(url, tmp_path) as (_, without):
                for n in range(30):
                    without.ledger.add(audit(n))
        with closing(sqlite3.connect(tmp_path / "spool.db")) as damaged, damaged:
            for n, text in enumerate(("substr(row, 1, 20)", "CAST(x'ff00' AS TEXT)", "7", "'[1, 2]'")):
                damaged.execute(f"UPDATE spool SET row = {text} WHERE row LIKE ?", (f'%"a-{5 * n}"%',))
        async with keeping(url, tmp_path) as (_, again):
            for n in range(30, 40):
                again.ledger.add(audit(n))
            await until(lambda: again.store and again.store.behind == 0 and again.store.trouble == "")
            assert again.store is not None
            assert "4 damaged in the spool" in again.store.condition.told

    run(scenario())
    assert in_database(url)[1] == 36


def test_locked_database_and_locked_spool_leave_new_rows_in_memory_until_one_is_free(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/plainview.db"

    async def scenario() -> None:
        async with keeping(url, tmp_path) as (log, both):
            say(log, both, range(10))
            await until(lambda: both.store and both.store.behind == 0)
            assert both.store is not None
            with closing(sqlite3.connect(tmp_path / "plainview.db")) as first:
                first.execute("BEGIN EXCLUSIVE")
                say(log, both, range(10, 20))
                await until(lambda: both.store and both.store.spool and both.store.spool.rows)
                with closing(sqlite3.connect(tmp_path / "spool.db")) as second:
                    second.execute("BEGIN EXCLUSIVE")
                    say(log, both, range(20, 30))
                    await until(lambda: both.store and "is locked" in both.store.condition.losing)
                await until(lambda: both.store and both.store.writer.in_memory == 0)
            await until(lambda: both.store and both.store.behind == 0)
            assert both.store.lost == 0

    run(scenario())
    assert in_database(url) == (list(range(30)), 30, 30)
