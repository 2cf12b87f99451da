"""The plant without ROS: operation, strokes, faults and what the instruments make of them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from plainview_ros.assets import Rig
from plainview_ros.samples import Sample
from plainview_ros.simulator.faults import Fault, FaultError
from plainview_ros.simulator.plant import JointReading, Plant
from plainview_ros.simulator.scenarios import Scenario, load_scenario

SCENARIOS = Path(__file__).parents[2] / "config" / "scenarios"


def values(samples: list[Sample], tag: str) -> np.ndarray:
    return np.array([sample.value for sample in samples if sample.tag == tag])


def run(plant: Plant, seconds: float) -> list[Sample]:
    return list(plant.run(seconds))


def test_same_seed_same_history_and_another_seed_another(rig: Rig) -> None:
    scenario = Scenario(name="leak", faults=(Fault("leak", "B-Central", 0.05, onset_s=5),))
    first, again, other = (run(Plant(rig, seed, scenario), 20) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_a_fault_does_not_change_the_noise_of_what_it_does_not_touch(rig: Rig) -> None:
    healthy, faulty = Plant(rig, 3), Plant(rig, 3)
    faulty.inject(Fault("frozen_sensor", "PT-401"))
    a, b = run(healthy, 10), run(faulty, 10)
    assert [s for s in a if s.tag != "PT-401"] == [s for s in b if s.tag != "PT-401"]


def test_every_instrument_reports_at_its_rate_with_its_accuracy(rig: Rig) -> None:
    plant = Plant(rig, 1, epoch_s=1_700_000_000.0)
    samples = run(plant, 60)
    for instrument in rig.instruments:
        own = [sample for sample in samples if sample.tag == instrument.tag]
        assert len(own) == pytest.approx(60 * instrument.rate_hz, abs=2)
        stamps = np.array([sample.stamp_s for sample in own])
        assert np.diff(stamps) == pytest.approx(1 / instrument.rate_hz, abs=1e-6)
        assert stamps[0] == 1_700_000_000.0
        noise = np.diff([sample.value for sample in own])  # differences leave noise, not operation
        if instrument.rate_hz > 5:
            assert noise.std() == pytest.approx(2**0.5 * instrument.accuracy, rel=0.2)


def test_an_hour_runs_quickly_and_stays_inside_the_contract(rig: Rig) -> None:
    plant = Plant(rig, 1, load_scenario(SCENARIOS / "normal_day.yaml", rig))
    began_s = time.perf_counter()
    samples = run(plant, 3600)
    assert time.perf_counter() - began_s < 60
    pressures = np.array([s.value for s in samples if s.quantity == "pressure"])
    temperatures = np.array([s.value for s in samples if s.quantity == "temperature"])
    assert pressures.max() < 2.6e6
    assert pressures.min() > 0.9e6
    assert temperatures.min() > 20
    assert temperatures.max() < 50


def test_a_stroke_takes_its_time_needs_torque_and_moves_the_pressure(rig: Rig) -> None:
    plant = Plant(rig, 1)
    run(plant, 10)
    before_pa = plant.pipeline.pressure_at(4000, "upstream")
    began_s = plant.time_s
    plant.command("v-103", 0.0)
    peak_nm, closed_s = 0.0, None
    while plant.time_s < began_s + 60:
        for report in plant.step().joint_reports:
            joint = next(joint for joint in report.joints if joint.name == "v-103")
            peak_nm = max(peak_nm, abs(joint.effort_nm))
            if closed_s is None and joint.position_rad <= 0.001:
                closed_s = report.stamp_s - began_s
    assert closed_s == pytest.approx(rig.valve["v-103"].stroke_time_s, rel=0.05)
    assert 100 < peak_nm < rig.valve["v-103"].rated_torque_nm
    assert plant.pipeline.pressure_at(4000, "upstream") > before_pa + 4e5
    assert plant.pipeline.flow_at(4000) == 0.0


def test_leak_grows_over_its_ramp_and_goes_when_it_is_cleared(rig: Rig) -> None:
    plant = Plant(rig, 1)
    fault_id = plant.inject(Fault("leak", "C-South", 0.05, position_m=700, onset_s=10, ramp_s=60))
    nominal = plant.pipeline.nominal_flow_m3s
    run(plant, 9)
    assert plant.pipeline.leak_flow_m3s == 0.0
    run(plant, 31)
    assert plant.pipeline.leak_flow_m3s == pytest.approx(0.025 * nominal, rel=0.05)
    run(plant, 60)
    assert plant.pipeline.leak_flow_m3s == pytest.approx(0.05 * nominal, rel=0.05)
    run(plant, 120)
    lost = values(run(plant, 60), "FT-301").mean() - values(run(plant, 60), "FT-401").mean()
    assert lost == pytest.approx(0.05 * nominal, rel=0.2)
    assert plant.clear(fault_id) == 1
    run(plant, 1)
    assert plant.pipeline.leak_flow_m3s == 0.0
    with pytest.raises(KeyError):
        plant.clear(fault_id)


def test_leak_ends_by_itself_after_its_duration(rig: Rig) -> None:
    plant = Plant(rig, 1)
    plant.inject(Fault("leak", "A-North", 0.05, duration_s=5))
    run(plant, 4)
    assert plant.pipeline.leak_flow_m3s > 0
    run(plant, 2)
    assert plant.pipeline.leak_flow_m3s == 0.0
    assert len(plant.faults) == 0


def test_frozen_sensor_repeats_itself_with_new_stamps_and_recovers(rig: Rig) -> None:
    plant = Plant(rig, 1)
    run(plant, 5)
    plant.inject(Fault("frozen_sensor", "PT-301", duration_s=5))
    samples = [sample for sample in run(plant, 4.5) if sample.tag == "PT-301"]
    assert len({sample.value for sample in samples}) == 1
    assert len({sample.stamp_s for sample in samples}) == len(samples) > 40
    run(plant, 1)
    assert len(set(values(run(plant, 2), "PT-301"))) > 10


def test_drifting_sensor_wanders_off_at_its_rate(rig: Rig) -> None:
    plant, healthy = Plant(rig, 1), Plant(rig, 1)
    plant.inject(Fault("drifting_sensor", "PT-401", 500.0, onset_s=10))
    drift = values(run(plant, 110), "PT-401") - values(run(healthy, 110), "PT-401")
    assert drift[:95] == pytest.approx(0)
    assert drift[-1] == pytest.approx(500 * 100, rel=0.02)


def test_spiking_sensor_jumps_for_one_reading_in_ten_seconds(rig: Rig) -> None:
    plant, healthy = Plant(rig, 1), Plant(rig, 1)
    plant.inject(Fault("spiking_sensor", "PT-401", 2e5, onset_s=5))
    heights = values(run(plant, 55), "PT-401") - values(run(healthy, 55), "PT-401")
    assert heights[heights != 0] == pytest.approx([2e5] * 5, rel=0.01)
    assert np.diff(np.flatnonzero(heights)).tolist() == [100] * 4


def test_a_sensor_that_fails_gives_what_no_gate_lets_through_and_recovers(rig: Rig) -> None:
    plant = Plant(rig, 1)
    plant.inject(Fault("out_of_range_sensor", "PT-401", duration_s=5))
    plant.inject(Fault("not_a_number_sensor", "TT-101", duration_s=5))
    samples = run(plant, 4.5)
    assert set(values(samples, "PT-401")) == {6.0e6 + 6.1e6 / 16}
    assert np.isnan(values(samples, "TT-101")).all()
    run(plant, 1)
    recovered = run(plant, 5)
    assert values(recovered, "PT-401").max() < 6.0e6
    assert np.isfinite(values(recovered, "TT-101")).all()


def test_silent_sensor_says_nothing_and_the_others_go_on(rig: Rig) -> None:
    plant, healthy = Plant(rig, 1), Plant(rig, 1)
    plant.inject(Fault("silent_sensor", "PT-401", duration_s=5))
    assert run(plant, 4.5) == [sample for sample in run(healthy, 4.5) if sample.tag != "PT-401"]
    run(plant, 1)
    assert values(run(plant, 1), "PT-401").size == pytest.approx(10, abs=1)


def test_clock_step_moves_the_stamps_of_one_sensor(rig: Rig) -> None:
    plant = Plant(rig, 1)
    plant.inject(Fault("clock_step_sensor", "PT-401", -30.0, onset_s=2))
    stamps = [sample.stamp_s for sample in run(plant, 4) if sample.tag == "PT-401"]
    steps = np.diff(stamps)
    assert steps.min() == pytest.approx(-29.9)
    assert np.sort(steps)[1:] == pytest.approx(0.1)


def stroke(plant: Plant, valve_id: str, opening: float) -> list[JointReading]:
    """The readings while a valve is driven to an opening."""
    plant.command(valve_id, opening)
    readings: list[JointReading] = []
    while plant.actuators[valve_id].is_moving:
        readings += [j for report in plant.step().joint_reports for j in report.joints if j.name == valve_id]
    return readings


def test_sticking_valve_jerks_and_needs_more_torque(rig: Rig) -> None:
    plant = Plant(rig, 1)
    healthy = stroke(plant, "v-102", 0.2)
    stroke(plant, "v-102", 1.0)
    plant.inject(Fault("sticking_valve", "v-102", 2.5))
    sticking = stroke(plant, "v-102", 0.2)
    peak = max(abs(j.effort_nm) for j in healthy)
    assert max(abs(j.effort_nm) for j in sticking) > 2 * peak
    assert len(sticking) > len(healthy)
    speeds = [np.abs([j.velocity_rad_s for j in readings[20:-20]]) for readings in (healthy, sticking)]
    assert speeds[0].std() < 0.1 * speeds[0].mean()
    assert speeds[1].std() > 0.3 * speeds[1].mean()


def test_valve_that_sticks_too_hard_stalls_and_moves_again_once_repaired(rig: Rig) -> None:
    plant = Plant(rig, 1)
    plant.inject(Fault("sticking_valve", "v-102", 6.0))
    readings = stroke(plant, "v-102", 0.0)
    assert plant.actuators["v-102"].opening == 1.0
    assert max(abs(j.effort_nm) for j in readings) == pytest.approx(rig.valve["v-102"].rated_torque_nm, rel=0.02)
    plant.clear()
    run(plant, 1)
    stroke(plant, "v-102", 0.0)
    assert plant.actuators["v-102"].opening == 0.0


def test_camera_faults_are_told_per_camera(rig: Rig) -> None:
    plant = Plant(rig, 1)
    plant.inject(Fault("hot_spot", "cam-103", 120.0))
    plant.inject(Fault("smoke", "cam-101", 0.8, ramp_s=10))
    plant.inject(Fault("frame_drop", "cam-102", 0.5))
    run(plant, 5)
    assert plant.camera_fault("cam-103").hot_spot_c == 120.0
    assert plant.camera_fault("cam-101").smoke == pytest.approx(0.4, abs=0.02)
    assert plant.camera_fault("cam-101").hot_spot_c is None
    assert plant.camera_fault("cam-102").frame_drop == 0.5


@pytest.mark.parametrize(
    ("fault", "mistake", "words"),
    [
        (Fault("flood", "A-North", 1), "unknown_kind", "expected one of leak"),
        (Fault("leak", "Z", 0.1), "unknown_target", "one of A-North, B-Central"),
        (Fault("hot_spot", "cam-101", 90), "unknown_target", "expected a thermal camera as target, one of cam-103"),
        (Fault("leak", "A-North", 0.9), "bad_value", "found 0.9"),
        (Fault("leak", "A-North", float("nan")), "bad_value", "found nan"),
        (Fault("leak", "A-North", 0.1, position_m=2001), "bad_value", "from 0 to 2000"),
        (Fault("leak", "A-North", 0.1, onset_s=-1), "bad_value", "onset_s"),
        (Fault("leak", "A-North", 0.1, ramp_s=float("inf")), "bad_value", "ramp_s"),
        (Fault("smoke", "cam-101", 0.5, position_m=3), "bad_value", "only a leak"),
        (Fault("clock_step_sensor", "PT-101", 1e9), "bad_value", "step of its stamps"),
        (Fault("silent_sensor", "PT-999"), "unknown_target", "expected a.* instrument as target, one of PT-101"),
        (Fault("sticking_valve", "v-101", 0.5), "bad_value", "multiple of the healthy friction"),
    ],
)
def test_a_fault_the_rig_cannot_have_is_refused_in_words(rig: Rig, fault: Fault, mistake: str, words: str) -> None:
    with pytest.raises(FaultError, match=words) as caught:
        Plant(rig).inject(fault)
    assert caught.value.mistake == mistake


def test_instruments_without_a_place_are_named_not_invented(rig: Rig) -> None:
    lost = rig.instruments[0].model_copy(update={"tag": "PT-999", "position_m": None})
    plant = Plant(rig.model_copy(update={"instruments": (*rig.instruments, lost)}))
    assert plant.not_simulated == ["PT-999"]
    assert not values(run(plant, 1), "PT-999").size


def test_viscosity_rises_as_the_oil_cools(rig: Rig) -> None:
    ends = [
        rig.instruments[0].model_copy(
            update={
                "tag": f"VT-{x}",
                "quantity": "viscosity",
                "position_m": x,
                "range": type(rig.instruments[0].range)(0, 1),
            }
        )
        for x in (0, 10_000)
    ]
    for i, instrument in enumerate(ends):
        ends[i] = instrument.model_copy(update={"accuracy": 1e-5})
    samples = run(Plant(rig.model_copy(update={"instruments": tuple(ends)})), 5)
    inlet, outlet = values(samples, "VT-0").mean(), values(samples, "VT-10000").mean()
    assert inlet == pytest.approx(rig.fluid.viscosity_pa_s, rel=0.05)
    assert outlet > 1.2 * inlet
