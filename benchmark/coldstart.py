"""From the command to the first 200."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.bench import Bench, ServerName, free_port
from benchmark.results import Repetitions, Section

MOST_S = 0.8
"""Target for the bridge alone."""


def run_coldstart(bench: Bench, servers: Sequence[ServerName], repetitions: int) -> Section:
    """Start and stop the servers in turn; the first start of each, which compiles Python, is not counted."""
    section = Section(
        "Cold start",
        f"From the command to the first 200 of `GET /health`; to reach: {MOST_S} s for the bridge. Ended by Ctrl-C.",
        ("server", "start [s]", "end [s]"),
    )
    starts: dict[ServerName, Repetitions[float]] = {server: Repetitions() for server in servers}
    ends: dict[ServerName, Repetitions[float]] = {server: Repetitions() for server in servers}
    for repetition in range(repetitions + 1):
        for name in servers:
            server = bench.start_server(name, free_port(), bench.new_directory())
            end_s = server.child.stop()
            if repetition:
                starts[name].all.append(server.start_s)
                ends[name].all.append(end_s)
    for name in servers:
        section.add(name, starts[name].spread(float), ends[name].spread(float))
    return section
