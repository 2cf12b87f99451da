"""The watch over one camera: what arrives, which frame is judged next, and what becomes of the judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from plainview_ros.alerts import Alert, AlertBook
from plainview_ros.assets import Camera
from plainview_ros.rig_sight.camera_health import CameraHealth, CameraReport, HealthLimits
from plainview_ros.rig_sight.detections import Detection, DetectionType
from plainview_ros.rig_sight.eye import Eye, Look
from plainview_ros.rig_sight.frames import Frame, check
from plainview_ros.rig_sight.sight import SightSettings

ALERTED: dict[DetectionType, str] = {"hot_spot": "hot spot", "smoke": "smoke"}
"""Detections an operator must answer, in words. Motion is none."""


class Arrival(NamedTuple):
    """A frame that waits to be judged."""

    frame: Frame
    stamp_s: float
    t_s: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What is to be told."""

    detections: Sequence[Detection]
    alerts: Sequence[Alert]


class CameraWatch:
    """Of two frames that wait only the newer is judged.

    All methods are called on one thread; :attr:`eye` may look on another, at one frame at a time, between
    :meth:`next_frame` and :meth:`learn` or :meth:`give_up`. Times ``t_s`` are of one monotonic clock.
    """

    def __init__(self, camera: Camera, sight: SightSettings, limits: HealthLimits, t_s: float) -> None:
        self.camera = camera
        self.eye = Eye(camera, sight)
        self._open: Sequence[Detection] = ()
        self._health = CameraHealth(camera, limits, t_s)
        self._alerts = AlertBook("rig-sight")
        self._waiting: Arrival | None = None

    def arrived(self, frame: Frame, size_bytes: int, stamp_s: float, t_s: float, *, bad_stamp: bool = False) -> None:
        """Take in a frame; it counts as a sign of life whatever is in it.

        Raises:
            ValueError: naming what is wrong with the frame, which is not judged then.
        """
        self._health.arrived(size_bytes, stamp_s, t_s, bad_stamp=bad_stamp)
        try:
            check(frame, self.camera)
        except ValueError:
            self._health.undecodable(t_s)
            raise
        self._waiting = Arrival(frame, stamp_s, t_s)

    def next_frame(self) -> Arrival | None:
        """The frame to be judged now, if there is a new one."""
        arrival, self._waiting = self._waiting, None
        return arrival

    def learn(self, arrival: Arrival, look: Look) -> Findings:
        """Take in the judgement of a frame."""
        self._health.judged(look.size, changed=look.changed, black=look.black, t_s=arrival.t_s)
        self._open = look.open
        return Findings(look.transitions, [alert for change in look.transitions for alert in self._alert(change)])

    def give_up(self, arrival: Arrival) -> None:
        """The frame could not be judged."""
        self._health.undecodable(arrival.t_s)

    @property
    def anomalies(self) -> list[DetectionType]:
        """Types of the detections that stand now."""
        return sorted({detection.seen.type for detection in self._open})

    def report(self, t_s: float) -> CameraReport:
        return self._health.report(t_s)

    def check(self, t_s: float, now_s: float) -> list[Alert]:
        """Alerts on the camera's status, ``now_s`` their stamp."""
        return self._health.alerts(self._alerts, t_s, now_s)

    def _alert(self, change: Detection) -> list[Alert]:
        """Raised with the first detection of a type, cleared with the last."""
        kind = change.seen.type
        if kind not in ALERTED:
            return []
        if not any(detection.seen.type == kind for detection in self._open):
            return self._alerts.clear(self.camera.id, kind, change.stamp_s)
        message = f"Camera {self.camera.id} {self.camera.name} sees {ALERTED[kind]}: {change.seen.evidence}"
        return self._alerts.raise_("camera", self.camera.id, kind, "critical", message, change.stamp_s)
