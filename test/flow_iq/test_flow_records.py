"""What a channel has never done before."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.flow_iq.records import KNOWN_S, LOOK_S, Record, Records

DAY_S = 86_400.0


def fed(records: Records, values: list[float], spacing_s: float = LOOK_S, since_s: float = 0.0) -> list[Record | None]:
    return [records.add(since_s + n * spacing_s, value) for n, value in enumerate(values)]


def cycle(days: float, spacing_s: float = LOOK_S) -> list[float]:
    return [math.sin(2 * math.pi * n * spacing_s / DAY_S) for n in range(int(days * DAY_S / spacing_s))]


def test_what_is_beyond_by_less_than_matters_is_no_record() -> None:
    records = Records()
    fed(records, cycle(3))
    assert records.add(3 * DAY_S, 1.9, least=2.0) is None
    assert records.add(3 * DAY_S + LOOK_S, 6.0, least=2.0) is not None


def test_daily_cycle_sets_no_record_after_its_first_day() -> None:
    told = fed(Records(), cycle(5))
    assert not any(told[int(DAY_S / LOOK_S) :])


@pytest.mark.parametrize("value", [2.0, -2.0])
def test_value_beyond_all_before_is_a_record_with_the_bounds_it_broke(value: float) -> None:
    records = Records()
    fed(records, cycle(3))
    (record,) = fed(records, [value], since_s=3 * DAY_S)
    assert record is not None
    assert record.excess > 1
    assert record.value == value
    assert not record.low <= value <= record.high


def test_jump_within_the_range_is_a_record_of_the_change() -> None:
    records = Records()
    values = cycle(3)
    fed(records, values)
    (record,) = fed(records, [0.99], since_s=3 * DAY_S)  # it was at 0 and has never risen so fast
    assert record is not None
    assert not record.low <= 0.99 <= record.high


def test_everything_is_new_in_the_first_half_day() -> None:
    assert not any(fed(Records(), [float(n) for n in range(int(KNOWN_S / LOOK_S))]))
    assert any(fed(Records(), [2.0**n for n in range(2 * int(KNOWN_S / LOOK_S))]))


def test_fast_channel_is_looked_at_in_means() -> None:
    records = Records()
    fed(records, [*cycle(2, 60.0), 0.0], 60.0)
    since_s = 2 * DAY_S + 60.0
    assert not any(fed(records, [50.0, -50.0, 0.0, 0.0, 0.0], 60.0, since_s)), "one sample is no mean"
    assert any(fed(records, [3.0] * 5, 60.0, since_s + LOOK_S))


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=400))
def test_memory_is_taken_up_where_it_was(values: list[float]) -> None:
    records, again = Records(), Records()
    fed(records, values, 1000.0)
    again.restore(json.loads(json.dumps(records.state(), allow_nan=False)))
    since_s = 1000.0 * len(values)
    more = [2 * value for value in values]
    assert fed(records, more, 1000.0, since_s) == fed(again, more, 1000.0, since_s)


@pytest.mark.parametrize(
    "state", [[1.0], [[1.0]] * 3 + [[], 0.0, 0.0, 0.0, 0], [[math.inf] * 5] * 3 + [[], 0, 0, 0, 0]]
)
def test_memory_that_is_none_is_refused(state: list[object]) -> None:
    with pytest.raises(ValueError, match=r"expected|unpack"):
        Records().restore(state)
