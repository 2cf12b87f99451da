"""The stamp that a published message carries to its clients, and Server-Sent Events read back from bytes.

Latency is from the publisher's call of ``publish`` to the client's ``recv``, on the one CLOCK_MONOTONIC of the machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from time import monotonic_ns

_STAMP = re.compile(rb"@seq=(\d+);t=(\d+)@")
_FRAME = re.compile(rb"(?:id: ([^\s]+)\n)?event: ([\w.]+)\ndata: ([^\n]*)\n\n")
_NUMBER = re.compile(rb"\d+")


def stamp_text(number: int) -> str:
    """Number of a message and the present moment, for a field of free text."""
    return f"@seq={number};t={monotonic_ns()}@"


def read_stamp(text: str) -> tuple[int, int]:
    """Number of a message and when it was published [ns, CLOCK_MONOTONIC].

    Raises:
        ValueError: when there is no stamp in the text.
    """
    found = _STAMP.search(text.encode())
    if found is None:
        raise ValueError(f"expected @seq=<number>;t=<ns>@, found {text[:80]!r}")
    return int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True)
class Piece:
    """What a run of bytes holds."""

    stamps: tuple[tuple[int, int], ...]
    """Number and time of publishing [ns] of each stamped event, in order."""
    is_run: bool
    """Whether the numbers follow each other without a hole."""
    ids: tuple[tuple[int, ...], ...]
    """The numbers in the ``id:`` of the first and of the last stamped event that had one, else empty."""
    is_growing: bool
    """Whether each id of a stamped event is above the one before."""
    last_id: str
    """``id:`` of the last whole frame that had one, else empty."""
    gaps: int
    """``stream.gap`` frames: so often the server told of a loss."""
    rest: bytes
    """Beginning of a frame whose end is still to come."""


def read_piece(data: bytes) -> Piece:
    """Take bytes of an event stream apart.

    The server is expected to write whole frames, so the length lines of HTTP's chunks lie between frames, where they
    are passed over like comments are.
    """
    stamps: list[tuple[int, int]] = []
    ids: list[tuple[int, ...]] = []
    last_id, gaps = b"", 0
    for frame in _FRAME.finditer(data):
        last_id = frame[1] or last_id
        if frame[2] == b"stream.gap":
            gaps += 1
        elif found := _STAMP.search(frame[3]):
            stamps.append((int(found[1]), int(found[2])))
            if frame[1]:
                ids.append(tuple(map(int, _NUMBER.findall(frame[1]))))
    is_run = all(after[0] == before[0] + 1 for before, after in pairwise(stamps))
    is_growing = all(after > before for before, after in pairwise(ids))
    rest = data[data.rfind(b"\n\n") + 2 :].lstrip(b"\r\n")
    return Piece(tuple(stamps), is_run, (*ids[:1], *ids[-1:]), is_growing, last_id.decode(), gaps, rest)
