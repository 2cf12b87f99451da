"""Cameras and what they see, as the web sees them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from plainview_ros import assets
from plainview_ros.bridge.gateway import Plain
from plainview_ros.bridge.journal import Record
from plainview_ros.bridge.schemas.base import Instant, Schema

Status = Literal["online", "offline", "degraded"]


class Camera(Schema):
    """A camera is called `online` only while that is known: if RigSight is silent it is `degraded` and `stale`."""

    id: str = Field(examples=["cam-101"])
    name: str = Field(examples=["Wellhead North"])
    location: str = Field(examples=["North Section"])
    status: Status
    resolution: str = Field(examples=["1920x1080"])
    frame_rate: float = Field(description="[Hz] what the camera can do", examples=[30])
    last_update: Instant | None = Field(description="stamp of its last frame; null: none yet")
    kind: assets.CameraKind
    measured_rate: float | None = Field(description="[Hz]", examples=[14.8])
    faults: list[str] = Field(description="low_rate, frozen, black, undecodable", examples=[[]])
    stale: bool = Field(description="RigSight has been silent for too long, or was never heard", examples=[False])

    @classmethod
    def of(cls, camera: assets.Camera, state: Plain | None, stale: bool) -> Camera:
        return cls(
            id=camera.id,
            name=camera.name,
            location=camera.location,
            status=status_of(state, stale),
            resolution=resolution_of(camera, state),
            frame_rate=camera.frame_rate_hz,
            last_update=state["last_frame"] if state else None,
            kind=camera.kind,
            measured_rate=state["rate_hz"] if state else None,
            faults=state["faults"] if state else [],
            stale=stale,
        )


class Region(Schema):
    """[px] of the full frame."""

    x: int = Field(examples=[812])
    y: int = Field(examples=[340])
    width: int = Field(examples=[60])
    height: int = Field(examples=[44])


class Detection(Schema):
    id: str = Field(examples=["9a3c1a52-9c7e-4f0e-8f38-3a4f5b6c7d8e"])
    camera_id: str = Field(examples=["cam-103"])
    type: str = Field(examples=["hot_spot"])
    confidence: float | None = Field(examples=[0.93])
    timestamp: Instant = Field(description="when it was first seen")
    region: Region
    open: bool = Field(description="still seen", examples=[True])
    temperature_c: float | None = Field(description="[°C] hottest pixel, if thermal", examples=[96.5])
    evidence: str = Field(examples=["96.5 degC, limit 80 degC; 604 px above the limit"])

    @classmethod
    def of(cls, record: Record) -> Detection:
        seen = record.latest
        return cls(
            id=seen["detection_id"],
            camera_id=seen["camera_id"],
            type=seen["type"],
            confidence=seen["confidence"],
            timestamp=record.since_s,
            region=Region(x=seen["x"], y=seen["y"], width=seen["width"], height=seen["height"]),
            open=seen["phase"] != "ended",
            temperature_c=seen["temperature_c"],
            evidence=seen["evidence"],
        )


class LastFrame(Schema):
    url: str = Field(examples=["/rig/cameras/cam-101/snapshot.jpg"])
    timestamp: Instant | None
    anomalies: list[str] = Field(description="types of the detections open on it", examples=[["hot_spot"]])

    @classmethod
    def of(cls, url: str, state: Plain | None) -> LastFrame:
        known = state or {"last_frame": None, "anomalies": []}
        return cls(url=url, timestamp=known["last_frame"], anomalies=known["anomalies"])


class Cameras(Schema):
    total_cameras: int = Field(examples=[3])
    online_cameras: int = Field(examples=[3])
    cameras: list[Camera]


class CameraDetail(Camera):
    last_frame: LastFrame
    recent_detections: list[Detection] = Field(description="the last 10, newest first")


class CameraStream(Schema):
    camera_id: str = Field(examples=["cam-101"])
    status: Status
    resolution: str = Field(examples=["1920x1080"])
    frame_rate: float = Field(description="[Hz]", examples=[30])
    stream_url: str = Field(description="motion JPEG, plays in an <img>", examples=["/rig/cameras/cam-101/stream.mjpg"])
    last_frame: LastFrame
    uptime: float = Field(description="[s] since it last came online", examples=[3600.0])
    bandwidth: float = Field(description="[bit/s] measured from the camera", examples=[24_000_000.0])


class Detections(Schema):
    count: int = Field(examples=[0])
    detections: list[Detection] = Field(description="the last 50, newest first")


class RigHealth(Schema):
    timestamp: Instant
    online_cameras: int = Field(examples=[3])
    degraded_cameras: int = Field(examples=[0])
    offline_cameras: int = Field(examples=[0])
    coverage_score: float = Field(description="[%] cameras that are online", examples=[100.0])
    recent_detections_count: int = Field(description="first seen in the last hour", examples=[0])
    average_confidence: float = Field(description="of those; 0 when there are none", examples=[0.0])
    stale: bool = Field(examples=[False])


def status_of(state: Plain | None, stale: bool) -> Status:
    """``offline``: nobody has a picture; a silent RigSight is not believed that a camera is online."""
    status: Status = state["status"] if state else "offline"
    return "degraded" if stale and status == "online" else status


def resolution_of(camera: assets.Camera, state: Plain | None) -> str:
    if state and state["width"] and state["height"]:
        return f"{state['width']}x{state['height']}"
    return f"{camera.width}x{camera.height}"
