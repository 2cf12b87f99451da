"""What one client is sent: from now, from where it was, from memory or history, and what it is told when that fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_messages import said, said_in_passing
from plainview_ros.bridge.event_log import Entry, EventId, EventLog, Portion, Selection, make_entry
from plainview_ros.bridge.follower import PAGE_ENTRIES, Follower, Wish, place_of, selection_of
from ros_graph import DEADLINE_S


class Archive:
    """History that has everything from a number on."""

    def __init__(self, first: int = 0) -> None:
        self.entries: list[Entry] = []
        self.first = first

    async def page(self, after: EventId, max_entries: int) -> Sequence[Entry]:
        kept = self.entries[self.first :]
        if not kept or after < kept[0].id:
            return ()
        return [entry for entry in kept if entry.id > after][:max_entries]

    async def known_again(self, after: EventId) -> EventId | None:
        kept = self.entries[self.first :]
        return kept[0].id if kept and after < kept[0].id else None


async def present_state() -> bytes:
    return b'{"type":"state.snapshot","valves":[]}'


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), DEADLINE_S))


def following(log: EventLog, wish: Wish = Wish(), history: Archive | None = None) -> AsyncIterator[Portion]:  # noqa: B008
    return Follower(log, wish, history, present_state)


def filled(count: int, capacity: int) -> tuple[EventLog, Archive]:
    log, archive = EventLog(capacity, 1_000_000), Archive()
    log.keep = archive.entries.append
    for n in range(count):
        log.publish(said("x", n=n))
    return log, archive


async def until_caught_up(stream: AsyncIterator[Portion], log: EventLog) -> list[Entry]:
    """Everything but ticks, up to an event that is published as soon as the stream has begun."""
    entries: list[Entry] = []
    published = False
    async for portion in stream:
        if not published:
            log.publish(said("caught up"))
            published = True
        entries += [entry for entry in portion.entries if entry.type != "telemetry.tick"]
        if entries and entries[-1].type == "caught up":
            break
    return entries[:-1]


def test_tick_comes_at_once_and_says_where_the_client_may_resume() -> None:
    async def scenario() -> None:
        log, _ = filled(3, 10)
        (tick,) = (await anext(following(log))).entries
        assert tick.type == "telemetry.tick"
        assert tick.id == log.newest_id
        (resuming,) = (await anext(following(log, Wish(after=EventId(5, 0))))).entries
        assert resuming.id == EventId(5, 0)  # were it newer, a break right now would lose what is still to be sent

    run(scenario)


def test_all_that_is_there_is_sent_in_one_piece_joined_once_for_all() -> None:
    async def scenario() -> None:
        log, _ = filled(0, 100)
        streams = [following(log) for _ in range(2)]
        for stream in streams:
            await anext(stream)
        for n in range(5):
            log.publish(said("x", n=n))
        first, second = [await anext(stream) for stream in streams]
        assert first.frames == b"".join(entry.frame for entry in log.lossless(0, 5))
        assert first is second

    run(scenario)


@given(
    count=st.integers(1, 60), capacity=st.integers(1, 60), resume=st.integers(0, 59), archived_from=st.integers(0, 59)
)
def test_client_gets_each_event_it_missed_once_in_order_or_is_told_of_the_gap(
    count: int, capacity: int, resume: int, archived_from: int
) -> None:
    async def scenario() -> None:
        log, archive = filled(count, capacity)
        archive.first = archived_from
        resume_at = min(resume, count - 1)
        after = archive.entries[resume_at].id
        missed = await until_caught_up(following(log, Wish(after=after), archive), log)
        numbers = [entry.data["n"] for entry in missed if entry.type == "x"]
        gaps = [entry.data for entry in missed if entry.type == "stream.gap"]
        if gaps:
            (gap,) = gaps
            assert gap["missingAfter"] == str(after)
            assert missed[0].type == "stream.gap"
            assert gap["missingUntil"] == str(missed[0].id)
            told_of = [n for n, entry in enumerate(archive.entries) if after < entry.id <= missed[0].id]
            assert [*told_of, *numbers] == list(range(resume_at + 1, count))
        else:
            assert numbers == list(range(resume_at + 1, count))

    run(scenario)


def test_history_is_read_in_pages_while_new_events_go_on() -> None:
    async def scenario() -> None:
        log, archive = filled(3 * PAGE_ENTRIES, 10)
        stream = following(log, Wish(after=archive.entries[0].id), archive)
        numbers = []
        async for portion in stream:
            log.publish(said("x", n=3 * PAGE_ENTRIES + len(numbers)) if not numbers else said("other"))
            numbers += [entry.data["n"] for entry in portion.entries if entry.type == "x"]
            if numbers and numbers[-1] >= 3 * PAGE_ENTRIES:
                break
        assert numbers == list(range(1, 3 * PAGE_ENTRIES + 1))

    run(scenario)


def test_selection_holds_for_what_was_missed_too() -> None:
    async def scenario() -> None:
        log, archive = filled(0, 3)
        for n in range(40):
            log.publish(said("odd" if n % 2 else "even", n=n))
        wish = Wish(after=archive.entries[0].id, selection=Selection(frozenset({"odd", "caught up"})))
        missed = await until_caught_up(following(log, wish, archive), log)
        assert [entry.data["n"] for entry in missed] == list(range(1, 40, 2))

    run(scenario)


def test_slow_client_that_fell_out_of_memory_is_told_what_and_cut_off() -> None:
    async def scenario() -> None:
        log, archive = filled(0, 3)
        stream = following(log)
        await anext(stream)
        for n in range(5):
            log.publish(said("x", n=n))
        (gap,) = (await anext(stream)).entries
        assert gap.data["lost"] == 2
        assert (gap.id, gap.data["missingAfter"]) == (archive.entries[1].id, None)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        resumed = following(log, Wish(after=gap.id))
        await anext(resumed)
        assert [entry.data["n"] for entry in (await anext(resumed)).entries] == [2, 3, 4]
        assert log.counts.gaps == 1

    run(scenario)


def test_snapshot_comes_before_anything_that_happened_since_it_was_asked_for() -> None:
    async def scenario() -> None:
        log, _ = filled(2, 10)

        async def happening() -> bytes:
            log.publish(said("while it was made"))
            return await present_state()

        stream = Follower(log, Wish(snapshot=True), None, happening)
        place = log.newest_id
        await anext(stream)
        (snapshot,) = (await anext(stream)).entries
        assert snapshot.data == {"type": "state.snapshot", "valves": []}
        assert snapshot.id == place
        assert [entry.type for entry in await until_caught_up(stream, log)] == ["while it was made"]

    run(scenario)


@pytest.mark.parametrize("wish", [Wish(lost_place=True), Wish(after=EventId(9_999_999_999_999, 0))])
def test_client_whose_place_nobody_knows_is_told_and_goes_on_from_now(wish: Wish) -> None:
    async def scenario() -> None:
        log, archive = filled(3, 10)
        (gap,) = await until_caught_up(following(log, wish, archive), log)
        assert gap.data["lost"] is None
        assert gap.id == archive.entries[2].id

    run(scenario)


def test_time_after_which_nothing_happened_yet_is_no_gap() -> None:
    async def scenario() -> None:
        log, _ = filled(3, 10)
        wish = Wish(after=EventId(log.newest_id.ms + 3_600_000, 0), by_time=True)
        assert await until_caught_up(following(log, wish), log) == []
        assert (await anext(following(log, wish))).entries[0].id == log.newest_id

    run(scenario)


def test_last_tick_before_a_restart_is_no_gap_and_ids_go_on_from_it() -> None:
    async def scenario() -> None:
        before, archive = filled(3, 10)
        for _ in range(500):
            before.publish(said_in_passing("tick"))
        log = EventLog(10, 1_000_000, now_s=lambda: before.newest_id.ms / 1000 + 5)
        log.restore(archive.entries[0].id, archive.entries[1:])
        assert log.newest_id > before.newest_id
        assert await until_caught_up(following(log, Wish(after=before.newest_id)), log) == []

    run(scenario)


def test_closing_the_log_ends_the_stream() -> None:
    async def scenario() -> None:
        log, _ = filled(3, 10)
        stream = following(log)
        await anext(stream)
        waiting = asyncio.create_task(anext(stream, None))
        await asyncio.sleep(0)
        log.close()
        assert await waiting is None

    run(scenario)


def test_types_are_chosen_by_name_or_wildcard() -> None:
    chosen = selection_of(["alert.*, leak.alert", "mission.started"], [" v-101 ,C-South"])
    assert chosen is not None
    assert chosen.types == {
        "alert.created",
        "alert.cleared",
        "alert.acknowledged",
        "leak.alert",
        "mission.started",
    }
    assert chosen.assets == {"v-101", "C-South"}
    assert selection_of([""], []) is None
    with pytest.raises(ValueError, match=r"no event is of type 'alarm\.\*', there are alert.acknowledged"):
        selection_of(["alarm.*"], [])


@pytest.mark.parametrize(
    ("text", "before", "first"),
    [
        ("1763900000000-3", EventId(1763900000000, 3), EventId(1763900000000, 4)),
        ("1763900000000", EventId(1763899999999, 7), EventId(1763900000000, 0)),
        ("2025-11-23T12:13:20Z", EventId(1763899999999, 7), EventId(1763900000000, 0)),
        ("2025-11-23T13:13:20 01:00", EventId(1763899999999, 7), EventId(1763900000000, 0)),
    ],
)
def test_place_is_an_id_or_a_time(text: str, before: EventId, first: EventId) -> None:
    place, by_time = place_of(text)
    assert before <= place < first
    assert by_time == ("-3" not in text)


@pytest.mark.parametrize("text", ["yesterday", "12:00 o'clock", "9" * 30, "\u0661", "2025-99-01T00:00:00Z"])
def test_what_is_no_place_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="expected an event id"):
        place_of(text)


def test_message_of_a_web_socket_is_the_data_with_the_id() -> None:
    portion = Portion([make_entry(EventId(1, 2), "x", b'{"type":"x","n":1}')])
    assert [json.loads(message) for message in portion.messages] == [{"id": "1-2", "type": "x", "n": 1}]
