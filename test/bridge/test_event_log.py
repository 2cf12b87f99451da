"""One log, many readers: nothing lost, nothing twice, in order, and a gap is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_messages import said, said_in_passing
from plainview_ros.bridge.event_log import (
    COALESCE_ABOVE,
    Cursor,
    Draft,
    Entry,
    EventId,
    EventLog,
    FellBehindError,
    Selection,
    make_entry,
)
from plainview_ros.bridge.schemas.events import Event, MissionStarted, TelemetryTick, ValveActuationCompleted
from ros_graph import DEADLINE_S


class StepClock:
    """A wall clock that a test moves, also backwards."""

    def __init__(self, now_s: float = 1_763_900_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


BEGIN = Cursor(0, 0)


def read_all(log: EventLog, cursor: Cursor, max_bytes: int = 256_000) -> Iterator[Entry]:
    while cursor != log.end:
        portion, cursor = log.read(cursor, max_bytes=max_bytes)
        yield from portion.entries


def newest(log: EventLog) -> Entry:
    return log.lossless(log.end.lossless - 1, 1)[0]


def publish(log: EventLog, event: Event) -> Entry:
    log.publish(event)
    return newest(log)


@given(
    actions=st.lists(st.sampled_from(["alarm", "telemetry", "read a", "read b"]), max_size=300),
    capacity=st.integers(min_value=1, max_value=20),
    batch_bytes=st.integers(min_value=1, max_value=500),
)
def test_each_reader_gets_every_lossless_event_once_in_order_or_is_told_how_many_it_lost(
    actions: list[str], capacity: int, batch_bytes: int
) -> None:
    async def scenario() -> None:
        log = EventLog(capacity, 1_000_000, 5)
        cursors = {"read a": BEGIN, "read b": BEGIN}
        accounted: dict[str, list[int]] = {"read a": [], "read b": []}
        ids: dict[str, list[EventId]] = {"read a": [], "read b": []}
        published = 0
        for action in actions:
            if action == "alarm":
                log.publish(said("n", n=published))
                published += 1
            elif action == "telemetry":
                log.publish(said_in_passing("t"))
            else:
                cursor = cursors[action]
                try:
                    portion, cursor = log.read(cursor, max_bytes=batch_bytes)
                except FellBehindError as gap:
                    accounted[action] += range(cursor.lossless, cursor.lossless + (gap.lost or 0))
                    cursors[action] = log.cursor_after(gap.resume_after)
                else:
                    accounted[action] += [entry.data["n"] for entry in portion.entries if entry.type == "n"]
                    ids[action] += [entry.id for entry in portion.entries]
                    cursors[action] = cursor
        for reader, seen in accounted.items():
            assert seen == list(range(cursors[reader].lossless))
            assert ids[reader] == sorted(set(ids[reader]))
        assert log.entries <= capacity + 5

    asyncio.run(scenario())


@given(ticks=st.integers(0, 400), alarms=st.integers(1, 5))
def test_no_amount_of_telemetry_pushes_an_alarm_out(ticks: int, alarms: int) -> None:
    async def scenario() -> None:
        log = EventLog(5, 1_000_000, telemetry_entries=150)
        for n in range(alarms):
            log.publish(said("alarm", n=n))
            for tick in range(ticks):
                log.publish(said_in_passing(f"line {tick % 3}", n=tick))
        entries = list(read_all(log, BEGIN))
        assert [entry.data["n"] for entry in entries if entry.type == "alarm"] == list(range(alarms))
        telemetry = [entry for entry in entries if entry.type != "alarm"]
        if ticks * alarms > COALESCE_ABOVE:
            assert [entry.data["n"] for entry in telemetry] == sorted(range(ticks - 3, ticks))
        assert len(telemetry) + log.counts.coalesced == ticks * alarms

    asyncio.run(scenario())


def test_reader_that_keeps_up_gets_all_telemetry() -> None:
    async def scenario() -> None:
        log = EventLog(5, 1_000_000, telemetry_entries=150)
        cursor, got = log.end, []
        for n in range(500):
            log.publish(said_in_passing("line", n=n))
            portion, cursor = log.read(cursor)
            got += [entry.data["n"] for entry in portion.entries]
        assert got == list(range(500))
        assert log.counts.coalesced == 0

    asyncio.run(scenario())


def test_what_happened_once_is_told_once_whoever_says_it_again() -> None:
    async def scenario() -> None:
        log = EventLog(2, 1_000_000)
        stroke = {"valve_id": "v-101", "torque_nm": 1.0, "final_position": 1.0, "completed_at": 5.0}
        for name in ("a", "a", "b"):
            log.publish(ValveActuationCompleted(**stroke, actuation_id=name))
        assert [entry.data["actuationId"] for entry in read_all(log, BEGIN)] == ["a", "b"]
        assert log.counts.repeated == 1
        log.publish(ValveActuationCompleted(**stroke, actuation_id="c"))
        log.publish(ValveActuationCompleted(**stroke, actuation_id="a"))  # whose entry is gone
        assert [entry.data["actuationId"] for entry in read_all(log, log.end._replace(lossless=2))] == ["c"]
        assert log.counts.repeated == 2

    asyncio.run(scenario())


def test_each_event_is_written_ahead_before_a_reader_sees_it() -> None:
    async def scenario() -> None:
        log = EventLog(10, 1_000_000)
        seen_when_kept: list[list[str]] = []
        log.keep = lambda _: seen_when_kept.append([entry.type for entry in read_all(log, BEGIN)])
        log.publish(said("first"))
        log.publish(said_in_passing("line"))
        log.publish(said("second"))
        assert seen_when_kept == [[], ["first", "telemetry.tick"]]

    asyncio.run(scenario())


def test_log_goes_on_from_an_earlier_run_even_when_the_clock_was_set_back() -> None:
    async def scenario() -> None:
        clock = StepClock()
        before = EventLog(10, 1_000_000, now_s=clock)
        entries = [publish(before, said(str(n))) for n in range(5)]
        clock.now_s -= 3600
        log = EventLog(3, 1_000_000, now_s=clock)
        log.restore(entries[0].id, entries[1:])
        assert publish(log, said("new")).id > entries[-1].id
        assert [entry.type for entry in read_all(log, log.cursor_after(entries[3].id))] == ["4", "new"]
        with pytest.raises(FellBehindError):
            log.cursor_after(entries[0].id)

    asyncio.run(scenario())


def test_place_that_another_bridge_gave_is_kept_unless_readers_are_past_it() -> None:
    async def scenario() -> None:
        log = EventLog(10, 1_000_000, now_s=StepClock())
        draft = Draft("alert.created", "v-101", b'{"type":"alert.created"}', "")
        given = log.newest_id._replace(ms=log.newest_id.ms + 7, number=3)
        first, late = log.admit(draft, given), log.admit(draft, given)
        assert first is not None
        assert late is not None
        assert first.id == given
        assert late.id > given

    asyncio.run(scenario())


def test_reader_may_choose_types_and_assets_but_not_go_without_ticks() -> None:
    async def scenario() -> None:
        log = EventLog(10, 1_000_000)
        stroke = {"torque_nm": 1.0, "final_position": 1.0, "completed_at": 5.0}
        for number, valve in enumerate(("v-101", "v-102")):
            log.publish(ValveActuationCompleted(valve_id=valve, actuation_id=str(number), **stroke))
        log.publish(TelemetryTick.now())
        log.publish(said("leak.alert"))
        for types, assets, wanted in (
            (None, frozenset({"v-102"}), ["v-102", ""]),
            (frozenset({"valve.actuation.completed"}), None, ["v-101", "v-102", ""]),
            (frozenset({"valve.actuation.completed"}), frozenset({"v-101"}), ["v-101", ""]),
            (frozenset({"mission.started"}), None, [""]),
        ):
            portion, cursor = log.read(BEGIN, Selection(types, assets))
            assert [entry.asset for entry in portion.entries] == wanted
            assert cursor == log.end

    asyncio.run(scenario())


@given(steps_ms=st.lists(st.integers(min_value=-10_000, max_value=10_000), min_size=1, max_size=50))
def test_ids_grow_even_when_the_clock_steps_back(steps_ms: list[int]) -> None:
    async def scenario() -> None:
        clock = StepClock()
        log = EventLog(100, 1_000_000, now_s=clock)
        ids = []
        for step_ms in steps_ms:
            clock.now_s += step_ms / 1000
            ids.append(publish(log, said("x")).id)
        assert ids == sorted(set(ids))

    asyncio.run(scenario())


def test_ids_of_a_later_run_are_greater() -> None:
    async def scenario() -> None:
        clock = StepClock()
        last = publish(EventLog(10, 1_000_000, now_s=clock), said("x")).id
        clock.now_s += 0.002
        assert publish(EventLog(10, 1_000_000, now_s=clock), said("x")).id > last

    asyncio.run(scenario())


@given(st.integers(0, 40), st.integers(1, 20))
def test_last_event_id_leads_to_the_event_after_it_or_to_a_gap(resume_at: int, capacity: int) -> None:
    async def scenario() -> None:
        log = EventLog(capacity, 1_000_000)
        ids = [publish(log, said(str(n))).id for n in range(40)]
        resume = min(resume_at, 39)
        if resume < 40 - capacity - 1:
            with pytest.raises(FellBehindError) as gap:
                log.cursor_after(ids[resume])
            assert gap.value.resume_after == ids[40 - capacity - 1]
        else:
            missed = [entry.type for entry in read_all(log, log.cursor_after(ids[resume]))]
            assert missed == [str(n) for n in range(resume + 1, 40)]

    asyncio.run(scenario())


def test_id_of_another_run_is_a_gap_of_unknown_size() -> None:
    async def scenario() -> None:
        clock = StepClock()
        log = EventLog(10, 1_000_000, now_s=clock)
        first = publish(log, said("first"))
        with pytest.raises(FellBehindError) as gap:
            log.cursor_after(EventId(int(clock.now_s * 1000) - 5000, 3))
        assert gap.value.lost is None
        assert list(read_all(log, log.cursor_after(gap.value.resume_after))) == [first]

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


def test_frame_is_what_an_event_source_reads_and_message_what_a_web_socket_does() -> None:
    event = said("alert.created", message="Druck über\nGrenze", severity="warning")
    entry = make_entry(EventId(17, 2), event.type, event.json_bytes())
    lines = entry.frame.decode().split("\n")
    assert lines[0] == "id: 17-2"
    assert lines[1] == "event: alert.created"
    data = {"type": "alert.created", "message": "Druck über\nGrenze", "severity": "warning"}
    assert json.loads(lines[2].removeprefix("data: ")) == data
    assert lines[3:] == ["", ""]
    assert json.loads(entry.message) == {"id": "17-2", **data}


def test_nan_never_reaches_a_frame() -> None:
    nan = MissionStarted.model_construct(type="mission.started", duration=float("nan"))
    assert nan.json_bytes() == b'{"type":"mission.started","duration":null}'
    assert b'"free":[null]' in said("x", free=[float("inf")]).json_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        "17-",
        "-2",
        "a-b",
        "17-2-3",
        "1_7-2",
        "\u0661-2",
        "9" * 60 + "-0",
        "17-2\n",
        "17-2.",
        "17.2",
        "1-9999999999999999999",
    ],
)
def test_foreign_id_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="event id"):
        EventId.parse(text)


@given(st.integers(0, 10**15), st.integers(0, 10**9), st.integers(0, 10**9))
def test_id_survives_being_written_and_read(ms: int, number: int, passing: int) -> None:
    event_id = EventId(ms, number, passing)
    assert EventId.parse(str(event_id)) == event_id


def test_publishing_wakes_all_waiting_readers_once_for_a_batch() -> None:
    async def scenario() -> None:
        log = EventLog(100, 1_000_000)
        batches: list[int] = []
        all_woken = asyncio.Event()

        async def reader() -> None:
            cursor = log.end
            while await log.wait(cursor):
                portion, cursor = log.read(cursor)
                batches.append(len(portion.entries))
                if len(batches) == 20:
                    all_woken.set()

        readers = [asyncio.create_task(reader()) for _ in range(20)]
        await asyncio.sleep(0)
        for n in range(5):
            log.publish(said("x", n=n))
        await asyncio.wait_for(all_woken.wait(), DEADLINE_S)
        assert batches == [5] * 20
        log.close()
        await asyncio.wait_for(asyncio.gather(*readers), DEADLINE_S)

    asyncio.run(scenario())


def test_closing_ends_a_reader_that_waits_and_one_that_comes_late() -> None:
    async def scenario() -> None:
        log = EventLog(10, 1_000_000)
        waiting = asyncio.create_task(log.wait(log.end))
        await asyncio.sleep(0)
        log.close()
        assert await asyncio.wait_for(waiting, DEADLINE_S) is False
        log.publish(said("x"))
        assert await log.wait(BEGIN) is False

    asyncio.run(scenario())
