"""What is old goes, a little at a time, and what is to be kept stays, in real databases."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, func, select

from benchmark.history_data import DAY_MS, fill, roll_up_all
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.event_log import EventId, make_entry
from plainview_ros.bridge.store import database as database_module
from plainview_ros.bridge.store import database_thread, event_table, retention, roll_up, upkeep
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.models import (
    audit_log,
    events,
    flow_metrics,
    flow_metrics_hour,
    flow_metrics_minute,
    valve_actuations,
)
from plainview_ros.bridge.store.rows import Row
from plainview_ros.bridge.store.size import size_bytes
from plainview_ros.bridge.store.upkeep import Periods, Upkeep
from postgres import Postgres
from ros_graph import DEADLINE_S

HOUR_MS = 3_600_000
NOON_MS = 1_795_435_200_000
"""A whole hour."""
ROLLED_UP = Periods(raw_days=2, minute_days=4, hour_days=6, event_days=8)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'plainview.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    given = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(tmp_path)}
    return str(Environment.of(given).database_url)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        yield database


def delete_all(database: Database, periods: Periods = ROLLED_UP, now_ms: int = NOON_MS) -> int:
    """Returns in how many steps."""
    steps = 0
    for step in retention.steps(periods):
        more = True
        while more:
            with database.transaction() as connection:
                more = step.do(connection, now_ms)
            steps += 1
    return steps


def oldest_ms(database: Database, table: Table) -> int | None:
    with database.transaction() as connection:
        return connection.scalar(select(func.min(table.c.timestamp_ms)))


def count(database: Database, table: Table) -> int:
    with database.transaction() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def write_events(database: Database, *ms: int) -> None:
    database.write(event_table.row_of(make_entry(EventId(each, 0), "x", b"{}", "", f"s{each}")) for each in ms)


def test_each_table_keeps_its_days_in_whole_hours(database: Database) -> None:
    fill(database, ["a", "b"], NOON_MS - 8 * DAY_MS - 1000, NOON_MS, step_ms=20_000)
    roll_up_all(database, NOON_MS)
    now_ms = NOON_MS + 1_234_567
    delete_all(database, now_ms=now_ms)
    assert oldest_ms(database, flow_metrics) == pytest.approx(NOON_MS - 2 * DAY_MS, abs=20_000)
    assert oldest_ms(database, flow_metrics_minute) == NOON_MS - 4 * DAY_MS
    assert oldest_ms(database, flow_metrics_hour) == NOON_MS - 6 * DAY_MS


def test_nothing_is_deleted_that_is_to_be_kept_for_ever(database: Database) -> None:
    fill(database, ["a"], NOON_MS - 9 * DAY_MS, NOON_MS, step_ms=600_000)
    roll_up_all(database, NOON_MS)
    write_events(database, 1, 2)
    tables = (flow_metrics, flow_metrics_minute, flow_metrics_hour, events)
    before = [count(database, table) for table in tables]
    assert delete_all(database, Periods(0, 0, 0, 0)) == 0
    assert before == [count(database, table) for table in tables]


def test_things_and_what_clients_did_stay(database: Database) -> None:
    thing: dict[str, Any] = {
        column.name: None if column.nullable else column.type.python_type() for column in valve_actuations.c
    }
    audit = {"id": "u", "at_ms": 0, "who": "w", "action": "a", "status": 200}
    database.write([Row("valve_actuations", thing), Row("audit_log", audit)])
    delete_all(database, Periods(1, 1, 1, 1))
    assert (count(database, valve_actuations), count(database, audit_log)) == (1, 1)


def test_what_is_not_rolled_up_stays_however_old_it_is(database: Database) -> None:
    fill(database, ["a"], NOON_MS - 9 * DAY_MS, NOON_MS, step_ms=60_000)
    delete_all(database)
    assert count(database, flow_metrics) == 9 * 1440
    assert roll_up_all(database, NOON_MS - 7 * DAY_MS)
    delete_all(database)
    assert oldest_ms(database, flow_metrics) == NOON_MS - 7 * DAY_MS - 60_000  # the last minute is not over by then
    assert oldest_ms(database, flow_metrics_minute) == NOON_MS - 7 * DAY_MS - HOUR_MS


def test_a_late_row_stays_until_it_is_rolled_up(database: Database) -> None:
    roll_up_all(database, NOON_MS)
    late_ms = NOON_MS - 5 * DAY_MS
    database.write([Row("flow_metrics", {"line_id": "a", "timestamp_ms": late_ms, "flow_rate_lpm": 7.0})])
    delete_all(database)
    assert count(database, flow_metrics) == 1
    roll_up_all(database, NOON_MS)
    delete_all(database)
    assert (count(database, flow_metrics), count(database, flow_metrics_minute)) == (0, 0)
    assert oldest_ms(database, flow_metrics_hour) == late_ms


def test_a_step_deletes_few_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_up, "STEP_ROWS", 100)
    monkeypatch.setattr(retention, "STEP_EVENTS", 10)
    fill(database, ["a", "b"], NOON_MS - 3 * DAY_MS, NOON_MS, step_ms=600_000)
    write_events(database, *range(35))
    roll_up_all(database, NOON_MS)
    raw, *_, old_events = retention.steps(ROLLED_UP)
    for step, table, most, wanted in ((raw, flow_metrics, 100, 576), (old_events, events, 10, 1)):
        more, left = True, count(database, table)
        while more:
            with database.transaction() as connection:
                more = step.do(connection, NOON_MS)
            assert 0 <= left - count(database, table) <= most
            left = count(database, table)
        assert left == wanted


def test_who_resumes_before_the_oldest_event_is_told_of_the_gap_and_goes_on_from_there(database: Database) -> None:
    kept_ms = [NOON_MS - 8 * DAY_MS + n for n in range(3)]
    old_ms = [NOON_MS - 9 * DAY_MS + n for n in range(5)]
    write_events(database, *old_ms, *kept_ms)
    delete_all(database)
    assert list(event_table.page(database, EventId(old_ms[1], 0), 100)) == []
    gap = event_table.known_again(database, EventId(old_ms[1], 0))
    assert gap == EventId(old_ms[-1], 0)
    page = event_table.page(database, gap, 100)
    assert [entry.id.ms for entry in page] == kept_ms
    newest = event_table.newest(database, 100)
    assert newest is not None
    assert (newest.since, [entry.id.ms for entry in newest.entries]) == (gap, kept_ms)


def test_when_all_events_are_old_their_end_is_remembered(database: Database) -> None:
    write_events(database, 5, 6, 7)
    delete_all(database)
    assert delete_all(database) == 4  # one of each kind, that finds nothing
    newest = event_table.newest(database, 100)
    assert newest is not None
    assert (newest.since, newest.entries) == (EventId(7, 0), [])


def test_the_space_of_what_was_deleted_is_used_again(tmp_path: Path) -> None:
    """A file that has its size keeps it, day after day."""
    with closing(Database(f"sqlite:///{tmp_path / 'plainview.db'}")) as database:

        def day(number: int) -> int:
            start_ms = NOON_MS + number * DAY_MS
            fill(database, ["a"], start_ms, start_ms + DAY_MS, step_ms=10_000)
            roll_up_all(database, start_ms + DAY_MS)
            delete_all(database, Periods(1, 1, 1, 1), start_ms + DAY_MS)
            with closing(sqlite3.connect(tmp_path / "plainview.db")) as other:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            with database.transaction() as connection:
                return size_bytes(connection)

        sizes = [day(number) for number in range(6)]
    assert max(sizes[3:]) <= 1.1 * sizes[2]


def test_what_waits_for_a_long_reader_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "WAL_BYTES", 1_000_000)
    path = tmp_path / "plainview.db"
    wal = tmp_path / "plainview.db-wal"
    with closing(Database(f"sqlite:///{path}")) as reader, closing(Database(f"sqlite:///{path}")) as writer:
        with reader.snapshot() as connection:
            assert connection.scalar(select(func.count()).select_from(events)) == 0
            fill(writer, ["a"], NOON_MS, NOON_MS + DAY_MS)
            assert wal.stat().st_size > 3_000_000
        for n in range(3):
            write_events(writer, n)
        assert wal.stat().st_size <= 1_000_000


# -- in the background -------------------------------------------------------------------------------------------------


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "BEGIN_AFTER_S", 0.0)
    monkeypatch.setattr(upkeep, "ROUND_S", 0.02)
    monkeypatch.setattr(upkeep, "PATIENCE_S", 0.0)
    monkeypatch.setattr(upkeep, "STEADY_S", 0.0)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, DEADLINE_S))


async def until(done: Callable[[], object]) -> None:
    while not done():  # noqa: ASYNC110  # nothing tells, and nothing else needs to be told
        await asyncio.sleep(0.005)


@pytest.mark.usefixtures("_impatient")
def test_two_look_after_one_database(url: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "PATIENCE_S", DEADLINE_S)  # now and then one finds the other at it
    now_ms = int(time.time() * 1000) // HOUR_MS * HOUR_MS
    fill(database, ["a", "b"], now_ms - 5 * DAY_MS, now_ms, step_ms=10_000)

    async def scenario() -> None:
        both = [Upkeep(url, ROLLED_UP), Upkeep(url, ROLLED_UP)]
        for one in both:
            one.start()
        await until(lambda: (oldest_ms(database, flow_metrics_minute) or 0) >= now_ms - 4 * DAY_MS - HOUR_MS)
        await until(lambda: (oldest_ms(database, flow_metrics) or 0) >= now_ms - 2 * DAY_MS - HOUR_MS)
        await until(lambda: all(one.measured and not any(one.measured.behind_s.values()) for one in both))
        for one in both:
            assert one.trouble == ""
            assert one.measured is not None
            assert one.measured.size_bytes > 100_000
            await one.close()

    run(scenario())
    with database.transaction() as connection:
        values = select(func.sum(flow_metrics_hour.c.flow_rate_lpm_n))
        assert connection.scalar(values) == 2 * 5 * 8640


YEAR_2100_S = 4_102_444_800.0


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("newest_ms", [NOON_MS, 600_000], ids=["the clock is wrong", "stamps are of use_sim_time"])
def test_a_clock_far_ahead_of_what_is_stored_makes_nothing_old(
    url: str, database: Database, monkeypatch: pytest.MonkeyPatch, newest_ms: int
) -> None:
    fill(database, ["a", "b"], newest_ms - 600_000, newest_ms, step_ms=10_000)
    write_events(database, newest_ms - 1000, newest_ms)
    monkeypatch.setattr(time, "time", lambda: YEAR_2100_S)

    async def scenario() -> None:
        one = Upkeep(url, ROLLED_UP)
        one.start()
        await until(lambda: count(database, flow_metrics_minute))
        one.measured = None
        await until(lambda: one.measured and not any(one.measured.behind_s.values()))
        await one.close()

    run(scenario())
    assert (count(database, flow_metrics), count(database, events)) == (120, 2)
    with database.transaction() as connection:
        done_ms = roll_up.mark(connection, roll_up.MINUTES)
    assert done_ms is not None
    assert done_ms <= newest_ms + upkeep.AHEAD_MS


@pytest.mark.usefixtures("_impatient")
def test_nothing_is_deleted_before_the_clock_has_gone_well_for_a_while(
    url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when everybody has the wrong time, and stores it."""
    monkeypatch.setattr(upkeep, "STEADY_S", 3600.0)
    fill(database, ["a"], NOON_MS - 600_000, NOON_MS, step_ms=10_000)
    rows, now_s = 60, [NOON_MS / 1000]
    monkeypatch.setattr(time, "time", lambda: now_s[0])

    async def scenario() -> None:
        one = Upkeep(url, ROLLED_UP)
        one.start()
        await until(lambda: one.measured)
        now_s[0], one.measured = YEAR_2100_S, None
        database.write([Row("flow_metrics", {"line_id": "a", "timestamp_ms": int(YEAR_2100_S * 1000) - 60_000})])
        await until(lambda: one.measured and not any(one.measured.behind_s.values()))
        await one.close()

    run(scenario())
    assert count(database, flow_metrics) == rows + 1


def test_a_clock_is_steady_again_some_time_after_its_last_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    wall_s, monotonic_s = [1e9], [0.0]
    monkeypatch.setattr(time, "time", lambda: wall_s[0])
    monkeypatch.setattr(time, "monotonic", lambda: monotonic_s[0])
    clock = upkeep.SteadyClock()

    def after(seconds: float, jump_s: float = 0.0) -> bool:
        monotonic_s[0] += seconds
        wall_s[0] += seconds + jump_s
        return clock.is_steady()

    assert not after(upkeep.STEADY_S - 1)
    assert after(1)
    assert after(10, jump_s=1)
    assert not after(10, jump_s=-1e6)
    assert not after(upkeep.STEADY_S - 1)
    assert after(1)


@pytest.mark.usefixtures("_impatient")
def test_others_that_are_always_at_it_are_told_of(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(tmp_path)}
    url = str(Environment.of(given).database_url)
    with closing(Database(url)) as database:
        write_events(database, 1)
        fill(database, ["a"], NOON_MS, NOON_MS + 1000)

        async def scenario() -> None:
            one = Upkeep(url, ROLLED_UP)
            with database.transaction() as connection:
                roll_up.be_alone(connection, roll_up.ROLL_UP_LOCK)
                one.start()
                await until(lambda: "others are always at it" in one.trouble)
            await until(lambda: not one.trouble)
            await one.close()

        run(scenario())


@pytest.mark.usefixtures("_impatient")
def test_it_is_not_measured_at_each_step(database: Database, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_up, "STEP_ROWS", 10)
    monkeypatch.setattr(upkeep, "ROUND_S", 3600.0)
    now_ms = int(time.time() * 1000)
    fill(database, ["a"], now_ms - 1_200_000, now_ms - 600_000, step_ms=10_000)
    times: list[Database] = []
    measure = upkeep._measure
    monkeypatch.setattr(upkeep, "_measure", lambda database: [times.append(database), measure(database)][1])

    async def scenario() -> None:
        one = Upkeep(url, ROLLED_UP)
        one.start()
        await until(lambda: count(database, flow_metrics_minute) >= 10)
        await one.close()

    run(scenario())
    assert len(times) == 1


@pytest.mark.usefixtures("_impatient")
def test_a_server_that_goes_away_in_the_middle_is_looked_after_when_it_is_back(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(tmp_path)}
    url = str(Environment.of(given).database_url)
    monkeypatch.setattr(roll_up, "STEP_ROWS", 500)
    now_ms = int(time.time() * 1000) // HOUR_MS * HOUR_MS
    with closing(Database(url)) as database:
        fill(database, ["a"], now_ms - 5 * DAY_MS, now_ms, step_ms=10_000)

    async def scenario() -> None:
        one = Upkeep(url, ROLLED_UP)
        one.start()
        await until(lambda: one.measured is not None)
        with postgres.away():
            await until(lambda: one.trouble)
            assert "neither rolled up nor bounded" in one.trouble
        await until(lambda: one.measured and not any(one.measured.behind_s.values()) and not one.trouble)
        await one.close()

    run(scenario())
    with closing(Database(url)) as database, database.transaction() as connection:
        assert connection.scalar(select(func.sum(flow_metrics_hour.c.flow_rate_lpm_n))) == 5 * 8640


@pytest.mark.usefixtures("_impatient")
def test_a_defect_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_connection: object, _now_ms: int) -> bool:
        raise RuntimeError("out of order")

    monkeypatch.setattr(roll_up, "step", fail)
    url = f"sqlite:///{tmp_path / 'plainview.db'}"
    with closing(Database(url)) as database:
        fill(database, ["a"], NOON_MS, NOON_MS + 1000)

    async def scenario() -> None:
        one = Upkeep(url, ROLLED_UP)
        one.start()
        await until(lambda: one.trouble)
        assert "out of order" in one.trouble
        await one.close()

    run(scenario())


@pytest.mark.usefixtures("_impatient")
def test_it_ends_at_once_also_when_the_database_is_silent(postgres: Postgres, tmp_path: Path) -> None:
    given = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(tmp_path)}

    async def scenario() -> None:
        one = Upkeep(str(Environment.of(given).database_url), ROLLED_UP)
        one.start()
        await until(lambda: one.measured)
        with postgres.hanging():
            began_s = time.monotonic()
            await one.close()
            assert time.monotonic() < began_s + 2 * database_thread.CLOSE_S

    run(scenario())


@pytest.mark.usefixtures("_impatient")
def test_a_writer_gets_through_while_there_is_much_to_do(url: str, database: Database) -> None:
    now_ms = int(time.time() * 1000) // HOUR_MS * HOUR_MS
    fill(database, ["a"], now_ms - 4 * DAY_MS, now_ms, step_ms=1000)

    async def scenario() -> None:
        one = Upkeep(url, ROLLED_UP)
        one.start()
        await until(lambda: count(database, flow_metrics_minute))
        for n in range(200):  # no DatabaseError
            write_events(database, now_ms + n)
            await asyncio.sleep(0)
        assert one.trouble == ""
        await one.close()

    run(scenario())
