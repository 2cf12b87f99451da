"""What history costs: rows into the database while clients stream, and a month of readings out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, process_time, sleep
from typing import Literal

from benchmark import fed, web
from benchmark.bench import Bench, ServerName
from benchmark.clients import Clients, totals
from benchmark.inventory import rows
from benchmark.postgres import Postgres, postgres_server
from benchmark.process_cost import cpu_s, machine_s
from benchmark.results import Repetitions, Section, against, ratio
from benchmark.rig import write_rig
from benchmark.stream import UNMEASURED_EVENTS, pump_for

DatabaseName = Literal["none", "SQLite", "PostgreSQL"]
DATABASES: Sequence[DatabaseName] = ("none", "SQLite", "PostgreSQL")

LEAST_ROWS_HZ = 5000
"""Targets: so many rows each second get into the database ..."""
MOST_P99 = 1.2
"""... and the streams' p99 is at most so many times what it is without one."""

SETTLE_S = 2.0
DRAIN_S = 20.0
"""When there are no more rows for so long after all is published, what is missing is lost."""
TOLD = 'plainview_events_total{type="flow.metrics.updated"}'


@dataclass(frozen=True)
class WriteCell:
    """Snapshots of so many lines at so many Hz are a row for each line, beside events to clients."""

    lines: int
    snapshots_hz: int
    clients: int = 50
    events_hz: int = 100
    seconds: float = 15.0
    fed: bool = False
    """Rows are given to the bridge's ledger in its process, not told on topics."""

    @property
    def offered(self) -> int:
        """Rows."""
        return self.lines * round(self.snapshots_hz * self.seconds)


CELLS = (WriteCell(110, 50), WriteCell(fed.LINES, fed.SNAPSHOTS_HZ, fed=True))


@dataclass(frozen=True)
class WriteFigures:
    """One run of one cell."""

    told_hz: float
    """Readings of a line that the bridge had to write, each second."""
    rows_hz: float
    """Rows in the database at the end of publishing, by the time that took."""
    kept: float
    """Share of what it had to write that was there in the end."""
    p50_ms: float
    p99_ms: float
    delivered: float
    """Share of events times clients."""
    bridge_share: float
    """Of one core, while all was published."""
    database_share: float
    """Of one core, for the processes of PostgreSQL; SQLite works in the bridge's."""
    others_share: float
    """Of one core, of everything else: publishers, clients, the kernel."""


def measure_writing(bench: Bench, cell: WriteCell, database: DatabaseName, postgres: Postgres) -> WriteFigures:
    """Run one cell on a bridge and a database made for it."""
    rig = bench.new_directory() / "rig.yaml"
    write_rig(rig, cell.lines)
    url = postgres.new_database() if database == "PostgreSQL" else ""
    name = _server(cell, database)
    events = round(cell.events_hz * cell.seconds)
    told_hz, told_lines = (1, 1) if cell.fed else (cell.snapshots_hz, cell.lines)
    with (
        bench.server(name, postgres_url=url, rig=rig) as server,
        bench.publisher("actuations", cell.events_hz, events) as publisher,
        bench.publisher("flows", told_hz, round(told_hz * cell.seconds), told_lines) as flows,
    ):
        clients = Clients(server.port, "/events?types=valve.actuation.requested")
        try:
            clients.add(cell.clients)
            clients.wait_until_open()
            pump_for(clients, SETTLE_S)
            clients.latencies.clear()
            clients.first_measured = min(UNMEASURED_EVENTS, events // 10)
            bridge_s, database_s, own_s, all_s = _worked(server.pid, postgres.pid)
            before = rows(server.database_url, "flow_metrics") if database != "none" else 0
            began_s = monotonic()
            flows.tell("go")
            publisher.tell("go")
            pump_for(clients, cell.seconds)
            took_s = monotonic() - began_s
            found = rows(server.database_url, "flow_metrics") - before if database != "none" else 0
            spent = [
                now - then
                for now, then in zip(
                    _worked(server.pid, postgres.pid), (bridge_s, database_s, own_s, all_s), strict=True
                )
            ]
            pump_for(clients, 1.0)
            publisher.answer()
            flows.answer()
            told = cell.offered if cell.fed else web.metrics(server.port).get(TOLD, 0.0)
            in_the_end = database != "none" and not cell.fed
            kept = _drained(server.database_url, told) / max(1.0, told) if in_the_end else float("nan")
            return WriteFigures(
                told_hz=told / cell.seconds,
                rows_hz=found / took_s if database != "none" else float("nan"),
                kept=kept,
                p50_ms=clients.latencies.percentile_ms(50),
                p99_ms=clients.latencies.percentile_ms(99),
                delivered=totals(clients.all)[0] / (events * cell.clients),
                bridge_share=spent[0] / took_s,
                database_share=spent[1] / took_s,
                others_share=(spent[3] - spent[0] - spent[1]) / took_s,
            )
        finally:
            clients.close()


def _server(cell: WriteCell, database: DatabaseName) -> ServerName:
    if cell.fed:
        return "fed_without_database" if database == "none" else "fed"
    return "without_database" if database == "none" else "bridge"


def run_writing(bench: Bench, cells: Sequence[WriteCell], repetitions: int) -> Section:
    """Every cell without a database and with each, in turn."""
    section = Section(
        "Rows into the database",
        "Snapshots of flow lines with four channels each on `flow/state`, a row for each line, while clients stream "
        "events (`valve.actuation.requested`, 100/s) from the same bridge; PostgreSQL with `fsync`. Offered: readings "
        "of a line that the bridge got, each second; rows/s: those in the database when publishing ended, by the time "
        "it took; kept: share of the offered that was there in the end. `none` is the bridge without a database. "
        "Given: the rows are made in the bridge's process, without the topic.",
        (
            *("lines x Hz", "database", "offered/s", "rows/s", "kept", "p50 [ms]", "p99 [ms]", "delivered"),
            *("bridge CPU", "PostgreSQL's CPU", "all others"),
        ),
    )
    for cell in cells:
        runs: dict[DatabaseName, Repetitions[WriteFigures]] = {database: Repetitions() for database in DATABASES}
        with postgres_server() as postgres:
            for _ in range(repetitions):
                for database in DATABASES:
                    runs[database].all.append(measure_writing(bench, cell, database, postgres))
        name = f"{cell.lines} x {cell.snapshots_hz}{', given' if cell.fed else ''}"
        for database in DATABASES:
            section.add(name, database, *_columns(runs[database]))
        without = runs["none"].spread(lambda f: f.p99_ms)
        for database in DATABASES[1:]:
            written = runs[database].spread(lambda f: f.rows_hz).median
            p99 = ratio(runs[database].spread(lambda f: f.p99_ms), without)
            reached = against(written, least=LEAST_ROWS_HZ)
            section.add(name, f"{database} / none", "", reached, "", "", against(p99, most=MOST_P99), *("",) * 4)
    return section


def _columns(runs: Repetitions[WriteFigures]) -> tuple[object, ...]:
    percent = [
        runs.spread(lambda f: 100 * f.bridge_share),
        runs.spread(lambda f: 100 * f.database_share),
        runs.spread(lambda f: 100 * f.others_share),
    ]
    kept = min(figures.kept for figures in runs.all)
    return (
        runs.spread(lambda f: f.told_hz),
        runs.spread(lambda f: f.rows_hz),
        "-" if kept != kept else f"{100 * kept:.4g} %",
        runs.spread(lambda f: f.p50_ms),
        runs.spread(lambda f: f.p99_ms),
        f"{100 * min(figures.delivered for figures in runs.all):.4g} %",
        *(f"{share.median:.0f} %" for share in percent),
    )


def _worked(bridge: int, postmaster: int) -> tuple[float, float, float, float]:
    """Time [s] that the bridge, PostgreSQL, this process and the whole machine have worked."""
    return cpu_s(bridge), cpu_s(postmaster), process_time(), machine_s()


def _drained(url: str, wanted: float) -> int:
    """Rows, once all are there or no more come."""
    found, since_s = rows(url, "flow_metrics"), monotonic()
    while found < wanted and monotonic() < since_s + DRAIN_S:
        sleep(0.5)
        now = rows(url, "flow_metrics")
        if now > found:
            found, since_s = now, monotonic()
    return found
