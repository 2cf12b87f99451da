"""Between ROS messages and plain Python values."""

from __future__ import annotations

import math
import uuid
from collections.abc import Hashable
from datetime import date
from functools import cache
from typing import Any

from builtin_interfaces.msg import Duration, Time
from unique_identifier_msgs.msg import UUID

from plainview_ros.alerts import Alert
from plainview_ros.msg import Alert as AlertMsg
from plainview_ros.utc import midnight_s

NANOSECONDS = 1_000_000_000


def to_stamp(seconds: float | None) -> Time:
    """Seconds since the epoch as a ROS stamp; ``None`` is the zero stamp, "never"."""
    if seconds is None:
        return Time()
    sec, nanosec = divmod(round(seconds * NANOSECONDS), NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


def from_stamp(stamp: Time) -> float:
    """Seconds since the epoch."""
    return float(stamp.sec) + float(stamp.nanosec) / NANOSECONDS


def to_duration(seconds: float) -> Duration:
    """A length of time [s]; a negative one has a negative ``sec`` and a ``nanosec`` that counts forward from there."""
    sec, nanosec = divmod(round(seconds * NANOSECONDS), NANOSECONDS)
    return Duration(sec=sec, nanosec=nanosec)


def from_duration(duration: Duration) -> float:
    """A length of time [s]."""
    return float(duration.sec) + float(duration.nanosec) / NANOSECONDS


def date_stamp(day: date | None) -> Time:
    """Midnight UTC of a day as a ROS stamp; ``None`` is the zero stamp."""
    return to_stamp(midnight_s(day))


def to_uuid_msg(value: uuid.UUID) -> UUID:
    return UUID(uuid=list(value.bytes))


def from_uuid_msg(message: UUID) -> uuid.UUID:
    return uuid.UUID(bytes=bytes(message.uuid))


def type_name(message_type: Any) -> str:
    """``sensor_msgs/msg/Image`` of the class."""
    package, kind, *_ = message_type.__module__.split(".")
    return f"{package}/{kind}/{message_type.__name__}"


def constant(message_type: Any, field: str, name: str) -> int:
    """Value of a field's named constant: ``constant(ValveState, "status", "ok")`` is ``ValveState.STATUS_OK``."""
    return int(getattr(message_type, f"{field}_{name}".upper()))


@cache
def constant_names(message_type: Hashable, field: str) -> dict[int, str]:
    """Names of a field's constants by value: ``{0: "ok", 1: "warning", ...}``; empty when it has none."""
    prefix = f"{field}_".upper()
    names = (name for name in dir(type(message_type)) if name.startswith(prefix))
    return {int(getattr(message_type, name)): name[len(prefix) :].lower() for name in names}


def to_plain(message: Any, max_items: int | None = None) -> Any:
    """Any ROS message as plain Python: what JSON can hold, with the names of the message's fields.

    Stamps become float seconds (``None`` when zero), UUIDs strings, integers with named constants those names, NaN and
    infinity ``None``. Where ``max_items`` is given, a longer array becomes ``{"length": ..., "first": [...]}``, and so
    does a text of more than a hundred times as many characters.
    """
    if isinstance(message, float):
        return message if math.isfinite(message) else None
    if isinstance(message, str):
        if max_items is not None and len(message) > 100 * max_items:
            return {"length": len(message), "first": message[: 100 * max_items]}
        return message
    if isinstance(message, bool | int):
        return message
    if isinstance(message, Time):
        return from_stamp(message) if message.sec or message.nanosec else None
    if isinstance(message, UUID):
        return str(from_uuid_msg(message))
    if isinstance(message, bytes):
        return message[0]  # the type `byte`; arrays of bytes come as lists of these
    if not hasattr(message, "get_fields_and_field_types"):
        if max_items is not None and len(message) > max_items:
            return {"length": len(message), "first": to_plain(message[:max_items], max_items)}
        return [to_plain(item, max_items) for item in (message.tolist() if hasattr(message, "tolist") else message)]
    message_type: Any = type(message)
    plain = {}
    for field in message.get_fields_and_field_types():
        value = to_plain(getattr(message, field), max_items)
        if isinstance(value, int) and not isinstance(value, bool):
            value = constant_names(message_type, field).get(value, value)
        plain[field] = value
    return plain


def alert_message(alert: Alert) -> AlertMsg:
    """A module's alert for the alerts topic."""
    message = AlertMsg(
        event_id=to_uuid_msg(alert.event_id),
        alert_id=to_uuid_msg(alert.alert_id),
        module=alert.module,
        asset_kind=alert.asset_kind,
        asset_id=alert.asset_id,
        code=alert.code,
        phase=constant(AlertMsg, "phase", alert.phase),
        severity=constant(AlertMsg, "severity", alert.severity),
        message=alert.message,
    )
    message.header.stamp = to_stamp(alert.stamp_s)
    return message
