"""What is normal for a channel, and how far it is away."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.flow_iq.reference import Reference


def trained(values: list[float], floor: float = 0.0, tolerance: float = 0.0) -> Reference:
    reference = Reference(floor, tolerance)
    for value in values:
        reference.look(value)
        reference.learn(value)
    return reference


def noise(count: int, level: float = 100.0, sigma: float = 1.0, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(level, sigma) for _ in range(count)]


def test_deviation_is_counted_in_standard_deviations_of_what_was_normal() -> None:
    deviations = []
    reference = trained(noise(2000))
    for value in noise(2000, seed=2):
        deviations.append(reference.look(value))
        reference.learn(value)
    assert reference.level == pytest.approx(100.0, abs=0.3)
    assert 0.3 < math.sqrt(sum(x * x for x in deviations) / len(deviations)) < 1.2
    assert max(map(abs, deviations)) < 4.0


def test_small_shift_that_lasts_is_seen_and_one_spike_is_not() -> None:
    reference = trained(noise(1000))
    assert abs(reference.look(1000.0)) < 3.1
    reference = trained(noise(1000))
    assert max(reference.look(value) for value in noise(40, level=101.5)) > 3.1


def test_process_that_wanders_must_go_further_to_be_noticed() -> None:
    still = trained(noise(3000))
    wandering = trained([value + 5 * math.sin(n / 100) for n, value in enumerate(noise(3000))])
    ahead = [value + 5 for value in noise(40, seed=3)]
    assert max(still.look(value) for value in ahead) > 4 * max(wandering.look(value) for value in ahead)


def test_what_is_far_away_teaches_little() -> None:
    reference = trained(noise(1000))
    for value in noise(100, level=120.0):
        reference.look(value)
        reference.learn(value)
    assert reference.level < 103.0


@pytest.mark.parametrize(("floor", "tolerance", "sigma"), [(2.0, 0.0, 2.0), (0.0, 0.05, 5.0)])
def test_scale_is_never_below_the_floor_or_the_tolerance(floor: float, tolerance: float, sigma: float) -> None:
    assert trained([100.0] * 200, floor, tolerance).sigma == pytest.approx(sigma)


def test_channel_that_rested_at_one_value_is_learnt_when_it_moves() -> None:
    reference = trained([7.0] * 200)
    assert reference.is_known
    assert reference.look(8.0) == 0.0
    assert not reference.is_known
    assert trained([7.0] * 200, floor=0.1).look(8.0) > 0.4, "where the instrument's accuracy is known, that is a scale"


def test_peaks_count_when_they_are_past() -> None:
    reference = trained(noise(1000))
    assert reference.peak > 0
    before = reference.peak
    for n in range(1000):  # grows slowly: must not raise its own threshold
        if abs(reference.look(100 + n / 100)) > 4:
            break
        reference.learn(100 + n / 100)
    assert n < 900
    assert reference.peak <= before


def test_level_follows_to_where_a_process_settles() -> None:
    reference = trained(noise(1000))
    moves = []
    for value in [110.0] * 120:
        reference.look(value)
        moves.append(reference.follow(value))
    assert moves[5]
    assert not moves[-1]
    assert reference.level == pytest.approx(110.0, abs=0.1)


@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=200), st.booleans())
def test_whatever_comes_deviation_and_scale_stay_numbers(values: list[float], learns: bool) -> None:
    reference = trained([0.0] * 70)
    for value in values:
        assert math.isfinite(reference.look(value))
        if learns:
            reference.learn(value)
    assert all(map(math.isfinite, reference.state()))


def test_memory_is_taken_up_where_it_was() -> None:
    reference = trained(noise(1000))
    again = Reference(0.0, 0.0)
    again.restore(reference.state())
    assert [reference.look(value) for value in noise(9)] == [again.look(value) for value in noise(9)]
    for state in ([1.0], [math.nan] * len(reference.state()), ["x"] * len(reference.state())):
        with pytest.raises(ValueError, match="finite numbers"):
            again.restore(state)  # type: ignore[arg-type]
