"""Rows on their way to the database outlive a process that is killed, and telemetry is what is given up."""

from __future__ import annotations

from pathlib import Path

import pytest

from plainview_ros.bridge.event_file import EventFile
from plainview_ros.bridge.event_log import EventId
from plainview_ros.bridge.ledger import Ledger
from plainview_ros.bridge.store.rows import Row

SINCE = EventId(1000, 0)


def audit(n: int, filler: str = "") -> Row:
    return Row("audit_log", {"id": f"a-{n}", "at_ms": n, "who": f"Ö\n\n{filler}", "action": "POST /x", "status": 200})


def metric(n: int) -> Row:
    return Row("flow_metrics", {"line_id": "line-1", "timestamp_ms": n})


def killed(folder: Path, numbers: range, stored: int, max_bytes: int = 1_000_000, doubtful: bool = False) -> list[Row]:
    """What a run finds of earlier ones; then it takes rows, brings those up to a number to a safe place, and ends."""
    file = EventFile(folder, max_bytes)
    ledger = Ledger()
    kept = file.read(doubtful)
    file.open(SINCE if kept is None else kept.newest)
    ledger.restore(file.rows, file.newest_row)
    found = ledger.waiting()
    ledger.keep = file.write_row
    for n in numbers:
        ledger.add(audit(n, "x" * 100))
        ledger.add(metric(n))
    if stored:
        file.stored(stored)
    file.close()
    return found


def ids(rows: list[Row]) -> list[object]:
    return [row.values["id"] for row in rows]


def test_next_run_has_the_rows_that_were_stored_nowhere_and_numbers_go_on(tmp_path: Path) -> None:
    assert killed(tmp_path, range(10), stored=4) == []
    assert ids(killed(tmp_path, range(10, 12), stored=0)) == [f"a-{n}" for n in range(4, 10)]
    assert ids(killed(tmp_path, range(0), stored=11)) == [f"a-{n}" for n in range(4, 12)]
    assert ids(killed(tmp_path, range(0), stored=0)) == ["a-11"]


def test_where_the_end_of_what_was_stored_may_be_lost_all_rows_are_taken_again(tmp_path: Path) -> None:
    killed(tmp_path, range(10), stored=10)
    assert ids(killed(tmp_path, range(0), stored=0, doubtful=True)) == [f"a-{n}" for n in range(10)]


def test_telemetry_is_given_up_first_and_rows_only_when_there_are_too_many() -> None:
    ledger = Ledger(max_rows=3, max_telemetry=2)
    for n in range(4):
        ledger.add(metric(n))
        ledger.add(audit(n))
    assert (ledger.given_up, ledger.lost, len(ledger)) == (2, 1, 5)
    assert [number for number, _ in ledger.take(10)] == [2, 3, 4, 0, 0]
    ledger.refuses_telemetry = True
    ledger.add(metric(9))
    assert (ledger.given_up, len(ledger)) == (3, 0)


def test_rows_that_are_lost_take_no_memory_of_the_file_and_those_in_hand_stay_there(tmp_path: Path) -> None:
    file = EventFile(tmp_path, 1_000_000)
    file.open(SINCE)
    ledger = Ledger(max_rows=5, max_size=10_000)
    ledger.keep, ledger.drop = file.write_row, file.drop
    for n in range(10):
        ledger.add(audit(n))
        if n == 1:
            ledger.take(2)
    assert (ids(ledger.waiting()), ledger.lost) == ([f"a-{n}" for n in range(5, 10)], 3)
    assert ids([row for _, row in file.rows]) == [f"a-{n}" for n in (0, 1, *range(5, 10))]
    for n in range(10, 20):
        ledger.add(audit(n, "x" * 4000))
    assert (ids(ledger.waiting()), ledger.lost) == (["a-18", "a-19"], 16)
    assert ids([row for _, row in file.rows]) == ["a-0", "a-1", "a-18", "a-19"]
    ledger.take(2)
    ledger.add(audit(20, "x" * 9000))
    assert len(ledger) == 1
    file.close()


@pytest.mark.parametrize("count", [1, 40])
def test_rotation_carries_what_is_stored_nowhere(tmp_path: Path, count: int) -> None:
    file = EventFile(tmp_path, 40_000)
    file.open(SINCE)
    ledger = Ledger()
    ledger.keep = file.write_row
    for n in range(count):
        ledger.add(audit(n))
    for _ in range(5000):  # the files are full several times over
        file.stored(0)
    file.close()
    again = EventFile(tmp_path, 40_000)
    again.read()
    assert ids([row for _, row in again.rows]) == [f"a-{n}" for n in range(count)]
    again.close()
