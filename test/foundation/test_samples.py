"""Only believable readings pass, and no old one looks fresh."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.assets import Quantity, Rig
from plainview_ros.samples import BadSampleError, Readings, Sample, SampleGate, StampGate

NOW_S = 1_700_000_000.0


def test_good_reading_passes_unchanged(rig: Rig) -> None:
    sample = SampleGate(rig).admit("PT-101", "pressure", 2.0e6, NOW_S - 0.1, NOW_S)
    assert sample == Sample("PT-101", "pressure", 2.0e6, NOW_S - 0.1)


def test_scan_frame_does_not_say_the_quantity_and_need_not(rig: Rig) -> None:
    assert SampleGate(rig).admit("TT-101", None, 20.0, NOW_S, NOW_S).quantity == "temperature"


@pytest.mark.parametrize(
    ("tag", "quantity", "value", "age_s", "reason"),
    [
        ("PT-999", "pressure", 1e6, 0.0, "unknown tag 'PT-999': not an instrument of rig 'demo'"),
        ("", "pressure", 1e6, 0.0, "unknown tag ''"),
        ("TT-101", "pressure", 1e6, 0.0, "TT-101: got a pressure message, the instrument measures temperature"),
        ("PT-101", "pressure", math.nan, 0.0, "PT-101: nan is no reading"),
        ("PT-101", "pressure", math.inf, 0.0, "PT-101: inf is no reading"),
        ("PT-101", "pressure", 6.1e6, 0.0, r"PT-101: 6.1e\+06 is outside the instrument's range -100000..6e\+06"),
        ("PT-101", "pressure", 1e6, -5.1, "PT-101: stamp .* is 5.100 s in the future"),
        ("PT-101", "pressure", 1e6, 60.1, "PT-101: stamp .* is 60.100 s old"),
        ("PT-101", "pressure", 1e6, NOW_S, "PT-101: stamp 0.000 is .* s old"),
    ],
)
def test_unbelievable_reading_is_refused_with_tag_and_reason(
    rig: Rig, tag: str, quantity: Quantity, value: float, age_s: float, reason: str
) -> None:
    gate = SampleGate(rig)
    with pytest.raises(BadSampleError, match=reason):
        gate.admit(tag, quantity, value, NOW_S - age_s, NOW_S)
    assert gate.admit("PT-101", "pressure", 1e6, NOW_S, NOW_S).value == 1e6


@given(st.lists(st.tuples(st.floats(), st.floats(NOW_S - 100, NOW_S + 10)), max_size=50))
def test_whatever_comes_only_finite_values_in_range_and_order_pass(
    rig: Rig, readings: list[tuple[float, float]]
) -> None:
    gate = SampleGate(rig)
    passed = []
    for value, stamp_s in readings:
        with suppress(BadSampleError):
            passed.append(gate.admit("PT-101", "pressure", value, stamp_s, NOW_S))
    stamps = [sample.stamp_s for sample in passed]
    assert stamps == sorted(set(stamps))
    assert all(NOW_S - 60 <= stamp <= NOW_S + 5 for stamp in stamps)
    assert all(-1e5 <= sample.value <= 6e6 for sample in passed)


def test_order_is_kept_for_each_source_on_its_own() -> None:
    gate = StampGate()
    gate.admit("a", NOW_S, NOW_S)
    gate.admit("b", NOW_S - 1, NOW_S)
    with pytest.raises(BadSampleError, match=r"a: stamp .* is not newer than the one before"):
        gate.admit("a", NOW_S, NOW_S)


def test_refused_stamp_does_not_shut_the_door_behind_it() -> None:
    gate = StampGate()
    with pytest.raises(BadSampleError):
        gate.admit("a", NOW_S + 3600, NOW_S)
    gate.admit("a", NOW_S, NOW_S)


def test_simulation_started_again_within_the_minute_is_heard_at_once() -> None:
    gate = StampGate()
    gate.admit("a", 40.0, 40.0)
    gate.admit("b", 40.0, 40.0)
    gate.admit("a", 0.1, 0.1)
    gate.admit("b", 0.1, 0.1)


def test_small_step_back_of_the_clock_keeps_the_order() -> None:
    gate = StampGate()
    gate.admit("a", 40.0, 40.0)
    with pytest.raises(BadSampleError, match="not newer"):
        gate.admit("a", 39.0, 39.0)


# -- age ---------------------------------------------------------------------------------------------------------------


def sample(stamp_s: float = NOW_S) -> Sample:
    return Sample("PT-101", "pressure", 1e6, stamp_s)


def test_unknown_value_is_stale(rig: Rig) -> None:
    readings = Readings(rig)
    assert readings.is_stale("PT-101", 0.0)
    assert readings.newest("PT-101") is None
    assert readings.newest(None) is None


def test_value_is_stale_after_the_deadline_of_its_instrument(rig: Rig) -> None:
    readings = Readings(rig)
    readings.update(sample(), NOW_S, 100.0)
    readings.update(Sample("TT-101", "temperature", 20.0, NOW_S), NOW_S, 100.0)
    assert not readings.is_stale("PT-101", 102.0)
    assert readings.is_stale("PT-101", 102.1)
    assert not readings.is_stale("TT-101", 105.0)
    assert readings.is_stale("TT-101", 105.1)


def test_value_that_was_old_when_it_came_is_stale_sooner(rig: Rig) -> None:
    readings = Readings(rig)
    readings.update(sample(NOW_S - 1.5), NOW_S, 100.0)
    assert not readings.is_stale("PT-101", 100.4)
    assert readings.is_stale("PT-101", 100.6)


@given(st.floats(-5, 60), st.floats(0, 1000))
def test_no_stamp_makes_a_value_fresher_than_its_receipt(rig: Rig, age_s: float, later_s: float) -> None:
    readings = Readings(rig)
    readings.update(sample(NOW_S - age_s), NOW_S, 100.0)
    if later_s > rig.instrument["PT-101"].deadline_s:
        assert readings.is_stale("PT-101", 100.0 + later_s + 1e-6)
    assert readings.newest("PT-101") is not None


def test_late_stamps_are_admitted_once_by_who_puts_them_in_order() -> None:
    gate = StampGate(late_s=5.0)
    for stamp_s in (100.0, 103.0, 101.0, 99.0, 104.0):
        gate.admit("a", stamp_s, 104.0)
    for stamp_s in (104.0, 101.0, 99.0, 98.0):
        with pytest.raises(BadSampleError, match="not newer"):
            gate.admit("a", stamp_s, 104.0)
    gate.admit("b", 98.0, 104.0)
