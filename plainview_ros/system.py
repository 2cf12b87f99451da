"""What the system consists of and how it can be started, said once for ``ros2 launch`` and ``plainview up``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from plainview_ros.ros import topics


@dataclass(frozen=True)
class Module:
    """What a member that judges is called on the web."""

    key: str
    title: str
    description: str
    state_topic: str
    """Its snapshot: as long as that is fresh the module is well."""


@dataclass(frozen=True)
class Member:
    """A node of the system. Its name is the executable's, the node's and the parameter file's section."""

    name: str
    node: str
    """``module:class`` of the node."""
    only_if: Literal["sim", "bridge"] | None = None
    """Started only when this argument is true."""
    module: Module | None = None

    def is_wanted(self, chosen: Mapping[str, str]) -> bool:
        """Whether it is started, by the values of the arguments."""
        return self.only_if is None or chosen[self.only_if] == "true"


MEMBERS = (
    Member("simulator", "plainview_ros.simulator.node:SimulatorNode", only_if="sim"),
    Member(
        "pipeline_guard",
        "plainview_ros.pipeline_guard.node:PipelineGuardNode",
        module=Module("pipeline-guard", "PipelineGuard", "Robot control & leak prevention", topics.PIPELINE_STATE),
    ),
    Member(
        "rig_sight",
        "plainview_ros.rig_sight.node:RigSightNode",
        module=Module(
            "rig-sight", "RigSight", "Camera/thermal integration for safety monitoring", topics.CAMERAS_STATE
        ),
    ),
    Member(
        "valve_ops",
        "plainview_ros.valve_ops.node:ValveOpsNode",
        module=Module("valve-ops", "ValveOps", "Autonomous actuation & maintenance scheduling", topics.VALVES_STATE),
    ),
    Member(
        "flow_iq",
        "plainview_ros.flow_iq.node:FlowIqNode",
        module=Module("flow-iq", "FlowIQ", "Predictive analytics & anomaly detection", topics.FLOW_STATE),
    ),
    Member("bridge", "plainview_ros.bridge.node:BridgeNode", only_if="bridge"),
)

MODULES = tuple(member.module for member in MEMBERS if member.module is not None)


@dataclass(frozen=True)
class Argument:
    """A choice made at start: a launch argument and an option of ``plainview up``."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] | None = None


BOOLEAN = ("true", "false")

ARGUMENTS = (
    Argument("sim", "true", "simulate the plant instead of waiting for real instruments", BOOLEAN),
    Argument("rig", "", "rig file; empty: the installed config/rig.yaml"),
    Argument("params", "", "ROS parameter file; empty: the installed config/plainview.yaml"),
    Argument("namespace", "", "namespace of all nodes and topics, e.g. rig7"),
    Argument("bridge", "true", "serve HTTP", BOOLEAN),
    Argument("port", "", "port of the bridge; empty: the environment's PORT, else 4000"),
    Argument("use_sim_time", "false", "take the time from /clock", BOOLEAN),
    Argument("log_level", "info", "debug, info, warn, error or fatal", ("debug", "info", "warn", "error", "fatal")),
)
