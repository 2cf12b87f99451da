"""The whole system, one process per node: ``ros2 launch plainview_ros plainview.launch.py sim:=false rig:=...``."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from plainview_ros.share import share_file
from plainview_ros.system import ARGUMENTS, MEMBERS


def start(context: LaunchContext) -> list[Node]:
    chosen = {argument.name: context.launch_configurations[argument.name] for argument in ARGUMENTS}
    settings = {"use_sim_time": chosen["use_sim_time"] == "true"}
    if chosen["rig"]:
        settings["rig"] = chosen["rig"]
    return [
        Node(
            package="plainview_ros",
            executable=member.name,
            name=member.name,
            namespace=chosen["namespace"],
            parameters=[
                chosen["params"] or str(share_file("config/plainview.yaml")),
                # The simulator is the clock, it does not follow it.
                settings | ({"use_sim_time": False} if member.name == "simulator" else {}),
                *([{"port": int(chosen["port"])}] if member.name == "bridge" and chosen["port"] else []),
            ],
            arguments=["--ros-args", "--log-level", chosen["log_level"]],
            output="screen",
            emulate_tty=True,
            respawn=True,
            respawn_delay=2.0,
        )
        for member in MEMBERS
        if member.is_wanted(chosen)
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    argument.name,
                    default_value=argument.default,
                    description=argument.description,
                    choices=argument.choices,
                )
                for argument in ARGUMENTS
            ),
            OpaqueFunction(function=start),
        ]
    )
