"""Samples of channels at their own rates become rows."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.flow_iq.rows import Row, RowAssembler


def fed(rows: RowAssembler, *samples: tuple[int, float, float]) -> list[Row]:
    return [row for sample in samples for row in rows.add(*sample)]


def test_row_is_over_when_every_channel_is_past_it() -> None:
    rows = RowAssembler(2)
    assert not fed(rows, (0, 10.0, 1.0), (1, 10.1, 5.0), (0, 11.0, 2.0))
    assert fed(rows, (1, 11.1, 6.0)) == [Row(10.1, (1.0, 5.0))]


def test_fast_channel_is_averaged_and_a_slow_one_is_missing_at_times() -> None:
    rows = RowAssembler(2)
    fast = [(0, 10.0 + n / 10, float(n)) for n in range(21)]
    done = fed(rows, (1, 10.0, 7.0), *fast, (1, 12.0, 8.0))
    assert [row.values[0] for row in done] == [4.5, 14.5]
    assert done[0].values[1] == 7.0
    assert math.isnan(done[1].values[1])


def test_silent_channel_is_waited_for_only_so_long() -> None:
    rows = RowAssembler(2, late_s=3.0)
    done = fed(rows, (0, 0.0, 0.0), (1, 0.0, 1.0), *((0, float(t), 0.0) for t in range(1, 9)))
    assert [row.stamp_s for row in done] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert fed(RowAssembler(2, late_s=3.0), *((0, float(t), 0.0) for t in range(3)))[0].stamp_s == 0.0


def test_what_comes_for_a_row_that_is_over_is_counted_and_changes_nothing() -> None:
    rows = RowAssembler(1)
    assert len(fed(rows, (0, 1.0, 1.0), (0, 2.0, 2.0), (0, 1.5, 9.0), (0, 4.0, 3.0))) == 2
    assert rows.late == 1


def test_slow_line_has_a_row_for_each_sample_and_none_between() -> None:
    rows = RowAssembler(1)
    done = fed(rows, *((0, 300.0 * n, float(n)) for n in range(4)))
    assert [(row.stamp_s, row.values) for row in done] == [(0.0, (0.0,)), (300.0, (1.0,)), (600.0, (2.0,))]


def test_clock_that_was_set_back_ends_what_is_open_and_starts_afresh() -> None:
    rows = RowAssembler(1)
    fed(rows, (0, 100.0, 1.0))
    assert rows.start_over() == [Row(100.0, (1.0,))]
    assert fed(rows, (0, 5.0, 2.0), (0, 6.0, 3.0)) == [Row(5.0, (2.0,))]


@given(st.integers(0, 2**32), st.floats(0.0, 4.0))
def test_channels_may_come_at_different_times(seed: int, spread_s: float) -> None:
    chance = random.Random(seed)
    samples = [(channel, t + channel / 7, float(100 * channel + t)) for t in range(40) for channel in range(3)]
    delay_s = [chance.uniform(0.0, spread_s) for _ in range(3)]
    apart = sorted(samples, key=lambda sample: sample[1] + delay_s[sample[0]])
    together, later = RowAssembler(3), RowAssembler(3)
    first = max(range(3), key=delay_s.__getitem__)  # all are known to be alive from the beginning
    expected = [*fed(together, (first, -0.5, 0.0), *samples), *together.start_over()]
    assert [*fed(later, (first, -0.5, 0.0), *apart), *later.start_over()][1:] == expected[1:]
    assert later.late == 0


def test_samples_of_a_channel_that_overtake_each_other_are_waited_for_once_that_is_known() -> None:
    samples = [(0, float(t + late), float(t)) for t in range(0, 60, 3) for late in (2, 0, 1)]
    rows = RowAssembler(1)
    done = [*fed(rows, *samples), *rows.start_over()]
    assert rows.late == 0
    assert [row.stamp_s for row in done] == [float(t) for t in range(60)]
    again = RowAssembler(1)
    fed(again, (0, 0.0, 0.0), (0, 10.0, 0.0), (0, 12.0, 0.0), (0, 11.0, 0.0), (0, 9.0, 0.0))
    assert again.late == 1  # nobody knew of so much


@pytest.mark.parametrize("row_s", [0.1, 60.0])
def test_rows_are_as_long_as_they_are_said_to_be(row_s: float) -> None:
    rows = RowAssembler(1, row_s)
    done = fed(rows, *((0, n * row_s / 4, 1.0) for n in range(41)))
    assert len(done) == 10
