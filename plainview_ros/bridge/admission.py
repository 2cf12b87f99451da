"""Which messages are taken from the topics; what is refused shows in the node's log and diagnostics."""

from __future__ import annotations

from plainview_ros.bridge.gateway import Plain

NIL_UUID = "00000000-0000-0000-0000-000000000000"

UNSET = (NIL_UUID, "")

NAMED = frozenset(("phase", "status", "severity", "risk", "guard", "source", "baseline"))
"""Fields whose values the interface files name."""


def check_transition(data: Plain) -> None:
    """Refuse a transition that cannot be told from others or ordered among them.

    Raises:
        ValueError: naming the field that was never set or has a value nobody defined.
    """
    unset = [field for field, value in data.items() if value in UNSET and field.endswith("_id")]
    if data["header"]["stamp"] is None:
        unset.append("header.stamp")
    if unset:
        raise ValueError(f"a transition without {', '.join(unset)}")
    check_names(data)


def check_names(data: Plain, path: str = "") -> None:
    """Refuse a message with a number where its interface file defines names for the numbers.

    Args:
        data: the message, or a part of it.
        path: of the part, with a point at its end.

    Raises:
        ValueError: naming the field and its value.
    """
    for field, value in data.items():
        kind = type(value)
        if kind is int and field in NAMED:
            raise ValueError(f"{path}{field}: {value} is not defined")
        if kind is dict:
            check_names(value, f"{path}{field}.")
        elif kind is list and value and type(value[0]) is dict:
            for number, item in enumerate(value):
                check_names(item, f"{path}{field}[{number}].")
