"""The bridge is killed again and again under load, also while it starts."""

from __future__ import annotations

from random import Random
from time import sleep

from benchmark.bench import Bench, free_port, sqlite_url, wait_for_answer
from benchmark.children import Child
from benchmark.inventory import Kept
from benchmark.postgres import Postgres
from benchmark.proof import Finding, load, new_rig, wait_until_kept

RUNS_S = 3.0
"""It lives for up to so long once it answers ..."""
STARTS_S = 1.5
"""... or since its start, when it is killed in that."""
STARTS = 3
"""One of so many kills is in a start: more in a row, and ROS would hold less than there was meanwhile."""


def prove_killed(bench: Bench, kills: int, seed: int, postgres: Postgres | None) -> Finding:
    """The moments are random, the same for the same seed; the database is SQLite when there is no PostgreSQL."""
    random = Random(seed)  # noqa: S311
    port, state, rig = free_port(), bench.new_directory(), new_rig(bench)
    postgres_url = postgres.new_database() if postgres else ""
    url = postgres_url or sqlite_url(state)

    def launch() -> Child:
        return bench.launch("bridge", port, state, postgres_url=postgres_url, rig=rig)

    bridge = launch()
    try:
        wait_for_answer(bridge, port)
        with load(bench) as strokes:
            strokes.start()
            for kill in range(kills):
                if kill % STARTS == STARTS - 1:
                    sleep(random.uniform(0, STARTS_S))
                else:
                    wait_for_answer(bridge, port)
                    sleep(random.uniform(0, RUNS_S))
                bridge.kill()
                bridge = launch()
            wait_for_answer(bridge, port)
            published = strokes.stop()
            wait_until_kept(url, published, port)
        bridge.stop()
        name = f"bridge killed {kills} times, {'PostgreSQL' if postgres else 'SQLite'}, seed {seed}"
        return Finding(name, Kept.of(url, published), published)
    finally:
        bridge.kill()
