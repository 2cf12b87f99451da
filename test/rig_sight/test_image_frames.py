"""Payloads as cameras send them, and as broken or hostile ones do."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from plainview_ros.assets import Camera
from plainview_ros.rig_sight.frames import CompressedFrame, RawFrame, Size, check, decode, size_of

CAMERA = Camera(
    id="cam-1", name="Yard", location="Yard", topic="cam_1", width=320, height=240, frame_rate_hz=10, min_rate_hz=3
)
RAMP = np.tile(np.arange(160, dtype=np.uint8), (120, 1))
COLOURS: NDArray[np.uint8] = np.stack([RAMP, RAMP // 2, 255 - RAMP], axis=2)


def encoded(picture: NDArray[np.generic], kind: str = ".jpg") -> bytes:
    return bytes(cv2.imencode(kind, picture)[1])


def raw(encoding: str, picture: NDArray[np.generic], *, big_endian: bool = False) -> RawFrame:
    height, width = picture.shape[:2]
    return RawFrame(encoding, width, height, picture.strides[0], big_endian, array("B", picture.tobytes()))


@pytest.mark.parametrize("format_", ["jpeg", "jpg", "", "rgb8; jpeg compressed bgr8", "mono8; jpeg compressed "])
def test_jpeg_is_decoded_whatever_the_driver_calls_it(format_: str) -> None:
    grey = decode(CompressedFrame(format_, array("B", encoded(COLOURS))), CAMERA)
    assert (grey.shape, grey.dtype) == ((120, 160), np.uint8)
    assert np.abs(grey.astype(int) - cv2.cvtColor(COLOURS, cv2.COLOR_BGR2GRAY)).max() < 12


@pytest.mark.parametrize("kind", [".jpg", ".png"])
def test_reduced_pictures_are_smaller_by_the_factor(kind: str) -> None:
    frame = CompressedFrame("", encoded(COLOURS, kind))
    assert size_of(frame) == Size(160, 120)
    assert decode(frame, CAMERA, reduction=4).shape == (30, 40)
    assert decode(frame, CAMERA, colour=True).shape == (120, 160, 3)


def test_a_16_bit_png_keeps_its_16_bits() -> None:
    counts = np.arange(120 * 160, dtype=np.uint16).reshape(120, 160) * 3
    frame = CompressedFrame("16UC1; png compressed ", encoded(counts, ".png"))
    assert np.array_equal(decode(frame, CAMERA), counts)


def test_raw_encodings_are_told_apart() -> None:
    assert np.array_equal(decode(raw("bgr8", COLOURS), CAMERA, colour=True), COLOURS)
    assert np.array_equal(decode(raw("rgb8", COLOURS[..., ::-1].copy()), CAMERA, colour=True), COLOURS)
    assert np.array_equal(decode(raw("mono8", RAMP), CAMERA), RAMP)


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_raw_16_bits_of_either_byte_order(encoding: str) -> None:
    counts = np.arange(120 * 160, dtype=np.uint16).reshape(120, 160)
    assert np.array_equal(decode(raw(encoding, counts), CAMERA), counts)
    swapped = decode(raw(encoding, counts.byteswap(), big_endian=True), CAMERA)
    assert np.array_equal(swapped, counts)
    assert swapped.dtype == np.uint16


def test_padded_rows_are_cut_to_the_picture() -> None:
    padded = np.pad(RAMP, ((0, 0), (0, 16)), constant_values=255)
    frame = RawFrame("mono8", 160, 120, 176, False, padded.tobytes())
    assert np.array_equal(decode(frame, CAMERA), RAMP)


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (raw("yuv422", RAMP), "encoding 'yuv422' is none of rgb8"),
        (RawFrame("16UC1", 160, 120, 160, False, bytes(160 * 120)), "step 160 is less than a row"),
        (RawFrame("mono8", 160, 120, 160, False, bytes(160 * 119)), "step x height is 19200"),
        (RawFrame("mono8", 0, 120, 0, False, b""), "no pixels"),
        (RawFrame("mono8", 2**31, 2**31, 2**31, False, b""), "absurd"),
        (CompressedFrame("jpeg", b""), "begin with nothing"),
        (CompressedFrame("jpeg", b"GIF89a" + bytes(100)), "begin with 47 49 46 38"),
        (CompressedFrame("png", encoded(RAMP)), "format 'png', but the data are a JPEG"),
        (CompressedFrame("16UC1; compressedDepth", encoded(RAMP, ".png")), "but the data are a PNG"),
        (CompressedFrame("jpeg", encoded(RAMP)[:300]), "the JPEG is cut off"),
        (CompressedFrame("jpeg", encoded(RAMP)[:-2]), "without an end-of-image marker"),
        (CompressedFrame("png", encoded(RAMP, ".png")[:-8]), "without an IEND chunk"),
        (CompressedFrame("png", encoded(RAMP, ".png")[:20]), "the PNG is cut off"),
    ],
)
def test_what_is_wrong_is_named(frame: CompressedFrame | RawFrame, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check(frame, CAMERA)
    with pytest.raises(ValueError, match=complaint):
        decode(frame, CAMERA)


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    jpeg = bytearray(encoded(RAMP))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    png = bytearray(encoded(RAMP, ".png"))
    png[16:24] = b"\x00\x01\x00\x00\x00\x01\x00\x00"
    for frame in (CompressedFrame("jpeg", bytes(jpeg)), CompressedFrame("png", bytes(png))):
        with pytest.raises(ValueError, match="absurd for a camera of 320x240"):
            check(frame, CAMERA)


def test_four_times_the_camera_is_accepted_and_more_is_not() -> None:
    decode(raw("mono8", np.zeros((480, 640), np.uint8)), CAMERA)
    with pytest.raises(ValueError, match="640x482 px is absurd"):
        decode(raw("mono8", np.zeros((482, 640), np.uint8)), CAMERA)


def test_padding_behind_a_jpeg_is_no_fault() -> None:
    check(CompressedFrame("jpeg", encoded(RAMP) + bytes(1000)), CAMERA)


def test_a_header_of_endless_segments_ends() -> None:
    with pytest.raises(ValueError, match="no size within"):
        check(CompressedFrame("jpeg", b"\xff\xd8" + b"\xff\xe0\x00\x02" * 1_000_000), CAMERA)
    with pytest.raises(ValueError, match="no size within"):
        check(CompressedFrame("jpeg", b"\xff\xd8" + b"\xff" * 4_000_000), CAMERA)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), st.text(max_size=20))
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(data: bytes, start: bytes, format_: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(CompressedFrame(format_, start + data), CAMERA)


@given(st.data())
def test_any_cut_of_a_jpeg_is_noticed(data: st.DataObject) -> None:
    whole = encoded(COLOURS)
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError, match=r"."):
        check(CompressedFrame("jpeg", whole[:length]), CAMERA)
