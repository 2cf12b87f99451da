"""Requests per second of the paths that dashboards and balancers ask for."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.bench import Bench, ServerName
from benchmark.load import LoadFigures, measure_load
from benchmark.results import Repetitions, Section, against, number, ratio

PATHS = ("/health", "/valves")
CONNECTIONS = (1, 32)
LEAST = 0.8
"""Target: at least so many times the floor's requests per second."""


def run_rest(bench: Bench, servers: Sequence[ServerName], seconds: float, repetitions: int) -> Section:
    """Every path over every number of connections, the servers in turn."""
    section = Section(
        "REST",
        "Keep-alive connections on one epoll loop of ours, each asking again as soon as it is answered. The floor is a "
        "bare ASGI function with the answer as a constant on the same web server (uvicorn). `valve_ops` runs beside "
        "both and publishes the valves' state twice a second.",
        ("path", "connections", "server", "requests/s", "p50 [ms]", "p99 [ms]", "CPU per request [µs]", "client's CPU"),
    )
    cells = [(path, connections) for path in PATHS for connections in CONNECTIONS]
    runs: dict[tuple[str, int, ServerName], Repetitions[LoadFigures]] = {
        (*cell, server): Repetitions() for cell in cells for server in servers
    }
    with bench.module("valve_ops"):
        for _ in range(repetitions):
            for server_name in servers:
                with bench.server(server_name) as server:
                    for path, connections in cells:
                        figures = measure_load(server.port, server.pid, path, connections, seconds)
                        runs[path, connections, server_name].all.append(figures)
    for path, connections in cells:
        for server_name in servers:
            section.add(path, connections, server_name, *_columns(runs[path, connections, server_name]))
        if len(servers) == 2:
            bridge, floor = runs[path, connections, "bridge"], runs[path, connections, "floor"]
            requests = ratio(bridge.spread(lambda f: f.requests_per_s), floor.spread(lambda f: f.requests_per_s))
            cpu = ratio(bridge.spread(lambda f: f.cpu_us), floor.spread(lambda f: f.cpu_us))
            section.add(path, connections, "ratio", against(requests, least=LEAST), "", "", number(cpu), "")
    return section


def _columns(runs: Repetitions[LoadFigures]) -> tuple[object, ...]:
    return (
        runs.spread(lambda f: f.requests_per_s),
        runs.spread(lambda f: f.p50_ms),
        runs.spread(lambda f: f.p99_ms),
        runs.spread(lambda f: f.cpu_us),
        f"{100 * runs.spread(lambda f: f.client_share).median:.0f} %",
    )
