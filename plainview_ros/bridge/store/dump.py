"""All of history in one file, and back, also into the other kind of database.

JSON lines, in UTF-8; compressed when the file's name ends in ``.gz``:

    {"format": "plainview-history", "version": 1, "revision": "0003", "at": "2026-11-23T20:00:00Z"}
    {"table": "events", "columns": ["ms", "number", "source", "type", "asset", "data"]}
    [1790000000000, 0, "", "alert.raised", "v-101", "{...}"]
    ...
    {"end": {"events": 1}, "sha256": "..."}

The last line has the number of rows and the digest of the lines before it, so that a file that is cut off or damaged is
refused before anything is written. Memory is constant both ways.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection, column, inspect, select, table

from plainview_ros.bridge.store import migrate
from plainview_ros.bridge.store.models import metadata
from plainview_ros.bridge.store.rows import Row

if TYPE_CHECKING:
    from plainview_ros.bridge.store.database import Database

FORMAT, VERSION = "plainview-history", 1

Out: TypeAlias = IO[bytes] | gzip.GzipFile

BATCH_ROWS = 5_000
COMPRESSION = 3
"""Of gzip: half the time of its default, a tenth more bytes."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dump(database: Database, path: Path) -> Mapping[str, int]:
    """Write what is in the tables at this moment to a file; a file of that name is replaced when all is written.

    Returns:
        How many rows of each table.

    Raises:
        DatabaseError: the database cannot be read, or is of a newer release.
        OSError: the file cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with database.snapshot() as connection, part.open("wb") as file:
            with _compressed(path, file) as out:
                counts = _write(connection, out)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return counts


def restore(database: Database, path: Path) -> Mapping[str, int]:
    """Add the rows of a file to those that are in the database, where they stay; of a thing the newest stays.

    In many small transactions: what runs on the database is not held up, and doing it again after it was interrupted
    does the rest.

    Returns:
        How many rows of each table are in the file.

    Raises:
        ValueError: the file is cut off, damaged, something else or of a newer release; nothing was written.
        DatabaseError: the database does not take them (any more).
        OSError: the file cannot be read.
    """
    counts = _checked(path)
    name, columns = "", ()
    batch: list[Row] = []
    for line in _lines(path):
        if line.startswith(b"["):
            batch.append(Row(name, dict(zip(columns, _values(line), strict=True))))
            if len(batch) == BATCH_ROWS:
                database.write(batch)
                batch = []
        elif "table" in (head := json.loads(line)):
            name, columns = head["table"], tuple(head["columns"])
    database.write(batch)
    return counts


# -- out ---------------------------------------------------------------------------------------------------------------


@dataclass
class _Digested:
    """Lines on their way into a file."""

    out: Out
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, values: Sequence[object]) -> None:
        data = "".join(f"{_encode(value)}\n" for value in values).encode()
        self.digest.update(data)
        self.out.write(data)


@contextmanager
def _compressed(path: Path, file: IO[bytes]) -> Iterator[Out]:
    if path.suffix != ".gz":
        yield file
        return
    with gzip.open(file, "wb", compresslevel=COMPRESSION) as out:
        yield out


def _write(connection: Connection, out: Out) -> Mapping[str, int]:
    revision = migrate.revision(connection)
    migrate.check_known(revision)
    lines = _Digested(out)
    at = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    lines.write([{"format": FORMAT, "version": VERSION, "revision": revision, "at": at}])
    counts: dict[str, int] = {}
    inspector = inspect(connection)
    for name in metadata.tables:
        if not inspector.has_table(name):
            continue
        columns = [found["name"] for found in inspector.get_columns(name)]
        lines.write([{"table": name, "columns": columns}])
        counts[name] = 0
        query: Any = select(*map(column, columns)).select_from(table(name)).execution_options(yield_per=BATCH_ROWS)
        for rows in connection.execute(query).partitions():
            lines.write([tuple(row) for row in rows])
            counts[name] += len(rows)
    lines.write([{"end": counts, "sha256": lines.digest.hexdigest()}])
    return counts


# -- in ----------------------------------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[bytes]:
    """Raises ``ValueError`` where compressed data ends too early or is none."""
    with path.open("rb") as file:
        try:
            if path.suffix == ".gz":
                with gzip.open(file) as lines:
                    yield from lines
            else:
                yield from file
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path}: cut off or damaged: {error}") from error


def _checked(path: Path) -> Mapping[str, int]:
    """The counts of a file that is whole and can be restored into these tables, or ``ValueError``."""
    lines = _lines(path)
    line = next(lines, b"")
    first = _head(line)
    if first.get("format") != FORMAT:
        raise ValueError(f"{path}: not a dump of plainview")
    if first.get("version") != VERSION or not migrate.is_known(first.get("revision")):
        raise ValueError(f"{path}: made by a newer release of plainview (revision {first.get('revision')})")
    digest = hashlib.sha256(line)
    counts: dict[str, int] = {}
    name = ""
    for line in lines:
        if line.startswith(b"["):
            counts[name] += 1
        else:
            head = _head(line)
            if "end" in head:
                if head != {"end": counts, "sha256": digest.hexdigest()} or next(lines, b""):
                    break
                return counts
            name = str(head.get("table"))
            _check_columns(path, name, head.get("columns", ()))
            counts[name] = 0
        digest.update(line)
    raise ValueError(f"{path}: cut off or damaged; nothing was written")


def _check_columns(path: Path, name: str, columns: Sequence[str]) -> None:
    here = metadata.tables.get(name)
    unknown = set(columns) - ({found.name for found in here.columns} if here is not None else set())
    if here is None or unknown:
        raise ValueError(f"{path}: has {name} with {', '.join(sorted(unknown))}, which this release does not know")
    missing = [c.name for c in here.columns if c.name not in columns and not (c.nullable or c.server_default)]
    if missing:
        raise ValueError(f"{path}: has {name} without {', '.join(missing)}: restore it with the release that made it")


def _head(line: bytes) -> Mapping[str, Any]:
    try:
        head = json.loads(line)
    except ValueError:
        return {}
    return head if isinstance(head, dict) else {}


def _values(line: bytes) -> list[Any]:
    values: list[Any] = json.loads(line)
    if b"\\u0000" in line:  # SQLite has texts with NUL in them, PostgreSQL none
        values = [value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in values]
    return values
