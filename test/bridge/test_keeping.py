"""What brings the log over a restart: the file, the database where the file is in doubt, and neither when both fail."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bridge_messages import said
from plainview_ros.bridge import event_file
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.event_log import Entry, EventId, EventLog
from plainview_ros.bridge.keeping import Keeping, kept
from plainview_ros.bridge.settings import Settings
from plainview_ros.bridge.store.event_store import EventStore
from plainview_ros.bridge.store.rows import Row
from ros_graph import DEADLINE_S

BLOCK = os.sysconf("SC_PAGE_SIZE")
"""Of a tmpfs."""


async def run(state_dir: Path, count: int) -> tuple[Keeping, EventId, list[Entry]]:
    """One run of a bridge that says something; how it was kept, and what it had at the beginning."""
    log = EventLog(100, 1_000_000)
    async with kept(log, Environment.of({"PLAINVIEW_STATE_DIR": str(state_dir)}), Settings()) as keeping:
        since, entries = log.remembered()
        for n in range(count):
            log.publish(said("x", n=n))
    return keeping, since, entries


def in_loop(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), DEADLINE_S))


@pytest.fixture
def boot_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "boot_id"
    path.write_text("first\n")
    monkeypatch.setattr(event_file, "BOOT_ID", path)
    return path


def test_what_a_power_cut_took_from_the_file_is_read_from_the_database(tmp_path: Path, boot_id: Path) -> None:
    async def scenario() -> None:
        await run(tmp_path, 20)
        _, _, whole = await run(tmp_path, 0)
        file = tmp_path / "events.sse"
        os.truncate(file, file.stat().st_size // 2)
        boot_id.write_text("second\n")  # noqa: ASYNC240  # nothing else runs
        _, _, entries = await run(tmp_path, 5)
        assert len(whole) == 20
        assert entries == whole
        _, since, entries = await run(tmp_path, 0)
        assert since == whole[-1].id  # where the file went on; what is before it is in the database
        assert [entry.data["n"] for entry in entries] == list(range(5))

    in_loop(scenario)


@pytest.mark.parametrize("damage", ["folder", "no permission", "nonsense", "huge id"])
def test_file_that_cannot_be_read_does_not_keep_the_bridge_from_starting(tmp_path: Path, damage: str) -> None:
    async def scenario() -> None:
        await run(tmp_path, 3)
        file = tmp_path / "events.sse"
        if damage == "folder":
            file.unlink()
            file.mkdir()
        elif damage == "no permission":
            file.unlink()
            file.symlink_to(tmp_path / "nowhere" / "events.sse")
        elif damage == "nonsense":
            file.write_bytes(
                b": since 1700000000000-0\n\n: about []\nid: 1700000000001-0\nevent: x\ndata: {}\n\n\xff\n\n"
            )
        else:
            file.write_bytes(b": since 99999999999999999999999-0\n\n")
        keeping, _, entries = await run(tmp_path, 2)
        if damage in ("folder", "no permission"):
            assert "events are not kept on disk" in keeping.trouble()
        assert [entry.type for entry in entries] == ["x"] * 3, "from the database"
        assert keeping.store is not None
        assert keeping.store.behind == 0

    in_loop(scenario)


@pytest.mark.parametrize(("left", "trouble"), [(0, "No space left on device"), (9, "disk full")])
def test_disk_that_is_full_at_the_start_is_told_and_healed(small_disk: Path, left: int, trouble: str) -> None:
    """
    Args:
        left: bytes that the last block of the file has room for; then nothing of the next record is written, or half.
    """
    file, ballast = small_disk / "events.sse", small_disk / "ballast"

    def fill() -> None:
        with ballast.open("wb", buffering=0) as full, suppress(OSError):
            while full.write(bytes(BLOCK)):
                pass

    async def scenario() -> None:
        log = EventLog(100, 1_000_000)
        async with kept(log, Environment(small_disk), Settings()):
            sizes = []
            for n in range(2):
                log.publish(said("x", n=n, filler=""))
                sizes.append(file.stat().st_size)
            more = sizes[1] - sizes[0]
            log.publish(said("x", n=2, filler="x" * ((-left - sizes[1] - more) % BLOCK)))
        assert file.stat().st_size % BLOCK == (-left) % BLOCK
        fill()
        log = EventLog(100, 1_000_000)
        async with kept(log, Environment(small_disk), Settings()) as keeping:
            assert trouble in keeping.trouble()
            ballast.unlink()
            log.publish(said("x", n=3))
            assert not keeping.trouble()
        _, _, entries = await run(small_disk, 0)
        assert [entry.data["n"] for entry in entries] == [0, 1, 2, 3]

    in_loop(scenario)


def test_start_that_is_broken_off_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken_off(store: EventStore) -> None:
        await make_reserve(store)
        assert (tmp_path / "reserve").exists()
        raise RuntimeError("broken off")

    def threads() -> set[str]:
        return {thread.name for thread in threading.enumerate()} & {"event store", "event pages", "history", "spool"}

    make_reserve = EventStore.make_reserve

    async def scenario() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(EventStore, "make_reserve", broken_off)
            with pytest.raises(RuntimeError, match="broken off"):
                await run(tmp_path, 0)
        while threads():  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.002)
        assert not (tmp_path / "reserve").exists()
        keeping, _, _ = await run(tmp_path, 1)
        assert keeping.trouble() == "", "the files are free"

    in_loop(scenario)


def test_rows_that_the_ledger_loses_leave_the_memory_of_the_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        environment = Environment.of({"PLAINVIEW_STATE_DIR": str(tmp_path)})
        async with kept(EventLog(100, 1_000_000), environment, Settings()) as keeping:
            for n in range(60):
                keeping.ledger.add(Row("incidents", {"id": f"i-{n}", "data": "x" * 990_000}))
            assert keeping.file is not None
            assert [number for number, _ in keeping.file.rows] == list(range(11, 61))

    in_loop(scenario)


def test_database_of_another_kind_is_refused_without_quoting_it() -> None:
    with pytest.raises(ValueError, match="expected postgresql://") as refused:
        Environment.of({"POSTGRES_URL": "mysql://me:secret@host/db"})
    assert "secret" not in str(refused.value)
