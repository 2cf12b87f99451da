"""Topic to client: latency, what is delivered, and what each delivered event costs the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, process_time

from benchmark.bench import Bench, Server, ServerName
from benchmark.clients import Clients, totals
from benchmark.process_cost import cpu_s, machine_s
from benchmark.results import Repetitions, Section, against, ratio

IDLE_S = 3.0
"""When nothing new has come for so long after the publisher is done, what is missing is lost."""
UNMEASURED_EVENTS = 20


@dataclass(frozen=True)
class StreamCell:
    """So many clients at so many events each second."""

    clients: int
    rate_hz: int
    seconds: float = 8.0
    settle_s: float = 1.0
    """Time for everything to become quiet, and again as long to see what an idle server takes."""
    most_p50: float = 1.25
    """Target: at most so many times the floor."""
    most_p99: float = 1.5
    most_cpu: float = 1.25

    @property
    def events(self) -> int:
        return round(self.rate_hz * self.seconds)


CELLS = (
    StreamCell(1, 100),
    StreamCell(50, 100),
    StreamCell(200, 100),
    StreamCell(500, 100, most_p50=2.0, most_p99=2.0),
    StreamCell(50, 1000, seconds=5, most_p50=2.0, most_p99=2.0),
    StreamCell(200, 1000, seconds=5, most_p50=2.0, most_p99=2.0),
)


@dataclass(frozen=True)
class StreamFigures:
    """One run of one cell."""

    p50_ms: float
    p99_ms: float
    delivered: float
    """Share of events times clients."""
    duplicates: int
    gaps: int
    """Losses: numbers passed over, streams closed and gaps told."""
    cpu_us: float
    """Of the server, per delivered event."""
    server_share: float
    """Of one core, while events were published."""
    idle_share: float
    """Of one core, that the server takes with all clients and no events."""
    client_share: float
    """Of one core, that the clients took; near 1 they were the limit."""
    others_share: float
    """Of one core, that processes took which have no part in this: what makes figures doubtful."""
    rate_hz: float
    """That the publisher achieved."""


def measure_stream(bench: Bench, server_name: ServerName, cell: StreamCell) -> StreamFigures:
    """Run one cell on a server started for it."""
    with (
        bench.server(server_name, max_event_streams=max(500, cell.clients + 10)) as server,
        bench.publisher("actuations", cell.rate_hz, cell.events) as publisher,
    ):
        clients = Clients(server.port)
        try:
            clients.add(cell.clients)
            clients.wait_until_open()
            pump_for(clients, cell.settle_s)
            idle_share = _idle_share(clients, server, cell.settle_s)
            clients.latencies.clear()
            clients.first_measured = min(UNMEASURED_EVENTS, cell.events // 10)
            server_s, own_s, all_s, began_s = cpu_s(server.pid), process_time(), machine_s(), monotonic()
            publisher.tell("go")
            delivered = _pump_until_done(clients, cell)
            took_s = monotonic() - began_s
            server_s, own_s, all_s = cpu_s(server.pid) - server_s, process_time() - own_s, machine_s() - all_s
            pump_for(clients, 0.2)  # what is sent twice may come late
            published = publisher.answer()
            others_s = all_s - server_s - own_s - published["cpu_us"] * cell.events / 1e6
            _, missing, duplicates, gaps_told = totals(clients.all)
            return StreamFigures(
                p50_ms=clients.latencies.percentile_ms(50),
                p99_ms=clients.latencies.percentile_ms(99),
                delivered=delivered / (cell.events * cell.clients),
                duplicates=duplicates,
                gaps=missing + gaps_told + clients.closed_by_server,
                cpu_us=server_s / max(1, delivered) * 1e6,
                server_share=server_s / took_s,
                idle_share=idle_share,
                client_share=own_s / took_s,
                others_share=max(0.0, others_s / took_s),
                rate_hz=published["rate_hz"],
            )
        finally:
            clients.close()


def run_stream(bench: Bench, cells: Sequence[StreamCell], servers: Sequence[ServerName], repetitions: int) -> Section:
    """Every cell on every server, in turn."""
    section = Section(
        "Topic to client",
        "From the publisher's `publish()` to the client's `recv()`: `plainview_ros/ValveActuation` on "
        "`valves/actuations`, told as `valve.actuation.requested` on `GET /events`. Delivered: the least share of all "
        "clients' events in any run; twice and lost: events of all runs that came twice, or were passed over (with "
        "streams closed and gaps told). CPU: of the server's process, per delivered event, and in percent of one core; "
        "where the clients' is near 100 %, they were the limit, and where others took much, the figures are doubtful.",
        (
            *("clients x events/s", "server", "p50 [ms]", "p99 [ms]", "delivered", "twice", "lost", "CPU [µs]"),
            *("server CPU", "idle CPU", "clients' CPU", "others' CPU", "published/s"),
        ),
    )
    for cell in cells:
        runs: dict[ServerName, Repetitions[StreamFigures]] = {server: Repetitions() for server in servers}
        for _ in range(repetitions):
            for server in servers:
                runs[server].all.append(measure_stream(bench, server, cell))
        name = f"{cell.clients} x {cell.rate_hz}"
        for server in servers:
            section.add(name, server, *_columns(runs[server]))
        if len(servers) == 2:
            section.add(name, "ratio", *_ratios(cell, runs["bridge"], runs["floor"]))
    return section


def _columns(runs: Repetitions[StreamFigures]) -> tuple[object, ...]:
    percent = [
        runs.spread(lambda f: 100 * f.server_share),
        runs.spread(lambda f: 100 * f.idle_share),
        runs.spread(lambda f: 100 * f.client_share),
        runs.spread(lambda f: 100 * f.others_share),
    ]
    return (
        runs.spread(lambda f: f.p50_ms),
        runs.spread(lambda f: f.p99_ms),
        f"{100 * min(figures.delivered for figures in runs.all):.4g} %",
        sum(figures.duplicates for figures in runs.all),
        sum(figures.gaps for figures in runs.all),
        runs.spread(lambda f: f.cpu_us),
        *(f"{share.median:.1f} %" for share in percent),
        f"{runs.spread(lambda f: f.rate_hz).median:.0f}",
    )


def _ratios(
    cell: StreamCell, bridge: Repetitions[StreamFigures], floor: Repetitions[StreamFigures]
) -> tuple[object, ...]:
    p50 = ratio(bridge.spread(lambda f: f.p50_ms), floor.spread(lambda f: f.p50_ms))
    p99 = ratio(bridge.spread(lambda f: f.p99_ms), floor.spread(lambda f: f.p99_ms))
    cpu = ratio(bridge.spread(lambda f: f.cpu_us), floor.spread(lambda f: f.cpu_us))
    return (
        against(p50, most=cell.most_p50),
        against(p99, most=cell.most_p99),
        *("", "", ""),
        against(cpu, most=cell.most_cpu),
        *("", "", "", "", ""),
    )


def pump_for(clients: Clients, seconds: float) -> None:
    """Read for so long."""
    end_s = monotonic() + seconds
    while (left_s := end_s - monotonic()) > 0:
        clients.pump(left_s)


def _idle_share(clients: Clients, server: Server, seconds: float) -> float:
    server_s, began_s = cpu_s(server.pid), monotonic()
    pump_for(clients, seconds)
    return (cpu_s(server.pid) - server_s) / (monotonic() - began_s)


def _pump_until_done(clients: Clients, cell: StreamCell) -> int:
    """Read until every client has every event, or nothing new comes; how many all have got together."""
    wanted, delivered = cell.events * cell.clients, 0
    published_s = last_s = monotonic() + cell.seconds
    while delivered < wanted and monotonic() < max(published_s, last_s) + IDLE_S:
        new = clients.pump(0.1)
        if new:
            delivered += new
            last_s = monotonic()
    return delivered
