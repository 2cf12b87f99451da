"""The rig_sight node: watches the cameras' health and what they see.

Every frame counts for the health of its camera. Frames are judged at ``analysis_rate_hz``, the newest first, on worker
threads (OpenCV lets go of the interpreter meanwhile); the results come back to the executor thread, which alone
publishes. A camera is known by its topic; the ``frame_id`` of foreign drivers means something else.

A frame with an absurd stamp is judged all the same, because a fire is seen by the picture and not by the clock: the
stamp is refused, the camera counts as degraded, and what the frame shows is stamped with the time of its arrival.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, Literal

from sensor_msgs.msg import CompressedImage, Image

from plainview_ros.alerts import Alert
from plainview_ros.assets import Camera
from plainview_ros.msg import Alert as AlertMsg
from plainview_ros.msg import CameraState, CameraStates
from plainview_ros.msg import Detection as DetectionMsg
from plainview_ros.rig_sight.camera_health import CameraReport, HealthLimits
from plainview_ros.rig_sight.detections import Detection, TrackSettings
from plainview_ros.rig_sight.eye import Look
from plainview_ros.rig_sight.frames import CompressedFrame, Frame, RawFrame
from plainview_ros.rig_sight.motion import MotionSettings
from plainview_ros.rig_sight.sight import SightSettings
from plainview_ros.rig_sight.smoke import SmokeSettings
from plainview_ros.rig_sight.thermal import ThermalSettings
from plainview_ros.rig_sight.watch import Arrival, CameraWatch
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import alert_message, constant, from_stamp, to_stamp, to_uuid_msg
from plainview_ros.ros.node import Health, ModuleNode
from plainview_ros.ros.process import run
from plainview_ros.ros.settings import Setting
from plainview_ros.samples import BadSampleError, StampGate

CHECK_PERIOD_S = 0.25
STATE_PERIOD_S = 1.0


@dataclass(frozen=True)
class Judgement:
    """A frame on its way back from a worker thread."""

    watch: CameraWatch
    arrival: Arrival
    look: Future[Look]


class RigSightNode(ModuleNode):
    SETTINGS = (
        Setting("analysis_rate_hz", 4.0, "Frames of a camera that are judged in a second [Hz]", 0.2, 30.0),
        Setting("workers", 2, "Threads that judge frames", 1, 64),
        Setting("jpeg_quality", 80, "Of annotated images", 1, 100),
        Setting("health_window_s", 5.0, "Rate, bandwidth and share of broken frames are of this time [s]", 1.0, 60.0),
        Setting("max_undecodable", 0.2, "Share of broken frames above which a camera is degraded", 0.0, 1.0),
        Setting("frozen_after_s", 10.0, "A picture without any change for so long is frozen [s]", 1.0, 3600.0),
        Setting("black_after_s", 3.0, "A picture that shows nothing for so long is a fault [s]", 0.0, 3600.0),
        Setting("black_level", 20.0, "A visible picture of which 95 % are darker is black [grey levels]", 0.0, 255.0),
        Setting("flat_k", 0.3, "A thermal picture without larger differences shows nothing [K]", 0.0, 10.0),
        Setting(
            "alert_delay_s", 5.0, "A camera's status lasts so long before it is an alert, or cleared [s]", 0.0, 600.0
        ),
        Setting("kelvin_per_count", 0.01, "Scale of thermal pixels, which count from 0 K [K]", 0.001, 1.0),
        Setting("hot_spot_min_area_px", 12, "Least size of a hot spot [px]", 1, 100_000),
        Setting("hot_spot_deadband_k", 2.0, "A hot spot lasts until it is so far below the limit [K]", 0.0, 50.0),
        Setting("smoke_min_share", 0.005, "Least size of smoke, share of the picture", 0.001, 1.0),
        Setting("smoke_min_loss", 0.1, "Least loss of texture behind smoke, 1 is all", 0.05, 0.9),
        Setting("motion_min_share", 0.001, "Least size of what moves, share of the picture", 0.0001, 1.0),
        Setting("confirm_frames", 3, "Judged frames running that show something before it is a detection", 1, 100),
        Setting("hold_s", 5.0, "A detection ends when not seen for so long [s]", 0.5, 600.0),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__("rig_sight", **options)

    def build(self) -> None:
        sight, limits = self._sight_settings(), self._health_limits()
        self._watches = [CameraWatch(camera, sight, limits, monotonic()) for camera in self.rig.cameras]
        self._stamps = StampGate()
        self._published: list[tuple[object, ...]] = []
        self._publish_states = self.publisher(CameraStates, topics.CAMERAS_STATE, qos.STATE)
        self._publish_detection = self.publisher(DetectionMsg, topics.DETECTIONS, qos.EVENT)
        self._publish_alert = self.publisher(AlertMsg, topics.ALERTS, qos.EVENT)
        self._publish_annotated = {
            camera.id: self.publisher(CompressedImage, topics.annotated_image(camera.topic), qos.IMAGE)
            for camera in self.rig.cameras
        }
        for watch in self._watches:
            self._subscribe_to(watch)
        self._hand_over = self.from_threads(self._on_judged)
        self._judging: dict[str, Future[Look]] = {}
        self._pool = ThreadPoolExecutor(self.setting("workers"), thread_name_prefix="eye")
        self.on_cleanup_do(lambda: self._pool.shutdown(cancel_futures=True))
        self.every(1 / self.setting("analysis_rate_hz"), self._judge_waiting, wall=True)
        self.every(CHECK_PERIOD_S, self._check, wall=True)
        self.every(STATE_PERIOD_S, self._publish_state, wall=True)

    def health(self) -> list[Health]:
        return [camera_health(watch.report(monotonic())) for watch in self._watches]

    def _sight_settings(self) -> SightSettings:
        return SightSettings(
            rate_hz=self.setting("analysis_rate_hz"),
            black_level=self.setting("black_level"),
            flat_k=self.setting("flat_k"),
            jpeg_quality=self.setting("jpeg_quality"),
            thermal=ThermalSettings(
                kelvin_per_count=self.setting("kelvin_per_count"),
                min_area_px=self.setting("hot_spot_min_area_px"),
                deadband_k=self.setting("hot_spot_deadband_k"),
            ),
            smoke=SmokeSettings(min_share=self.setting("smoke_min_share"), min_loss=self.setting("smoke_min_loss")),
            motion=MotionSettings(min_share=self.setting("motion_min_share")),
            tracks=TrackSettings(confirm_frames=self.setting("confirm_frames"), hold_s=self.setting("hold_s")),
        )

    def _health_limits(self) -> HealthLimits:
        return HealthLimits(
            window_s=self.setting("health_window_s"),
            max_undecodable=self.setting("max_undecodable"),
            frozen_after_s=self.setting("frozen_after_s"),
            black_after_s=self.setting("black_after_s"),
            alert_delay_s=self.setting("alert_delay_s"),
        )

    # -- frames --------------------------------------------------------------------------------------------------------

    def _subscribe_to(self, watch: CameraWatch) -> None:
        camera = watch.camera
        if camera.kind == "thermal":
            self.subscribe(
                Image, topics.image(camera.topic), lambda image: self._on_frame(watch, raw(image), image), qos.IMAGE
            )
        else:
            self.subscribe(
                CompressedImage,
                topics.compressed_image(camera.topic),
                lambda image: self._on_frame(watch, CompressedFrame(image.format, image.data), image),
                qos.IMAGE,
            )

    def _on_frame(self, watch: CameraWatch, frame: Frame, message: Any) -> None:
        stamp_s, now_s = from_stamp(message.header.stamp), self.now_s()
        try:
            self._stamps.admit(watch.camera.id, stamp_s, now_s)
        except BadSampleError as error:
            self.refuse(watch.camera.id, str(error))
            watch.arrived(frame, len(message.data), now_s, monotonic(), bad_stamp=True)
        else:
            watch.arrived(frame, len(message.data), stamp_s, monotonic())

    def _judge_waiting(self) -> None:
        for watch in self._watches:
            running = self._judging.get(watch.camera.id)
            if running is not None and not running.done():
                continue
            arrival = watch.next_frame()
            if arrival is None:
                continue
            look = self._pool.submit(watch.eye.look, *arrival, annotate=self._is_annotated_wanted(watch.camera))
            self._judging[watch.camera.id] = look
            look.add_done_callback(partial(self._on_done, watch, arrival))

    def _on_done(self, watch: CameraWatch, arrival: Arrival, look: Future[Look]) -> None:
        """On the worker thread."""
        self._hand_over(Judgement(watch, arrival, look))

    def _is_annotated_wanted(self, camera: Camera) -> bool:
        topic = self.resolve_topic_name(topics.annotated_image(camera.topic))
        return bool(self.count_subscribers(topic) > 0)

    def _on_judged(self, judgement: Judgement) -> None:
        watch, arrival = judgement.watch, judgement.arrival
        try:
            look = judgement.look.result()
        except ValueError as error:
            watch.give_up(arrival)
            self.refuse(watch.camera.id, f"{watch.camera.id}: {error}")
            return
        findings = watch.learn(arrival, look)
        for detection in findings.detections:
            self._publish_detection(detection_message(detection))
        self._announce(findings.alerts)
        self._publish_changes()
        if look.annotated is not None:
            self._publish_annotated[watch.camera.id](annotated_message(watch.camera, arrival.stamp_s, look.annotated))

    # -- what is told --------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        for watch in self._watches:
            self._announce(watch.check(monotonic(), self.now_s()))
        self._publish_changes()

    def _announce(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            self._publish_alert(alert_message(alert))

    def _publish_changes(self) -> None:
        if self._conditions() != self._published:
            self._publish_state()

    def _publish_state(self) -> None:
        t_s = monotonic()
        self._published = self._conditions()
        states = CameraStates(cameras=[state_message(watch.report(t_s), watch.anomalies) for watch in self._watches])
        states.header.stamp = self.get_clock().now().to_msg()
        self._publish_states(states)

    def _conditions(self) -> list[tuple[object, ...]]:
        reports = [(watch.report(monotonic()), watch.anomalies) for watch in self._watches]
        return [(report.status, report.faults, anomalies) for report, anomalies in reports]


def raw(image: Image) -> RawFrame:
    return RawFrame(image.encoding, image.width, image.height, image.step, bool(image.is_bigendian), image.data)


def camera_health(report: CameraReport) -> Health:
    """A camera's line of the diagnostics."""
    values: dict[str, object] = {
        "rate [Hz]": round(report.rate_hz, 2),
        "bandwidth [bit/s]": round(report.bandwidth_bps),
        "size": f"{report.size.width}x{report.size.height}",
    }
    level: Literal["ok", "warn", "error"] = "ok" if report.status == "online" else "warn"
    return Health(report.camera.id, level, ", ".join((report.status, *report.faults)), values)


def state_message(report: CameraReport, anomalies: Sequence[str]) -> CameraState:
    return CameraState(
        id=report.camera.id,
        status=constant(CameraState, "status", report.status),
        faults=report.faults,
        rate_hz=report.rate_hz,
        bandwidth_bps=report.bandwidth_bps,
        width=report.size.width,
        height=report.size.height,
        last_frame=to_stamp(report.last_frame_s),
        uptime_s=report.uptime_s,
        anomalies=anomalies,
    )


def detection_message(detection: Detection) -> DetectionMsg:
    seen = detection.seen
    message = DetectionMsg(
        event_id=to_uuid_msg(detection.event_id),
        detection_id=to_uuid_msg(detection.detection_id),
        camera_id=detection.camera_id,
        type=seen.type,
        phase=constant(DetectionMsg, "phase", detection.phase),
        confidence=seen.confidence,
        x=seen.region.x,
        y=seen.region.y,
        width=seen.region.width,
        height=seen.region.height,
        temperature_c=seen.temperature_c,
        evidence=seen.evidence,
    )
    message.header.stamp = to_stamp(detection.stamp_s)
    message.header.frame_id = detection.camera_id
    return message


def annotated_message(camera: Camera, stamp_s: float, jpeg: bytes) -> CompressedImage:
    message = CompressedImage(format="jpeg", data=array("B", jpeg))
    message.header.stamp = to_stamp(stamp_s)
    message.header.frame_id = camera.id
    return message


def main() -> int:
    return run(RigSightNode)


if __name__ == "__main__":
    sys.exit(main())
