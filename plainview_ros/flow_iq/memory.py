"""What a node has learnt, kept over restarts in one file.

The file is replaced as a whole: written beside, flushed to the disk, renamed (Pillai et al., All file systems are not
created equal, OSDI 2014). Whoever is killed or finds the disk full in the middle leaves the one of before. It is one
line that says what the next one is, and how many bytes with which checksum that has: what does not fit is put aside,
with a warning, and learning starts afresh.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

FORMAT = "plainview flow_iq memory"
VERSION = 1

MAX_BYTES = 64_000_000
"""Of the file: a hundred lines of eight channels take a few."""
MAX_HEAD_BYTES = 10_000


class MemoryInUseError(RuntimeError):
    """Another process of this machine has the file."""


class Remembered(NamedTuple):
    """What was kept."""

    state: dict[str, Any]
    saved_at_s: float
    """By the clock of whoever kept it [s since the epoch]."""


class Memory:
    """One file of one node, for as long as this object is open.

    Args:
        folder: it is in; made when it does not exist.
        node: fully qualified name.
        subject: what the state is of, such as the rig with its instruments: see :func:`fingerprint`.
        warn: called with a sentence when what was kept is of no use.

    Raises:
        MemoryInUseError: another process has the same file open; what that one learns is not to be overwritten.
        OSError: the folder cannot be used.
    """

    def __init__(self, folder: Path, node: str, subject: str, warn: Callable[[str], object]) -> None:
        name = node.strip("/").replace("/", ".")
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.memory"
        self._beside = folder / f"{name}.memory.new"
        self._aside = folder / f"{name}.memory.unusable"
        self._subject = subject
        self._warn = warn
        # The lock ends with the process, however that ends. Its file stays: were it removed, two could hold one each.
        self._lock: BinaryIO = (folder / f"{name}.memory.lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise MemoryInUseError(f"{self.path}: another {node} of this machine has it") from None

    def close(self) -> None:
        """Let another process have the file."""
        self._lock.close()

    def load(self) -> Remembered | None:
        """What was kept last; ``None`` when there is nothing, or nothing of use: that is put aside."""
        try:
            with self.path.open("rb") as file:
                return self._read(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            with suppress(OSError):
                self.path.replace(self._aside)
            self._warn(f"{self.path}: {error}; put aside as {self._aside.name}, learning starts afresh")
            return None

    def save(self, state: Mapping[str, Any], now_s: float) -> None:
        """Keep a state instead of the one before. Takes as long as the disk does.

        Raises:
            ValueError, TypeError: it is too large, or JSON cannot hold it (NaN and infinity neither).
            OSError: the disk is full or broken; the state before is still there.
        """
        body = json.dumps(state, allow_nan=False, separators=(",", ":")).encode()
        head = {
            "format": FORMAT,
            "version": VERSION,
            "subject": self._subject,
            "saved_at_s": float(now_s),
            "bytes": len(body),
            "sha256": _checksum(float(now_s), body),
        }
        if len(body) > MAX_BYTES:
            raise ValueError(f"{self.path}: {len(body)} bytes, at most {MAX_BYTES} are kept")
        try:
            with self._beside.open("wb") as file:
                file.write(json.dumps(head, allow_nan=False).encode() + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
            self._beside.replace(self.path)
        except OSError:
            with suppress(OSError):
                self._beside.unlink()
            raise
        _sync(self.path.parent)

    def _read(self, file: BinaryIO) -> Remembered:
        """Raises ``ValueError`` with what is wrong with the file."""
        line = file.readline(MAX_HEAD_BYTES)
        try:
            head = json.loads(line)
            kind, version = head["format"], head["version"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ValueError("damaged, or no memory of FlowIQ") from None
        if kind != FORMAT:
            raise ValueError("no memory of FlowIQ")
        if version != VERSION:
            raise ValueError(f"of format {version}, this release has format {VERSION}")
        if head.get("subject") != self._subject:
            raise ValueError("of another rig, or of other instruments")
        body = file.read(MAX_BYTES + 1)
        saved_at_s = head.get("saved_at_s")
        if not isinstance(saved_at_s, float) or _checksum(saved_at_s, body) != head.get("sha256"):
            raise ValueError(f"damaged: {len(body)} bytes of {head.get('bytes')}, or others than were written")
        state = json.loads(body)
        if not isinstance(state, dict):
            raise ValueError("damaged: holds no state")
        return Remembered(state, saved_at_s)


def fingerprint(*parts: object) -> str:
    """A short text that differs as soon as a part does; parts are told apart by their ``repr``."""
    return sha256(repr(parts).encode()).hexdigest()[:32]


def _checksum(saved_at_s: float, body: bytes) -> str:
    return sha256(f"{saved_at_s!r}\n".encode() + body).hexdigest()


def _sync(folder: Path) -> None:
    """Have the disk know a new name in a folder, where the file system can be told to."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
