"""Streams to one client: what it is sent, when it ends, and that a picture is fetched for as long as somebody looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from plainview_ros.assets import Rig
from plainview_ros.bridge import video as video_module
from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.gateway import Frame
from plainview_ros.bridge.streams import Seats, respond
from plainview_ros.bridge.video import Video
from ros_graph import DEADLINE_S

JPEG = b"\xff\xd8\xff\xe0picture"


class Client:
    """The ASGI side of one client: takes what is sent as fast as it is told, and hangs up."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.complete = False
        self.gone = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.body":
            self.sent.append(message["body"])
            self.complete = not message["more_body"]


class Cameras:
    """The part of the gateway that subscribes."""

    def __init__(self) -> None:
        self.watched: dict[str, Callable[[Frame], object]] = {}
        self.subscriptions = 0

    def watch(self, topic: str, on_frame: Callable[[Frame], object]) -> Callable[[], None]:
        assert topic not in self.watched
        self.watched[topic] = on_frame
        self.subscriptions += 1
        return lambda: self.watched.pop(topic)


def seats(send_timeout_s: float = DEADLINE_S) -> Seats:
    return Seats("streams", 10, send_timeout_s)


async def settle() -> None:
    """Let everything that can run now run."""
    for _ in range(20):
        await asyncio.sleep(0)


def frame(text: str) -> Frame:
    return Frame("image/jpeg", JPEG + text.encode(), 1.0)


# -- the response ------------------------------------------------------------------------------------------------------


async def endless(closed: list[str]) -> AsyncGenerator[bytes, None]:
    try:
        while True:
            yield b"x"
            await asyncio.sleep(0)
    finally:
        closed.append("closed")


def test_stream_ends_when_its_client_is_gone_and_frees_what_it_held() -> None:
    async def scenario() -> None:
        client, closed = Client(), []
        async with aclosing(endless(closed)) as items:
            stream = asyncio.create_task(respond({}, client.receive, client.send, {}, b"", items, bytes, seats()))
            await settle()
            client.gone.set()
            await asyncio.wait_for(stream, DEADLINE_S)
        assert closed == ["closed"]
        assert not client.complete

    asyncio.run(scenario())


def test_client_that_takes_nothing_is_given_up() -> None:
    async def scenario() -> None:
        client, closed = Client(), []
        impatient = seats(0.05)
        async with aclosing(endless(closed)) as items:
            stream = asyncio.create_task(respond({}, client.receive, client.send, {}, b"", items, bytes, impatient))
            await settle()
            client.reads.clear()
            await asyncio.wait_for(stream, DEADLINE_S)
        assert closed == ["closed"]
        assert impatient.given_up == 1

    asyncio.run(scenario())


def test_defect_in_a_stream_is_not_swallowed() -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"x"
        raise RuntimeError("broken stream")

    async def scenario() -> None:
        client = Client()
        with pytest.raises(RuntimeError, match="broken stream"):
            await respond({}, client.receive, client.send, {}, b"", broken(), bytes, seats())

    asyncio.run(scenario())


def test_one_seat_too_many_is_refused_until_one_is_free() -> None:
    seats = Seats("event streams", 1, DEADLINE_S)
    with seats.take("first"):
        with pytest.raises(BridgeError, match="1 event streams are open") as refused, seats.take("second"):
            pass
        assert refused.value.status == 503
        assert seats.occupants == {"first"}
        assert seats.refused == 1
    with seats.take("second"):
        assert seats.occupants == {"second"}


# -- pictures ----------------------------------------------------------------------------------------------------------


def test_viewers_share_one_subscription_which_ends_with_the_last(rig: Rig) -> None:
    async def scenario() -> None:
        cameras = Cameras()
        video = Video(cameras)
        first, second = video.frames(rig.cameras[0]), video.frames(rig.cameras[0])
        waiting = [asyncio.create_task(anext(viewer)) for viewer in (first, second)]
        await settle()
        cameras.watched["cam_101/image_raw/compressed"](frame("1"))
        assert [picture.data for picture in await asyncio.gather(*waiting)] == [frame("1").data] * 2
        assert cameras.subscriptions == 1
        await first.aclose()
        assert cameras.watched
        await second.aclose()
        assert not cameras.watched

    asyncio.run(scenario())


def test_slow_viewer_gets_the_newest_picture_and_none_twice(rig: Rig) -> None:
    async def scenario() -> None:
        cameras = Cameras()
        async with aclosing(Video(cameras).frames(rig.cameras[0])) as viewer:
            first = asyncio.create_task(anext(viewer))
            await settle()
            show = cameras.watched["cam_101/image_raw/compressed"]
            show(frame("1"))
            assert (await first).data == frame("1").data
            for n in range(2, 10):
                show(frame(str(n)))
            assert (await anext(viewer)).data == frame("9").data
            nothing_new = asyncio.create_task(anext(viewer))
            await settle()
            assert not nothing_new.done()
            nothing_new.cancel()
            await settle()

    asyncio.run(scenario())


def test_thermal_camera_is_shown_as_rig_sight_draws_it(rig: Rig) -> None:
    assert video_module.topic_of(rig.camera["cam-103"]) == "cam_103/image_annotated/compressed"


def test_closing_ends_a_viewer_that_has_just_begun_to_wait(rig: Rig) -> None:
    """Closed between the look and the wait, the wake-up was missed: Ctrl-C then waited for the viewer."""

    async def scenario() -> None:
        video = Video(Cameras())
        viewer = asyncio.create_task(anext(video.frames(rig.cameras[0]), None))
        await asyncio.sleep(0)
        video.close()
        assert await asyncio.wait_for(viewer, DEADLINE_S) is None

    asyncio.run(scenario())


def test_stream_of_a_camera_that_went_silent_ends(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_module, "SILENT_S", 0.05)

    async def scenario() -> None:
        cameras = Cameras()
        assert await asyncio.wait_for(anext(Video(cameras).frames(rig.cameras[0]), None), DEADLINE_S) is None
        assert not cameras.watched

    asyncio.run(scenario())


def test_bytes_that_are_no_picture_are_refused() -> None:
    assert Frame.of(JPEG, None).media_type == "image/jpeg"
    with pytest.raises(ValueError, match="neither JPEG nor PNG"):
        Frame.of(b"GIF89a", None)
