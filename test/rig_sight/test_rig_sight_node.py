"""The rig_sight node in its own process on a real graph; the test is the cameras."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from plainview_ros.msg import Alert, CameraState, CameraStates, Detection
from plainview_ros.ros import qos, topics
from ros_graph import REPOSITORY, Graph, NodeProcess

YARD, TANKS = "cam-101", "cam-103"
"""A visible and a thermal camera."""

QUICK = {
    "analysis_rate_hz": 20.0,
    "health_window_s": 1.0,
    "frozen_after_s": 1.0,
    "black_after_s": 0.5,
    "alert_delay_s": 0.3,
    "hold_s": 0.5,
}


@pytest.fixture
def small_rig(tmp_path: Path) -> str:
    """The default rig with small pictures and a short deadline."""
    content = yaml.safe_load((REPOSITORY / "config" / "rig.yaml").read_text())
    for camera in content["cameras"]:
        camera |= {"width": 320, "height": 240, "deadline_s": 1.0}
    path = tmp_path / "rig.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def street(number: int) -> NDArray[np.uint8]:
    """A live picture: no two are alike."""
    picture = np.full((240, 320, 3), 90, np.uint8)
    picture[100:140, 8 * (number % 30) : 8 * (number % 30) + 40] = 200
    cv2.putText(picture, str(number), (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 255, 255), 2)
    return picture


def jpeg(picture: NDArray[np.uint8]) -> CompressedImage:
    return CompressedImage(format="jpeg", data=array("B", cv2.imencode(".jpg", picture)[1].tobytes()))


def thermal(number: int, hot_c: float | None = None) -> Image:
    """Ambient with noise, and a hot spot at (200, 50) of 10x10 px."""
    celsius = 20 + np.random.default_rng(number).normal(0, 0.1, (240, 320)) + np.linspace(0, 5, 320)
    if hot_c is not None:
        celsius[50:60, 200:210] = hot_c
    counts = np.round((celsius + 273.15) * 100).astype(np.uint16)
    return Image(width=320, height=240, encoding="16UC1", step=640, data=array("B", counts.tobytes()))


class Camera:
    """Publishes what ``shoot`` gives, ten times a second, until it is stopped."""

    def __init__(self, graph: Graph, message_type: Any, topic: str, shoot: Callable[[int], Any]) -> None:
        self.shoot = shoot
        self.clock_error_s = 0.0
        self._graph = graph
        publisher = graph.publisher(message_type, topic, qos.IMAGE)
        publisher.publish(self._shoot(0))
        self._publish = publisher.ros.publish
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=topic)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _shoot(self, number: int) -> Any:
        message = self.shoot(number)
        message.header.frame_id = "some_optical_frame"
        message.header.stamp = self._graph.stamp(self.clock_error_s)
        return message

    def _run(self) -> None:
        number = 0
        while not self._stopped.wait(0.1):
            number += 1
            self._publish(self._shoot(number))


class Site:
    """The node under test, its cameras and all it says."""

    def __init__(self, graph: Graph, rig: str) -> None:
        self.graph = graph
        self.states = graph.collect(CameraStates, topics.CAMERAS_STATE, qos.STATE)
        self.detections = graph.collect(Detection, topics.DETECTIONS, qos.EVENT)
        self.alerts = graph.collect(Alert, topics.ALERTS, qos.EVENT)
        self.diagnostics = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.COMMAND)
        self.node: NodeProcess = graph.start("rig_sight", {"rig": rig, **QUICK})
        self.cameras: list[Camera] = []

    def visible(self, shoot: Callable[[int], Any] = lambda number: jpeg(street(number))) -> Camera:
        return self._camera(CompressedImage, topics.compressed_image("cam_101"), shoot)

    def thermal(self, shoot: Callable[[int], Any] = thermal) -> Camera:
        return self._camera(Image, topics.image("cam_103"), shoot)

    def _camera(self, message_type: Any, topic: str, shoot: Callable[[int], Any]) -> Camera:
        self.cameras.append(Camera(self.graph, message_type, topic, shoot))
        return self.cameras[-1]

    def wait_for_state(self, camera: str, satisfies: Callable[[CameraState], bool], what: str) -> CameraState:
        """A state published from now on."""
        states = self.states.wait_for_next(lambda states: satisfies(state_of(states, camera)), f"{camera} {what}")
        return state_of(states, camera)

    def wait_for_refusal(self, words: str) -> None:
        """In the diagnostics from now on."""
        self.diagnostics.wait_for_next(
            lambda array: any(status.name == "rig_sight: input" and words in status.message for status in array.status),
            f"refusal with {words!r}",
        )


def state_of(states: CameraStates, camera: str) -> CameraState:
    return next(state for state in states.cameras if state.id == camera)


def is_online(state: CameraState) -> bool:
    return bool(state.status == CameraState.STATUS_ONLINE)


@pytest.fixture
def site(graph: Graph, small_rig: str) -> Iterator[Site]:
    site = Site(graph, small_rig)
    yield site
    for camera in site.cameras:
        camera.stop()


def test_cameras_are_online_with_their_measured_rate_and_the_rest_offline(site: Site) -> None:
    site.visible()
    site.thermal()

    def is_measured(state: CameraState) -> bool:
        """A loaded machine sends fewer: what counts is that a rate is measured, a frame analysed, no fault seen."""
        return is_online(state) and 5 < state.rate_hz < 12 and state.width > 0

    state = site.wait_for_state(YARD, is_measured, "online")
    assert (state.width, state.height) == (320, 240)
    assert state.bandwidth_bps > 8 * 1000
    assert state.last_frame.sec > 0
    heat = site.wait_for_state(TANKS, is_measured, "online")
    assert heat.bandwidth_bps == pytest.approx(8 * 2 * 320 * 240 * heat.rate_hz, rel=0.01)
    absent = state_of(site.states.messages[-1], "cam-102")
    assert (absent.status, absent.uptime_s, absent.last_frame.sec) == (CameraState.STATUS_OFFLINE, 0.0, 0)
    lost = site.alerts.wait_for(lambda alert: alert.asset_id == "cam-102", "alert")
    assert (lost.code, lost.severity, lost.module) == ("camera_status", Alert.SEVERITY_CRITICAL, "rig-sight")


def test_broken_frames_are_named_and_the_camera_goes_on(site: Site) -> None:
    whole = jpeg(street(1))
    cut = CompressedImage(format="jpeg", data=whole.data[: len(whole.data) // 2])
    camera = site.visible(lambda _: cut)
    site.wait_for_refusal("cam_101/image_raw/compressed: the JPEG is cut off")
    site.wait_for_state(YARD, lambda state: "undecodable" in state.faults, "undecodable")
    heat = site.thermal(lambda _: Image(encoding="32FC1", width=320, height=240, step=1280, data=bytes(320 * 240 * 4)))
    camera.shoot = lambda number: jpeg(street(number))
    site.wait_for_refusal("encoding '32FC1' is none of")
    heat.shoot = lambda _: Image(encoding="16UC1", width=320, height=240, step=640, data=bytes(99))
    site.wait_for_refusal("99 bytes of data, step x height is 153600")
    heat.shoot = lambda _: Image(encoding="mono8", width=320, height=240, step=320, data=bytes(320 * 240))
    site.wait_for_refusal("uint8 pixels from a thermal camera")
    heat.shoot = thermal
    site.wait_for_state(TANKS, is_online, "online again")
    site.wait_for_state(YARD, is_online, "online again")
    assert "Traceback" not in site.node.log()


@pytest.mark.parametrize("error_s", [3600.0, -3600.0])
def test_an_absurd_stamp_is_refused_and_the_frame_judged_all_the_same(site: Site, error_s: float) -> None:
    camera = site.thermal(lambda number: thermal(number, hot_c=120.0))
    camera.clock_error_s = error_s
    site.wait_for_refusal("cam-103: stamp")
    state = site.wait_for_state(TANKS, lambda state: "bad_stamp" in state.faults, "degraded by its clock")
    assert state.status == CameraState.STATUS_DEGRADED
    spot = site.detections.wait_for(lambda detection: detection.type == "hot_spot", "hot spot")
    assert abs(spot.header.stamp.sec - site.graph.stamp().sec) < 60


def test_a_silent_camera_is_offline_and_comes_back(site: Site) -> None:
    site.visible()
    site.wait_for_state(YARD, is_online, "online")
    site.cameras[0].stop()
    state = site.wait_for_state(YARD, lambda state: state.status == CameraState.STATUS_OFFLINE, "offline")
    assert state.uptime_s == 0.0
    raised = site.alerts.wait_for(lambda alert: alert.asset_id == YARD and "no frame" in alert.message, "alert")
    site.visible()
    site.wait_for_state(YARD, is_online, "online again")
    cleared = site.alerts.wait_for(
        lambda alert: alert.asset_id == YARD and alert.phase == Alert.PHASE_CLEARED, "end of the alert"
    )
    assert cleared.alert_id == raised.alert_id


def test_frozen_and_black_pictures_are_faults(site: Site) -> None:
    camera = site.visible()
    site.wait_for_state(YARD, is_online, "online")
    camera.shoot = lambda _: jpeg(street(7))
    state = site.wait_for_state(YARD, lambda state: "frozen" in state.faults, "frozen")
    assert state.status == CameraState.STATUS_DEGRADED
    camera.shoot = lambda number: jpeg(np.full((240, 320, 3), number % 8, np.uint8))
    site.wait_for_state(YARD, lambda state: list(state.faults) == ["black"], "black")
    camera.shoot = lambda number: jpeg(street(number))
    site.wait_for_state(YARD, is_online, "online again")


def test_a_hot_spot_is_an_event_an_alert_and_an_anomaly_until_it_cools(site: Site) -> None:
    camera = site.thermal()
    site.wait_for_state(TANKS, is_online, "online")
    camera.shoot = lambda number: thermal(number, hot_c=120.0)
    started = site.detections.wait_for(lambda detection: detection.type == "hot_spot", "hot spot")
    assert (started.phase, started.camera_id) == (Detection.PHASE_STARTED, TANKS)
    assert (started.x, started.y, started.width, started.height) == (200, 50, 10, 10)
    assert started.temperature_c == pytest.approx(120.0, abs=0.1)
    assert started.confidence == 1.0
    assert "120.0 degC, limit 80 degC" in started.evidence
    alert = site.alerts.wait_for(lambda alert: alert.code == "hot_spot", "alert")
    assert (alert.asset_id, alert.severity) == (TANKS, Alert.SEVERITY_CRITICAL)
    site.wait_for_state(TANKS, lambda state: list(state.anomalies) == ["hot_spot"], "with a hot spot")
    camera.shoot = thermal
    ended = site.detections.wait_for(lambda detection: detection.phase == Detection.PHASE_ENDED, "its end")
    assert ended.detection_id == started.detection_id
    cleared = site.alerts.wait_for(
        lambda alert: alert.code == "hot_spot" and alert.phase == Alert.PHASE_CLEARED, "the alert's end"
    )
    assert cleared.alert_id == alert.alert_id
    site.wait_for_state(TANKS, lambda state: not state.anomalies, "without anomalies")


def test_annotated_images_come_to_whom_subscribes(site: Site) -> None:
    site.thermal(lambda number: thermal(number, hot_c=120.0))
    site.detections.wait_for(lambda detection: detection.type == "hot_spot", "hot spot")
    inbox = site.graph.collect(CompressedImage, topics.annotated_image("cam_103"), qos.IMAGE)
    message = inbox.wait_for(what="annotated image")
    picture = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    assert (message.header.frame_id, message.format) == (TANKS, "jpeg")
    assert picture.shape == (240, 320, 3)
    assert picture[49:61, 199:211].mean() > 2 * picture[200:230, 200:300].mean()


def test_it_can_be_deactivated_and_activated_again_amid_frames(site: Site) -> None:
    def change(transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert site.graph.call(ChangeState, "rig_sight/change_state", request).success

    site.visible()
    site.wait_for_state(YARD, is_online, "online")
    for _ in range(2):
        change(Transition.TRANSITION_DEACTIVATE)
        change(Transition.TRANSITION_ACTIVATE)
    change(Transition.TRANSITION_DEACTIVATE)
    change(Transition.TRANSITION_CLEANUP)
    change(Transition.TRANSITION_CONFIGURE)
    change(Transition.TRANSITION_ACTIVATE)
    site.wait_for_state(YARD, lambda state: is_online(state) and state.width == 320, "judged again")
    assert site.node.stop() == 0
    assert "Traceback" not in site.node.log()
