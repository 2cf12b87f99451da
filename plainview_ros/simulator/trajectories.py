"""What a ``trajectory_msgs/JointTrajectory`` asks of the valves."""

from __future__ import annotations

from collections.abc import Sequence

from plainview_ros.assets import Rig
from plainview_ros.simulator.actuators import Waypoint, check_path


def read_trajectory(
    rig: Rig, joint_names: Sequence[str], points: Sequence[tuple[Sequence[float], float]]
) -> dict[str, list[Waypoint]]:
    """Path of each valve.

    Args:
        joint_names: of the actuators.
        points: positions [rad] in the order of the names, and time from the start [s].

    Raises:
        ValueError: naming what is wrong; then no valve may move.
    """
    if not joint_names or not points:
        raise ValueError("a trajectory needs joint names and points")
    if len(set(joint_names)) < len(joint_names):
        raise ValueError(f"a joint is named twice: {', '.join(joint_names)}")
    valves = {valve.joint.name: valve for valve in rig.valves}
    paths: dict[str, list[Waypoint]] = {}
    for index, name in enumerate(joint_names):
        if name not in valves:
            raise ValueError(f"unknown joint {name!r}: expected one of {', '.join(valves) or '(none)'}")
        valve = valves[name]
        path = []
        for positions, after_s in points:
            if len(positions) != len(joint_names):
                raise ValueError(f"a point has {len(positions)} positions for {len(joint_names)} joints")
            path.append(Waypoint(valve.joint.opening(positions[index]), after_s))
        try:
            check_path(path)
        except ValueError as error:
            raise ValueError(f"joint {name}: {error}") from error
        paths[valve.id] = path
    return paths
