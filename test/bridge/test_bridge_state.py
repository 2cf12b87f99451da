"""What becomes of messages: remembered, told once, never taken for fresher than they are."""

from __future__ import annotations

import json
import math
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bridge_messages as make
from plainview_ros.bridge.admission import check_names, check_transition
from plainview_ros.bridge.journal import Journal
from plainview_ros.bridge.schemas.events import Event
from plainview_ros.bridge.settings import Settings
from plainview_ros.bridge.state import State
from plainview_ros.msg import Alert, Leak
from plainview_ros.ros import topics
from plainview_ros.ros.conversions import to_plain

NOW_S = make.NOW_S
NOW_MS = round(NOW_S * 1000)
NOW_ISO = "2026-09-21T14:13:20.000Z"


class Projection:
    """A state, its clock, and what it announced."""

    def __init__(self) -> None:
        self.monotonic_s = 100.0
        self.state = State(Settings(), lambda: self.monotonic_s)

    def take(self, message: Any, now_s: float = NOW_S) -> list[Event]:
        topic = make.TOPIC_OF[type(message)]
        return list(self.state.apply(make.received(topic, message, now_s, self.monotonic_s)).announcements)

    def take_one(self, message: Any) -> tuple[str, dict[str, Any]]:
        (announcement,) = self.take(message)
        return announcement.type, json.loads(announcement.json_bytes())


@pytest.fixture
def projection() -> Projection:
    return Projection()


def test_stroke_is_announced_with_epoch_milliseconds(projection: Projection) -> None:
    stroke = uuid.uuid4()
    kind, data = projection.take_one(make.actuation("REQUESTED", stroke))
    assert (kind, data["valveId"], data["requestedAt"]) == ("valve.actuation.requested", "v-101", NOW_MS)
    done = make.actuation("COMPLETED", stroke, peak_torque_nm=181.5, final_position=0.0)
    kind, data = projection.take_one(done)
    assert kind == "valve.actuation.completed"
    assert (data["torqueNm"], data["completedAt"], data["actuationId"]) == (181.5, NOW_MS, str(stroke))


@pytest.mark.parametrize("phase", ["FAILED", "CANCELED"])
def test_stroke_that_did_not_reach_its_target_says_why(projection: Projection, phase: str) -> None:
    kind, data = projection.take_one(make.actuation(phase, error_code=105, error_msg="no end position"))
    assert kind == "valve.actuation.failed"
    assert (data["status"], data["errorCode"], data["message"]) == (phase.lower(), 105, "no end position")
    assert data["torqueNm"] is None


@pytest.mark.parametrize(("severity", "told"), [("MINOR", "low"), ("MAJOR", "med"), ("CRITICAL", "high")])
def test_leak_is_told_with_the_severity_of_the_contract(projection: Projection, severity: str, told: str) -> None:
    kind, data = projection.take_one(make.leak(severity=getattr(Leak, f"SEVERITY_{severity}")))
    assert kind == "leak.alert"
    assert (data["assetId"], data["severity"], data["at"]) == ("C-South", told, NOW_MS)


def test_repaired_leak_is_acknowledged(projection: Projection) -> None:
    thing = uuid.uuid4()
    projection.take(make.leak("ACTIVE", thing))
    assert projection.take(make.leak("CONTAINED", thing)) == []
    kind, data = projection.take_one(make.leak("REPAIRED", thing))
    assert (kind, data["leakId"], data["timestamp"]) == ("alert.acknowledged", str(thing), NOW_ISO)


def test_only_the_beginning_of_an_anomaly_and_of_a_detection_is_told(projection: Projection) -> None:
    kind, data = projection.take_one(make.anomaly("OPENED"))
    assert kind == "anomaly.detected"
    assert (data["assetId"], data["anomalyType"], data["confidence"]) == ("fl-1", "flow_rate_deviation", 0.97)
    assert projection.take(make.anomaly("UPDATED")) == projection.take(make.anomaly("CLOSED")) == []
    kind, data = projection.take_one(make.detection("STARTED"))
    assert kind == "detection.made"
    assert (data["sourceId"], data["detectionType"], data["timestamp"]) == ("cam-103", "hot_spot", NOW_ISO)
    assert projection.take(make.detection("UPDATED")) == projection.take(make.detection("ENDED")) == []


@pytest.mark.parametrize(
    ("kind", "field"), [("valve", "valveId"), ("camera", "cameraId"), ("line", "lineId"), ("section", "section")]
)
def test_alert_names_its_asset_as_the_contract_does(projection: Projection, kind: str, field: str) -> None:
    told, data = projection.take_one(make.alert("RAISED", asset_kind=kind, asset_id="x-1"))
    assert told == "alert.created"
    assert (data[field], data["moduleKey"], data["severity"]) == ("x-1", "valve-ops", "warning")
    assert projection.take_one(make.alert("CLEARED"))[0] == "alert.cleared"


def test_camera_that_goes_offline_and_comes_back_is_told_once_each(projection: Projection) -> None:
    assert projection.take(make.camera_states(cam_101="ONLINE", cam_102="OFFLINE")) == []
    assert projection.take(make.camera_states(cam_101="DEGRADED", cam_102="OFFLINE")) == []
    (gone,) = projection.take(make.camera_states(cam_101="OFFLINE", cam_102="OFFLINE"))
    assert gone.asset == "cam-101"
    assert json.loads(gone.json_bytes()) == {
        "type": "device.status",
        "deviceId": "cam-101",
        "status": "offline",
        "at": NOW_MS,
    }
    assert projection.take(make.camera_states(cam_101="OFFLINE", cam_102="OFFLINE")) == []
    (back,) = projection.take(make.camera_states(cam_101="ONLINE", cam_102="OFFLINE"))
    assert json.loads(back.json_bytes())["status"] == "online"


def test_metrics_are_told_once_for_new_data_and_in_litres_per_minute(projection: Projection) -> None:
    kind, data = projection.take_one(make.flow_state())
    assert kind == "flow.metrics.updated"
    assert data["metrics"]["flowRateLpm"] == pytest.approx(3300)
    assert data["metrics"] | {"flowRateLpm": 0} == {
        "flowRateLpm": 0,
        "pressurePa": 1.2e6,
        "temperatureC": None,
        "viscosity": None,
        "timestamp": NOW_ISO,
    }
    assert projection.take(make.flow_state()) == []


def test_stale_channel_does_not_enter_the_history(projection: Projection) -> None:
    fresh = make.channel("pressure", 1.2e6, NOW_S)
    projection.take(make.flow_state(NOW_S, make.channel("flow_rate", 0.05, NOW_S - 9, stale=True), fresh))
    (sample,) = projection.state.flow.newest("fl-1", 10)
    assert (sample.flow_rate, sample.pressure) == (None, 1.2e6)
    nothing_fresh = make.channel("pressure", math.nan, 0.0, stale=True)
    assert projection.take(make.flow_state(NOW_S + 1, nothing_fresh)) == []


def test_transition_handed_over_again_is_dropped(projection: Projection) -> None:
    message = make.leak()
    assert len(projection.take(message)) == 1
    again = projection.state.apply(make.received(topics.PIPELINE_LEAKS, message))
    assert (again.new, list(again.announcements)) == (False, [])
    assert len(projection.state.leaks.newest()) == 1


def test_backlog_of_before_the_start_is_history_and_not_announced(projection: Projection) -> None:
    old = make.leak(stamp_s=NOW_S - 3600)
    applied = projection.state.apply(make.received(topics.PIPELINE_LEAKS, old))
    assert (applied.new, applied.live, list(applied.announcements)) == (True, False, [])
    assert len(projection.state.leaks.newest()) == 1


def test_what_happened_during_a_short_restart_is_announced_late(projection: Projection) -> None:
    assert len(projection.take(make.leak(stamp_s=NOW_S - 10))) == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=60), st.randoms())
def test_order_and_repetition_of_transitions_do_not_matter(transitions: list[tuple[int, int]], random: Any) -> None:
    """Whatever way a backlog is handed over, each thing ends as its newest transition has it."""
    things = [uuid.uuid4() for _ in range(6)]
    stamps: dict[int, int] = {}
    messages = []
    for thing, stamp in transitions:
        stamps[thing] = max(stamps.get(thing, 0), stamp)
        messages.append(to_plain(make.leak("ACTIVE", things[thing], NOW_S + stamp, volume_m3=float(stamp))))
    handed_over = messages * 2
    random.shuffle(handed_over)
    journal = Journal("leak_id")
    new = sum(journal.add(message) for message in handed_over)
    assert new == len(messages)
    records = journal.newest()
    assert {record.latest["leak_id"]: record.latest["volume_m3"] for record in records} == {
        str(things[thing]): float(stamp) for thing, stamp in stamps.items()
    }
    begins = [record.since_s for record in records]
    assert begins == sorted(begins, reverse=True)


def test_journal_is_bounded() -> None:
    journal = Journal("leak_id", capacity=10, known=20)
    for n in range(100):
        journal.add(to_plain(make.leak(stamp_s=NOW_S + n)))
    assert len(journal.newest()) == 10
    assert journal.newest(1)[0].since_s == NOW_S + 99


def test_leak_that_the_guard_no_longer_has_is_not_active(projection: Projection) -> None:
    old = make.leak(stamp_s=NOW_S)
    projection.take(old)
    projection.take(make.pipeline_state(NOW_S + 1, old))
    assert len(projection.state.active_leaks()) == 1
    projection.take(make.pipeline_state(NOW_S + 2))
    assert projection.state.active_leaks() == []


def test_leak_newer_than_the_snapshot_is_active(projection: Projection) -> None:
    projection.take(make.pipeline_state(NOW_S))
    projection.take(make.leak(stamp_s=NOW_S + 1))
    assert len(projection.state.active_leaks()) == 1


def test_leak_known_only_from_the_snapshot_is_active_and_its_transition_still_announced(projection: Projection) -> None:
    known = make.leak(stamp_s=NOW_S - 1)
    projection.take(make.pipeline_state(NOW_S, known))
    assert len(projection.state.active_leaks()) == 1
    assert len(projection.take(known)) == 1
    assert len(projection.state.leaks.newest()) == 1


def test_snapshot_grows_stale_on_the_monotonic_clock(projection: Projection) -> None:
    assert projection.state.is_stale(topics.VALVES_STATE)
    projection.take(make.valve_states(v_101={}))
    assert not projection.state.is_stale(topics.VALVES_STATE)
    projection.monotonic_s += 3.1
    assert projection.state.is_stale(topics.VALVES_STATE)
    valve, stale = projection.state.asset(topics.VALVES_STATE, "v-101")
    assert valve is not None
    assert stale
    projection.take(make.valve_states(v_101={}))
    assert not projection.state.is_stale(topics.VALVES_STATE)


def test_complaint_stands_until_the_node_is_well_or_silent(projection: Projection) -> None:
    def take(level: str) -> None:
        data = make.diagnostics("valve_ops: input", level, "refused: v-101")
        projection.state.apply(make.received(topics.DIAGNOSTICS, data, NOW_S, projection.monotonic_s))

    take("warn")
    assert [status["name"] for status in projection.state.complaints()] == ["valve_ops: input"]
    take("ok")
    assert projection.state.complaints() == []
    take("error")
    projection.monotonic_s += 10
    assert projection.state.complaints() == []


def test_anomaly_counts_for_an_hour_after_it_closed(projection: Projection) -> None:
    thing = uuid.uuid4()
    projection.take(make.anomaly("OPENED", thing, NOW_S))
    assert len(projection.state.recent_anomalies("fl-1", NOW_S + 3600)) == 1
    projection.take(make.anomaly("CLOSED", thing, NOW_S + 60))
    assert len(projection.state.recent_anomalies("fl-1", NOW_S + 60)) == 1
    assert projection.state.recent_anomalies("fl-1", NOW_S + 61) == []
    assert projection.state.recent_anomalies("fl-2", NOW_S) == []


def test_transition_without_ids_or_stamp_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"event_id, alert_id, .*header\.stamp"):
        check_transition(to_plain(Alert()))
    check_transition(to_plain(make.alert("RAISED")))


def test_number_that_no_interface_names_is_refused_with_its_path() -> None:
    bad = make.leak()
    bad.severity = 99
    with pytest.raises(ValueError, match=r"^severity: 99 is not defined"):
        check_transition(to_plain(bad))
    with pytest.raises(ValueError, match=r"^open_leaks\[0\]\.severity: 99 is not defined"):
        check_names(to_plain(make.pipeline_state(NOW_S, bad)))
