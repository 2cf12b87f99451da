"""What a ``sensor_msgs/JointState`` says of single joints."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from typing import NamedTuple


class JointReading(NamedTuple):
    """One joint in one report."""

    name: str
    position_rad: float
    effort_nm: float
    """NaN: not measured."""


def read_joints(
    names: Sequence[str], positions: Sequence[float], efforts: Sequence[float], ours: Container[str]
) -> list[JointReading]:
    """Those joints of one report that are ours, in its order; a report of others only is none of our business.

    An empty ``efforts`` says that none is measured, and so does a NaN among them: ros2_control's broadcaster sends it
    for a joint without an effort interface.

    Raises:
        ValueError: when the arrays do not belong together.
    """
    if not any(name in ours for name in names):
        return []
    if len(positions) != len(names) or len(efforts) not in (0, len(names)):
        raise ValueError(
            f"{len(names)} joint names, {len(positions)} positions and {len(efforts)} efforts:"
            " there must be as many of each, or no efforts"
        )
    readings = map(JointReading, names, positions, efforts or [math.nan] * len(names))
    return [reading for reading in readings if reading.name in ours]
