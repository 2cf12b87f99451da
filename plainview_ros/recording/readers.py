"""What a recording holds, read in order of time: CSV tables and MCAP bags."""

from __future__ import annotations

import csv
import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from mcap.exceptions import McapError
from mcap.reader import McapReader, make_reader
from zstandard import ZstdError

from plainview_ros.assets import Quantity
from plainview_ros.utc import parse_s

TIME_COLUMNS = ("time_s", "timestamp", "datetime", "time")


DAMAGE = (
    *(McapError, ZstdError, struct.error),
    *(OSError, ValueError, LookupError, RuntimeError, ArithmeticError, MemoryError),
)
"""What the MCAP library and its decompressors raise on a damaged file."""


class RecordingError(ValueError):
    """A recording that cannot be read; the message names the file, the place in it and what was wrong."""


class Entry(NamedTuple):
    """One recorded value."""

    time_s: float
    source: str
    """Column of a table, topic of a bag."""
    name: str
    """Instrument the recording itself names: the column, or the ``frame_id`` of a message."""
    value: float
    """As recorded; NaN: no reading."""


class Recording(ABC):
    """A recording that has been opened and found readable."""

    path: Path

    @property
    @abstractmethod
    def sources(self) -> Mapping[str, Quantity | None]:
        """Columns or topics that a map may name, with the quantity they carry where the recording says it."""

    @abstractmethod
    def entries(self, sources: Collection[str] | None = None) -> Iterator[Entry]:
        """Values from the beginning, in order of time.

        Args:
            sources: the columns or topics wanted; ``None``: all.

        Raises:
            RecordingError: where the recording turns out to be broken.
        """


class Schema(NamedTuple):
    """How messages of one type in a bag are read."""

    quantity: Quantity | None
    """What they measure, when the type says it."""
    decode: Callable[[bytes], Iterable[tuple[str, float]]]
    """Instrument named in the message, and value, of each reading in a serialised message."""
    one_reading: bool = True
    """One reading a message, so that the topic can be mapped to one instrument."""


def open_recording(path: str | Path, schemas: Mapping[str, Schema]) -> Recording:
    """Open a ``.csv`` file, a ``.mcap`` file or the folder of a bag.

    Args:
        path: of the recording.
        schemas: how to read the messages of a bag, by name of their type; others are passed over.

    Raises:
        RecordingError: when it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        bags = sorted(path.glob("*.mcap"))
        if len(bags) != 1:
            raise RecordingError(f"{path}: expected a folder with one .mcap file, found {len(bags)}")
        (path,) = bags
    if not path.is_file():
        raise RecordingError(f"{path}: no such file")
    if path.suffix == ".mcap":
        return Bag(path, schemas)
    if path.suffix == ".csv":
        return Table(path)
    raise RecordingError(f"{path}: expected a .csv or .mcap file, or the folder of an MCAP bag")


class Table(Recording):
    """A CSV file with a header, separated by comma, semicolon or tab.

    Its column of time is the first of ``TIME_COLUMNS`` that it has: seconds, or ISO 8601 (UTC when it names no zone).
    Empty cells and NaN are no readings. Columns that are not mapped may hold anything.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._text() as file:
            header = file.readline()
        self._separator = max(",;\t", key=header.count)
        columns = next(csv.reader([header], delimiter=self._separator), [])
        self._columns = [column.strip() for column in columns]
        times = [column for column in TIME_COLUMNS if column in self._columns]
        if not times:
            found = ", ".join(map(repr, self._columns)) or "nothing"
            raise RecordingError(f"{path}:1: expected a column {' or '.join(TIME_COLUMNS)}, found {found}")
        self._time_column = self._columns.index(times[0])
        for column in self._columns:
            if self._columns.count(column) > 1:
                raise RecordingError(f"{path}:1: column {column!r} is given twice")

    @property
    def sources(self) -> Mapping[str, Quantity | None]:
        return {column: None for i, column in enumerate(self._columns) if i != self._time_column}

    def entries(self, sources: Collection[str] | None = None) -> Iterator[Entry]:
        wanted = [
            (i, column)
            for i, column in enumerate(self._columns)
            if i != self._time_column and (sources is None or column in sources)
        ]
        newest_s = -math.inf
        with self._text() as file:
            rows = csv.reader(file, delimiter=self._separator)
            next(rows)
            for row in rows:
                if not row:
                    continue
                place = f"{self.path}:{rows.line_num}"
                if len(row) != len(self._columns):
                    raise RecordingError(f"{place}: expected {len(self._columns)} cells, found {len(row)}")
                time_s = _time_s(row[self._time_column], place)
                if time_s < newest_s:
                    raise RecordingError(f"{place}: time {row[self._time_column]} is before that of the row above")
                newest_s = time_s
                for i, column in wanted:
                    yield Entry(time_s, column, column, _number(row[i], f"{place}: {column}"))

    @contextmanager
    def _text(self) -> Iterator[TextIO]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                yield file
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise RecordingError(f"{self.path}: cannot be read: {error}") from error


class Bag(Recording):
    """An MCAP file with an index, as rosbag2 writes it. Messages come in order of the time they were logged."""

    def __init__(self, path: Path, schemas: Mapping[str, Schema]) -> None:
        self.path = path
        with self._reader() as reader:
            summary = reader.get_summary()
            types = {
                channel.topic: summary.schemas[channel.schema_id].name
                for channel in (summary.channels.values() if summary else ())
                if channel.message_encoding == "cdr" and channel.schema_id
            }
        if not summary or not summary.chunk_indexes:
            raise RecordingError(f"{path}: has no index; `mcap recover` makes a file that has one")
        self._schemas = {topic: schemas[name] for topic, name in types.items() if name in schemas}
        if not self._schemas:
            raise RecordingError(f"{path}: no topic of an instrument; it has {', '.join(sorted(types)) or 'nothing'}")

    @property
    def sources(self) -> Mapping[str, Quantity | None]:
        return {topic: schema.quantity for topic, schema in self._schemas.items() if schema.one_reading}

    def entries(self, sources: Collection[str] | None = None) -> Iterator[Entry]:
        wanted = [topic for topic in self._schemas if sources is None or topic in sources]
        with self._reader() as reader:
            for _, channel, message in reader.iter_messages(topics=wanted):
                for name, value in self._schemas[channel.topic].decode(message.data):
                    yield Entry(message.log_time / 1e9, channel.topic, name, value)

    @contextmanager
    def _reader(self) -> Iterator[McapReader]:
        try:
            with self.path.open("rb") as file:
                yield make_reader(file, validate_crcs=True)
        except DAMAGE as error:
            raise RecordingError(
                f"{self.path}: not a whole MCAP file, or damaged: {error or type(error).__name__}"
            ) from error


def _time_s(cell: str, place: str) -> float:
    """Seconds of a cell that holds seconds or an ISO 8601 time."""
    try:
        time_s = float(cell)
    except ValueError:
        try:
            return parse_s(cell)
        except ValueError:
            raise RecordingError(f"{place}: expected seconds or an ISO 8601 time, found {cell!r}") from None
    if not math.isfinite(time_s):
        raise RecordingError(f"{place}: expected seconds or an ISO 8601 time, found {cell!r}")
    return time_s


def _number(cell: str, place: str) -> float:
    """Value of a cell; NaN when it is empty."""
    try:
        return float(cell) if cell.strip() else math.nan
    except ValueError:
        raise RecordingError(f"{place}: expected a number, found {cell!r}") from None
