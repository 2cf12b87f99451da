"""A line against its normal: one anomaly for one event, with its evidence, never learnt away."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainview_ros.flow_iq.anomaly import Anomaly, Channel
from plainview_ros.flow_iq.detectors import Limits, LineDetector
from plainview_ros.flow_iq.rows import MISSING, Row

CHANNELS = (
    Channel("flow_rate", "FT-1", "flow_rate", 0.0),
    Channel("pressure", "PT-1", "pressure", 800.0),
    Channel("temperature", "TT-1", "temperature", 0.1),
)
NORMAL = (0.05, 1.2e6, 40.0)
NOISE = (0.0002, 800.0, 0.1)


class Line:
    """A line that is fed rows; ``spacing_s`` apart."""

    def __init__(self, spacing_s: float = 1.0, **limits: float) -> None:
        self.detector = LineDetector("fl-1", CHANNELS, Limits(**limits))
        self.now_s = 1000.0
        self.spacing_s = spacing_s
        self._chance = random.Random(1)

    def feed(self, count: int, *levels: float, missing: Sequence[int] = ()) -> list[Anomaly]:
        transitions = []
        for _ in range(count):
            values = [self._chance.gauss(x, s) for x, s in zip(levels or NORMAL, NOISE, strict=True)]
            for index in missing:
                values[index] = MISSING
            self.now_s += self.spacing_s
            transitions += self.detector.update(Row(self.now_s, tuple(values)))
        return transitions


@pytest.fixture
def line() -> Line:
    line = Line()
    assert line.feed(600) == []
    return line


def test_nothing_is_judged_before_enough_was_seen() -> None:
    line = Line(learn_s=200.0, learn_rows=100)
    line.feed(199)
    assert line.detector.state == "learning"
    assert line.detector.band(0) is None
    line.feed(2)
    assert line.detector.state == "watching"
    band = line.detector.band(0)
    assert band is not None
    assert band.low < NORMAL[0] < band.high


def test_start_that_is_not_the_normal_is_forgotten_while_learning() -> None:
    line = Line(learn_s=400.0)
    line.feed(200, 0.02, 1.2e6, 40.0)
    line.feed(300)
    assert line.feed(300) == []
    band = line.detector.band(0)
    assert band is not None
    assert band.centre == pytest.approx(0.05, rel=0.01)


def test_event_is_one_anomaly_from_its_beginning_to_its_end(line: Line) -> None:
    (opened,) = line.feed(30, 0.0512, 1.2e6, 40.0)
    assert (opened.phase, opened.line_id, opened.type) == ("opened", "fl-1", "flow_rate_deviation")
    assert 2.0 <= opened.detected_at_s - 1600.0 <= 15.0
    (updated,) = line.feed(60, 0.0512, 1.2e6, 40.0)
    assert (updated.phase, updated.severity) == ("updated", "medium")
    (closed,) = line.feed(60)
    assert (closed.phase, closed.severity) == ("closed", "medium")
    assert closed.sentence.startswith("Back to normal.")
    assert len({a.anomaly_id for a in (opened, updated, closed)}) == 1
    assert len({a.event_id for a in (opened, updated, closed)}) == 3
    assert line.feed(300) == []


def test_severity_needs_both_size_and_time_to_be_high(line: Line) -> None:
    assert [a.severity for a in line.feed(90, 0.06, 1.2e6, 40.0)][-2:] == ["medium", "high"]
    assert line.feed(60)[-1].phase == "closed"
    assert [a.severity for a in line.feed(90, 0.0512, 1.2e6, 40.0)] == ["low", "medium"]


def test_evidence_names_what_deviates_by_how_much_of_what(line: Line) -> None:
    opened, *_ = line.feed(90, 0.0535, 1.35e6, 40.0)
    anomaly = line.detector.anomaly
    assert anomaly is not None
    evidence = anomaly.evidence
    assert {d.channel.tag for d in evidence.deviations} == {"FT-1", "PT-1"}
    assert sum(d.share for d in evidence.deviations) == pytest.approx(1.0, abs=0.05)
    assert evidence.deviations[0].share >= evidence.deviations[1].share
    assert evidence.statistic == "level_deviation"
    assert evidence.value >= evidence.threshold > 3
    assert evidence.window_s == pytest.approx(10.0, rel=0.1)
    worst = anomaly.worst
    assert not worst.band.low <= worst.value <= worst.band.high
    assert worst.channel.tag in opened.sentence + anomaly.sentence
    assert "expected" in opened.sentence
    assert 0.8 < anomaly.confidence <= 1.0


def test_what_is_flagged_never_becomes_normal_by_lasting(line: Line) -> None:
    line.feed(100, 0.06, 1.2e6, 40.0)
    band = line.detector.band(0)
    assert line.feed(20_000, 0.06, 1.2e6, 40.0) == []
    assert line.detector.band(0) == band
    assert [a.phase for a in line.feed(60)] == ["closed"]


def test_slow_drift_of_a_process_is_followed(line: Line) -> None:
    for n in range(100):
        assert line.feed(100, 0.05, 1.2e6 * (1 + n / 2000), 40.0 + n / 50) == []


def test_lone_spikes_neither_open_nor_teach(line: Line) -> None:
    for _ in range(20):
        assert line.feed(1, 0.5, 1.2e6, 40.0) == []
        assert line.feed(60) == []
    band = line.detector.band(0)
    assert band is not None
    assert band.centre == pytest.approx(0.05, rel=0.01)


def test_small_rest_that_an_event_leaves_becomes_the_level(line: Line) -> None:
    line.feed(200, 0.09, 1.2e6, 40.0)
    (closed,) = line.feed(100, 0.0512, 1.2e6, 40.0)
    assert closed.sentence.startswith("Over, but for a small rest.")
    assert line.feed(500, 0.0512, 1.2e6, 40.0) == []
    assert line.feed(30, 0.0535, 1.2e6, 40.0)[0].phase == "opened"


def test_change_points_are_where_an_event_begins_moves_on_and_ends(line: Line) -> None:
    moved = []
    for level in (0.05, 0.055, 0.06, 0.05):
        for _ in range(100):
            line.feed(1, level, 1.2e6, 40.0)
            if line.detector.has_moved:
                moved.append(level)
    assert moved[0] == 0.055
    assert 0.06 in moved
    assert moved[-1] == 0.05


def test_frozen_reference_judges_and_does_not_move(line: Line) -> None:
    line.detector.is_frozen = True
    line.feed(1)
    band = line.detector.band(1)
    line.feed(1000, 0.05, 1.205e6, 40.0)
    assert line.detector.band(1) == band
    assert line.feed(30, 0.06, 1.2e6, 40.0)[0].phase == "opened"


def test_operator_closes_what_is_normal_now_and_it_is_learnt(line: Line) -> None:
    line.feed(30, 0.06, 1.2e6, 40.0)
    (closed,) = line.detector.learn_anew(line.now_s, "Acknowledged by Ada.")
    assert closed.phase == "closed"
    assert closed.sentence.startswith("Acknowledged by Ada.")
    assert line.feed(600, 0.06, 1.2e6, 40.0) == []
    assert line.feed(30)[0].phase == "opened"


def test_missing_channel_hinders_nobody(line: Line) -> None:
    assert line.feed(300, missing=[1, 2]) == []
    assert line.feed(30, 0.06, 1.2e6, 40.0, missing=[1, 2])[0].type == "flow_rate_deviation"
    assert Line().feed(600, missing=[0, 1, 2]) == []


def test_rows_minutes_apart_are_judged_too() -> None:
    line = Line(spacing_s=300.0)
    assert line.feed(600) == []
    opened = line.feed(20, 0.05, 1.4e6, 40.0)[0]
    assert opened.evidence.window_s == pytest.approx(3000.0, rel=0.1)


def test_long_silence_starts_learning_afresh_but_not_in_mid_anomaly(line: Line) -> None:
    line.feed(30, 0.06, 1.2e6, 40.0)
    line.now_s += 10 * 3600.0
    line.feed(1, 0.06, 1.2e6, 40.0)
    assert line.detector.state == "open"
    line.feed(100)
    assert line.detector.state == "watching"
    line.now_s += 10 * 3600.0
    line.feed(1)
    assert line.detector.state == "learning"


def test_clock_set_back_closes_and_learns_afresh(line: Line) -> None:
    line.feed(30, 0.06, 1.2e6, 40.0)
    line.now_s = 10.0
    (closed,) = line.feed(1)
    assert closed.sentence.startswith("The clock was set back")
    assert line.detector.state == "learning"


@pytest.mark.parametrize("rows", [0, 50, 600, 630, 700])
def test_restart_changes_nothing(rows: int) -> None:
    straight, before = Line(), Line()
    plan = [NORMAL] * 600 + [(0.08, 1.2e6, 40.0)] * 60 + [(0.051, 1.2e6, 40.0)] * 200
    transitions = [t for levels in plan for t in straight.feed(1, *levels)]
    told = [t for levels in plan[:rows] for t in before.feed(1, *levels)]
    after = Line()
    after.detector.restore(json.loads(json.dumps(before.detector.memory(), allow_nan=False)))
    after.now_s, after._chance = before.now_s, before._chance
    told += [t for levels in plan[rows:] for t in after.feed(1, *levels)]
    assert [(t.phase, t.stamp_s, t.sentence) for t in told] == [(t.phase, t.stamp_s, t.sentence) for t in transitions]
    assert len({t.anomaly_id for t in told}) == 1


@pytest.mark.parametrize(
    "spoilt",
    [
        {"tags": ["FT-1"]},
        {"references": []},
        {"records": [[1.0]] * 3},
        {"references": [[math.inf] * 11] * 3},
        {"state": "asleep"},
        {"state": "open"},
        {"episode": {"line_id": "fl-1"}},
        {"newest_s": "yesterday"},
    ],
)
def test_memory_that_is_of_no_use_is_refused_and_learning_starts(line: Line, spoilt: dict[str, object]) -> None:
    memory = line.detector.memory() | spoilt
    fresh = Line()
    with pytest.raises(ValueError, match="fl-1: what was learnt before is of no use"):
        fresh.detector.restore(memory)
    assert fresh.detector.state == "learning"
    assert fresh.feed(600) == []


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 80), st.sampled_from((0.0, 0.04, 0.05, 0.06, 0.5))), max_size=12))
def test_every_anomaly_opens_first_and_closes_last(steps: list[tuple[int, float]]) -> None:
    line = Line()
    line.feed(200)
    phases: list[str] = []
    for count, level in steps:
        phases += [a.phase for a in line.feed(count, level, 1.2e6, 40.0)]
    text = "".join(phase[0] for phase in phases)
    assert all(part.strip("u") in ("", "o") for part in text.split("c")), text
    assert (line.detector.anomaly is not None) == (text.count("o") > text.count("c"))


def test_what_a_channel_has_never_done_in_half_a_day_is_told_once_and_disturbs_nobody() -> None:
    line = Line(spacing_s=300.0)
    line.feed(400)
    for level in (1.3e6, 1.2e6) * 5:  # a process that does this is known to do it
        line.feed(4, 0.05, level, 40.0)
        line.feed(40)
    told = line.feed(1, 0.05, 1.45e6, 40.0) + line.feed(10)
    assert [(a.phase, a.severity, a.evidence.statistic) for a in told] == [
        ("opened", "low", "record"),
        ("closed", "low", "record"),
    ]
    assert told[0].worst.channel.tag == "PT-1"
    assert told[0].worst.value > told[0].worst.band.high > 1.29e6
