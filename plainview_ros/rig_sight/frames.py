"""From the bytes of an image message to pixels, believing nothing the message says before it is checked.

A camera is outside equipment: its payload may be cut off, of another size than it says, or made to exhaust memory.
Sizes are read from the header and checked before anything is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from plainview_ros.assets import Camera

MAX_SIDE_PX = 8192
MAX_SIZE_FACTOR = 4
"""A picture may have this many times the pixels that rig.yaml gives the camera: a driver set to more is tolerated."""

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
TAIL_BYTES = 4096
"""The end marker may have padding behind it; it is looked for in so much of the end. Picture data never contain it."""
MAX_SEGMENTS = 256
"""Segments of a JPEG before its size; more is no camera's header."""
JPEG_SIZE_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Start-of-frame markers, which hold the size (ITU-T T.81, table B.1)."""

Reduction = Literal[1, 2, 4, 8]


class Size(NamedTuple):
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class CompressedFrame:
    """A ``sensor_msgs/CompressedImage``; ``data`` is a buffer of bytes."""

    format: str
    """As image_transport writes it, e.g. ``jpeg`` or ``rgb8; jpeg compressed bgr8``."""
    data: Any


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A ``sensor_msgs/Image``; ``step`` is the length of a row in bytes, ``data`` a buffer of bytes."""

    encoding: str
    width: int
    height: int
    step: int
    big_endian: bool
    data: Any


Frame = CompressedFrame | RawFrame

ENCODINGS: dict[str, tuple[np.dtype[Any], int]] = {
    "rgb8": (np.dtype(np.uint8), 3),
    "bgr8": (np.dtype(np.uint8), 3),
    "mono8": (np.dtype(np.uint8), 1),
    "mono16": (np.dtype(np.uint16), 1),
    "16UC1": (np.dtype(np.uint16), 1),
}
"""Type and number of the channels (REP-118 and sensor_msgs/image_encodings)."""


def check(frame: Frame, camera: Camera) -> None:
    """All that can be told without decoding: quick enough for every frame.

    Args:
        camera: whose frame it is: it may have :data:`MAX_SIZE_FACTOR` times that size and not more.

    Raises:
        ValueError: naming what is wrong with the frame.
    """
    if isinstance(frame, RawFrame) and frame.encoding not in ENCODINGS:
        raise ValueError(f"encoding {frame.encoding!r} is none of {', '.join(ENCODINGS)}")
    size = size_of(frame)
    limit = MAX_SIZE_FACTOR * camera.width * camera.height
    if size.width < 1 or size.height < 1:
        raise ValueError(f"a picture of {size.width}x{size.height} px has no pixels")
    if max(size) > MAX_SIDE_PX or size.width * size.height > limit:
        raise ValueError(
            f"a picture of {size.width}x{size.height} px is absurd for a camera of {camera.width}x{camera.height} px"
        )
    if isinstance(frame, RawFrame):
        _check_rows(frame)
    else:
        _check_end(memoryview(frame.data).cast("B"))


def decode(frame: Frame, camera: Camera, *, reduction: Reduction = 1, colour: bool = False) -> NDArray[Any]:
    """Pixels of a frame, after :func:`check`.

    Args:
        reduction: the size is divided by this; a JPEG then decodes faster.
        colour: BGR instead of grey; a raw frame without colours stays grey.

    Returns:
        ``uint8`` or ``uint16`` of shape (height, width), or ``uint8`` (height, width, 3) in the order blue, green, red.

    Raises:
        ValueError: naming what is wrong with the payload.
    """
    check(frame, camera)
    if isinstance(frame, RawFrame):
        return _reduced(_decode_raw(frame, colour), reduction)
    data = memoryview(frame.data).cast("B")
    if _codec(frame.format, data) == "jpeg":
        kind = "COLOR" if colour else "GRAYSCALE"
        flags = getattr(cv2, f"IMREAD_{kind}" if reduction == 1 else f"IMREAD_REDUCED_{kind}_{reduction}")
        return _imdecode(data, flags)
    return _reduced(
        _imdecode(data, cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH), reduction
    )


def size_of(frame: Frame) -> Size:
    """Size a frame says it has, without decoding it.

    Raises:
        ValueError: when it is none of the known formats or its header is cut off.
    """
    if isinstance(frame, RawFrame):
        return Size(frame.width, frame.height)
    data = memoryview(frame.data).cast("B")
    return _png_size(data) if _codec(frame.format, data) == "png" else _jpeg_size(data)


# -- raw ---------------------------------------------------------------------------------------------------------------


def _check_rows(frame: RawFrame) -> None:
    pixel_type, channels = ENCODINGS[frame.encoding]
    row_bytes = frame.width * channels * pixel_type.itemsize
    if frame.step < row_bytes:
        raise ValueError(f"step {frame.step} is less than a row of {frame.width} px in {frame.encoding}: {row_bytes}")
    size = memoryview(frame.data).nbytes
    if size != frame.step * frame.height:
        raise ValueError(f"{size} bytes of data, step x height is {frame.step * frame.height}")


def _decode_raw(frame: RawFrame, colour: bool) -> NDArray[Any]:
    pixel_type, channels = ENCODINGS[frame.encoding]
    row_bytes = frame.width * channels * pixel_type.itemsize
    rows = np.frombuffer(frame.data, np.uint8).reshape(frame.height, frame.step)[:, :row_bytes]
    said = np.ascontiguousarray(rows).view(pixel_type.newbyteorder(">" if frame.big_endian else "<"))
    pixels: NDArray[Any] = said.astype(pixel_type, copy=False)
    if channels == 1:
        return pixels
    picture: NDArray[Any] = pixels.reshape(frame.height, frame.width, channels)
    if frame.encoding == "rgb8":
        picture = picture[..., ::-1]
    picture = np.ascontiguousarray(picture)
    return picture if colour else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))


# -- compressed --------------------------------------------------------------------------------------------------------


def _check_end(data: memoryview) -> None:
    """``cv2`` fills what is missing of a picture with grey and says nothing."""
    tail = bytes(data[-TAIL_BYTES:])
    if data[:2] == JPEG_START and JPEG_END not in tail:
        raise ValueError(f"the JPEG is cut off: {len(data)} bytes without an end-of-image marker")
    if data[:8] == PNG_START and PNG_END not in tail:
        raise ValueError(f"the PNG is cut off: {len(data)} bytes without an IEND chunk")


def _imdecode(data: memoryview, flags: int) -> NDArray[Any]:
    # The size in rig.yaml is that of the sensor: a note in the file that it should be shown turned is not followed.
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ValueError(f"the picture cannot be decoded: {error.err}") from error
    if pixels is None:
        raise ValueError(f"the picture of {len(data)} bytes cannot be decoded")
    return np.asarray(pixels)


def _reduced(pixels: NDArray[Any], reduction: Reduction) -> NDArray[Any]:
    if reduction == 1:
        return pixels
    height, width = (max(1, side // reduction) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))


def _codec(format_: str, data: memoryview) -> Literal["jpeg", "png"]:
    """What the bytes are, if the message does not say something else."""
    if data[:2] == JPEG_START:
        found: Literal["jpeg", "png"] = "jpeg"
    elif data[:8] == PNG_START:
        found = "png"
    else:
        raise ValueError(
            f"format {format_!r}: the data begin with {bytes(data[:4]).hex(' ') or 'nothing'}, no JPEG or PNG"
        )
    said = format_.lower().replace("jpg", "jpeg").rpartition(";")[2]
    if said.strip() and found not in said:
        raise ValueError(f"format {format_!r}, but the data are a {found.upper()}")
    return found


def _png_size(data: memoryview) -> Size:
    if len(data) < 24:
        raise ValueError(f"the PNG is cut off: {len(data)} bytes")
    return Size(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))


def _jpeg_size(data: memoryview) -> Size:
    """Follow the segments from marker to marker up to the start of frame."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        if at + 9 > len(data) or data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker in JPEG_SIZE_MARKERS:
            return Size(int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big"))
        if marker == 0xFF:  # a fill byte
            at += 1
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise ValueError(f"the JPEG is cut off or broken: no size within {len(data)} bytes")
