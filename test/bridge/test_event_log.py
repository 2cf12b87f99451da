"""One log, many readers: nothing lost, nothing twice, in order, and a gap is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_messages import said
from plainview_ros.bridge.event_log import EventId, EventLog, FellBehindError, encode_frame
from plainview_ros.bridge.schemas.events import MissionStarted


class StepClock:
    """A wall clock that a test moves, also backwards."""

    def __init__(self, now_s: float = 1_763_900_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def read_all(log: EventLog, cursor: int, max_bytes: int = 256_000) -> Iterator[str]:
    while entries := log.read(cursor, max_bytes):
        cursor += len(entries)
        yield from (entry.type for entry in entries)


@given(
    actions=st.lists(st.sampled_from(["publish", "read a", "read b"]), max_size=200),
    capacity=st.integers(min_value=1, max_value=20),
    batch_bytes=st.integers(min_value=1, max_value=500),
)
def test_each_reader_gets_every_event_once_in_order_or_is_told_how_many_it_lost(
    actions: list[str], capacity: int, batch_bytes: int
) -> None:
    async def scenario() -> None:
        log = EventLog(capacity, 1_000_000)
        cursors = {"read a": 0, "read b": 0}
        accounted: dict[str, list[int]] = {"read a": [], "read b": []}
        published = 0
        for action in actions:
            if action == "publish":
                log.publish(said("n", n=published))
                published += 1
                continue
            try:
                entries = log.read(cursors[action], batch_bytes)
            except FellBehindError as gap:
                accounted[action] += range(cursors[action], cursors[action] + (gap.lost or 0))
                cursors[action] = log.cursor_after(gap.resume_after)
            else:
                accounted[action] += [entry.data["n"] for entry in entries]
                cursors[action] += len(entries)
        for reader, seen in accounted.items():
            assert seen == list(range(cursors[reader]))
        assert log.entries == min(published, capacity)

    asyncio.run(scenario())


@given(steps_ms=st.lists(st.integers(min_value=-10_000, max_value=10_000), min_size=1, max_size=50))
def test_ids_grow_even_when_the_clock_steps_back(steps_ms: list[int]) -> None:
    async def scenario() -> None:
        clock = StepClock()
        log = EventLog(100, 1_000_000, clock)
        ids = []
        for step_ms in steps_ms:
            clock.now_s += step_ms / 1000
            ids.append(log.publish(said("x")).id)
        assert ids == sorted(set(ids))

    asyncio.run(scenario())


def test_ids_of_a_later_run_are_greater() -> None:
    async def scenario() -> None:
        clock = StepClock()
        last = EventLog(10, 1_000_000, clock).publish(said("x")).id
        clock.now_s += 0.002
        assert EventLog(10, 1_000_000, clock).publish(said("x")).id > last

    asyncio.run(scenario())


@given(st.integers(0, 40), st.integers(1, 20))
def test_last_event_id_leads_to_the_event_after_it_or_to_a_gap(resume_at: int, capacity: int) -> None:
    async def scenario() -> None:
        log = EventLog(capacity, 1_000_000)
        ids = [log.publish(said(str(n))).id for n in range(40)]
        resume = min(resume_at, 39)
        if resume < 40 - capacity - 1:
            with pytest.raises(FellBehindError) as gap:
                log.cursor_after(ids[resume])
            assert gap.value.resume_after == ids[40 - capacity - 1]
        else:
            assert list(read_all(log, log.cursor_after(ids[resume]))) == [str(n) for n in range(resume + 1, 40)]

    asyncio.run(scenario())


def test_id_of_another_run_is_a_gap_of_unknown_size() -> None:
    async def scenario() -> None:
        clock = StepClock()
        log = EventLog(10, 1_000_000, clock)
        first = log.publish(said("first"))
        with pytest.raises(FellBehindError) as gap:
            log.cursor_after(EventId(int(clock.now_s * 1000) - 5000, 3))
        assert gap.value.lost is None
        assert list(read_all(log, log.cursor_after(gap.value.resume_after))) == [first.type]

    asyncio.run(scenario())


def test_id_that_is_newer_than_all_waits_for_what_comes() -> None:
    async def scenario() -> None:
        log = EventLog(10, 1_000_000)
        log.publish(said("old"))
        assert log.cursor_after(EventId(9_999_999_999_999, 0)) == log.end

    asyncio.run(scenario())


def test_ring_is_bounded_in_bytes_and_keeps_the_newest_however_large() -> None:
    async def scenario() -> None:
        log = EventLog(1000, 2000)
        for n in range(100):
            log.publish(said("x", n=n, filler="ä" * 100))
            assert log.size_bytes <= 2000
        assert 1 < log.entries < 100
        log.publish(said("huge", filler="x" * 5000))
        assert log.entries == 1

    asyncio.run(scenario())


def test_frame_is_what_an_event_source_reads() -> None:
    frame = encode_frame(said("alert.created", message="Druck über\nGrenze", severity="warning"), EventId(17, 2))
    lines = frame.decode().split("\n")
    assert lines[0] == "id: 17-2"
    assert lines[1] == "event: alert.created"
    assert json.loads(lines[2].removeprefix("data: ")) == {
        "type": "alert.created",
        "message": "Druck über\nGrenze",
        "severity": "warning",
    }
    assert lines[3:] == ["", ""]


def test_nan_never_reaches_a_frame() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode_frame(MissionStarted.model_construct(type="mission.started", duration=float("nan")))
    assert '"free":[null]' in encode_frame(said("x", free=[float("inf")])).decode()


@pytest.mark.parametrize(
    "text", ["", "17", "17-", "-2", "a-b", "17-2-3", "1_7-2", "\u0661-2", "9" * 50 + "-0", "17-2\n"]
)
def test_foreign_id_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="expected an event id"):
        EventId.parse(text)


@given(st.integers(0, 10**15), st.integers(0, 10**9))
def test_id_survives_being_written_and_read(ms: int, number: int) -> None:
    assert EventId.parse(str(EventId(ms, number))) == EventId(ms, number)


def test_publishing_wakes_all_waiting_readers_once_for_a_batch() -> None:
    async def scenario() -> None:
        log = EventLog(100, 1_000_000)
        batches: list[int] = []
        all_woken = asyncio.Event()

        async def reader() -> None:
            cursor = log.end
            while await log.wait(cursor):
                entries = log.read(cursor)
                batches.append(len(entries))
                cursor += len(entries)
                if len(batches) == 20:
                    all_woken.set()

        readers = [asyncio.create_task(reader()) for _ in range(20)]
        await asyncio.sleep(0)
        for n in range(5):
            log.publish(said("x", n=n))
        await asyncio.wait_for(all_woken.wait(), 5)
        assert batches == [5] * 20
        log.close()
        await asyncio.wait_for(asyncio.gather(*readers), 5)

    asyncio.run(scenario())


def test_closing_ends_a_reader_that_waits_and_one_that_comes_late() -> None:
    async def scenario() -> None:
        log = EventLog(10, 1_000_000)
        waiting = asyncio.create_task(log.wait(log.end))
        await asyncio.sleep(0)
        log.close()
        assert await asyncio.wait_for(waiting, 5) is False
        log.publish(said("x"))
        assert await log.wait(0) is False

    asyncio.run(scenario())
