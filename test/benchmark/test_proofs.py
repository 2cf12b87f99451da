"""The proofs find what is wrong: what they read from a database, on one with each fault in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from benchmark.bench import Bench, sqlite_url
from benchmark.disk_full import small_disk
from benchmark.inventory import COMPLETED, REQUESTED, Kept, finished, rows
from benchmark.killed import check_metrics, prove_killed
from benchmark.messages import Strokes
from benchmark.proof import LINES, Finding
from benchmark.together import prove_together
from plainview_ros.bridge.announcements import of_transition
from plainview_ros.bridge.recorder import row_of_transition
from plainview_ros.bridge.store.database import Database
from plainview_ros.bridge.store.models import BEGAN
from plainview_ros.bridge.store.rows import Row
from plainview_ros.ros import topics
from plainview_ros.ros.conversions import to_plain
from ros_graph import Graph

PUBLISHED = 6


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path))
    yield database
    database.close()


@pytest.fixture
def bench(graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench on the domain of this test."""
    monkeypatch.setenv("ROS_DOMAIN_ID", graph.environment["ROS_DOMAIN_ID"])
    return Bench(tmp_path)


def event(place: int, number: int) -> Row:
    """The event of a message of :class:`Strokes` at a place of the log."""
    (told,) = of_transition(topics.VALVE_ACTUATIONS, to_plain(Strokes().fill(number)))
    kind = COMPLETED if number % 2 else REQUESTED
    values = {"ms": 1, "number": place, "source": str(place), "type": kind, "asset": "v-101"}
    return Row("events", {**values, "data": told.model_dump_json(by_alias=True)})


def began(place: int) -> Row:
    return Row("events", {"ms": 1, "number": place, "source": BEGAN, "type": BEGAN, "asset": "", "data": "{}"})


def strokes(numbers: Sequence[int]) -> list[Row]:
    source = Strokes()
    return [row_of_transition(topics.VALVE_ACTUATIONS, to_plain(source.fill(number))) for number in numbers]


def kept(database: Database, tmp_path: Path, numbers: Sequence[int], transitions: Sequence[int]) -> Kept:
    database.write([began(0), *(event(place, number) for place, number in enumerate(numbers, 1))])
    database.write(strokes(transitions))
    return Kept.of(sqlite_url(tmp_path), PUBLISHED)


def test_all_there_once_and_in_order_is_exact(database: Database, tmp_path: Path) -> None:
    found = kept(database, tmp_path, range(PUBLISHED), range(PUBLISHED))
    assert found.is_exact(PUBLISHED)
    assert not Finding("all", found, PUBLISHED).wrong
    assert rows(sqlite_url(tmp_path), "events") == PUBLISHED + 1
    assert finished(sqlite_url(tmp_path)) == PUBLISHED // 2


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        ((0, 1, 2, 4, 5), "1 lost (3 ...)"),
        ((0, 1, 2, 3, 3, 4, 5), "1 repeated"),
        ((0, 2, 1, 3, 4, 5), "1 out of order"),
    ],
)
def test_an_event_lost_repeated_or_out_of_order_is_found(
    database: Database, tmp_path: Path, numbers: Sequence[int], what: str
) -> None:
    found = kept(database, tmp_path, numbers, range(PUBLISHED))
    assert not found.is_exact(PUBLISHED)
    assert what in str(found)
    assert Finding("one", found, PUBLISHED).wrong


def test_a_hole_told_behind_the_first_event_is_found(database: Database, tmp_path: Path) -> None:
    database.write([began(PUBLISHED + 10)])
    found = kept(database, tmp_path, range(PUBLISHED), range(PUBLISHED))
    assert (found.holes, found.is_exact(PUBLISHED)) == (1, False)


def test_a_hole_is_found_also_when_none_is_told_before_the_first_event(database: Database, tmp_path: Path) -> None:
    database.write([*(event(place, place - 1) for place in range(1, PUBLISHED + 1)), began(3)])
    database.write(strokes(range(PUBLISHED)))
    assert Kept.of(sqlite_url(tmp_path), PUBLISHED).holes == 1


@pytest.mark.parametrize("transitions", [(0, 1, 2, 3, 4), (0, 1, 4, 5), range(PUBLISHED + 1)])
def test_a_stroke_not_as_it_ended_missing_or_too_many_is_found(
    database: Database, tmp_path: Path, transitions: Sequence[int]
) -> None:
    assert not kept(database, tmp_path, range(PUBLISHED), transitions).is_exact(PUBLISHED)


def test_nothing_is_found_where_there_is_no_database(tmp_path: Path) -> None:
    assert rows(sqlite_url(tmp_path), "events") == 0


def test_a_small_disk_is_full_soon(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        with small_disk(folder), pytest.raises(OSError, match="No space left"):
            (folder / "file").write_bytes(bytes(60_000_000))
    except PermissionError as error:
        pytest.skip(str(error))
    assert not list(folder.iterdir())


def test_flow_metrics_that_the_last_bridge_lost_or_nobody_published_are_found(
    database: Database, tmp_path: Path
) -> None:
    for since_ms in range(1, LINES + 3):
        database.write([Row("flow_metrics", {"line_id": "a", "timestamp_ms": since_ms})])
    all_there = kept(database, tmp_path, range(PUBLISHED), range(PUBLISHED))

    def wrong(published: int, since_ms: int, wanted: int) -> list[str]:
        finding = Finding("killed", all_there, PUBLISHED)
        check_metrics(finding, sqlite_url(tmp_path), published, since_ms, wanted)
        return finding.wrong

    assert wrong(LINES + 2, 1, LINES + 2) == []
    assert wrong(LINES + 2, 3, 2 * LINES) == []
    assert wrong(LINES + 2, 4, 2 * LINES) == ["the last bridge has lost flow metrics"]
    assert wrong(LINES + 1, 1, 1) == ["there are none, or more flow metrics than were published"]


def test_two_bridges_that_start_at_once_both_write(bench: Bench) -> None:
    found = prove_together(bench, starts=1, postgres=None)
    assert not found.wrong, str(found)


def test_a_bridge_that_is_killed_keeps_every_event_once(bench: Bench) -> None:
    found = prove_killed(bench, kills=2, seed=0, postgres=None)
    assert not found.wrong, str(found)
    assert found.published > 0
