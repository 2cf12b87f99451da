"""When readings are played and how they are stamped; who gets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainview_ros.assets import Rig
from plainview_ros.recording.channels import Channel
from plainview_ros.recording.player import Player
from plainview_ros.recording.readers import open_recording
from plainview_ros.recording.routing import Reading, Route

NOW_S = 1_000_000.0
"""The node's clock when the monotonic one shows zero."""


def source(times_s: Sequence[float]) -> Callable[[], Iterator[Reading]]:
    return lambda: (Reading(time_s, "PT-1", float(i)) for i, time_s in enumerate(times_s))


def play(player: Player, until_s: float, step_s: float = 0.01) -> list[tuple[float, float, float]]:
    """Moment of release, stamp since the start, and value of each reading."""
    released = []
    for i in range(round(until_s / step_s) + 1):
        at_s = i * step_s
        released += [(at_s, stamp_s - NOW_S, r.value) for stamp_s, r in player.release(at_s, NOW_S + at_s)]
    return released


@pytest.mark.parametrize("rate", [1.0, 20.0])
def test_live_stamps_are_the_moments_readings_are_due(rate: float) -> None:
    player = Player(source([100.0, 101.0, 104.5]), rate, loop=False)
    released = play(player, 5.0)
    assert [stamp for _, stamp, _ in released] == pytest.approx([0.0, 1.0 / rate, 4.5 / rate], abs=1e-6)
    assert all(-1e-6 <= at - stamp <= 0.010001 for at, stamp, _ in released)
    assert player.is_over
    assert player.played_s == 4.5


def test_recorded_stamps_keep_the_intervals_and_follow_the_clock() -> None:
    player = Player(source([100.0, 101.0, 104.5]), 20.0, loop=False, origin_s=NOW_S)
    assert player.clock_s(7.0) == NOW_S, "the clock stands until the play begins"
    released = play(player, 5.0)
    assert [stamp for _, stamp, _ in released] == [0.0, 1.0, 4.5]
    assert all(player.clock_s(at) >= NOW_S + stamp for at, stamp, _ in released)  # type: ignore[operator]


def test_loop_goes_on_one_interval_after_the_end() -> None:
    player = Player(source([7.0, 9.0, 11.0]), 1.0, loop=True)
    released = play(player, 12.0)
    assert [stamp for _, stamp, _ in released] == pytest.approx([0, 2, 4, 6, 8, 10, 12], abs=1e-6)
    assert [value for _, _, value in released] == [0, 1, 2, 0, 1, 2, 0]
    assert not player.is_over


def test_loop_over_a_single_moment_does_not_race() -> None:
    player = Player(source([5.0, 5.0]), 1.0, loop=True)
    assert [stamp for _, stamp, _ in play(player, 2.0)] == pytest.approx([0, 0, 1, 1, 2, 2], abs=1e-6)


def test_a_held_up_player_catches_up_little_and_pauses_for_the_rest() -> None:
    player = Player(source([i / 10 for i in range(1000)]), 1.0, loop=False)
    assert len(list(player.release(0.0, NOW_S))) == 1
    held_up = list(player.release(60.0, NOW_S + 60.0))
    assert len(held_up) <= 3
    assert all(stamp_s >= NOW_S + 60.0 - Player.MAX_LAG_S - 1e-6 for stamp_s, _ in held_up)
    assert held_up[0][1].value == 1.0, "nothing is left out"


def test_a_burst_is_bounded() -> None:
    player = Player(source([0.0] * 2500), 1.0, loop=False)
    assert [len(list(player.release(t, NOW_S + t))) for t in (0.0, 0.01, 0.02)] == [1000, 1000, 500]
    assert player.is_over


def test_nothing_to_play_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to play"):
        Player(source([]), 1.0, loop=False)


@settings(deadline=None)
@given(
    st.lists(st.floats(0.0, 3.0), min_size=1, max_size=50),
    st.floats(0.5, 50.0),
    st.lists(st.floats(0.1, 5.0), min_size=1, max_size=50),
    st.booleans(),
)
def test_every_reading_comes_once_in_order_and_the_clock_never_goes_back(
    gaps: list[float], rate: float, waits: list[float], has_origin: bool
) -> None:
    times = [sum(gaps[:i]) for i in range(len(gaps))]
    player = Player(source(times), rate, loop=False, origin_s=NOW_S if has_origin else None)
    now_s, stamps, values, clocks = 0.0, [], [], [-1.0]
    while not player.is_over:
        now_s += waits[len(clocks) % len(waits)]
        for stamp_s, reading in player.release(now_s, NOW_S + now_s):
            stamps.append(stamp_s)
            values.append(reading.value)
        clocks.append(player.clock_s(now_s) or 0.0)
    assert values == [float(i) for i in range(len(times))]
    assert all(b >= a - 1e-6 for a, b in pairwise(stamps))
    assert all(b >= a - 1e-6 for a, b in pairwise(clocks))


def test_mapped_columns_are_scaled_and_others_left(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("time_s,P,T,label\n0,10,300,0\n1,,301,1\n2,99,302,0\n", encoding="utf-8")
    route = Route(open_recording(path, {}), [Channel("P", "PT-601", 1e5), Channel("T", "TT-601", 1.0, -273.15)], rig)
    assert route.tags == {"PT-601", "TT-601"}
    readings = list(route.readings())
    assert [(r.tag, r.value) for r in readings[:2]] == [("PT-601", 1e6), ("TT-601", pytest.approx(26.85))]
    assert route.account() == (
        "5 readings of PT-601, TT-601; 1 empty values passed over;"
        " 1 of 2 values of PT-601 outside its range: is the scale right?"
    )


def test_without_a_map_columns_headed_by_tags_are_played(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("time_s,PT-601,label\n0,1e6,0\n1,1.1e6,0\n", encoding="utf-8")
    route = Route(open_recording(path, {}), [], rig)
    assert [reading.tag for reading in route.readings()] == ["PT-601", "PT-601"]
    assert "not an instrument of rig 'demo', or of another quantity: 'label' (2 times)" in route.account()
