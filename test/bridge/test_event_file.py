"""Events on disk: all of them are there again, whatever end the process met, or it is known from where on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plainview_ros.bridge import event_file
from plainview_ros.bridge.event_file import EventFile
from plainview_ros.bridge.event_log import Entry, EventId, make_entry

BEGIN = EventId(1000, 0)


@contextmanager
def opened(folder: Path, max_bytes: int = 1_000_000) -> Iterator[EventFile]:
    file = EventFile(folder, max_bytes)
    try:
        yield file
    finally:
        file.close()


def entry(number: int, filler: str = "") -> Entry:
    body = f'{{"type":"alert.created","n":{number},"message":"{filler}"}}'.encode()
    return make_entry(EventId(2000 + number, 0), "alert.created", body, "v-101\nx", f"alert.created {number}")


def write(folder: Path, numbers: range, max_bytes: int = 1_000_000) -> None:
    """One run of a bridge that continues what is there."""
    with opened(folder, max_bytes) as file:
        kept = file.read()
        file.open(BEGIN if kept is None else kept.newest)
        for number in numbers:
            file.write(entry(number))


def test_next_run_has_every_entry_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, range(5))
    write(tmp_path, range(5, 8))
    with opened(tmp_path) as file:
        kept = file.read()
    assert kept is not None
    assert kept.since == BEGIN
    assert kept.entries == [entry(number) for number in range(8)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(1, 400))
def test_process_killed_in_the_middle_of_writing_costs_only_what_nobody_was_told(tmp_path: Path, cut: int) -> None:
    for path in tmp_path.glob("*.sse"):
        path.unlink()
    write(tmp_path, range(3))
    path = tmp_path / "events.sse"
    os.truncate(path, path.stat().st_size - cut)
    with opened(tmp_path) as file:
        kept = file.read()
    whole = 0 if kept is None else len(kept.entries)
    assert kept is None or kept.entries == [entry(number) for number in range(whole)]
    write(tmp_path, range(whole, 6))
    with opened(tmp_path) as file:
        again = file.read()
    assert again is not None
    assert again.entries == [entry(number) for number in range(6)]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
def test_files_are_bounded_and_say_from_where_on_they_are_complete(tmp_path: Path, sizes: list[int]) -> None:
    for path in tmp_path.glob("*.sse"):
        path.unlink()
    written = [entry(number, "x" * size) for number, size in enumerate(sizes)]
    with opened(tmp_path, 4000) as file:
        file.open(BEGIN)
        for each in written:
            file.write(each)
        kept = file.read()
    assert sum(path.stat().st_size for path in tmp_path.glob("*.sse")) <= 4000
    assert kept is not None
    assert kept.entries == written[len(written) - len(kept.entries) :]
    assert kept.since == (BEGIN if len(kept.entries) == len(written) else written[-len(kept.entries) - 1].id)
    assert sum(len(each.frame) for each in kept.entries) > min(1000, sum(len(each.frame) for each in written) - 1)


def test_record_that_cannot_be_read_is_a_hole_not_a_silent_loss(tmp_path: Path) -> None:
    write(tmp_path, range(5))
    path = tmp_path / "events.sse"
    path.write_bytes(path.read_bytes().replace(b'"source": "alert.created 2"}', b"spilled coffee"))
    with opened(tmp_path) as file:
        kept = file.read()
    assert kept is not None
    assert kept.since == entry(3).id
    assert kept.entries == [entry(4)]


def test_full_disk_is_told_and_what_was_missed_meanwhile_is_known(tmp_path: Path) -> None:
    with opened(tmp_path) as file:
        file.open(BEGIN)
        file.write(entry(0))
        real, file._file = file._file, os.open("/dev/full", os.O_WRONLY)
        file.write(entry(1))
        assert "No space left" in file.trouble
        os.close(file._file)
        file._file = real
        file.write(entry(2))
        assert not file.trouble
        kept = file.read()
    assert kept is not None
    assert kept.since == entry(1).id
    assert kept.entries == [entry(2)]


def test_rotation_that_fails_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path, 4000) as file:
        file.open(BEGIN)
        file.write(entry(0, "x" * 1900))
        with monkeypatch.context() as broken:
            broken.setattr(os, "open", failing)
            file.write(entry(1, "x" * 1900))
            assert "too many open files" in file.trouble
        file.write(entry(2))
        assert not file.trouble
        kept = file.read()
    assert kept is not None
    assert (kept.since, kept.entries) == (entry(1).id, [entry(2)])


def failing(*_: object) -> int:
    raise OSError(24, "too many open files")


def test_file_that_was_deleted_under_way_is_begun_anew(tmp_path: Path) -> None:
    with opened(tmp_path, 4000) as file:
        file.open(BEGIN)
        (tmp_path / "events.sse").unlink()
        written = [entry(number, "x" * 500) for number in range(6)]
        for each in written:
            file.write(each)
        kept = file.read()
    assert not file.trouble
    assert kept is not None
    assert kept.entries
    assert kept.entries == written[-len(kept.entries) :]


def test_end_of_the_file_is_doubtful_only_after_the_machine_was_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("first\n")
    monkeypatch.setattr(event_file, "BOOT_ID", boot)
    doubts = []
    for boot_id in ("first\n", "first\n", "other\n", "other\n"):
        boot.write_text(boot_id)
        with opened(tmp_path) as file:
            doubts.append(file.is_doubtful())
    assert doubts == [False, False, True, False]


def test_second_bridge_in_the_same_folder_is_refused_by_name(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(OSError, match="another bridge keeps its events there"):
        EventFile(tmp_path, 1000)
    with opened(tmp_path):
        pass
