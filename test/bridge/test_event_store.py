"""History in a real database: every event once and in order, whatever goes away, and what is missing is told."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bridge_messages as make
from bridge_messages import said, said_in_passing
from bridge_process import LiveBridge
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.event_file import Kept
from plainview_ros.bridge.event_log import Entry, EventId, EventLog, make_entry
from plainview_ros.bridge.follower import Follower, Wish
from plainview_ros.bridge.keeping import Keeping, kept
from plainview_ros.bridge.schemas.events import MissionStarted
from plainview_ros.bridge.settings import Settings
from plainview_ros.bridge.store import database as database_module
from plainview_ros.bridge.store import database_thread, event_table, writer
from plainview_ros.bridge.store import event_store as store_module
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.errors import DatabaseError, RefusedError
from plainview_ros.bridge.store.event_store import EventStore
from plainview_ros.bridge.store.rows import Row
from plainview_ros.bridge.within import within
from plainview_ros.msg import Alert
from plainview_ros.ros import qos, topics
from postgres import Postgres
from ros_graph import DEADLINE_S, Graph
from web import EventStream, eventually

EVERYTHING = EventId(0, 0)


@dataclass
class Place:
    """Somewhere to keep history."""

    url: str
    away: Callable[[], AbstractContextManager[None]]
    """While it lasts nothing can be written there."""

    @property
    def environment(self) -> dict[str, str]:
        """What a bridge process is told."""
        return {"POSTGRES_URL": self.url} if self.url.startswith("postgresql") else {}


def write(database: Database, entries: Sequence[Entry], began: EventId | None = None) -> None:
    rows = map(event_table.row_of, entries)
    database.write(rows if began is None else [event_table.began(began), *rows])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        path = tmp_path / "plainview.db"
        return Place(f"sqlite:///{path}", lambda: locked(path))
    return place_on(request.getfixturevalue("postgres"), tmp_path)


def place_on(postgres: Postgres, folder: Path) -> Place:
    given = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(folder)}
    return Place(str(Environment.of(given).database_url), postgres.away)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for in these tests, and where nothing is, that it ends soon."""
    monkeypatch.setattr(writer, "BEGIN_AFTER_S", 0.0)
    monkeypatch.setattr(writer, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(writer, "LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(writer, "END_S", DEADLINE_S)  # a slow machine's database takes what remains all the same
    monkeypatch.setattr(database_module, "LOCK_TIMEOUT_S", 0.05)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, DEADLINE_S))


async def until(done: Callable[[], object]) -> None:
    while not done():  # noqa: ASYNC110  # nothing tells, and nothing else needs to be told
        await asyncio.sleep(0.002)


@asynccontextmanager
async def storing(place: Place, log: EventLog, earlier: Kept | None = None) -> AsyncIterator[EventStore]:
    store = EventStore(place.url, log, log_entries=1)
    store.start(earlier)
    yield store
    await store.close()


def new_log(capacity: int = 10_000) -> EventLog:
    return EventLog(capacity, 100_000_000)


async def say(log: EventLog, store: EventStore, numbers: range) -> list[Entry]:
    """Publish numbered events no faster than the store takes them, however little memory there is."""
    entries = []
    for n in numbers:
        log.publish(said("x", n=n))
        entries += log.lossless(log.end.lossless - 1, 1)
        if n % 5 == 0 or n == numbers[-1]:
            await until(lambda: store.behind == 0)
    return entries


def stored(place: Place, after: EventId | None = None) -> list[Entry]:
    """Everything that is there after an id, or since the beginning."""
    with closing(Database(place.url)) as database:
        if after is None:
            earlier = event_table.newest(database, 1_000_000)
            return [] if earlier is None else earlier.entries
        entries: list[Entry] = []
        while page := event_table.page(database, entries[-1].id if entries else after, 99):
            entries += page
        return entries


def entry_at(ms: int, source: str = "") -> Entry:
    return make_entry(EventId(ms, 0), "x", b'{"type":"x"}', "v-101", source)


def numbers_of(entries: Sequence[Entry]) -> list[int]:
    return [entry.data["n"] for entry in entries if entry.type == "x"]


async def present_state() -> bytes:
    return b'{"type":"state.snapshot"}'


async def followed(log: EventLog, store: EventStore, after: EventId, last: int) -> list[Entry]:
    """What a client is sent that resumes after an id, up to the event of a number, but for ticks."""
    entries: list[Entry] = []
    async for portion in Follower(log, Wish(after=after), store, present_state):
        entries += [entry for entry in portion.entries if entry.type != "telemetry.tick"]
        if entries and last in numbers_of(entries[-1:]):
            break
    return entries


# -- in ----------------------------------------------------------------------------------------------------------------


def test_what_is_said_is_in_the_database_once_in_order_and_as_the_clients_got_it(place: Place) -> None:
    async def scenario() -> None:
        log = new_log()
        since = log.newest_id
        async with storing(place, log):
            for n in range(2500):
                log.publish(said("x", n=n, text="Ventil Ö 102 ≥ 75 °C"))
                log.publish(said_in_passing("t"))
            log.publish(MissionStarted(**MISSION))
        assert stored(place) == log.lossless(0, 3000)
        assert stored(place, since) == log.lossless(0, 3000)

    run(scenario())


MISSION: dict[str, Any] = {
    "mission_id": "m-1",
    "mission_name": "Drill",
    "mission_type": "scenario",
    "status": "active",
    "at": 1_790_000_000.0,
}


def test_next_run_writes_what_the_last_one_did_not_and_repeats_nothing(place: Place) -> None:
    async def scenario() -> None:
        log = new_log()
        earlier = Kept(log.newest_id, [])
        async with storing(place, log) as store:
            earlier.entries.extend(await say(log, store, range(20)))
        for n in range(20, 2030):  # nobody writes them
            log.publish(said("x", n=n))
        earlier.entries.extend(log.lossless(20, 3000))
        again = new_log(10)  # which cannot hold them all
        again.restore(*earlier)
        async with storing(place, again, earlier) as store:
            again.publish(said("x", n=2030))
        assert numbers_of(stored(place)) == list(range(2031))
        assert store.written == 2011
        assert stored(place, earlier.since)[:2030] == earlier.entries

    run(scenario())


def test_writing_again_changes_nothing_and_equal_ids_of_two_bridges_lose_nothing(place: Place) -> None:
    mine, yours = [entry_at(5, "mine"), entry_at(6)], [entry_at(5, "yours"), entry_at(6)]
    with closing(Database(place.url)) as database:
        assert event_table.resume(database, Kept(EventId(4, 0), [])) == 0
        for entries in (mine, mine, yours, mine):
            write(database, entries)
        assert [entry.source for entry in event_table.page(database, EventId(4, 0), 10)] == ["mine", "yours", ""]
        assert event_table.resume(database, Kept(EventId(4, 0), mine)) == 2


@pytest.mark.parametrize("count", [1, 49, 50, 51, 100, 401])
def test_however_many_come_together_each_is_there_once(place: Place, count: int) -> None:
    entries = [entry_at(5 + n) for n in range(count)]
    with closing(Database(place.url)) as database:
        write(database, [*entries, entries[0], *entries], began=EventId(4, 0))
    assert stored(place, EventId(4, 0)) == entries


def test_several_bridges_make_the_tables_at_once(place: Place) -> None:
    together = threading.Barrier(4)
    failed: list[Exception] = []

    def begin(n: int) -> None:
        together.wait(DEADLINE_S)
        try:
            with closing(Database(place.url)) as database:
                write(database, [entry_at(5, f"bridge {n}")])
        except DatabaseError as error:
            failed.append(error)

    threads = [threading.Thread(target=begin, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if place.url.startswith("postgresql"):
        assert not failed
    else:  # one file has one writer at a time: the others try again, as the store does
        for n in range(4):
            begin_alone(place, n)
    assert len(stored_rows(place)) == 4


def begin_alone(place: Place, n: int) -> None:
    with closing(Database(place.url)) as database:
        write(database, [entry_at(5, f"bridge {n}")])


def stored_rows(place: Place) -> list[Entry]:
    with closing(Database(place.url)) as database:
        write(database, [entry_at(4)])
        return event_table.page(database, EventId(4, 0), 100)


def test_what_a_database_cannot_hold_does_not_hold_up_the_rest(place: Place) -> None:
    with closing(Database(place.url)) as database:
        event_table.resume(database, Kept(EventId(4, 0), []))
        write(database, [entry_at(5, "nul \0 in a name"), entry_at(6, "long " * 100_000), entry_at(7, "other")])
        assert [entry.source[:5] for entry in event_table.page(database, EventId(4, 0), 10)] == [
            "nul �",
            "long ",
            "other",
        ]


def test_rows_of_releases_that_know_different_columns_are_written_together(place: Place) -> None:
    key = {"line_id": "fl-1", "viscosity": 0.02}
    old, new = ({**key, "timestamp_ms": 1}, {**key, "timestamp_ms": 2, "pressure_pa": 1.5})
    older = {**key, "timestamp_ms": 3}
    with closing(Database(place.url)) as database:
        database.write([Row("flow_metrics", values) for values in (old, new, older)])
        with database.transaction() as connection:
            found = connection.exec_driver_sql("SELECT pressure_pa, viscosity FROM flow_metrics ORDER BY timestamp_ms")
            assert [tuple(row) for row in found] == [(None, 0.02), (1.5, 0.02), (None, 0.02)]


def test_end_does_not_come_before_what_remains_is_written(place: Place) -> None:
    async def scenario() -> None:
        log = new_log()
        async with storing(place, log) as store:
            await say(log, store, range(1))
            log.close()
            for n in range(1, 3000):
                log.publish(said("x", n=n))
        assert numbers_of(stored(place)) == list(range(3000))
        assert (store.behind, store.trouble) == (0, "")

    run(scenario())


def test_url_of_something_else_is_told_and_hinders_nobody() -> None:
    async def scenario() -> None:
        for url, complaint in {
            "mysql://db/plainview": "expected a postgresql or sqlite URL, found mysql",
            "postgres is on the left": "expected a URL such as postgresql://",
            "postgresql+psycopg2://plainview:secret@db:port/plainview": "expected a URL such as postgresql://",
        }.items():
            log = new_log()
            async with storing(Place(url, nullcontext), log) as store:
                log.publish(said("x", n=1))
                await until(lambda: store.trouble)
                assert complaint in store.trouble
                assert "secret" not in store.trouble
                assert "1 in memory" in store.trouble
                assert await store.page(EVERYTHING, 10) == ()

    run(scenario())


def test_defect_is_told_and_holds_up_no_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Database, "write", break_down)

    async def scenario() -> None:
        log = new_log()
        async with storing(place, log) as store:
            log.publish(said("x", n=1))
            await until(lambda: store.trouble)
            assert "start the bridge again" in store.trouble
            assert "broken" in store.trouble

    run(scenario())


# -- out ---------------------------------------------------------------------------------------------------------------


def test_client_older_than_memory_gets_every_event_once_in_order_and_then_the_live_ones(place: Place) -> None:
    async def scenario() -> None:
        log = new_log(10)
        beginning = log.newest_id
        async with storing(place, log) as store:
            entries = await say(log, store, range(100))
            places = {0: beginning, 1: entries[0].id, 43: entries[42].id, 96: entries[95].id}
            clients = [asyncio.create_task(followed(log, store, after, last=104)) for after in places.values()]
            entries += await say(log, store, range(100, 105))
            for first, client in zip(places, clients, strict=True):
                assert await client == entries[first:]

    run(scenario())


def test_page_goes_as_far_as_it_is_asked_and_begins_anywhere(place: Place) -> None:
    entries = [entry_at(ms) for ms in range(10, 30)]
    with closing(Database(place.url)) as database:
        assert event_table.page(database, EVERYTHING, 10) == []
        assert event_table.newest(database, 5) is None
        event_table.resume(database, Kept(EventId(9, 0), []))
        write(database, entries)
        assert event_table.page(database, EventId(9, 0), 5) == entries[:5]
        assert event_table.page(database, EventId(14, 3), 5) == entries[5:10]
        assert event_table.page(database, EventId(28, 0), 5) == entries[-1:]
        assert event_table.page(database, EventId(29, 0), 5) == []
        assert event_table.page(database, EventId(8, 999), 5) == []  # of before the beginning nobody knows
        assert event_table.known_again(database, EventId(8, 999)) == EventId(9, 0)
        assert event_table.known_again(database, EventId(9, 0)) is None
        assert event_table.newest(database, 5) == Kept(EventId(24, 0), entries[-5:])
        assert event_table.newest(database, 100) == Kept(EventId(9, 0), entries)


def test_nobody_knows_what_was_before_the_oldest_that_is_left(place: Place) -> None:
    entries = [entry_at(ms) for ms in range(10, 13)]
    with closing(Database(place.url)) as database:
        write(database, entries)
        assert event_table.page(database, EventId(9, 999), 5) == []
        assert event_table.page(database, entries[0].id, 5) == entries[1:]
        assert event_table.newest(database, 5) == Kept(entries[0].id, entries[1:])


@settings(max_examples=25)
@given(segments=st.lists(st.integers(0, 6), min_size=1, max_size=5), asked=st.integers(1, 8))
def test_no_page_reaches_across_a_hole(segments: list[int], asked: int) -> None:
    at = itertools.count(10)
    with tempfile.TemporaryDirectory() as folder, closing(Database(f"sqlite:///{folder}/x.db")) as database:
        holes: list[EventId] = []
        told: list[list[Entry]] = []
        for count in segments:
            next(at), next(at)  # lost ones
            holes.append(EventId(next(at), 0))
            told.append([entry_at(next(at)) for _ in range(count)])
            write(database, told[-1], began=holes[-1])
        for hole, entries in zip(holes, told, strict=True):
            assert event_table.page(database, hole._replace(ms=hole.ms - 1), asked) == []
            assert event_table.known_again(database, hole._replace(ms=hole.ms - 1)) == hole
            for known, after in enumerate([hole, *(entry.id for entry in entries)]):
                assert event_table.page(database, after, asked) == entries[known : known + asked]
        newest = event_table.newest(database, asked)
        assert newest is not None
        assert newest.entries == told[-1][-asked:]


def test_hole_of_one_bridge_is_none_where_another_was_there(place: Place) -> None:
    entries = [entry_at(ms) for ms in range(10, 20)]
    with closing(Database(place.url)) as mine, closing(Database(place.url)) as yours:
        event_table.resume(mine, Kept(EventId(9, 0), []))
        write(mine, entries[:3])
        write(mine, entries[7:], began=entries[6].id)
        assert event_table.page(mine, EventId(9, 0), 20) == entries[:3]
        write(yours, entries[:8])  # it was late
        assert event_table.resume(yours, Kept(entries[4].id, entries[5:])) == 5
        for size in (1, 2, 3, 20):
            assert event_table.page(mine, entries[2].id, size) == entries[3:][:size]
            assert event_table.page(mine, entries[5].id, size) == entries[6:][:size]
        assert event_table.newest(mine, 20) == Kept(EventId(9, 0), entries)


def test_client_from_before_the_beginning_is_told_of_the_gap_and_gets_all_there_is(place: Place) -> None:
    async def scenario() -> None:
        log = new_log(10)
        beginning = log.newest_id
        before = beginning._replace(ms=beginning.ms - 1000)
        async with storing(place, log) as store:
            await say(log, store, range(30))
            gap, *rest = await followed(log, store, before, last=29)
        assert (gap.type, gap.data["missingAfter"]) == ("stream.gap", str(before))
        assert (gap.data["missingUntil"], gap.id) == (str(beginning), beginning)
        assert numbers_of(rest) == list(range(30))

    run(scenario())


def test_hundreds_that_come_back_at_once_all_get_their_page_while_events_are_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[int] = [0]

    async def counted(limit_s: float, work: Coroutine[Any, Any, Any]) -> Any:
        if limit_s != store_module.PAGE_S:
            return await within(limit_s, work)
        timed.append(timed[-1] + 1)
        try:
            return await within(DEADLINE_S, work)
        finally:
            timed.append(timed[-1] - 1)

    monkeypatch.setattr(store_module, "TURN_S", DEADLINE_S)
    monkeypatch.setattr(store_module, "within", counted)

    async def scenario() -> None:
        log = new_log()
        async with storing(place, log) as store:
            entries = [make_entry(EventId(10 + n, 0), "x", b'{"type":"x"}') for n in range(520)]
            with closing(Database(place.url)) as database:
                event_table.resume(database, Kept(EventId(9, 0), []))
                write(database, entries)
            asked = [asyncio.create_task(store.page(entries[n % 20].id, 500)) for n in range(300)]
            n = 0
            while not all(question.done() for question in asked):
                log.publish(said("x", n=(n := n + 1)))
                await until(lambda: store.written == n)
            assert n >= 3, "written while they were read"
            for first, question in enumerate(asked):
                assert question.result() == entries[first % 20 + 1 :][:500]
            assert max(timed) == 1, "the time of one does not run while others are read"

    run(scenario())


def test_neither_reading_nor_writing_waits_for_the_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        log = new_log()
        released, busy = threading.Event(), threading.Event()

        def hang(*_: object) -> list[Entry]:
            busy.set()
            released.wait(DEADLINE_S)
            return []

        async with storing(place, log) as store:
            first = (await say(log, store, range(5)))[0].id
            with monkeypatch.context() as patch:
                patch.setattr(event_table, "page", hang)
                question = asyncio.create_task(store.page(first, 10))
                await until(busy.is_set)
                await say(log, store, range(5, 7))
                assert not released.is_set()
                assert not question.done()
                released.set()
                await question
            released.clear()
            busy.clear()
            with monkeypatch.context() as patch:
                patch.setattr(Database, "write", hang)
                log.publish(said("x", n=7))
                await until(busy.is_set)
                assert numbers_of(await store.page(first, 10)) == [1, 2, 3, 4, 5, 6]
                assert store.behind == 1
                released.set()

    run(scenario())


COUNT_TO = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {}) SELECT count(*) FROM n"
ENDLESS = COUNT_TO.format(2_000_000_000)


def test_question_that_takes_too_long_is_ended_in_the_database_and_the_next_is_answered(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "ANSWER_S", 0.2)

    def asked(query: str, database: Database) -> object:
        with database.transaction() as connection:
            return connection.exec_driver_sql(query).scalar()

    async def scenario() -> None:
        log = new_log()
        async with storing(place, log) as store:
            await say(log, store, range(1))
            endless = asyncio.create_task(store.ask(partial(asked, ENDLESS)))
            next_ = asyncio.create_task(store.ask(partial(asked, "SELECT 7")))
            with pytest.raises(DatabaseError, match=r"no answer within 0\.2 s"):
                await endless
            assert await next_ == 7

    run(scenario())


def test_what_is_no_question_may_take_long(place: Place) -> None:
    count = COUNT_TO.format(300_000)
    with closing(Database(place.url)) as database:
        with pytest.raises(DatabaseError), database.limited(0.001), database.transaction() as connection:
            connection.exec_driver_sql(count)
        with database.transaction() as connection:
            assert connection.exec_driver_sql(count).scalar() == 300_000


def test_text_that_the_driver_cannot_send_is_refused(postgres: Postgres) -> None:
    place = place_on(postgres, Path("/nowhere"))
    refused = pytest.raises(RefusedError, match="NUL")
    with closing(Database(place.url)) as database, refused, database.transaction() as connection:
        connection.exec_driver_sql("SELECT %(text)s", {"text": "a\0b"})


def test_host_that_dies_while_an_answer_is_waited_for_is_noticed(postgres: Postgres) -> None:
    place = place_on(postgres, Path("/nowhere"))
    with closing(Database(place.url)) as database, database.transaction() as connection:
        driver: Any = connection.connection.driver_connection
        set_ = {name: int(value) for name, value in driver.info.dsn_parameters.items() if name.startswith("keepalives")}
    assert set_["keepalives_idle"] + set_["keepalives_interval"] * set_["keepalives_count"] < 15


# -- away --------------------------------------------------------------------------------------------------------------


def test_database_that_goes_away_and_comes_back_has_every_event_in_order(place: Place) -> None:
    async def scenario() -> None:
        log = new_log()
        async with storing(place, log) as store:
            first = (await say(log, store, range(5)))[0].id
            with place.away():
                for n in range(5, 1500):
                    log.publish(said("x", n=n))
                await until(lambda: store.trouble)
                assert "1495 in memory" in store.trouble
                assert "in vain" not in store.trouble
            await until(lambda: not store.behind)
            assert store.trouble == ""
            assert numbers_of(await store.page(first, 2000)) == list(range(1, 1500))
        assert store.lost == 0

    run(scenario())


def test_what_memory_lost_while_the_database_was_away_is_counted_and_no_page_hides_it(place: Place) -> None:
    async def scenario() -> None:
        log = new_log(10)
        beginning = log.newest_id
        async with storing(place, log) as store:
            await say(log, store, range(20))
            with place.away():
                log.publish(said("x", n=20))
                await until(lambda: store.trouble)  # it has 20 in hand
                for n in range(21, 51):
                    log.publish(said("x", n=n))
                assert "31 in memory" in store.trouble
                assert "20 events wait in vain" in store.trouble
            await until(lambda: not store.behind)
            assert (store.lost, store.trouble) == (20, "")
            resumed = await say(log, store, range(51, 80))
            before = await store.page(beginning, 100)
            assert numbers_of(before) == list(range(21))
            assert await store.page(before[-1].id, 100) == []
            assert await store.page(resumed[-5].id, 100) == resumed[-4:]

    run(scenario())


def test_database_that_does_not_answer_holds_nobody_up(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASK_AT_START_S", "PAGE_S"):
        monkeypatch.setattr(store_module, name, 0.1)
    for name in ("END_S", "SLOW_S"):
        monkeypatch.setattr(writer, name, 0.1)
    monkeypatch.setattr(database_thread, "CLOSE_S", 0.1)

    async def scenario() -> None:
        log = new_log()
        place = Place(f"postgresql+psycopg2{postgres.new_database().removeprefix('postgresql')}", postgres.hanging)
        store = EventStore(place.url, log, 10_000)
        assert await store.newest(10) is None
        store.start(None)
        await say(log, store, range(3))
        with place.away():
            log.publish(said("x", n=3))
            await until(lambda: store.trouble)
            assert "no answer for 0.1 s" in store.trouble
            began_s = time.monotonic()
            assert await store.page(EVERYTHING, 10) == ()
            other = EventStore(place.url, log, 10_000)
            assert await other.newest(10) is None
            await asyncio.gather(store.close(), other.close())
            assert time.monotonic() - began_s < DEADLINE_S / 6
        assert store.behind == 1

    run(scenario())


# -- around the log ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def keeping(place: Place, state_dir: Path, log: EventLog, **changed: Any) -> AsyncIterator[Keeping]:
    async with kept(log, Environment(state_dir, place.url), Settings(**changed)) as keeping:
        yield keeping


def forget(state_dir: Path) -> None:
    for path in state_dir.glob("events*"):
        path.unlink()


def test_ids_and_what_was_told_go_on_from_the_database_when_the_files_are_lost(place: Place, tmp_path: Path) -> None:
    async def scenario() -> None:
        log = new_log()
        async with keeping(place, tmp_path, log):
            for n in range(20):
                log.publish(said("x", n=n))
            log.publish(MissionStarted(**MISSION))
        forget(tmp_path)
        slow_clock = EventLog(5, 1_000_000, now_s=lambda: 1000.0)
        async with keeping(place, tmp_path, slow_clock, ring_entries=5) as again:
            assert slow_clock.newest_id == log.newest_id
            assert again.since_s == log.newest_id.ms / 1000
            slow_clock.publish(MissionStarted(**MISSION))  # handed over by ROS once more
            assert slow_clock.counts.repeated == 1
            slow_clock.publish(said("x", n=20))
            assert slow_clock.lossless(slow_clock.end.lossless - 1, 1)[0].id > log.newest_id
            assert again.store is not None
            everything = await followed(slow_clock, again.store, log.lossless(0, 1)[0].id, last=20)
            assert numbers_of(everything) == list(range(1, 21))

    run(scenario())


def test_a_file_that_reaches_further_back_than_memory_fills_the_database(place: Place, tmp_path: Path) -> None:
    async def scenario() -> None:
        log = new_log()
        async with kept(log, Environment(tmp_path), Settings()):
            for n in range(100):
                log.publish(said("x", n=n))
        again = new_log(10)
        async with keeping(place, tmp_path, again) as kept_again:
            assert kept_again.store is not None
            await until(lambda: kept_again.store and not kept_again.store.behind)
        assert numbers_of(stored(place)) == list(range(100))

    run(scenario())


def test_absent_database_does_not_hold_up_the_start(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "ASK_AT_START_S", 0.1)

    async def scenario() -> None:
        stored(place)  # it is there, and then away
        log = new_log()
        with place.away():
            async with keeping(place, tmp_path, log) as unreachable:
                log.publish(said("x", n=0))
                store = unreachable.store
                assert store is not None
                await until(lambda: store.trouble)
                assert "history does not get into the database" in store.trouble
                assert not unreachable.trouble(), "of the file"

    run(scenario())


def test_bridge_without_a_state_directory_of_its_own_leaves_its_database_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        place = Place(f"sqlite:///{tmp_path / 'plainview.db'}", nullcontext)
        first, second = new_log(), new_log()
        async with keeping(place, tmp_path, first) as owner, keeping(place, tmp_path, second) as guest:
            second.publish(said("x", n=0))
            assert owner.store is not None
            assert (owner.trouble(), guest.store) == ("", None)
            assert "another bridge keeps its events there" in guest.trouble()

    run(scenario())


# -- a real bridge -----------------------------------------------------------------------------------------------------


def alerts_of(stream: EventStream) -> list[str]:
    return [event["message"] for event in stream.events if event.type == "alert.created"]


def test_client_older_than_memory_gets_every_alert_once_from_a_real_bridge_also_after_it_was_killed(
    graph: Graph, place: Place
) -> None:
    graph.environment |= place.environment

    def rows() -> int:
        try:
            return len(stored(place))
        except DatabaseError:
            return -1  # being made right now

    eventually(rows, lambda count: count == 0, "reachable database")
    alerts = graph.publisher(Alert, topics.ALERTS, qos.EVENT)
    texts = [f"alert {n}" for n in range(100)]
    bridge = LiveBridge(graph, ring_entries=10)
    client = bridge.events()
    for n, text in enumerate(texts, 1):
        alerts.publish(make.alert("RAISED", stamp_s=time.time(), message=text))
        if n % 5 == 0:
            client.wait_for("alert.created", message=text)
            eventually(rows, lambda count: count >= n, f"{n} rows")  # noqa: B023
    first = client.wait_for("alert.created", message=texts[0])
    resumed = bridge.events(first.id)
    resumed.wait_for("alert.created", message=texts[-1])
    assert alerts_of(resumed) == texts[1:]
    assert "stream.gap" not in resumed.types()

    bridge.process.kill()
    for stream in (client, resumed):
        stream.wait_for_end()
    bridge = LiveBridge(graph, ring_entries=10)
    late = bridge.events(first.id)
    alerts.publish(make.alert("RAISED", stamp_s=time.time(), message="after the restart"))
    late.wait_for("alert.created", message="after the restart")
    assert alerts_of(late) == [*texts[1:], "after the restart"]
    assert "stream.gap" not in late.types()
    late.close()
    assert bridge.stop() == 0


def test_bridge_that_is_killed_again_and_again_under_load_has_every_event_and_every_alert_once(
    graph: Graph, place: Place
) -> None:
    graph.environment |= place.environment
    alerts = graph.publisher(Alert, topics.ALERTS, qos.EVENT)
    bridge = LiveBridge(graph)
    texts: list[str] = []
    for _ in range(4):
        client = bridge.events()
        for _ in range(100):
            texts.append(f"alert {len(texts)}")
            alerts.publish(make.alert("RAISED", stamp_s=time.time(), message=texts[-1]))
        client.wait_for("alert.created", message=texts[-50])  # the rest is on its way, everywhere
        bridge.process.kill()
        client.wait_for_end()
        bridge.start()

    def told() -> list[str]:
        return [entry.data["message"] for entry in stored(place) if entry.type == "alert.created"]

    eventually(told, lambda messages: len(messages) >= len(texts), "all events in the database")
    assert bridge.stop() == 0
    assert told() == texts
    with closing(Database(place.url)) as database, database.transaction() as connection:
        found = connection.exec_driver_sql("SELECT message FROM alerts ORDER BY created_at_ms, message").scalars().all()
    assert sorted(found) == sorted(texts)
