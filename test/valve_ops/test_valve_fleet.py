"""What is known of the valves: readings, positions, alerts, refusals."""

from __future__ import annotations

import math
import uuid
from datetime import date, datetime, timezone

import pytest

from plainview_ros.alerts import Alert
from plainview_ros.assets import Quantity, Rig
from plainview_ros.samples import Sample
from plainview_ros.valve_ops.fleet import Fleet
from plainview_ros.valve_ops.joints import JointReading, read_joints
from plainview_ros.valve_ops.stroke import Demand, RefusedError
from plainview_ros.valve_ops.watch import Deadbands, ValveReport

NOW_S = datetime(2026, 11, 23, 12, tzinfo=timezone.utc).timestamp()
OPEN_RAD = 1.5708


class Plant:
    """A fleet and the two clocks it is told of, which run alike here."""

    def __init__(self, rig: Rig) -> None:
        self.fleet = Fleet(rig, Deadbands(temperature_c=1.0, pressure_pa=20e3))
        self.now_s = NOW_S

    @property
    def monotonic_s(self) -> float:
        return self.now_s - NOW_S + 500.0

    def read(self, tag: str, quantity: Quantity, value: float) -> list[Alert]:
        return self.fleet.read(Sample(tag, quantity, value, self.now_s), self.now_s, self.monotonic_s)

    def move(self, *joints: JointReading, stamp_s: float | None = None) -> list[tuple[str, str]]:
        return self.fleet.move(joints, self.now_s if stamp_s is None else stamp_s, self.now_s, self.monotonic_s)

    def begin(self, valve_id: str = "v-101", target: float = 0.0) -> uuid.UUID:
        demand = Demand(uuid.uuid4(), valve_id, target)
        self.fleet.begin(demand, self.now_s, self.monotonic_s)
        return demand.actuation_id

    def refusal(self, valve_id: str = "v-101", target: float = 0.0) -> RefusedError:
        with pytest.raises(RefusedError) as caught:
            self.begin(valve_id, target)
        return caught.value

    def report(self, valve_id: str = "v-101") -> ValveReport:
        return next(r for r in self.fleet.reports(self.monotonic_s) if r.valve.id == valve_id)


@pytest.fixture
def plant(rig: Rig) -> Plant:
    return Plant(rig)


# -- health and alerts -------------------------------------------------------------------------------------------------


def test_nothing_measured_is_said_to_be_stale_and_not_judged(plant: Plant) -> None:
    report = plant.report()
    assert report.stale == ("temperature_c", "pressure_pa", "position", "torque_nm")
    assert (report.health.status, report.health.score) == ("ok", 100)
    assert report.health.factors == (
        "Temperature is not judged: TT-101 has no fresh value",
        "Pressure is not judged: PT-102 has no fresh value",
    )
    assert math.isnan(report.position)
    assert math.isnan(report.pressure_pa)


def test_valve_without_instruments_has_nothing_to_be_stale(rig: Rig) -> None:
    bare = rig.valves[0].model_copy(update={"pressure": None, "temperature": None})
    plant = Plant(rig.model_copy(update={"valves": (bare,)}))
    plant.move(JointReading("v-101", 0.0, 10.0))
    assert plant.report().stale == ()
    assert math.isnan(plant.report().temperature_c)


def test_status_change_raises_one_alert_and_ok_clears_it(plant: Plant) -> None:
    assert plant.read("PT-102", "pressure", 1e6) == []
    plant.now_s += 1
    [raised] = plant.read("PT-102", "pressure", 3.1e6)
    assert (raised.phase, raised.severity, raised.code, raised.asset_id) == (
        "raised",
        "critical",
        "valve_status",
        "v-101",
    )
    assert raised.module == "valve-ops"
    assert raised.stamp_s == plant.now_s
    assert raised.message == (
        "Wellhead A1 (v-101) is offline: Pressure 3100 kPa is above the critical limit 3000 kPa (-20)"
    )
    assert plant.read("PT-102", "pressure", 3.2e6) == []
    [cleared] = plant.read("PT-102", "pressure", 1e6)
    assert (cleared.phase, cleared.alert_id) == ("cleared", raised.alert_id)
    assert cleared.event_id != raised.event_id


def test_worse_status_replaces_the_alert(plant: Plant) -> None:
    [warning] = plant.read("TT-101", "temperature", 65.0)
    cleared, critical = plant.read("TT-101", "temperature", 80.0)
    assert (cleared.phase, cleared.alert_id) == ("cleared", warning.alert_id)
    assert (critical.phase, critical.severity) == ("raised", "critical")


def test_reading_judges_only_the_valve_it_belongs_to(plant: Plant) -> None:
    plant.read("PT-202", "pressure", 3.1e6)
    assert [r.health.status for r in plant.fleet.reports(plant.monotonic_s)] == ["ok", "offline", "ok"]


def test_passing_maintenance_date_raises_an_alert_without_any_reading(plant: Plant) -> None:
    due = plant.report().valve.estimated_maintenance
    assert due == date(2027, 3, 1)
    plant.now_s = datetime(2027, 3, 1, 23, 59, tzinfo=timezone.utc).timestamp()
    assert plant.fleet.judge(plant.now_s) == []
    plant.now_s += 120
    [alert] = plant.fleet.judge(plant.now_s)
    assert (alert.severity, alert.asset_id) == ("info", "v-101")
    assert plant.report().health.score == 70
    assert plant.fleet.judge(plant.now_s) == []


def test_dead_transmitter_does_not_turn_a_critical_valve_healthy(plant: Plant) -> None:
    plant.read("PT-102", "pressure", 3.1e6)
    plant.now_s += 60
    assert plant.fleet.judge(plant.now_s) == []
    report = plant.report()
    assert report.health.status == "offline"
    assert report.health.score == 80
    assert "pressure_pa" in report.stale
    assert "Pressure is not judged: PT-102 has no fresh value" in report.health.factors


# -- positions ---------------------------------------------------------------------------------------------------------


def test_position_and_torque_are_those_of_the_joint(plant: Plant) -> None:
    assert plant.move(JointReading("v-101", OPEN_RAD / 2, 42.0)) == []
    report = plant.report()
    assert (report.position, report.torque_nm) == (pytest.approx(0.5), 42.0)
    assert "position" not in report.stale


def test_position_becomes_stale_by_age_and_by_a_late_stamp(plant: Plant) -> None:
    plant.move(JointReading("v-101", 0.0, 0.0), stamp_s=NOW_S - 1.5)
    assert "position" not in plant.report().stale
    plant.now_s += 0.6
    assert "position" in plant.report().stale


@pytest.mark.parametrize(
    ("joint", "reason"),
    [
        (JointReading("v-101", math.nan, 0.0), "joint v-101: position nan is no reading"),
        (JointReading("v-101", 0.0, math.inf), "joint v-101: effort inf is no reading"),
        (JointReading("v-101", 90.0, 0.0), "joint v-101: position 90 rad is outside the stroke 0..1.5708 rad"),
    ],
)
def test_unbelievable_report_of_one_joint_does_not_cost_the_others(
    plant: Plant, joint: JointReading, reason: str
) -> None:
    assert plant.move(joint, JointReading("v-102", OPEN_RAD, 5.0)) == [("v-101", reason)]
    assert math.isnan(plant.report("v-101").position)
    assert plant.report("v-102").position == pytest.approx(1.0)


def test_little_overtravel_is_the_end_position(plant: Plant) -> None:
    assert plant.move(JointReading("v-101", -0.01, 0.0), JointReading("v-102", OPEN_RAD + 0.01, 0.0)) == []
    assert (plant.report("v-101").position, plant.report("v-102").position) == (0.0, 1.0)


@pytest.mark.parametrize("offset_s", [-3600.0, 3600.0])
def test_absurd_stamp_is_refused(plant: Plant, offset_s: float) -> None:
    [(joint, reason)] = plant.move(JointReading("v-101", 0.0, 0.0), stamp_s=NOW_S + offset_s)
    assert joint == "v-101"
    assert "joint v-101: stamp" in reason
    assert math.isnan(plant.report().position)


def test_joint_report_is_read_by_name() -> None:
    ours = {"v-101", "v-102"}
    joints = read_joints(["elbow", "v-102", "v-101"], [9.0, 0.2, 0.1], [7.0, 2.0, 1.0], ours)
    assert joints == [JointReading("v-102", 0.2, 2.0), JointReading("v-101", 0.1, 1.0)]


def test_joint_report_without_efforts_has_unknown_torque() -> None:
    [joint] = read_joints(["v-101"], [0.1], [], {"v-101"})
    assert math.isnan(joint.effort_nm)


@pytest.mark.parametrize(("positions", "efforts"), [([], []), ([0.1, 0.2], [1.0]), ([0.1], [1.0, 2.0])])
def test_joint_report_whose_arrays_differ_is_refused(positions: list[float], efforts: list[float]) -> None:
    with pytest.raises(ValueError, match=f"1 joint names, {len(positions)} positions and {len(efforts)} efforts"):
        read_joints(["v-101"], positions, efforts, {"v-101"})


def test_malformed_report_of_somebody_elses_joints_is_none_of_our_business() -> None:
    assert read_joints(["elbow"], [], [1.0, 2.0], {"v-101"}) == []


# -- strokes -----------------------------------------------------------------------------------------------------------


def test_unknown_valve_is_refused_with_the_known_ones(plant: Plant) -> None:
    refusal = plant.refusal("v-999")
    assert refusal.code == "UNKNOWN_VALVE"
    assert str(refusal) == "unknown valve 'v-999': the rig has v-101, v-102, v-103"


@pytest.mark.parametrize("target", [math.nan, math.inf, -0.01, 1.01])
def test_target_that_is_no_position_is_refused(plant: Plant, target: float) -> None:
    plant.move(JointReading("v-101", 0.0, 0.0))
    refusal = plant.refusal(target=target)
    assert refusal.code == "BAD_TARGET"
    assert str(target) in str(refusal)


def test_position_never_measured_refuses_the_stroke(plant: Plant) -> None:
    assert plant.refusal().code == "NO_POSITION"
    assert "never measured" in str(plant.refusal())


def test_stale_position_refuses_the_stroke(plant: Plant) -> None:
    plant.move(JointReading("v-101", 0.0, 0.0))
    plant.now_s += 2.5
    assert plant.refusal().code == "NO_POSITION"
    assert str(plant.refusal()) == "the position of v-101 is 2.5 s old, the limit is 2 s"


def test_one_stroke_per_valve_at_a_time(plant: Plant) -> None:
    plant.move(JointReading("v-101", 0.0, 0.0), JointReading("v-102", 0.0, 0.0))
    first = plant.begin("v-101", 1.0)
    refusal = plant.refusal("v-101")
    assert refusal.code == "BUSY"
    assert str(first) in str(refusal)
    plant.begin("v-102", 1.0)
    assert [report.moving for report in plant.fleet.reports(plant.monotonic_s)] == [True, True, False]


def test_ended_stroke_frees_the_valve_and_is_remembered(plant: Plant) -> None:
    plant.move(JointReading("v-101", 0.0, 0.0))
    actuation_id = plant.begin("v-101", 1.0)
    for _ in range(10):
        plant.now_s += 0.1
        plant.move(JointReading("v-101", OPEN_RAD, 77.0))
    [(stroke, outcome)] = plant.fleet.take_ended()
    assert (stroke.demand.actuation_id, outcome.code) == (actuation_id, "NONE")
    assert plant.fleet.take_ended() == []
    report = plant.report()
    assert (report.moving, report.last_torque_nm, report.last_actuation_s) == (False, 77.0, outcome.stamp_s)
    plant.begin("v-101", 0.0)


def test_silent_actuator_ends_the_stroke(plant: Plant) -> None:
    plant.move(JointReading("v-101", 0.0, 0.0))
    plant.begin("v-101", 1.0)
    plant.now_s += 1.9
    plant.fleet.end_lost(plant.now_s, plant.monotonic_s)
    assert plant.fleet.take_ended() == []
    plant.now_s += 0.2
    plant.fleet.end_lost(plant.now_s, plant.monotonic_s)
    [(_, outcome)] = plant.fleet.take_ended()
    assert outcome.code == "STALE_FEEDBACK"


def test_cancel_ends_only_the_stroke_it_names(plant: Plant) -> None:
    plant.move(JointReading("v-101", 0.0, 0.0), JointReading("v-102", 0.0, 0.0))
    first, second = plant.begin("v-101", 1.0), plant.begin("v-102", 1.0)
    plant.fleet.cancel(second, plant.now_s)
    plant.fleet.cancel(uuid.uuid4(), plant.now_s)
    [(stroke, outcome)] = plant.fleet.take_ended()
    assert (stroke.demand.actuation_id, outcome.code) == (second, "CANCELED")
    plant.fleet.abandon(plant.now_s)
    [(stroke, outcome)] = plant.fleet.take_ended()
    assert (stroke.demand.actuation_id, outcome.code) == (first, "INACTIVE")
