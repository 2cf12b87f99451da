"""ROS messages as plain Python, and back where a module needs it."""

from __future__ import annotations

import json
import math
import uuid
from datetime import date
from typing import Any

import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Imu, JointState
from std_msgs.msg import Bool, Byte, ByteMultiArray, Float32
from unique_identifier_msgs.msg import UUID

from plainview_ros import msg as interfaces
from plainview_ros.alerts import Alert, AlertBook
from plainview_ros.msg import Alert as AlertMsg
from plainview_ros.msg import ScanFrame, ValveState, ValveStates
from plainview_ros.ros.conversions import (
    alert_message,
    constant,
    date_stamp,
    from_duration,
    from_stamp,
    from_uuid_msg,
    to_duration,
    to_plain,
    to_stamp,
    to_uuid_msg,
)


@given(st.floats(0, 4e9))
def test_stamp_and_seconds_are_inverse_to_the_microsecond(seconds: float) -> None:
    stamp = to_stamp(min(seconds, 2**31 - 1))
    assert 0 <= stamp.nanosec < 1_000_000_000
    assert from_stamp(stamp) == pytest.approx(min(seconds, 2**31 - 1), abs=1e-6)


@given(st.floats(-1e9, 1e9))
def test_duration_and_seconds_are_inverse_to_the_microsecond(seconds: float) -> None:
    duration = to_duration(seconds)
    assert 0 <= duration.nanosec < 1_000_000_000
    assert from_duration(duration) == pytest.approx(seconds, abs=1e-6)


def test_never_is_the_zero_stamp_and_none() -> None:
    assert to_stamp(None) == Time()
    assert date_stamp(None) == Time()
    assert to_plain(Time()) is None


def test_date_is_midnight_utc() -> None:
    assert from_stamp(date_stamp(date(2027, 3, 1))) == 1_803_859_200.0


@given(st.uuids())
def test_uuid_survives_the_way_through_a_message(value: uuid.UUID) -> None:
    assert from_uuid_msg(to_uuid_msg(value)) == value
    assert to_plain(to_uuid_msg(value)) == str(value)


def test_message_becomes_plain_python_with_its_field_names() -> None:
    states = ValveStates()
    states.header.stamp = to_stamp(12.5)
    states.header.frame_id = "rig"
    valve = ValveState(
        id="v-101",
        status=ValveState.STATUS_OFFLINE,
        health_score=80,
        health_factors=["It is hot."],
        position=0.5,
        torque_nm=math.nan,
        pressure_pa=math.inf,
        moving=True,
    )
    states.valves.append(valve)
    assert to_plain(states) == {
        "header": {"stamp": 12.5, "frame_id": "rig"},
        "valves": [
            {
                "id": "v-101",
                "name": "",
                "status": "offline",
                "health_score": 80,
                "health_factors": ["It is hot."],
                "position": 0.5,
                "torque_nm": None,
                "temperature_c": 0.0,
                "pressure_pa": None,
                "last_torque_nm": 0.0,
                "last_actuation": None,
                "estimated_maintenance": None,
                "moving": True,
                "stale": [],
            }
        ],
    }


def test_integer_that_is_no_named_constant_stays_a_number() -> None:
    assert to_plain(ValveState(status=99))["status"] == 99


def test_arrays_of_numbers_become_lists_without_nan() -> None:
    joints = JointState(name=["a", "b"], position=[1.0, math.nan])
    assert to_plain(joints)["position"] == [1.0, None]
    assert to_plain(joints)["effort"] == []
    assert to_plain(ScanFrame(quality=[0, 2]))["quality"] == [0, 2]
    assert to_plain(Imu())["orientation_covariance"] == [0.0] * 9


def test_bytes_become_numbers() -> None:
    assert to_plain(Byte(data=b"\x07")) == {"data": 7}
    assert to_plain(ByteMultiArray(data=[b"\x01", b"\xff"]))["data"] == [1, 255]
    assert to_plain(CompressedImage(data=b"\xff\xd8"))["data"] == [255, 216]


def test_diagnostics_of_any_node_become_plain() -> None:
    status = DiagnosticStatus(level=DiagnosticStatus.WARN, name="x", values=[KeyValue(key="a", value="1")])
    assert to_plain(DiagnosticArray(status=[status]))["status"] == [
        {"level": 1, "name": "x", "message": "", "hardware_id": "", "values": [{"key": "a", "value": "1"}]}
    ]


def test_long_arrays_and_texts_are_cut_where_a_limit_is_given() -> None:
    joints = JointState(name=["a" * 201, "b", "c"], position=[1.0, math.nan])
    plain = to_plain(joints, max_items=2)
    assert plain["name"] == {"length": 3, "first": [{"length": 201, "first": "a" * 200}, "b"]}
    assert plain["position"] == [1.0, None]


def test_truth_stays_truth() -> None:
    assert to_plain(Bool(data=True)) == {"data": True}


@given(st.floats(width=32))
def test_every_float_becomes_json(value: float) -> None:
    text = json.dumps(to_plain(Float32(data=value)), allow_nan=False)
    assert json.loads(text)["data"] == (value if math.isfinite(value) else None)


MESSAGES = [value for name, value in vars(interfaces).items() if hasattr(value, "get_fields_and_field_types")]


@pytest.mark.parametrize("message_type", MESSAGES, ids=lambda value: value.__name__)
def test_every_message_of_ours_becomes_json(message_type: Any) -> None:
    assert json.loads(json.dumps(to_plain(message_type()), allow_nan=False)).keys() == (
        message_type.get_fields_and_field_types().keys()
    )


def test_constant_is_found_by_the_name_of_its_field() -> None:
    assert constant(ValveState, "status", "offline") == ValveState.STATUS_OFFLINE
    with pytest.raises(AttributeError, match="STATUS_BROKEN"):
        constant(ValveState, "status", "broken")


def test_alert_becomes_its_message() -> None:
    [raised] = AlertBook("valve-ops").raise_("valve", "v-101", "valve_status", "critical", "It is hot.", 7.25)
    message = alert_message(raised)
    assert isinstance(raised, Alert)
    assert (message.phase, message.severity) == (AlertMsg.PHASE_RAISED, AlertMsg.SEVERITY_CRITICAL)
    assert to_plain(message) == {
        "header": {"stamp": 7.25, "frame_id": ""},
        "event_id": str(raised.event_id),
        "alert_id": str(raised.alert_id),
        "module": "valve-ops",
        "asset_kind": "valve",
        "asset_id": "v-101",
        "code": "valve_status",
        "phase": "raised",
        "severity": "critical",
        "message": "It is hot.",
    }


def test_empty_uuid_is_still_a_string() -> None:
    assert to_plain(UUID()) == str(uuid.UUID(int=0))
