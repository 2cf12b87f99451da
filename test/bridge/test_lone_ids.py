"""Ids given alone: they grow, are nobody else's, and say what their client has for sure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.bridge.event_log import EventId
from plainview_ros.bridge.lone_ids import BRIDGES, MAX_AGE_MS, common_place, is_lone, next_lone_id

BEGAN_MS = 1_763_900_000_000

clocks = st.lists(st.integers(-5_000, 3 * MAX_AGE_MS) | st.integers(-3, 3), min_size=1, max_size=30)
bridges = st.integers(0, BRIDGES - 1)
since = st.builds(EventId, st.integers(BEGAN_MS - 10_000, BEGAN_MS), st.integers(0, 1000), st.just(0))


@given(clocks=clocks, bridge=bridges, since=since)
def test_grow_whatever_the_clock_does_and_fit_a_database(clocks: list[int], bridge: int, since: EventId) -> None:
    newest = since._replace(passing=7)
    for clock in clocks:
        event_id = next_lone_id(newest, BEGAN_MS + clock, since, bridge)
        assert event_id[:2] > newest[:2]
        assert event_id.number < 2**62
        assert is_lone(event_id)
        assert EventId.parse(str(event_id)) == event_id
        newest = event_id


@given(clocks=clocks, bridge=bridges, since=since)
def test_never_promise_more_of_the_common_order_than_there_was(clocks: list[int], bridge: int, since: EventId) -> None:
    newest = since
    for clock in clocks:
        newest = next_lone_id(newest, BEGAN_MS + clock, since, bridge)
        place = common_place(newest)
        assert place <= since
        assert newest.ms - since.ms >= MAX_AGE_MS or since.ms - place.ms <= 1
        assert not is_lone(place)
    assert common_place(since) == since


@given(clocks=st.lists(clocks, min_size=2, max_size=2), one=bridges, other=bridges, since=since)
def test_no_two_bridges_give_the_same(clocks: list[list[int]], one: int, other: int, since: EventId) -> None:
    given_ids: list[set[EventId]] = []
    for bridge, its_clocks in zip((one, other), clocks, strict=True):
        newest = since
        given_ids.append(set())
        for clock in its_clocks:
            newest = next_lone_id(newest, BEGAN_MS + clock, since, bridge)
            given_ids[-1].add(newest)
    assert one == other or not given_ids[0] & given_ids[1]
