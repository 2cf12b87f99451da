"""Two bridges start at the same moment on an empty database, and both write there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, sleep

from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import DBAPIError

from benchmark import web
from benchmark.bench import Bench, free_port, sqlite_url, wait_for_answer
from benchmark.children import ChildError
from benchmark.inventory import commanded
from benchmark.postgres import Postgres
from benchmark.proof import trouble
from plainview_ros.bridge.store.models import metadata

TABLES_S = 10.0
ROW_S = 10.0


@dataclass
class Starts:
    """What came of all repetitions."""

    name: str
    starts: int
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = "FAILED" if self.wrong else "both serve and write, all tables are there"
        return "\n  ".join(
            [f"two bridges at once on an empty {self.name}, {self.starts} times: {verdict}", *self.wrong]
        )


def prove_together(bench: Bench, starts: int, postgres: Postgres | None) -> Starts:
    """Each time a new database: of PostgreSQL, or else one SQLite file that both bridges' state directories have."""
    found = Starts("PostgreSQL" if postgres else "SQLite", starts)
    for _ in range(starts):
        states = bench.new_directory(), bench.new_directory()
        postgres_url = postgres.new_database() if postgres else ""
        if not postgres:
            shared = bench.new_directory() / "plainview.db"
            for state in states:
                (state / "plainview.db").symlink_to(shared)
        ports = free_port(), free_port()
        bridges = [
            bench.launch("bridge", port, state, postgres_url=postgres_url)
            for port, state in zip(ports, states, strict=True)
        ]
        try:
            for bridge, port in zip(bridges, ports, strict=True):
                wait_for_answer(bridge, port)
            url = postgres_url or sqlite_url(states[0])
            found.wrong += _missing(url)
            for number, port in enumerate(ports):
                if not _writes(port, url, f"/valves/of-bridge-{number}/actuate"):
                    found.wrong.append(f"bridge {number} has not written what it was commanded")
                found.wrong += filter(None, [trouble(port)])
        except ChildError as error:
            found.wrong.append(str(error))
        finally:
            for bridge in bridges:
                bridge.stop()
    return found


def _writes(port: int, url: str, path: str) -> bool:
    """Whether the audit log has in time what a bridge is asked on a path that nobody else is."""
    web.post(port, path)
    end_s = monotonic() + ROW_S
    while not commanded(url, f"POST {path}"):
        if monotonic() > end_s:
            return False
        sleep(0.05)
    return True


def _missing(url: str) -> list[str]:
    """Tables that are not there in time."""
    end_s = monotonic() + TABLES_S
    engine = create_engine(url)
    missing = set(metadata.tables)
    while missing and monotonic() < end_s:
        with suppress(DBAPIError):  # it is locked while they are made
            missing = set(metadata.tables) - set(inspect(engine).get_table_names())
        sleep(0.05)
    engine.dispose()
    return [f"no table {name}" for name in sorted(missing)]
