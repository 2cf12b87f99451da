"""The newest lossless events and rows on disk, so that ids and what was said outlive the process, however it ends.

A write-ahead file: an event is in it before any reader of the log sees it, a row of the ledger before the database
does, and until the database or the spool has it. Written to the page cache without ``fsync``,
it survives ``kill -9`` but not a power cut; what must survive that is in the database. It is text, the frames as a
client would be sent them, so ``tail -f`` shows them; SSE comments carry what else is needed.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from plainview_ros.bridge.event_log import Entry, EventId, make_entry
from plainview_ros.bridge.ledger import Numbered
from plainview_ros.bridge.store.rows import Row

logger = logging.getLogger(__name__)

SINCE, ABOUT, ROW, STORED = ": since ", ": about ", ": row ", ": stored "
END = b"\n\n"

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""Linux has another one after each start of the machine."""


class Kept(NamedTuple):
    """What was found in the files of an earlier run."""

    since: EventId
    """Every lossless event after this id is among the entries."""
    entries: list[Entry]

    @property
    def newest(self) -> EventId:
        return self.entries[-1].id if self.entries else self.since


class Stored(NamedTuple):
    """Rows up to this number are in the database or in the spool."""

    number: int


class EventFile:
    """Two files of bounded size: when the newer is full it becomes the older, whose events go.

    All methods belong to the asyncio side. Writing one event takes some microseconds; when it fails (a full disk) that
    is logged and shown as :attr:`trouble`, and events go on without.

    Args:
        folder: where the files are; made if it is not there.
        max_bytes: of both files together; at the least the newest half of it is kept.

    Raises:
        OSError: the folder cannot be written to, or another process writes there.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._newer, self._older = folder / "events.sse", folder / "events.old.sse"
        self._max_bytes = max_bytes // 2
        self._file = -1
        self._size = 0
        self._newest = EventId(0, 0)
        self._rows: dict[int, Row] = {}
        self.newest_row = 0
        """Number of the last row that was written here."""
        self.trouble = ""
        self._lock = os.open(folder / "events.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise OSError(f"{folder}: another bridge keeps its events there") from error

    def is_doubtful(self) -> bool:
        """Whether the machine was started anew since the last run: the end of what that wrote may be gone."""
        boot = BOOT_ID.read_bytes() if BOOT_ID.exists() else b""
        known = os.pread(self._lock, 100, 0)
        os.pwrite(self._lock, boot, 0)
        return known not in (b"", boot)

    @property
    def rows(self) -> list[Numbered]:
        """Rows that are not known to be anywhere else."""
        return [Numbered(*row) for row in sorted(self._rows.items())]

    def read(self, doubtful: bool = False) -> Kept | None:
        """What an earlier run left; ``None`` when there is nothing (that can be read). Raises ``OSError``.

        Args:
            doubtful: whether what was stored may be lost, as the end of this file may be: all rows are taken again.
        """
        since: EventId | None = None
        entries: list[Entry] = []
        for path in (self._older, self._newer):
            for item in _read(path):
                newest = entries[-1].id if entries else since
                if isinstance(item, Numbered):
                    self._rows[item.number] = item.row
                    self.newest_row = max(self.newest_row, item.number)
                elif isinstance(item, Stored):
                    self.newest_row = max(self.newest_row, item.number)
                    if not doubtful:
                        self._forget(item.number)
                elif isinstance(item, Entry) and newest is not None:
                    entries.append(item)
                elif isinstance(item, Entry):
                    since = item.id
                elif item is None or item != newest:  # a hole, what is before it cannot be told without it
                    since, entries = item, []
        return None if since is None else Kept(since, entries)

    def open(self, newest: EventId) -> None:
        """Go on after the newest id there is. Raises ``OSError``."""
        self._file = os.open(self._newer, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        text = self._newer.read_bytes()
        self._size = text.rfind(END) + len(END) if END in text else 0
        os.ftruncate(self._file, self._size)  # what a killed process had half written
        self.begin(newest)

    def write(self, entry: Entry) -> None:
        """Keep a new entry."""
        about = json.dumps({"asset": entry.asset, "source": entry.source})
        self._keep(f"{ABOUT}{about}\n".encode() + entry.frame)
        self._newest = entry.id

    def write_row(self, numbered: Numbered) -> None:
        """Keep a new row."""
        self._rows[numbered.number] = numbered.row
        self.newest_row = numbered.number
        self._keep(_record(numbered))

    def stored(self, number: int) -> None:
        """Rows up to this one need not be kept any more."""
        self._forget(number)
        self._keep(f"{STORED}{number}".encode() + END)

    def drop(self, number: int) -> None:
        """This row is given up; where it is in a file the next run still finds it."""
        self._rows.pop(number, None)

    def begin(self, newest: EventId) -> None:
        """What comes now does not follow on what is here, but on this id."""
        self._newest = newest
        try:
            self._append(self._since())
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        os.close(self._lock)

    def _keep(self, record: bytes) -> None:
        try:
            if self._size + len(record) > self._max_bytes:
                self._rotate()
            self._append(self._since() + record if self.trouble else record)
        except OSError as error:
            self._fail(error)
        else:
            self.trouble = ""

    def _forget(self, number: int) -> None:
        for stored in [known for known in self._rows if known <= number]:
            del self._rows[stored]

    def _fail(self, error: OSError) -> None:
        if not self.trouble:
            logger.error("events are not kept on disk: %s", error)  # its traceback says no more
        self.trouble = f"events are not kept on disk: {error}"

    def _since(self) -> bytes:
        return f"{SINCE}{self._newest._replace(passing=0)}".encode() + END

    def _rotate(self) -> None:
        if self._newer.exists():  # else an earlier attempt came only as far as the next line
            self._newer.replace(self._older)
        file = os.open(self._newer, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.close(self._file)
        self._file, self._size = file, 0
        self._append(self._since() + self._carried())

    def _carried(self) -> bytes:
        """The rows that may be in the file that goes, the newest, as far as there is room."""
        records, room = [], self._max_bytes // 2
        for numbered in reversed(self.rows):
            record = _record(numbered)
            room -= len(record)
            if room < 0:
                break
            records.append(record)
        return b"".join(reversed(records))

    def _append(self, record: bytes) -> None:
        written = os.write(self._file, record)
        if written < len(record):
            os.ftruncate(self._file, self._size)
            raise OSError(f"{self._newer}: disk full")
        self._size += written


def _record(numbered: Numbered) -> bytes:
    return f"{ROW}{numbered.number} {json.dumps(numbered.row)}".encode() + END


def _read(path: Path) -> Iterator[EventId | Entry | Numbered | Stored | None]:
    """Ids that parts begin after, entries, rows, and ``None`` for each record that cannot be read.

    What was cut off in the middle of writing is passed over.
    """
    if not path.exists():
        return
    *records, _cut_off = path.read_bytes().split(END)
    yield from (_parse(path, record) for record in records)


def _parse(path: Path, record: bytes) -> EventId | Entry | Numbered | Stored | None:
    try:
        return _item(record.decode())
    except (ValueError, KeyError, TypeError) as error:
        logger.warning("%s: passed over a record that cannot be read: %s", path, error)
        return None


def _item(record: str) -> EventId | Entry | Numbered | Stored:
    if record.startswith(SINCE):
        return EventId.parse(record.removeprefix(SINCE))
    if record.startswith(STORED):
        return Stored(int(record.removeprefix(STORED)))
    if record.startswith(ROW):
        number, text = record.removeprefix(ROW).split(" ", 1)
        table, values = json.loads(text)
        return Numbered(int(number), Row(str(table), dict(values)))
    about, *lines = record.split("\n")
    known = json.loads(about.removeprefix(ABOUT))
    fields = dict(line.split(": ", 1) for line in lines)
    return make_entry(
        EventId.parse(fields["id"]), fields["event"], fields["data"].encode(), known["asset"], known["source"]
    )
