"""Roll-ups are what is computed from the rows themselves, whatever comes when, in real databases."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from benchmark.history_data import DAY_MS, fill, roll_up_all, sample
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.store import roll_up
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.errors import BusyError
from plainview_ros.bridge.store.models import METRICS, ROLL_UPS, flow_metrics, metadata
from plainview_ros.bridge.store.rows import Row, Value
from plainview_ros.bridge.store.size import size_bytes
from plainview_ros.bridge.store.upkeep import LEAST_PAUSE_S
from postgres import Postgres
from ros_graph import DEADLINE_S

(MINUTE_MS, MINUTES), (HOUR_MS, HOURS) = ROLL_UPS
NOON_MS = 1_795_435_200_000
"""A whole hour."""
LATER_MS = NOON_MS + 400 * DAY_MS

Figures: TypeAlias = Mapping[tuple[str, int], Sequence[Any]]
"""By line and beginning; of each metric number, sum, least and greatest."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'plainview.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    given = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(tmp_path)}
    return str(Environment.of(given).database_url)


@contextmanager
def opened(url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        yield database


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with opened(url) as database:
        yield database


def metrics(line: str, at_ms: int, flow: float | None, pressure: float | None = None) -> Row:
    values: dict[str, Value] = {"line_id": line, "timestamp_ms": at_ms, "flow_rate_lpm": flow, "pressure_pa": pressure}
    return Row("flow_metrics", values | {"temperature_c": 40.0, "viscosity": None})


def step(database: Database, now_ms: int = LATER_MS) -> bool:
    with database.transaction() as connection:
        return roll_up.step(connection, now_ms)


def rolled_up(database: Database, table: Any) -> Figures:
    with database.transaction() as connection:
        return {(row[0], row[1]): list(row[2:]) for row in connection.execute(select(table))}


def marks(database: Database) -> list[int | None]:
    with database.transaction() as connection:
        return [roll_up.mark(connection, level) for level in (roll_up.MINUTES, roll_up.HOURS)]


def late_minutes(database: Database) -> int:
    with database.transaction() as connection:
        return roll_up.late_minutes(connection)


def by_hand(rows: Iterable[Row], bucket_ms: int) -> Figures:
    """Of the first row with each key, as the table keeps it."""
    first: dict[tuple[Any, Any], Mapping[str, Any]] = {}
    for row in rows:
        first.setdefault((row.values["line_id"], row.values["timestamp_ms"]), row.values)
    buckets: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for (line, at_ms), values in first.items():
        buckets.setdefault((line, at_ms // bucket_ms * bucket_ms), []).append(values)
    return {key: [part for metric in METRICS for part in _figures(metric, found)] for key, found in buckets.items()}


def _figures(metric: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
    values = [row[metric] for row in rows if row[metric] is not None]
    return (len(values), sum(values), min(values), max(values)) if values else (0, None, None, None)


def check(database: Database, rows: Sequence[Row]) -> None:
    for bucket_ms, table in ROLL_UPS:
        found, wanted = rolled_up(database, table), by_hand(rows, bucket_ms)
        assert found.keys() == wanted.keys()
        for key, values in wanted.items():
            assert found[key] == pytest.approx(values), (table.name, key)


def test_a_day_of_several_lines_is_rolled_up_as_by_hand(database: Database) -> None:
    lines = ["line-a", "line-b", "line-c"]
    fill(database, lines, NOON_MS - 1234, NOON_MS + DAY_MS, step_ms=1700)
    rows = [
        Row("flow_metrics", {"line_id": line, "timestamp_ms": at_ms, **sample(at_ms, 1700)._asdict()})
        for line in lines
        for at_ms in range(NOON_MS - 1234, NOON_MS + DAY_MS, 1700)
    ]
    steps = roll_up_all(database, LATER_MS)
    check(database, rows)
    assert steps < 40


def test_a_metric_without_values_has_none(database: Database) -> None:
    rows = [metrics("a", NOON_MS, None), metrics("a", NOON_MS + 1, 5.0), metrics("b", NOON_MS, None, None)]
    database.write(rows)
    roll_up_all(database, LATER_MS)
    check(database, rows)
    assert rolled_up(database, MINUTES)["b", NOON_MS][:4] == [0, None, None, None]


def test_what_is_young_waits_and_an_hour_for_its_last_minute(database: Database) -> None:
    database.write([metrics("a", NOON_MS + s * 1000, float(s)) for s in range(7200)])
    now_ms = NOON_MS + HOUR_MS + roll_up.LATENESS_MS
    roll_up_all(database, now_ms - 1)
    assert marks(database) == [NOON_MS + HOUR_MS - MINUTE_MS, NOON_MS]
    assert len(rolled_up(database, MINUTES)) == 59
    assert rolled_up(database, HOURS) == {}
    roll_up_all(database, now_ms)
    assert marks(database) == [NOON_MS + HOUR_MS, NOON_MS + HOUR_MS]
    assert rolled_up(database, HOURS)["a", NOON_MS][:4] == [3600, sum(range(3600)), 0.0, 3599.0]


def test_a_late_row_has_its_minute_and_its_hour_rolled_up_again_and_nothing_else(database: Database) -> None:
    rows = [metrics("a", NOON_MS + s * 60_000, 1.0) for s in range(180)]
    database.write(rows)
    roll_up_all(database, LATER_MS)
    before = marks(database)
    late = [metrics("a", NOON_MS + 5_000, 9.0), metrics("new", NOON_MS - 999 * HOUR_MS, 2.0)]
    database.write(late)
    assert late_minutes(database) == 2
    assert marks(database) == before
    assert roll_up_all(database, LATER_MS) == 1
    check(database, rows + late)
    assert late_minutes(database) == 0


def test_a_late_row_whose_transaction_fails_leaves_no_note(database: Database) -> None:
    database.write([metrics("a", NOON_MS, 1.0)])
    roll_up_all(database, LATER_MS)

    def fail() -> None:
        with database.transaction() as connection:
            database.put(connection, [metrics("a", NOON_MS + 1, 1.0)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert late_minutes(database) == 0


def test_rows_later_than_their_minute_was_kept_replace_nothing_but_fill_what_is_missing(database: Database) -> None:
    rows = [metrics("a", NOON_MS + s * 1000, float(s)) for s in range(60)]
    database.write(rows)
    roll_up_all(database, LATER_MS)
    with database.transaction() as connection:
        connection.execute(delete(flow_metrics))  # as retention does
    other = [metrics("a", NOON_MS + 2 * HOUR_MS, 3.0), metrics("a", NOON_MS + 2 * HOUR_MS + 1, 4.0)]
    database.write([metrics("a", NOON_MS + 500, 1000.0), other[0]])
    roll_up_all(database, LATER_MS)
    database.write([other[1]])
    roll_up_all(database, LATER_MS)
    check(database, rows + other)


def test_empty_years_take_one_step(database: Database) -> None:
    rows = [metrics("a", NOON_MS - 5000 * DAY_MS, 1.0), metrics("a", NOON_MS, 2.0)]
    database.write(rows)
    assert roll_up_all(database, LATER_MS) <= 4
    check(database, rows)
    assert not step(database)


@pytest.mark.parametrize("count", [1, 7])
def test_a_step_takes_so_many_rows_or_one_bucket(
    database: Database, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(roll_up, "STEP_ROWS", 20)
    names = [f"line-{n}" for n in range(count)]
    fill(database, names, NOON_MS, NOON_MS + HOUR_MS, step_ms=12_000)  # 5 a minute
    done_ms, least = NOON_MS, max(20, 5 * count)
    while step(database) and (until_ms := marks(database)[0] or 0) < NOON_MS + HOUR_MS:
        assert max(0, until_ms - done_ms) / 12_000 * count <= least
        done_ms = max(done_ms, until_ms)
    assert done_ms > NOON_MS


def test_steps_jump_from_line_to_line(database: Database) -> None:
    with database.transaction() as connection:
        assert roll_up.lines(connection, flow_metrics) == []
    database.write(metrics(line, NOON_MS + n, 1.0) for line in ("b", "a", "ü") for n in range(5))
    with database.transaction() as connection:
        assert sorted(roll_up.lines(connection, flow_metrics)) == ["a", "b", "ü"]


times = st.integers(0, 3 * HOUR_MS // 20_000).map(lambda n: NOON_MS + n * 20_000)
batches = st.lists(
    st.lists(
        st.builds(
            metrics,
            st.sampled_from(["a", "b"]),
            times,
            st.none() | st.integers(-50, 50).map(float),
            st.none() | st.integers(0, 9).map(float),
        ),
        max_size=8,
    ),
    max_size=8,
)


@given(batches=batches, nows=st.lists(st.integers(-1, 4 * 60).map(lambda n: NOON_MS + n * MINUTE_MS), max_size=30))
@settings(max_examples=40, deadline=None)
def test_whatever_comes_when_and_is_rolled_up_when_the_end_is_as_by_hand(
    shared: Database, batches: list[list[Row]], nows: list[int]
) -> None:
    with shared.transaction() as connection:
        for table in metadata.sorted_tables:
            connection.execute(delete(table))
    acts: list[list[Row] | int] = [*batches, *nows]
    random.Random(len(acts)).shuffle(acts)
    for act in acts:
        if isinstance(act, int):
            step(shared, act)
        else:
            shared.write(act)
    roll_up_all(shared, LATER_MS)
    check(shared, [row for act in acts if isinstance(act, list) for row in act])


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One for all examples."""
    folder = tmp_path_factory.mktemp("roll_up")
    url = f"sqlite:///{folder / 'plainview.db'}"
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        given = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(folder)}
        url = str(Environment.of(given).database_url)
    with opened(url) as database:
        yield database


def test_two_writers_and_two_that_roll_up_miss_no_row(url: str) -> None:
    """Late rows are written while their minutes are rolled up, on four connections."""
    rows = [metrics("ab"[n % 2], NOON_MS + n * 997, float(n % 50)) for n in range(3000)]
    random.Random(1).shuffle(rows)
    with opened(url) as database:  # the tables are there
        database.write(rows[:100])
    defects: list[BaseException] = []
    written = threading.Event()

    def write(part: int) -> None:
        with opened(url) as database:
            for n in range(100 + part, len(rows), 40):
                database.write(rows[n : n + 40 : 2])

    def keep_up() -> None:
        with opened(url) as database:
            while not written.wait(LEAST_PAUSE_S):
                with suppress(BusyError):
                    step(database)

    def guarded(work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:  # noqa: BLE001  # told by the test's own thread
            defects.append(error)

    writers = [threading.Thread(target=guarded, args=(write, part)) for part in (0, 1)]
    others = [threading.Thread(target=guarded, args=(keep_up,)) for _ in range(2)]
    for thread in writers + others:
        thread.start()
    for thread in writers:
        thread.join(DEADLINE_S)
    written.set()
    for thread in others:
        thread.join(DEADLINE_S)
    assert defects == []
    with opened(url) as database:
        roll_up_all(database, LATER_MS)
        with database.transaction() as connection:
            assert connection.scalar(select(func.count()).select_from(flow_metrics)) == len(rows)
        check(database, rows)


def test_a_writer_never_waits_in_a_queue_behind_a_step_that_waits(postgres: Postgres, tmp_path: Path) -> None:
    given = {"POSTGRES_URL": postgres.new_database(), "PLAINVIEW_STATE_DIR": str(tmp_path)}
    url = str(Environment.of(given).database_url)
    with opened(url) as slow, opened(url) as other, opened(url) as quick:
        quick.write([metrics("a", NOON_MS, 1.0)])
        with slow.transaction() as connection:
            slow.put(connection, [metrics("a", NOON_MS + 1, 2.0)])
            with pytest.raises(BusyError):  # it has not waited
                step(other)
            quick.write([metrics("b", NOON_MS, 1.0)])
            assert marks(quick) == [None, None]
        roll_up_all(other, LATER_MS)
        check(quick, [metrics("a", NOON_MS, 1.0), metrics("a", NOON_MS + 1, 2.0), metrics("b", NOON_MS, 1.0)])


def test_how_far_it_is_behind(database: Database) -> None:
    def behind(after_ms: int = 0) -> Mapping[str, int]:
        with database.transaction() as connection:
            return roll_up.behind_ms(connection, NOON_MS + HOUR_MS + roll_up.LATENESS_MS + after_ms)

    assert behind() == {"flow_metrics_minute": 0, "flow_metrics_hour": 0}
    database.write([metrics("a", NOON_MS - 3 * HOUR_MS, 1.0), metrics("b", NOON_MS - 2 * HOUR_MS, 1.0)])
    assert behind() == {"flow_metrics_minute": 4 * HOUR_MS - MINUTE_MS, "flow_metrics_hour": 3 * HOUR_MS}
    roll_up_all(database, NOON_MS)
    assert behind() == {"flow_metrics_minute": HOUR_MS, "flow_metrics_hour": HOUR_MS}
    roll_up_all(database, NOON_MS + roll_up.LATENESS_MS)
    assert behind() == {"flow_metrics_minute": HOUR_MS - MINUTE_MS, "flow_metrics_hour": 0}
    assert behind(10_000)["flow_metrics_hour"] == 10_000  # at the full hour it does not jump


def test_the_size_grows_with_what_is_written(database: Database) -> None:
    def size() -> int:
        with database.transaction() as connection:
            return size_bytes(connection)

    before = size()
    fill(database, ["a"], NOON_MS, NOON_MS + DAY_MS // 4)
    assert size() > before + 21_600 * 40
