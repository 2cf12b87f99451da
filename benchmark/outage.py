"""The database goes away under load and comes back: killed, or there and silent."""

from __future__ import annotations

from typing import Literal

from benchmark.bench import Bench
from benchmark.inventory import Kept
from benchmark.postgres import postgres_server
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

Way = Literal["killed", "hanging"]

BEFORE_S, AFTER_S = 5.0, 5.0


def prove_outage(bench: Bench, way: Way, seconds: float) -> Finding:
    """PostgreSQL is away for so long."""
    with postgres_server() as postgres:
        url = postgres.new_database()
        with (
            bench.server("bridge", postgres_url=url, rig=new_rig(bench)) as server,
            load(bench) as strokes,
            readers(server.port) as clients,
        ):
            strokes.start()
            pump_for(clients, BEFORE_S)
            leave, come_back = (postgres.kill, postgres.start) if way == "killed" else (postgres.hang, postgres.go_on)
            meanwhile(clients, leave)
            try:
                pump_for(clients, seconds)
                said = trouble(server.port)
            finally:
                meanwhile(clients, come_back)
            pump_for(clients, AFTER_S)
            is_back = wait_for(lambda: is_well(server.port), clients, BACK_S)
            published = strokes.stop()
            pump_for(clients, 1.0)
            wait_until_kept(url, published, server.port)
            finding = Finding(f"PostgreSQL {way} for {seconds:g} s", Kept.of(url, published), published)
            check_told(finding, said, "database", url)
            finding.expect(is_back, f"/health still tells of it: {trouble(server.port)}")
            check_rows(finding, url, server.port)
            check_readers(finding, clients)
            server.child.check()
            return finding
