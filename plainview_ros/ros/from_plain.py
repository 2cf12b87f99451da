"""Builds a ROS message of any installed type from plain values, strictly: the way back from ``conversions.to_plain``.

Generated setters check nothing unless asked to, and a wrong type that passes them ends the process in the C conversion,
so every value is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from math import isfinite
from typing import Any

from rosidl_parser.definition import (
    AbstractNestedType,
    AbstractString,
    Array,
    BasicType,
    BoundedSequence,
    BoundedString,
    NamespacedType,
)

FLOAT32_MAX = 3.4028234663852886e38

INTEGER_BITS = {
    "int8": (8, True),
    "uint8": (8, False),
    "char": (8, False),
    "octet": (8, False),
    "int16": (16, True),
    "uint16": (16, False),
    "int32": (32, True),
    "uint32": (32, False),
    "int64": (64, True),
    "uint64": (64, False),
}


def message_type(name: str) -> Any:
    """The class of an interface such as ``std_msgs/msg/String``.

    Raises:
        ValueError: when it is not installed here.
    """
    match = re.fullmatch(r"([a-z][a-z0-9_]*)/msg/([A-Z][A-Za-z0-9]*)", name)
    try:
        if match is not None:
            found = getattr(import_module(f"{match[1]}.msg"), match[2])
            if hasattr(found, "get_fields_and_field_types"):
                return found
    except (ImportError, AttributeError):
        pass
    raise ValueError(f"the message type {name[:100]!r} is not installed here")


def from_plain(type_: Any, plain: Any, where: str) -> Any:
    """A message from a mapping of its fields; those left out keep their defaults.

    Numbers must fit the field and be finite; a ``byte`` is a number; times are ``{"sec": ..., "nanosec": ...}``.

    Args:
        type_: class of the message.
        plain: values as JSON has them.
        where: path of the value, for the message of the error.

    Raises:
        ValueError: naming the path and what was expected.
    """
    if not isinstance(plain, Mapping):
        raise _expected(where, f"an object with fields of {type_.__name__}", plain)
    fields = dict(zip(type_.get_fields_and_field_types(), type_.SLOT_TYPES, strict=True))
    unknown = [str(name) for name in plain if name not in fields]
    if unknown:
        known = ", ".join(fields)
        raise ValueError(f"{where}.{unknown[0][:100]}: {type_.__name__} has no such field, it has {known}")
    message = type_()
    for name, value in plain.items():
        setattr(message, name, _field(fields[name], value, f"{where}.{name}"))
    return message


def _field(slot: Any, value: Any, where: str) -> Any:
    if isinstance(slot, AbstractNestedType):
        return _items(slot, value, where)
    if isinstance(slot, NamespacedType):
        return from_plain(getattr(import_module(".".join(slot.namespaces)), slot.name), value, where)
    if isinstance(slot, AbstractString):
        if not isinstance(value, str) or "\0" in value:
            raise _expected(where, "text", value)
        if isinstance(slot, BoundedString) and len(value.encode()) > slot.maximum_size:
            raise _expected(where, f"at most {slot.maximum_size} bytes of text", value)
        return value
    if isinstance(slot, BasicType) and slot.typename in ("float", "double"):
        return _float(slot.typename, value, where)
    if isinstance(slot, BasicType) and slot.typename == "boolean":
        if not isinstance(value, bool):
            raise _expected(where, "true or false", value)
        return value
    if isinstance(slot, BasicType) and slot.typename in INTEGER_BITS:
        return _integer(slot.typename, value, where)
    raise ValueError(f"{where}: fields of this type cannot be set over HTTP")


def _items(slot: Any, value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _expected(where, "a list", value)
    if isinstance(slot, Array) and len(value) != slot.size:
        raise ValueError(f"{where}: expected {slot.size} items, got {len(value)}")
    if isinstance(slot, BoundedSequence) and len(value) > slot.maximum_size:
        raise ValueError(f"{where}: expected at most {slot.maximum_size} items, got {len(value)}")
    return [_field(slot.value_type, item, f"{where}[{i}]") for i, item in enumerate(value)]


def _float(typename: str, value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _expected(where, "a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number) or (typename == "float" and abs(number) > FLOAT32_MAX):
        raise _expected(where, f"a finite number that fits {typename}", value)
    return number


def _integer(typename: str, value: Any, where: str) -> int | bytes:
    bits, signed = INTEGER_BITS[typename]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _expected(where, f"a whole number from {low} to {high}", value)
    return bytes([value]) if typename == "octet" else value


def _expected(where: str, what: str, got: Any) -> ValueError:
    return ValueError(f"{where}: expected {what}, got {repr(got)[:80]}")
