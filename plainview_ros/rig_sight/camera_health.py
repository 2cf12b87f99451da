"""Health of one camera, from when its frames arrive and what the judged ones look like.

    ONLINE ◀──▶ DEGRADED (frames come, faults say what is wrong) ◀──▶ OFFLINE (no frame within the deadline)

A frozen picture under a clock that the camera itself burns in and that goes on is not recognised.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

from plainview_ros.alerts import Alert, AlertBook, Severity
from plainview_ros.assets import Camera
from plainview_ros.rig_sight.frames import Size

Status = Literal["offline", "degraded", "online"]
Fault = Literal["low_rate", "undecodable", "frozen", "black", "bad_stamp"]

MIN_FRAMES = 5
"""Frames from which on a share of them says something."""
RATE_DEADBAND = 1.1
"""A rate that was too low is enough again at this multiple of the minimum."""


@dataclass(frozen=True, slots=True)
class HealthLimits:
    window_s: float = 5.0
    """Rate, bandwidth and shares are measured over this time."""
    max_undecodable: float = 0.2
    """Share of the frames that may be broken."""
    frozen_after_s: float = 10.0
    black_after_s: float = 3.0
    alert_delay_s: float = 5.0
    """A status lasts so long before it is an alert, and its end so long before the alert is cleared."""


@dataclass(frozen=True, slots=True)
class CameraReport:
    camera: Camera
    status: Status
    faults: tuple[Fault, ...]
    rate_hz: float
    bandwidth_bps: float
    size: Size
    """Of the last judged frame; zeros: none yet."""
    last_frame_s: float | None
    """Stamp of the last frame."""
    uptime_s: float


class CameraHealth:
    """All times ``t_s`` are of one monotonic clock.

    Args:
        t_s: when the watch begins.
    """

    def __init__(self, camera: Camera, limits: HealthLimits, t_s: float) -> None:
        self._camera = camera
        self._limits = limits
        self._arrivals: deque[tuple[float, int]] = deque()
        self._online_since_s: float | None = None
        self._last_arrival_s = -math.inf
        self._last_frame_s: float | None = None
        self._size = Size(0, 0)
        self._broken: deque[float] = deque()
        self._judged_s = self._changed_s = self._visible_s = t_s
        self._bad_stamp_s = -math.inf
        self._rate_was_low = False
        self._alerting: Severity | None = None
        self._turning: Severity | None = "critical"
        self._turning_since_s = t_s + camera.deadline_s

    def arrived(self, size_bytes: int, stamp_s: float, t_s: float, *, bad_stamp: bool = False) -> None:
        """Count a frame, whatever is in it."""
        if self._online_since_s is None or t_s - self._last_arrival_s > self._camera.deadline_s:
            self._online_since_s = self._judged_s = self._changed_s = self._visible_s = t_s
            self._arrivals.clear()
            self._broken.clear()
            self._rate_was_low = False
        self._last_arrival_s, self._last_frame_s = t_s, stamp_s
        self._arrivals.append((t_s, size_bytes))
        self._forget_before(t_s - self._limits.window_s)
        if bad_stamp:
            self._bad_stamp_s = t_s

    def judged(self, size: Size, *, changed: bool, black: bool, t_s: float) -> None:
        """A frame was decoded, ``t_s`` when it arrived."""
        self._size = size
        self._judged_s = t_s
        if changed:
            self._changed_s = t_s
        if not black:
            self._visible_s = t_s

    def undecodable(self, t_s: float) -> None:
        """A frame that arrived at ``t_s`` is broken."""
        self._broken.append(t_s)

    def report(self, t_s: float) -> CameraReport:
        """Health at a time not before what was told last."""
        self._forget_before(t_s - self._limits.window_s)
        online = self._online_since_s is not None and t_s - self._last_arrival_s <= self._camera.deadline_s
        rate_hz, bandwidth_bps = self._throughput(t_s)
        faults = self._faults(rate_hz, t_s) if online else ()
        return CameraReport(
            camera=self._camera,
            status=("degraded" if faults else "online") if online else "offline",
            faults=faults,
            rate_hz=rate_hz,
            bandwidth_bps=bandwidth_bps,
            size=self._size,
            last_frame_s=self._last_frame_s,
            uptime_s=t_s - self._online_since_s if online and self._online_since_s is not None else 0.0,
        )

    def alerts(self, book: AlertBook, t_s: float, now_s: float) -> list[Alert]:
        """Transitions of the alert on the camera's status, ``now_s`` their stamp."""
        report = self.report(t_s)
        severity: Severity | None = {"online": None, "degraded": "warning", "offline": "critical"}[report.status]
        if severity != self._turning:
            self._turning, self._turning_since_s = severity, t_s
        if severity == self._alerting or t_s - self._turning_since_s < self._limits.alert_delay_s:
            return []
        self._alerting = severity
        if severity is None:
            return book.clear(self._camera.id, "camera_status", now_s)
        message = f"Camera {self._camera.id} {self._camera.name}: {self._complaint(report)}"
        return book.raise_("camera", self._camera.id, "camera_status", severity, message, now_s)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _forget_before(self, oldest_s: float) -> None:
        while self._arrivals and self._arrivals[0][0] < oldest_s:
            self._arrivals.popleft()
        while self._broken and self._broken[0] < oldest_s:
            self._broken.popleft()

    def _throughput(self, t_s: float) -> tuple[float, float]:
        """Frames [Hz] and bits [bit/s] in the window."""
        intervals = len(self._arrivals) - 1
        if intervals < 1:
            return 0.0, 0.0
        oldest_s, newest_s = self._arrivals[0][0], self._arrivals[-1][0]
        span_s = newest_s - oldest_s
        if t_s - newest_s > 2 * span_s / intervals:  # they stopped coming
            span_s = t_s - oldest_s
        bits = 8 * sum(size for _, size in list(self._arrivals)[1:])
        span_s = max(span_s, 1e-3)
        return intervals / span_s, bits / span_s

    def _faults(self, rate_hz: float, t_s: float) -> tuple[Fault, ...]:
        limits = self._limits
        frames = len(self._arrivals)
        black = self._judged_s - self._visible_s > limits.black_after_s
        found: dict[Fault, bool] = {
            "low_rate": self._is_rate_low(rate_hz, t_s),
            "undecodable": frames >= MIN_FRAMES and len(self._broken) > limits.max_undecodable * frames,
            "frozen": self._judged_s - self._changed_s > limits.frozen_after_s and not black,
            "black": black,
            "bad_stamp": t_s - self._bad_stamp_s <= limits.window_s,
        }
        return tuple(fault for fault, is_there in found.items() if is_there)

    def _is_rate_low(self, rate_hz: float, t_s: float) -> bool:
        """Once a whole window has been seen."""
        if self._online_since_s is None or t_s - self._online_since_s < self._limits.window_s:
            return False
        enough_hz = self._camera.min_rate_hz * (RATE_DEADBAND if self._rate_was_low else 1.0)
        self._rate_was_low = rate_hz < min(enough_hz, self._camera.frame_rate_hz)
        return self._rate_was_low

    def _complaint(self, report: CameraReport) -> str:
        if report.status == "offline":
            return f"no frame for {self._camera.deadline_s:g} s or longer"
        words: dict[Fault, str] = {
            "low_rate": f"{report.rate_hz:.1f} frames a second, at least {self._camera.min_rate_hz:g} expected",
            "undecodable": "frames cannot be decoded",
            "frozen": f"the picture has not changed for {self._limits.frozen_after_s:g} s or longer",
            "black": "the picture is black",
            "bad_stamp": "the stamps of its frames are absurd",
        }
        return "; ".join(words[fault] for fault in report.faults)
