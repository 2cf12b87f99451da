"""Between ROS messages and plain Python values."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from datetime import date
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import Any, TypeAlias

from builtin_interfaces.msg import Duration, Time
from rosidl_parser.definition import AbstractGenericString, AbstractNestedType, NamespacedType
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


def constant_names(message_type: Any, field: str) -> dict[int, str]:
    """Names of a field's constants by value: ``{0: "ok", 1: "warning", ...}``; empty when it has none."""
    prefix = f"{field}_".upper()
    constants = {name: getattr(message_type, name) for name in dir(type(message_type)) if name.startswith(prefix)}
    return {value: name[len(prefix) :].lower() for name, value in constants.items() if isinstance(value, int)}


def to_plain(message: Any, max_items: int | None = None) -> Any:
    """Any ROS message as plain Python: what JSON can hold, with the names of the message's fields.

    Stamps become float seconds (``None`` when zero), UUIDs strings, integers with named constants those names, NaN and
    infinity ``None``. Where ``max_items`` is given, a longer array becomes ``{"length": ..., "first": [...]}``, and so
    does a text of more than a hundred times as many characters.
    """
    message_type: Any = type(message)
    return _message_reader(message_type, max_items)(message)


_Read: TypeAlias = Callable[[Any], Any]
"""Makes a plain value of a field's value."""


@cache
def _message_reader(message_type: Any, max_items: int | None) -> _Read:
    """How messages of a type are read, found out once: what is to be done depends on the type alone."""
    if message_type is Time:
        return _stamp_or_none
    if message_type is UUID:
        return _uuid_text
    fields = tuple(message_type.get_fields_and_field_types())
    if not fields:
        return lambda _message: {}
    slots = zip(fields, message_type.SLOT_TYPES, strict=True)
    readers = [(field, _field_reader(slot, constant_names(message_type, field), max_items)) for field, slot in slots]
    changed = [(field, read) for field, read in readers if read is not None]
    # The generated properties are asked in one call, and most values stay what they are.
    values_of = attrgetter(*fields) if len(fields) > 1 else lambda message: (getattr(message, fields[0]),)

    def read_message(message: Any) -> dict[str, Any]:
        plain = dict(zip(fields, values_of(message)))  # noqa: B905  # as many of each, by construction
        for field, read in changed:
            plain[field] = read(plain[field])
        return plain

    return read_message


def _field_reader(slot: Any, names: dict[int, str], max_items: int | None) -> _Read | None:
    """How a field of a type (``SLOT_TYPES``) is read; ``None``: its value is plain already."""
    if isinstance(slot, AbstractNestedType):
        return _array_reader(_field_reader(slot.value_type, {}, max_items), max_items)
    if isinstance(slot, NamespacedType):
        return _message_reader(getattr(import_module(".".join(slot.namespaces)), slot.name), max_items)
    if isinstance(slot, AbstractGenericString):
        return None if max_items is None else _beginning_reader(100 * max_items)
    if slot.typename in ("float", "double", "long double"):
        return _finite_or_none
    if slot.typename == "octet":  # arrays of bytes come as lists of these
        return lambda value: names.get(value[0], value[0])
    named = names and slot.typename != "boolean"
    return (lambda value: names.get(value, value)) if named else None


def _array_reader(read: _Read | None, max_items: int | None) -> _Read:
    def read_array(array: Any) -> Any:
        if max_items is not None and len(array) > max_items:
            return {"length": len(array), "first": read_array(array[:max_items])}
        items = array.tolist() if hasattr(array, "tolist") else array
        return list(items) if read is None else list(map(read, items))

    return read_array


def _beginning_reader(max_length: int) -> _Read:
    def read_text(text: str) -> Any:
        return text if len(text) <= max_length else {"length": len(text), "first": text[:max_length]}

    return read_text


def _finite_or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _stamp_or_none(stamp: Time) -> float | None:
    return from_stamp(stamp) if stamp.sec or stamp.nanosec else None


def _uuid_text(message: UUID) -> str:
    digits = bytes(message.uuid).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


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
