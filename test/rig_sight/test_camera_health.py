"""Health of a camera by what arrives from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.alerts import Alert, AlertBook
from plainview_ros.assets import Camera
from plainview_ros.rig_sight.camera_health import CameraHealth, CameraReport, HealthLimits
from plainview_ros.rig_sight.frames import Size

CAMERA = Camera(
    id="cam-1",
    name="Yard",
    location="Yard",
    topic="cam_1",
    width=320,
    height=240,
    frame_rate_hz=10,
    min_rate_hz=3,
    deadline_s=3,
)
LIMITS = HealthLimits(window_s=5, max_undecodable=0.2, frozen_after_s=10, black_after_s=3, alert_delay_s=5)
SIZE = Size(320, 240)


class Life:
    """A camera's health through time, checked every second for alerts."""

    def __init__(self) -> None:
        self.t_s = 100.0
        self.health = CameraHealth(CAMERA, LIMITS, self.t_s)
        self.book = AlertBook("rig-sight")
        self.alerts: list[Alert] = []

    def frames(
        self,
        seconds: float,
        rate_hz: float = 10.0,
        *,
        changed: bool = True,
        black: bool = False,
        broken_every: int = 0,
        bad_stamp: bool = False,
    ) -> CameraReport:
        for number in range(round(seconds * rate_hz)):
            self._pass(1 / rate_hz)
            self.health.arrived(1000, self.t_s, self.t_s, bad_stamp=bad_stamp)
            if broken_every and number % broken_every == 0:
                self.health.undecodable(self.t_s)
            else:
                self.health.judged(SIZE, changed=changed, black=black, t_s=self.t_s)
        return self.health.report(self.t_s)

    def silence(self, seconds: float) -> CameraReport:
        for _ in range(round(seconds * 10)):
            self._pass(0.1)
        return self.health.report(self.t_s)

    def _pass(self, seconds: float) -> None:
        before, self.t_s = self.t_s, self.t_s + seconds
        if int(self.t_s) > int(before):
            self.alerts += self.health.alerts(self.book, self.t_s, self.t_s)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(alert.phase, alert.severity) for alert in self.alerts]


def test_a_live_camera_is_online_with_its_rate_and_bandwidth() -> None:
    life = Life()
    report = life.frames(20)
    assert (report.status, report.faults) == ("online", ())
    assert report.rate_hz == pytest.approx(10, rel=0.03)
    assert report.bandwidth_bps == pytest.approx(80_000, rel=0.03)
    assert report.size == SIZE
    assert report.uptime_s == pytest.approx(19.9, abs=0.1)
    assert life.alerts == []


def test_start_up_is_no_alert_but_a_camera_that_never_comes_is() -> None:
    life = Life()
    assert life.silence(6).status == "offline"
    assert life.alerts == []
    life.silence(5)
    assert life.told == [("raised", "critical")]
    assert "no frame" in life.alerts[0].message
    assert "cam-1 Yard" in life.alerts[0].message


def test_silence_is_offline_after_the_deadline_and_frames_bring_it_back() -> None:
    life = Life()
    life.frames(10)
    assert life.silence(2.5).status == "online"
    report = life.silence(1)
    assert (report.status, report.uptime_s, report.faults) == ("offline", 0.0, ())
    life.silence(10)
    report = life.frames(2)
    assert report.status == "online"
    assert report.uptime_s == pytest.approx(1.9, abs=0.1)
    assert life.told == [("raised", "critical")]
    life.frames(8)
    assert life.told == [("raised", "critical"), ("cleared", "critical")]


def test_a_short_interruption_is_a_status_and_no_alert() -> None:
    life = Life()
    life.frames(10)
    assert life.silence(4).status == "offline"
    life.frames(10)
    assert life.alerts == []


def test_too_few_frames_are_a_fault_until_there_are_clearly_enough() -> None:
    life = Life()
    assert life.frames(12, rate_hz=2).faults == ("low_rate",)
    assert life.told == [("raised", "warning")]
    assert "2.0 frames a second, at least 3 expected" in life.alerts[0].message
    assert life.frames(10, rate_hz=3.1).faults == ("low_rate",)
    assert life.frames(10, rate_hz=5).faults == ()


def test_the_rate_is_not_judged_before_it_was_seen_for_a_whole_window() -> None:
    assert Life().frames(4, rate_hz=2).faults == ()


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ({"changed": False}, "frozen"),
        ({"black": True, "changed": False}, "black"),
        ({"broken_every": 3}, "undecodable"),
        ({"bad_stamp": True}, "bad_stamp"),
    ],
)
def test_each_fault_degrades_is_alerted_and_goes(how: dict[str, bool], fault: str) -> None:
    life = Life()
    life.frames(10)
    report = life.frames(20, **how)
    assert (report.status, report.faults) == ("degraded", (fault,))
    assert life.told == [("raised", "warning")]
    assert life.frames(20).status == "online"
    assert life.told == [("raised", "warning"), ("cleared", "warning")]


def test_some_broken_frames_are_tolerated() -> None:
    assert Life().frames(20, broken_every=10).status == "online"


def test_a_still_picture_is_not_frozen_before_its_time() -> None:
    life = Life()
    life.frames(10)
    assert life.frames(9, changed=False).status == "online"


def test_broken_frames_alone_do_not_look_frozen_or_black() -> None:
    life = Life()
    life.frames(5)
    assert life.frames(30, broken_every=1).faults == ("undecodable",)


def test_getting_worse_replaces_the_warning() -> None:
    life = Life()
    life.frames(30, changed=False)
    life.silence(15)
    assert life.told == [("raised", "warning"), ("cleared", "warning"), ("raised", "critical")]


@given(st.lists(st.floats(0.001, 20), max_size=200))
def test_rate_and_uptime_are_never_negative_and_offline_means_silence(gaps_s: list[float]) -> None:
    health = CameraHealth(CAMERA, LIMITS, 0.0)
    t_s = 0.0
    for gap_s in gaps_s:
        report = health.report(t_s + gap_s)
        assert report.rate_hz >= 0
        assert report.uptime_s >= 0
        if t_s > 0:
            assert (report.status == "offline") == (t_s + gap_s - t_s > CAMERA.deadline_s)
        t_s += gap_s
        health.arrived(10, t_s, t_s)
        assert health.report(t_s).status != "offline"
