"""Which messages are taken from the topics; what is refused shows in the node's log and diagnostics."""

from __future__ import annotations

from typing import Any

from plainview_ros.bridge.gateway import Plain

NIL_UUID = "00000000-0000-0000-0000-000000000000"

NAMED = frozenset(("phase", "status", "severity", "risk", "guard", "source"))
"""Fields whose values the interface files name."""


def check_transition(data: Plain) -> None:
    """Refuse a transition that cannot be told from others or ordered among them.

    Raises:
        ValueError: naming the field that was never set or has a value nobody defined.
    """
    unset = [field for field, value in data.items() if field.endswith("_id") and value in (NIL_UUID, "")]
    if data["header"]["stamp"] is None:
        unset.append("header.stamp")
    if unset:
        raise ValueError(f"a transition without {', '.join(unset)}")
    check_names(data)


def check_names(data: Any, path: str = "") -> None:
    """Refuse a message with a number where its interface file defines names for the numbers.

    Raises:
        ValueError: naming the field and its value.
    """
    if isinstance(data, list):
        for number, item in enumerate(data):
            check_names(item, f"{path}[{number}]")
    elif isinstance(data, dict):
        for field, value in data.items():
            if field in NAMED and isinstance(value, int):
                raise ValueError(f"{path}.{field}: {value} is not defined".lstrip("."))
            check_names(value, f"{path}.{field}")
