"""RigSight."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from plainview_ros import assets
from plainview_ros.bridge import archive
from plainview_ros.bridge.context import Bridge, BridgeDep
from plainview_ros.bridge.errors import BridgeError, not_found
from plainview_ros.bridge.paging import Name, PagingDep
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.schemas.cameras import (
    Camera,
    CameraDetail,
    Cameras,
    CameraStream,
    Detection,
    Detections,
    LastFrame,
    RigHealth,
)
from plainview_ros.bridge.schemas.history import Page
from plainview_ros.bridge.video import MotionJpeg, topic_of
from plainview_ros.ros.topics import CAMERAS_STATE

router = APIRouter(prefix="/rig", tags=["RigSight"])

HOUR_S = 3600.0
PICTURE = {"schema": {"type": "string", "format": "binary"}}


async def known_camera(bridge: BridgeDep, camera_id: Annotated[str, Path(examples=["cam-101"])]) -> assets.Camera:
    camera = bridge.rig.camera.get(camera_id)
    if camera is None:
        raise not_found("camera", camera_id)
    return camera


CameraDep = Annotated[assets.Camera, Depends(known_camera)]


@router.get("/cameras")
async def cameras(bridge: BridgeDep) -> Cameras:
    views = [_view(bridge, camera) for camera in bridge.rig.cameras]
    online = sum(view.status == "online" for view in views)
    return Cameras(total_cameras=len(views), online_cameras=online, cameras=views)


@router.get("/cameras/{camera_id}", responses=answers(404))
async def camera(bridge: BridgeDep, camera: CameraDep, request: Request) -> CameraDetail:
    state, _ = bridge.state.asset(CAMERAS_STATE, camera.id)
    seen = bridge.state.detections.newest(10, camera_id=camera.id)
    return CameraDetail(
        **dict(_view(bridge, camera)),
        last_frame=LastFrame.of(_url(request, camera, "snapshot.jpg"), state),
        recent_detections=[Detection.of(record) for record in seen],
    )


@router.get("/cameras/{camera_id}/stream", responses=answers(404))
async def stream(bridge: BridgeDep, camera: CameraDep, request: Request) -> CameraStream:
    state, _ = bridge.state.asset(CAMERAS_STATE, camera.id)
    view = _view(bridge, camera)
    return CameraStream(
        camera_id=camera.id,
        status=view.status,
        resolution=view.resolution,
        frame_rate=view.frame_rate,
        stream_url=_url(request, camera, "stream.mjpg"),
        last_frame=LastFrame.of(_url(request, camera, "snapshot.jpg"), state),
        uptime=(state["uptime_s"] if state else None) or 0.0,
        bandwidth=(state["bandwidth_bps"] if state else None) or 0.0,
    )


@router.get(
    "/cameras/{camera_id}/stream.mjpg",
    status_code=200,
    response_class=MotionJpeg,
    responses={200: {"content": {"multipart/x-mixed-replace": PICTURE}}, **answers(404, 503)},
)
async def motion_jpeg(bridge: BridgeDep, camera: CameraDep) -> MotionJpeg:
    """The camera's pictures as they come; of a thermal camera as RigSight colours and marks them."""
    return MotionJpeg(bridge.video.frames(camera), bridge.camera_seats)


@router.get(
    "/cameras/{camera_id}/snapshot.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": PICTURE}}, **answers(404, 503, 504)},
)
async def snapshot(bridge: BridgeDep, camera: CameraDep) -> Response:
    """The next picture that comes (or one that is being shown to somebody now)."""
    with bridge.camera_seats.take(object()):
        async with aclosing(bridge.video.frames(camera)) as frames:
            try:
                frame = await asyncio.wait_for(anext(frames), bridge.settings.command_timeout_s)
            except (asyncio.TimeoutError, StopAsyncIteration):
                detail = f"no picture came on {topic_of(camera)} within {bridge.settings.command_timeout_s:g} s"
                raise BridgeError(504, "no_frame", detail) from None
    return Response(frame.data, media_type=frame.media_type, headers={"Cache-Control": "no-store"})


@router.get("/detections")
async def detections(
    bridge: BridgeDep,
    camera_id: Annotated[str | None, Query(alias="cameraId")] = None,
    type_: Annotated[str | None, Query(alias="type")] = None,
    confidence_min: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0.0,
) -> Detections:
    """The last 50, newest first."""
    records = bridge.state.detections.newest(camera_id=camera_id, type=type_)
    sure = [record for record in records if (record.latest["confidence"] or 0.0) >= confidence_min][:50]
    return Detections(count=len(sure), detections=[Detection.of(record) for record in sure])


@router.get("/detections/history", response_model=Page[Detection], responses=answers(503))
async def detection_history(
    bridge: BridgeDep,
    paging: PagingDep,
    camera_id: Annotated[Name | None, Query(alias="cameraId")] = None,
    type_: Annotated[Name | None, Query(alias="type")] = None,
) -> Response:
    """All detections ever."""
    part = paging.part("detections", camera_id=camera_id, type=type_)
    return await archive.things(bridge, "detections", part, lambda found: Detection.of(found.record))


@router.get("/health")
async def health(bridge: BridgeDep) -> RigHealth:
    now_s = bridge.gateway.now_s()
    status = [_view(bridge, camera).status for camera in bridge.rig.cameras]
    confidences = [
        record.latest["confidence"] or 0.0
        for record in bridge.state.detections.newest()
        if record.since_s >= now_s - HOUR_S
    ]
    return RigHealth(
        timestamp=now_s,
        online_cameras=status.count("online"),
        degraded_cameras=status.count("degraded"),
        offline_cameras=status.count("offline"),
        coverage_score=round(100 * status.count("online") / len(status), 1) if status else 0.0,
        recent_detections_count=len(confidences),
        average_confidence=sum(confidences) / len(confidences) if confidences else 0.0,
        stale=bridge.state.is_stale(CAMERAS_STATE),
    )


def _view(bridge: Bridge, camera: assets.Camera) -> Camera:
    return Camera.of(camera, *bridge.state.asset(CAMERAS_STATE, camera.id))


def _url(request: Request, camera: assets.Camera, name: str) -> str:
    return f"{request.scope.get('root_path', '')}/rig/cameras/{camera.id}/{name}"
