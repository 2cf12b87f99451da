"""The torque signature keeps its peaks in bounded memory."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.valve_ops.signature import Point, Signature

torques = st.floats(-500, 500)


@given(st.lists(torques, max_size=300), st.integers(2, 20))
def test_signature_is_bounded_ordered_and_keeps_the_peak(measured: list[float], most: int) -> None:
    signature = Signature(most)
    for i, torque_nm in enumerate(measured):
        signature.add(i / 1000, torque_nm)
    samples = [Point(i / 1000, torque_nm) for i, torque_nm in enumerate(measured)]
    assert len(signature.points) <= most
    assert set(signature.points) <= set(samples)
    assert [point.position for point in signature.points] == sorted({point.position for point in signature.points})
    if measured:
        assert signature.peak_torque_nm == max(map(abs, measured))


@given(st.lists(torques, max_size=20))
def test_short_stroke_keeps_every_sample(measured: list[float]) -> None:
    signature = Signature(20)
    for torque_nm in measured:
        signature.add(0.5, torque_nm)
    assert [point.torque_nm for point in signature.points] == measured


def test_at_least_half_of_the_points_are_used_once_it_was_full() -> None:
    signature = Signature(1000)
    for i in range(50_000):
        signature.add(i / 50_000, 10.0)
        if i >= 1000:
            assert len(signature.points) >= 500


def test_unmeasured_torque_leaves_no_signature() -> None:
    signature = Signature()
    signature.add(0.1, math.nan)
    assert signature.points == ()
    assert math.isnan(signature.peak_torque_nm)


def test_signature_of_fewer_than_two_points_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Signature(1)
