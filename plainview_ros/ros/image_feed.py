"""Encoded images of any topic, subscribed to only while somebody wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sensor_msgs.msg import CompressedImage

from plainview_ros.ros import qos
from plainview_ros.ros.conversions import from_stamp

FrameT = TypeVar("FrameT")


class ImageTap(Generic[FrameT]):
    """Frames of one topic on their way to another thread; a newer one replaces one that still waits."""

    def __init__(self, topic: str, on_frame: Callable[[FrameT], object]) -> None:
        self.topic = topic
        self.subscription: Any = None
        self.newest: FrameT | None = None
        self.waiting = False
        self._on_frame = on_frame

    def deliver(self) -> None:
        """The other thread's side."""
        self.waiting = False  # before the look: a frame that comes now is delivered again
        if self.newest is not None:
            self._on_frame(self.newest)


class ImageFeed(Generic[FrameT]):
    """Subscriptions of image topics. All methods belong to the ROS side.

    Args:
        node: whose graph it is.
        guard: keeps a callback that fails from ending the executor (``ModuleNode``).
        read: makes a frame of an image's bytes and stamp [s]; ``ValueError`` refuses them.
        hand_over: has a tap's :meth:`ImageTap.deliver` called on the other thread.
    """

    def __init__(
        self,
        node: Any,
        guard: Callable[[str, Callable[[CompressedImage], object]], Any],
        read: Callable[[bytes, float], FrameT],
        hand_over: Callable[[Callable[[], object]], object],
    ) -> None:
        self._node = node
        self._guard = guard
        self._read = read
        self._hand_over = hand_over
        self._taps: dict[str, ImageTap[FrameT]] = {}

    def listen(self, tap: ImageTap[FrameT]) -> None:
        self._taps[tap.topic] = tap
        self._subscribe(tap)

    def unlisten(self, tap: ImageTap[FrameT]) -> None:
        self._taps.pop(tap.topic, None)
        self._unsubscribe(tap)

    def open(self) -> None:
        """Listen (again) to all that was listened to before :meth:`close`."""
        for tap in self._taps.values():
            self._subscribe(tap)

    def close(self) -> None:
        """Leave the graph."""
        for tap in self._taps.values():
            self._unsubscribe(tap)

    def _subscribe(self, tap: ImageTap[FrameT]) -> None:
        def on_image(message: CompressedImage) -> None:
            tap.newest = self._read(bytes(message.data), from_stamp(message.header.stamp))
            if not tap.waiting:
                tap.waiting = True
                self._hand_over(tap.deliver)

        callback = self._guard(tap.topic, on_image)
        tap.subscription = self._node.create_subscription(CompressedImage, tap.topic, callback, qos.IMAGE)

    def _unsubscribe(self, tap: ImageTap[FrameT]) -> None:
        if tap.subscription is not None:
            self._node.destroy_subscription(tap.subscription)
            tap.subscription = None
