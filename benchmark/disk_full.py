"""The disk with the state directory fills up under load, and has room again."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.bench import Bench, free_port, sqlite_url
from benchmark.inventory import Kept
from benchmark.postgres import Postgres
from benchmark.proof import (
    BACK_S,
    Finding,
    check_readers,
    check_rows,
    check_told,
    is_well,
    load,
    meanwhile,
    new_rig,
    readers,
    trouble,
    wait_for,
    wait_until_kept,
)
from benchmark.stream import pump_for

DISK_MB = 48
BEFORE_S, AFTER_S = 5.0, 5.0
FILL_S = 0.5
"""So often the ballast takes again what has been freed."""
BLOCK = bytes(4096)


def prove_disk_full(bench: Bench, seconds: float, postgres: Postgres | None) -> Finding:
    """The disk is full for so long; with PostgreSQL that is away as long, so that all there is goes to the spool.

    Raises:
        PermissionError: a small disk can be made by root only.
    """
    rig, port = new_rig(bench), free_port()
    postgres_url = postgres.new_database() if postgres else ""
    with small_disk(bench.new_directory()) as state:
        url = postgres_url or sqlite_url(state)
        server = bench.start_server("bridge", port, state, postgres_url=postgres_url, rig=rig)
        try:
            with load(bench) as strokes, readers(port) as clients:
                strokes.start()
                pump_for(clients, BEFORE_S)
                if postgres:
                    meanwhile(clients, postgres.kill)
                    pump_for(clients, BEFORE_S)
                said = ""
                with (state / "ballast").open("ab", buffering=0) as ballast:
                    for _ in range(round(seconds / FILL_S)):
                        _fill(ballast.fileno())
                        pump_for(clients, FILL_S)
                    said = trouble(port)
                (state / "ballast").unlink()
                if postgres:
                    pump_for(clients, AFTER_S)
                    meanwhile(clients, postgres.start)
                is_back = wait_for(lambda: is_well(port), clients, BACK_S)
                pump_for(clients, AFTER_S)
                published = strokes.stop()
                pump_for(clients, 1.0)
                wait_until_kept(url, published, port)
                where = "under the spool, PostgreSQL away" if postgres else "under SQLite"
                name = f"disk full for {seconds:g} s {where}"
                finding = Finding(name, Kept.of(url, published), published)
                check_told(finding, said, "disk", url)
                finding.expect(is_back, f"/health still tells of it: {trouble(port)}")
                check_rows(finding, url, port)
                check_readers(finding, clients)
                server.child.check()
                return finding
        finally:
            server.child.stop()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of its own, in memory. Raises ``PermissionError`` unless this is root."""
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={DISK_MB}m".encode()
    if libc.mount(b"plainview", os.fsencode(folder), b"tmpfs", 0, options):
        raise PermissionError(f"a small disk cannot be mounted: {os.strerror(ctypes.get_errno())}")
    try:
        yield folder
    finally:
        libc.umount2(os.fsencode(folder), 2)  # MNT_DETACH: also while somebody still has a file open


def _fill(file: int) -> None:
    try:
        while True:
            os.write(file, BLOCK)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
