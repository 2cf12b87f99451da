"""Messages of any type from plain values, and back."""

from __future__ import annotations

from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovariance, Twist
from hypothesis import given
from hypothesis import strategies as st
from rcl_interfaces.msg import ParameterEvent
from sensor_msgs.msg import BatteryState, Image, JointState
from std_msgs.msg import Int8, UInt64MultiArray
from trajectory_msgs.msg import JointTrajectory

from plainview_ros.ros.conversions import to_plain
from plainview_ros.ros.from_plain import from_plain, message_type

TYPES = [DiagnosticArray, PoseWithCovariance, Twist, ParameterEvent, BatteryState, Image, JointState, JointTrajectory]


def test_nested_message_is_built() -> None:
    message = from_plain(
        JointTrajectory,
        {
            "header": {"frame_id": "v-101", "stamp": {"sec": 7, "nanosec": 5}},
            "joint_names": ["v-101"],
            "points": [{"positions": [1, 0.5], "time_from_start": {"sec": 2}}],
        },
        "params",
    )
    assert message.header.stamp.sec == 7
    assert list(message.points[0].positions) == [1.0, 0.5]
    assert message.points[0].time_from_start.sec == 2


def test_fixed_array_and_byte_are_built() -> None:
    pose = from_plain(PoseWithCovariance, {"covariance": [0.5] * 36}, "params")
    array = from_plain(DiagnosticArray, {"status": [{"level": 2, "name": "a"}]}, "params")
    assert list(pose.covariance) == [0.5] * 36
    assert to_plain(array)["status"][0]["level"] == 2


@pytest.mark.parametrize(
    ("type_", "plain", "complaint"),
    [
        (Twist, [], "params: expected an object with fields of Twist, got "),
        (Twist, {"linaer": {}}, "params.linaer: Twist has no such field, it has linear, angular"),
        (Twist, {"linear": {"x": "1"}}, "params.linear.x: expected a number, got '1'"),
        (Twist, {"linear": {"x": True}}, "params.linear.x: expected a number, got True"),
        (Twist, {"linear": {"x": None}}, "params.linear.x: expected a number, got None"),
        (Twist, {"linear": {"x": float("nan")}}, "params.linear.x: expected a finite number that fits double"),
        (Twist, {"linear": {"x": 10**400}}, "params.linear.x: expected a finite number that fits double"),
        (BatteryState, {"voltage": 1e39}, "params.voltage: expected a finite number that fits float"),
        (BatteryState, {"present": 1}, "params.present: expected true or false, got 1"),
        (Int8, {"data": 128}, "params.data: expected a whole number from -128 to 127, got 128"),
        (Int8, {"data": 1.0}, "params.data: expected a whole number from -128 to 127, got 1.0"),
        (UInt64MultiArray, {"data": [1, -1]}, r"params.data\[1\]: expected a whole number from 0 to"),
        (JointState, {"name": "v-101"}, "params.name: expected a list, got 'v-101'"),
        (JointState, {"name": [5]}, r"params.name\[0\]: expected text, got 5"),
        (JointState, {"name": ["a\0b"]}, r"params.name\[0\]: expected text"),
        (PoseWithCovariance, {"covariance": [0.0]}, "params.covariance: expected 36 items, got 1"),
    ],
)
def test_wrong_value_is_named(type_: Any, plain: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        from_plain(type_, plain, "params")


JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just([]) | st.just([1, "a"])


@given(st.sampled_from(TYPES), st.data())
def test_any_json_gives_a_message_or_a_complaint(type_: Any, data: st.DataObject) -> None:
    fields = list(type_.get_fields_and_field_types())
    plain = data.draw(st.dictionaries(st.sampled_from([*fields, "other"]), JSON, max_size=3))
    complaint = "params"
    message = None
    try:
        message = from_plain(type_, plain, "params")
    except ValueError as error:
        complaint = str(error)
    assert complaint.startswith("params")
    assert message is None or isinstance(message, type_)


@pytest.mark.parametrize("type_", TYPES)
def test_plain_values_of_a_message_build_it_again(type_: Any) -> None:
    plain = {name: value for name, value in to_plain(type_()).items() if name not in ("header", "stamp")}
    assert (
        from_plain(type_, {k: v for k, v in plain.items() if v is not None and not isinstance(v, str)}, "params")
        == type_()
    )


@pytest.mark.parametrize(
    "name",
    [
        "os/path",
        "os/msg/system",
        "std_msgs/msg/Nothing",
        "nowhere_msgs/msg/String",
        "std_srvs/srv/Empty",
        "",
        "../msg/A",
    ],
)
def test_type_that_is_not_installed_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not installed here"):
        message_type(name)


def test_installed_type_is_found() -> None:
    assert message_type("sensor_msgs/msg/JointState") is JointState


def test_big_arrays_are_summarised() -> None:
    image = to_plain(Image(data=bytes(range(256)) * 1000, encoding="mono8"), max_items=64)
    assert image["data"] == {"length": 256_000, "first": list(range(64))}
    names = to_plain(JointState(name=[str(i) for i in range(65)], position=[0.5] * 64), max_items=64)
    assert names["name"]["length"] == 65
    assert names["position"] == [0.5] * 64
    assert to_plain(PoseWithCovariance(), max_items=8)["covariance"] == {"length": 36, "first": [0.0] * 8}
