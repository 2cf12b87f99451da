"""Camera pictures passed through as they come: one subscription per camera, the newest frame for each viewer."""

from __future__ import annotations


def media_type(data: bytes) -> str:
    """What a browser calls these bytes.

    Raises:
        ValueError: when they are neither a JPEG nor a PNG.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    raise ValueError(f"{len(data)} bytes that begin with {data[:8]!r} are neither JPEG nor PNG")
