"""What an instrument says that no process can say is told as its fault; a healthy one is never complained about."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.assets import Instrument, Range, Rig
from plainview_ros.samples import BadSampleError, Reason, Refusal, Sample, SampleGate
from plainview_ros.sensor_faults import SEVERITY, FaultTransition, Sensors, SensorWatch
from plainview_ros.simulator.faults import Fault
from plainview_ros.simulator.plant import Plant
from plainview_ros.simulator.scenarios import load_scenario
from ros_graph import REPOSITORY

EPOCH_S = 1_700_000_000.0


class Watched(NamedTuple):
    """A plant and those who watch its instruments, as the gate lets them."""

    plant: Plant
    gate: SampleGate
    sensors: Sensors

    def run(self, seconds: float) -> list[FaultTransition]:
        told: list[FaultTransition] = []
        end_s, tick_s = self.plant.time_s + seconds, self.plant.time_s
        while self.plant.time_s < end_s:
            for sample in self.plant.step().samples:
                told += self._hear(sample, self.plant.stamp_s)
            if self.plant.time_s >= tick_s:
                tick_s += 1
                told += self.sensors.tick(self.plant.stamp_s)
        return told

    def _hear(self, sample: Sample, now_s: float) -> list[FaultTransition]:
        tag, quantity, value, stamp_s = sample.tag, sample.quantity, sample.value, sample.stamp_s
        try:
            return self.sensors.accept(self.gate.admit(tag, quantity, value, stamp_s, now_s), now_s)
        except BadSampleError as error:
            return self.sensors.refuse(Refusal(tag, error.reason, value, stamp_s), now_s)


def watched(rig: Rig) -> Watched:
    scenario = load_scenario(REPOSITORY / "config" / "scenarios" / "normal_day.yaml", rig)
    return Watched(Plant(rig, 3, scenario, EPOCH_S), SampleGate(rig), Sensors(rig, rig.instrument))


@pytest.fixture(scope="module")
def after_an_hour(rig: Rig) -> Watched:
    """An hour of strokes, demand and pump changes, of which no instrument is accused."""
    scene = watched(rig)
    assert scene.run(3600) == []
    assert scene.sensors.faults == []
    return scene


@pytest.fixture
def scene(after_an_hour: Watched) -> Watched:
    return copy.deepcopy(after_an_hour)


@pytest.mark.parametrize(
    ("fault", "kind", "within_s", "words"),
    [
        (Fault("frozen_sensor", "PT-601"), "sensor_stuck", 10, "it has read .* Pa for 3 s"),
        (Fault("frozen_sensor", "TT-601"), "sensor_stuck", 60, "it has read .* degC for 3. s"),
        (Fault("out_of_range_sensor", "FT-601"), "sensor_out_of_range", 1, r"reads 0.225 m\^3/s, its range is"),
        (Fault("not_a_number_sensor", "TT-601"), "sensor_not_a_number", 5, "no numbers"),
        (Fault("silent_sensor", "PT-601"), "sensor_gap", 5, "no value for .* s, it should come every 0.1 s"),
        (Fault("clock_step_sensor", "PT-601", 30.0), "sensor_clock_step", 1, "stepped ahead by 30 s"),
        (Fault("clock_step_sensor", "PT-601", -300.0), "sensor_clock_step", 1, "stepped back by 5 min"),
        (Fault("clock_step_sensor", "FT-601", -3.0), "sensor_clock_step", 1, "stepped back by 3 s"),
        (Fault("spiking_sensor", "PT-601", 3e5), "sensor_spike", 12, "jumped from .* Pa to .* Pa and back at once"),
    ],
)
def test_each_fault_is_named_once_and_closed_when_it_is_gone(
    scene: Watched, fault: Fault, kind: str, within_s: float, words: str
) -> None:
    began_s = scene.plant.stamp_s
    fault_id = scene.plant.inject(fault)
    opened, *rest = scene.run(60)
    assert (opened.type, opened.phase, opened.tag, opened.suspects) == (kind, "opened", fault.target, (fault.target,))
    assert opened.severity == SEVERITY[opened.type]
    assert began_s <= opened.stamp_s <= began_s + within_s
    assert opened.statistic_value >= opened.threshold > 0
    assert opened.window_s > 0
    assert re.search(words, opened.sentence)
    assert opened.sentence.startswith(f"{fault.target}: ")
    scene.plant.clear(fault_id)
    closed = (rest + scene.run(90))[0]
    assert (closed.type, closed.phase, closed.fault_id) == (kind, "closed", opened.fault_id)
    assert closed.event_id != opened.event_id
    assert closed.sentence.startswith("Over after ")
    assert scene.run(60) == []
    assert scene.sensors.faults == []


def test_of_two_that_part_both_are_named_and_neither_is_judged_by(scene: Watched) -> None:
    scene.plant.inject(Fault("drifting_sensor", "PT-601", 50.0))
    (opened,) = scene.run(400)
    assert (opened.type, opened.suspects, opened.severity) == ("sensor_drift", ("PT-601", "PT-602"), "medium")
    assert opened.sentence.startswith("PT-601 or PT-602 drifts: PT-602 and PT-601 measure the same and are ")
    assert scene.sensors.fault("PT-601") is scene.sensors.fault("PT-602") is opened
    assert not opened.expected_min <= opened.value <= opened.expected_max
    scene.plant.clear()
    (closed,) = scene.run(600)
    assert (closed.type, closed.phase) == ("sensor_drift", "closed")


def test_a_third_instrument_tells_which_one_drifts(rig: Rig) -> None:
    third = rig.instrument["PT-602"].model_copy(update={"tag": "PT-603"})
    scene = watched(Rig(**rig.model_dump() | {"instruments": (*rig.instruments, third)}))
    assert scene.run(3600) == []
    scene.plant.inject(Fault("drifting_sensor", "PT-602", -50.0))
    told = scene.run(400)
    assert told[-1].suspects == ("PT-602",)
    assert [fault.suspects for fault in scene.sensors.faults] == [("PT-602",)]
    assert scene.sensors.fault("PT-601") is None


def test_a_leak_and_a_shut_valve_are_not_faults_of_instruments(scene: Watched) -> None:
    scene.plant.inject(Fault("leak", "E-West", 0.1))
    scene.plant.command("v-103", 0.0)
    assert scene.run(300) == []
    scene.plant.command("v-103", 1.0)
    assert scene.run(300) == []


def test_a_gateway_that_marks_all_values_as_bad_is_as_good_as_silent(scene: Watched) -> None:
    now_s = scene.plant.stamp_s
    told = []
    for tenth in range(1, 100):
        told += scene.sensors.refuse(Refusal("PT-601", "bad_quality", 1e6, now_s + tenth / 10), now_s + tenth / 10)
        told += [t for t in scene.sensors.tick(now_s + tenth / 10) if t.tag == "PT-601"]
    assert [transition.type for transition in told] == ["sensor_gap"]


# -- one instrument, without a plant -----------------------------------------------------------------------------------

PRESSURE = Instrument(tag="P", quantity="pressure", range=Range(0, 1e7), accuracy=100, rate_hz=1)


def tell(watch: SensorWatch, values: Iterable[float], begin_s: float = EPOCH_S) -> list[str]:
    """One a second, as a recording without a clock gives them."""
    return [
        transition.type
        for i, value in enumerate(values)
        for transition in watch.accept(begin_s + i, value, begin_s + i)
    ]


def sawtooth(count: int) -> list[float]:
    """Never the same value twice in a row, never three on a line."""
    return [1e6 + 200 * (i % 3 == 0) - 100 * (i % 2) for i in range(count)]


def interpolated(count: int, every: int = 60) -> list[float]:
    """What a historian makes of values it kept once a minute."""
    kept = [1e6 + 500 * ((7 * i) % 5) for i in range(count // every + 2)]
    return [kept[i // every] + (kept[i // every + 1] - kept[i // every]) * (i % every) / every for i in range(count)]


def test_where_a_historian_interpolates_a_level_line_is_not_stuck() -> None:
    watch = SensorWatch(PRESSURE)
    values = interpolated(7200)
    assert tell(watch, [*values, *[values[-1]] * 120]) == []
    assert tell(watch, [values[-1]] * 3600, EPOCH_S + 7320) == ["sensor_stuck"]


def test_a_quantised_quiet_instrument_repeats_itself_in_health() -> None:
    watch = SensorWatch(PRESSURE)
    quiet = [1e6 + 150 * (i // 20 % 2) for i in range(6000)]
    assert tell(watch, [*quiet, *[1e6] * 60]) == []
    assert tell(watch, [1e6] * 120, EPOCH_S + 6060) == ["sensor_stuck"]


def test_one_that_has_never_moved_is_not_known_well_enough_to_be_called_stuck() -> None:
    assert tell(SensorWatch(PRESSURE), [2e6] * 20_000) == []


def test_a_meter_reads_zero_while_nothing_flows() -> None:
    meter = PRESSURE.model_copy(update={"quantity": "flow_rate", "accuracy": 1.0})
    watch = SensorWatch(meter)
    assert tell(watch, [*sawtooth(1000), *[0.0] * 3600]) == []
    assert tell(SensorWatch(PRESSURE.model_copy(update={"accuracy": 1e6})), [*sawtooth(1000), *[0.0] * 3600]) == [
        "sensor_stuck"
    ]


def test_a_step_of_the_process_is_not_a_spike() -> None:
    watch = SensorWatch(PRESSURE)
    stepped = [*sawtooth(600), *(value + 5e5 for value in sawtooth(600))]
    assert tell(watch, stepped) == []
    assert tell(watch, [1.5e6, 4e6, 1.5e6, 1.5e6 + 100], EPOCH_S + 1200) == ["sensor_spike"]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_spike_may_be_some_readings_wide(width: int) -> None:
    watch = SensorWatch(PRESSURE)
    assert tell(watch, [*sawtooth(600), *[2e6] * width, *sawtooth(10)]) == ["sensor_spike"]


def test_a_gap_in_a_recording_is_told_when_it_is_over() -> None:
    watch = SensorWatch(PRESSURE)
    assert tell(watch, sawtooth(600)) == []
    assert tell(watch, sawtooth(100), EPOCH_S + 900) == ["sensor_gap", "sensor_gap"]
    assert watch.fault is None


def test_readings_that_come_late_and_all_at_once_are_no_clock_step() -> None:
    watch = SensorWatch(PRESSURE)
    assert tell(watch, sawtooth(600)) == []
    late_s = EPOCH_S + 608
    assert [t for i in range(600, 608) for t in watch.accept(EPOCH_S + i, 1e6 + i % 7, late_s)] == []
    assert tell(watch, sawtooth(600), EPOCH_S + 608) == []


def test_one_refused_reading_now_and_then_is_no_fault() -> None:
    watch = SensorWatch(PRESSURE)
    for i, value in enumerate(sawtooth(6000)):
        now_s = EPOCH_S + i
        told = watch.refuse("not_a_number", now_s, now_s) if i % 20 == 0 else watch.accept(now_s, value, now_s)
        assert told == []


def test_a_clock_set_back_for_all_accuses_nobody() -> None:
    watch = SensorWatch(PRESSURE)
    assert tell(watch, sawtooth(600)) == []
    assert tell(watch, sawtooth(600), EPOCH_S - 86400) == []


def test_habits_outlive_a_restart() -> None:
    watch, after = SensorWatch(PRESSURE), SensorWatch(PRESSURE)
    tell(watch, sawtooth(600))
    assert after.is_learning
    after.restore(json.loads(json.dumps(watch.memory())))
    assert (after.stuck_limit, after.spike_limit) == (watch.stuck_limit, watch.spike_limit)
    assert tell(after, [1e6] * 60, EPOCH_S + 600) == ["sensor_stuck"]
    with pytest.raises(ValueError, match="P: expected 8 finite numbers"):
        after.restore([1.0])


REASONS: list[Reason] = ["bad_quality", "not_a_number", "out_of_range", "future_stamp", "old_stamp", "not_newer"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("accept"), st.floats(-1e6, 1e6), st.floats(0, 60)),
            st.tuples(st.sampled_from(REASONS), st.floats(), st.floats(-100, 100)),
            st.tuples(st.just("tick"), st.floats(0, 100), st.just(0.0)),
        ),
        max_size=200,
    )
)
def test_whatever_comes_every_fault_is_opened_once_and_closed_before_the_next(
    steps: list[tuple[str, float, float]],
) -> None:
    watch = SensorWatch(PRESSURE)
    now_s, is_open = EPOCH_S, False
    for what, value, apart_s in steps:
        now_s += abs(apart_s)
        if what == "accept":
            told = watch.accept(now_s, value, now_s)
        elif what == "tick":
            told = watch.tick(now_s + value)
        else:
            told = watch.refuse(next(r for r in REASONS if r == what), now_s + apart_s, now_s, value)
        for transition in told:
            assert (transition.phase == "closed") == is_open
            is_open = transition.phase == "opened"
            assert math.isfinite(transition.stamp_s)
        assert (watch.fault is not None) == is_open
