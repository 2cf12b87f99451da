"""The detector on a few records nobody here made. What it reaches on all stands in benchmark/detectors/RESULTS.md; here
it must not get worse."""

from __future__ import annotations

import pytest

from benchmark.detectors import scores
from benchmark.detectors.adapters import Flow

pytestmark = pytest.mark.skipif(
    not (scores.DATA.is_dir() and scores.BENCH.is_dir()),
    reason="the shared records are not on this machine (PLAINVIEW_DATA, PLAINVIEW_BENCH)",
)

DETECTOR = (Flow, {})


def test_testbed_runs_are_judged_as_well_as_stated() -> None:
    found = scores.runs(DETECTOR)
    assert found.f1 > 0.83
    assert found.false_alarm_rate < 0.06
    assert found.change_points > 45


def test_closure_of_a_safety_valve_and_a_restriction_are_found() -> None:
    events = scores.wells(DETECTOR, ["2/WELL-00003_20141122214325", "6/WELL-00002_20140301151700"])
    assert (events.detected, events.events) == (2, 2)
    assert events.micro_f1 > 0.8


def test_healthy_wells_are_quiet_for_hours() -> None:
    found = scores.wells(DETECTOR, ["0/WELL-00001_20170201020207", "0/WELL-00002_20170618170211"])
    assert found.normal_h > 7
    assert found.false_per_day == 0
    assert found.in_alarm == 0
