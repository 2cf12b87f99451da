"""A month of readings, one each second, out of the database: to plot it, and as CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, time
from urllib.parse import urlencode

from benchmark import web
from benchmark.bench import Bench, Server, free_port, sqlite_url
from benchmark.history_data import DAY_MS, fill, roll_up_all
from benchmark.latencies import Latencies
from benchmark.postgres import postgres_server
from benchmark.process_cost import cpu_s, rss_mb
from benchmark.results import Repetitions, Section, Spread, against
from plainview_ros.assets import load_rig
from plainview_ros.bridge.store.database import Database
from plainview_ros.share import share_file

DAYS = 30
RANGES_H = (DAYS * 24, 12)
POINTS = 1000
ASKED = 10
MOST_S = {"SQLite": 1.0, "PostgreSQL": 0.5}
"""Targets: the month is plotted in so much time ..."""
MOST_GROWTH_MB = 50
"""... and the CSV of it takes the bridge so much memory."""
CHUNK_BYTES = 65_536
LOOK_CHUNKS = 16


@dataclass(frozen=True)
class MonthFigures:
    """One run on one database."""

    series_s: Sequence[tuple[float, float]]
    """Median and longest of the answers, for each of ``RANGES_H``."""
    points: Sequence[int]
    export_s: float
    export_rows: int
    export_cpu_s: float
    growth_mb: float
    """Of the bridge's memory at the most while it sent the CSV."""


def measure_month(server: Server, line: str, end_s: float) -> MonthFigures:
    """Ask a bridge whose database has it all."""
    series, points = [], []
    for hours in RANGES_H:
        latencies = Latencies()
        for number in range(ASKED):
            stretch = _stretch(end_s - 3600 * hours + number, end_s - number)  # no two are the same
            began_s = monotonic()
            found = json.loads(web.get(server.port, f"/flow/series?lineId={line}&points={POINTS}&{stretch}"))
            latencies.add(round((monotonic() - began_s) * 1e9))
        series.append((latencies.percentile_ms(50) / 1000, latencies.percentile_ms(100) / 1000))
        points.append(len(found["points"]))
    before_mb, before_s, began_s = rss_mb(server.pid), cpu_s(server.pid), monotonic()
    rows, most_mb = _export(server, f"/flow/export?lineId={line}&{_stretch(end_s - DAYS * DAY_MS / 1000, end_s)}")
    return MonthFigures(
        series_s=series,
        points=points,
        export_s=monotonic() - began_s,
        export_rows=rows,
        export_cpu_s=cpu_s(server.pid) - before_s,
        growth_mb=max(0.0, most_mb - before_mb),
    )


def run_month(bench: Bench, repetitions: int) -> Section:
    """Both databases, filled once; a bridge for each repetition, in turn."""
    hours = [f"{hours} h in {POINTS} points" for hours in RANGES_H]
    section = Section(
        "A month of readings",
        f"{DAYS} days of one line at 1 Hz (2.6 million rows, rolled up as a bridge does that ran all the time), asked "
        f"over HTTP: `/flow/series`, median and longest of {ASKED} answers, and `/flow/export` as CSV, with how much "
        f"the bridge's memory grew meanwhile at the most; to reach: the month in {MOST_S['PostgreSQL']:g} s on "
        f"PostgreSQL and {MOST_S['SQLite']:g} s on SQLite, and {MOST_GROWTH_MB} MB.",
        ("database", *(f"{name} [s]" for name in hours), "longest [s]", "CSV [s]", "rows", "CPU [s]", "growth [MB]"),
    )
    line, end_s = load_rig(share_file("config/rig.yaml")).flow_lines[0].id, float(int(time()))
    with postgres_server() as postgres:
        states = {name: bench.new_directory() for name in MOST_S}
        urls = {"SQLite": sqlite_url(states["SQLite"]), "PostgreSQL": postgres.new_database()}
        for url in urls.values():
            _fill(url, line, end_s)
        runs: dict[str, Repetitions[MonthFigures]] = {name: Repetitions() for name in urls}
        for _ in range(repetitions):
            for name, url in urls.items():
                runs[name].all.append(_on_bridge(bench, states[name], "" if name == "SQLite" else url, line, end_s))
    for name, figures in runs.items():
        section.add(name, *_columns(figures))
        section.add(f"{name}, to reach", *_verdicts(name, figures))
    return section


def _on_bridge(bench: Bench, state: Path, postgres_url: str, line: str, end_s: float) -> MonthFigures:
    server = bench.start_server("bridge", free_port(), state, postgres_url=postgres_url, raw_days=2 * DAYS)
    try:
        return measure_month(server, line, end_s)
    finally:
        server.child.stop()


def _columns(runs: Repetitions[MonthFigures]) -> tuple[object, ...]:
    return (
        *(_median(runs, which) for which in range(len(RANGES_H))),
        runs.spread(lambda f: max(longest for _, longest in f.series_s)),
        runs.spread(lambda f: f.export_s),
        f"{min(figures.export_rows for figures in runs.all):,}",
        runs.spread(lambda f: f.export_cpu_s),
        runs.spread(lambda f: f.growth_mb),
    )


def _verdicts(name: str, runs: Repetitions[MonthFigures]) -> tuple[object, ...]:
    growth = runs.spread(lambda f: f.growth_mb).median
    blank = [""] * (len(RANGES_H) - 1)
    return against(_median(runs, 0).median, most=MOST_S[name]), *blank, *("",) * 4, against(growth, most=MOST_GROWTH_MB)


def _median(runs: Repetitions[MonthFigures], which: int) -> Spread:
    return runs.spread(lambda f: f.series_s[which][0])


def _fill(url: str, line: str, end_s: float) -> None:
    database = Database(url)
    try:
        end_ms = round(end_s * 1000)
        fill(database, [line], end_ms - DAYS * DAY_MS, end_ms)
        roll_up_all(database, end_ms)
    finally:
        database.close()


def _export(server: Server, path: str) -> tuple[int, float]:
    """Rows of the CSV, and the most memory [MB] the bridge had meanwhile."""
    newlines = chunks = 0
    most_mb = 0.0
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=web.TIMEOUT_S)) as connection:
        answer = web.ask(connection, path, "text/csv")
        while chunk := answer.read(CHUNK_BYTES):
            newlines += chunk.count(b"\n")
            chunks += 1
            if chunks % LOOK_CHUNKS == 0:
                most_mb = max(most_mb, rss_mb(server.pid))
    return newlines - 1, max(most_mb, rss_mb(server.pid))


def _stretch(start_s: float, end_s: float) -> str:
    start, end = (datetime.fromtimestamp(at_s, timezone.utc).isoformat() for at_s in (start_s, end_s))
    return urlencode({"start": start, "end": end})
