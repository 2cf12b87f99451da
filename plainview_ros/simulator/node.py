"""The simulator node: publishes the simulated plant as drivers and gateways would, and takes their commands."""

from __future__ import annotations

import math
import sys
from time import monotonic, time
from typing import Any

from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, JointState
from trajectory_msgs.msg import JointTrajectory

from plainview_ros.ros import qos, topics
from plainview_ros.ros.call import call
from plainview_ros.ros.conversions import from_duration, to_stamp
from plainview_ros.ros.instruments import InstrumentOutput
from plainview_ros.ros.node import Health, ModuleNode
from plainview_ros.ros.process import run
from plainview_ros.ros.settings import Setting
from plainview_ros.samples import Sample
from plainview_ros.simulator.camera_crew import CameraCrew, Frame
from plainview_ros.simulator.faults import Fault, FaultError
from plainview_ros.simulator.pace import Pace
from plainview_ros.simulator.plant import JointReport, Plant
from plainview_ros.simulator.scenarios import load_scenario
from plainview_ros.simulator.trajectories import read_trajectory
from plainview_ros.srv import ClearFault, InjectFault

SLICE_S = 0.1
"""Real time after which a simulation that is behind lets other callbacks have their turn."""

STAMP_ERROR_S = 0.5
"""At real time, stamps further off the wall clock are set right."""


class SimulatorNode(ModuleNode):
    """Publishes instruments, joints, images and, when it is the clock, ``/clock``.

    It takes no time from ``/clock``: its stamps start at the wall clock's time and go on by simulated time.
    """

    SETTINGS = (
        Setting("seed", 0, "Of everything random: the same seed gives the same history", low=0, high=2**31 - 1),
        Setting(
            "speed", 1.0, "Simulated seconds per second [1]; at any other than 1 it publishes /clock", 0.01, 1000.0
        ),
        Setting("publish_clock", False, "Publish /clock also at speed 1"),
        Setting(
            "transport", "topics", "topics: a topic per quantity, as drivers do; scan: scan frames, as gateways do"
        ),
        Setting("scenario", "", "Path of a scenario file; empty: steady operation with fluctuating demand"),
        Setting("cameras", True, "Publish images"),
        Setting("camera_rate_hz", 10.0, "Frames per real second of a camera at most [Hz]; thermal ones 5", 0.1, 60.0),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__("simulator", **options)

    def build(self) -> None:
        seed, speed, scenario = self.setting("seed"), self.setting("speed"), self.setting("scenario")
        self._plant = Plant(self.rig, seed, load_scenario(scenario, self.rig) if scenario else None)
        self._pace = Pace(speed)
        self._is_clock = self.setting("publish_clock") or speed != 1.0
        if self._is_clock:
            self._publish_clock = self.publisher(Clock, topics.CLOCK, qos.CLOCK)
        self._is_anchored = False
        self._readouts = InstrumentOutput(self, self.rig.instrument, self.setting("transport"))
        self._publish_joints = self.publisher(JointState, topics.JOINT_STATES, qos.SENSOR)
        self.subscribe(JointTrajectory, topics.VALVE_TRAJECTORY, self._on_trajectory, qos.COMMAND)
        self.serve(InjectFault, topics.INJECT_FAULT, self._inject_fault)
        self.serve(ClearFault, topics.CLEAR_FAULT, self._clear_fault)

        cameras = self.rig.cameras if self.setting("cameras") else ()
        self._publish_frame = {
            camera.id: self.publisher(Image, topics.image(camera.topic), qos.IMAGE)
            if camera.kind == "thermal"
            else self.publisher(CompressedImage, topics.compressed_image(camera.topic), qos.IMAGE)
            for camera in cameras
        }
        self._crew = CameraCrew(cameras, self.setting("camera_rate_hz"), seed, self.from_threads(self._on_frame))
        self.on_cleanup_do(self._crew.stop)
        self.every(min(max(self._plant.pipeline.dt_s / speed / 2, 0.01), 0.05), self._advance, wall=True)

    def health(self) -> list[Health]:
        achieved = self._pace.achieved(monotonic(), self._plant.time_s)
        values: dict[str, object] = {
            "speed": f"{achieved:.2f}",
            "simulated time [s]": f"{self._plant.time_s:.0f}",
            "time given up [s]": f"{self._pace.forgiven_s:.1f}",
            "faults": ", ".join(self._plant.faults.ids) or "none",
            "frames missed": self._crew.missed,
            "not simulated": ", ".join(self._plant.not_simulated) or "none",
        }
        if achieved < 0.95 * self._pace.speed and self.is_active:
            wanted = f"{self._pace.speed:g} times real time"
            return [Health("pace", "warn", f"too slow: {achieved:.2f} instead of {wanted}", values)]
        return [Health("pace", "ok", f"{self._pace.speed:g} times real time", values)]

    def stand_down(self) -> None:
        self._pace.pause()
        self._is_anchored &= self._is_clock

    # -- simulated time ------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Catch up with the wall clock, then publish what was measured meanwhile."""
        plant, began_s = self._plant, monotonic()
        target_s = self._pace.target_s(began_s, plant.time_s)
        epoch_s = time() - target_s
        is_off = (
            abs(epoch_s - plant.epoch_s) > STAMP_ERROR_S and not self._is_clock
        )  # time given up, wall clock stepped
        if is_off or not self._is_anchored:
            plant.epoch_s, self._is_anchored = epoch_s, True
        samples: list[Sample] = []
        reports: list[JointReport] = []
        while plant.time_s + plant.pipeline.dt_s <= target_s and monotonic() - began_s < SLICE_S:
            tick = plant.step()
            samples += tick.samples
            reports += tick.joint_reports
        if self._is_clock:
            self._publish_clock(Clock(clock=to_stamp(plant.stamp_s)))
        self._readouts.publish(samples)
        for report in reports:
            self._publish_joints(joint_state(report))
        # Not the plant's last step: two frames may fall into one.
        self._crew.shoot(monotonic(), plant.epoch_s + target_s, plant.camera_fault)

    def _on_frame(self, frame: Frame) -> None:
        self._publish_frame[frame.camera.id](image(frame))

    # -- commands ------------------------------------------------------------------------------------------------------

    def _on_trajectory(self, message: JointTrajectory) -> None:
        points = [(point.positions, from_duration(point.time_from_start)) for point in message.points]
        for valve_id, path in read_trajectory(self.rig, message.joint_names, points).items():
            self._plant.follow(valve_id, path)

    def _inject_fault(self, request: Any, response: Any) -> Any:
        fault = Fault(
            request.kind,
            request.target,
            request.magnitude,
            None if math.isnan(request.position_m) else request.position_m,
            request.onset_s,
            request.ramp_s,
            request.duration_s,
        )
        try:
            response.fault_id = self._plant.inject(fault)
        except FaultError as error:
            response.error_code = getattr(InjectFault.Response, error.mistake.upper())
            response.error_msg = str(error)
        else:
            self.get_logger().info(f"injected {response.fault_id}: {fault}")
        return response

    def _clear_fault(self, request: Any, response: Any) -> Any:
        try:
            response.cleared = self._plant.clear(request.fault_id)
        except KeyError:
            response.error_code = ClearFault.Response.UNKNOWN_FAULT
            active = ", ".join(self._plant.faults.ids) or "none"
            response.error_msg = f"unknown fault {request.fault_id!r}: active are {active}"
        else:
            self.get_logger().info(f"cleared {response.cleared} faults")
        return response


def joint_state(report: JointReport) -> JointState:
    """The report of all actuators as a driver sends it."""
    message = JointState(
        name=[joint.name for joint in report.joints],
        position=[joint.position_rad for joint in report.joints],
        velocity=[joint.velocity_rad_s for joint in report.joints],
        effort=[joint.effort_nm for joint in report.joints],
    )
    message.header.stamp = to_stamp(report.stamp_s)
    return message


def image(frame: Frame) -> Any:
    """A frame as its camera's driver sends it."""
    camera = frame.camera
    if camera.kind == "thermal":
        message = Image(
            height=camera.height, width=camera.width, encoding="16UC1", is_bigendian=0, step=2 * camera.width
        )
    else:
        message = CompressedImage(format="jpeg")
    message.header.stamp = to_stamp(frame.stamp_s)
    message.header.frame_id = camera.id
    message.data = frame.data
    return message


def inject(fault: Fault, arguments: list[str] | None = None) -> str:
    """Have the running simulator misbehave, from the command line; the fault's id.

    Raises:
        ValueError: when it refuses; the message is the simulator's.
        NoAnswerError: when no simulator answers.
    """
    request = InjectFault.Request(
        kind=fault.kind,
        target=fault.target,
        magnitude=fault.magnitude,
        position_m=math.nan if fault.position_m is None else fault.position_m,
        onset_s=fault.onset_s,
        ramp_s=fault.ramp_s,
        duration_s=fault.duration_s,
    )
    response = call(InjectFault, topics.INJECT_FAULT, request, arguments)
    if response.error_code != InjectFault.Response.NONE:
        raise ValueError(response.error_msg)
    return str(response.fault_id)


def clear(fault_id: str, arguments: list[str] | None = None) -> int:
    """End a fault of the running simulator, or all with an empty id; how many ended. Raises as :func:`inject`."""
    response = call(ClearFault, topics.CLEAR_FAULT, ClearFault.Request(fault_id=fault_id), arguments)
    if response.error_code != ClearFault.Response.NONE:
        raise ValueError(response.error_msg)
    return int(response.cleared)


def main() -> int:
    return run(SimulatorNode)


if __name__ == "__main__":
    sys.exit(main())
