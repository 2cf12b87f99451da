"""Memory of the bridge while clients have stopped reading."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from benchmark.bench import Bench
from benchmark.clients import Clients, StalledClients
from benchmark.process_cost import rss_mb
from benchmark.results import Repetitions, Section
from benchmark.stream import pump_for

READING = 20
STALLED = 20
RATE_HZ = 1000
SAMPLE_S = 0.5


@dataclass(frozen=True)
class StalledFigures:
    """Resident memory [MB] of one run, and what those that read felt of it."""

    before_mb: float
    """All connected, nothing published."""
    most_mb: float
    after_mb: float
    """When the stalled ones have gone."""
    p99_ms: float
    delivered: float
    """Share of the events that the reading clients got."""


def measure_stalled(bench: Bench, stalled: int, seconds: float) -> StalledFigures:
    """Publish while so many clients read nothing; none of them is cut off meanwhile."""
    events = round(RATE_HZ * seconds)
    with (
        bench.server("bridge", send_timeout_s=600.0) as server,
        bench.publisher("actuations", RATE_HZ, events) as publisher,
    ):
        clients, silent = Clients(server.port), StalledClients(server.port, stalled)
        try:
            clients.add(READING)
            clients.wait_until_open()
            pump_for(clients, 1.0)
            before_mb = most_mb = rss_mb(server.pid)
            publisher.tell("go")
            delivered, end_s = 0, monotonic() + seconds + 3.0
            while delivered < events * READING and (now_s := monotonic()) < end_s:
                while monotonic() < now_s + SAMPLE_S:
                    delivered += clients.pump(0.1)
                most_mb = max(most_mb, rss_mb(server.pid))
            silent.close()
            pump_for(clients, 2.0)
            return StalledFigures(
                before_mb,
                most_mb,
                rss_mb(server.pid),
                clients.latencies.percentile_ms(99),
                delivered / (events * READING),
            )
        finally:
            silent.close()
            clients.close()


def run_stalled(bench: Bench, seconds: float, repetitions: int) -> Section:
    """Without and with stalled clients, in turn."""
    section = Section(
        "Memory with stalled clients",
        f"{READING} clients read {RATE_HZ} events/s for {seconds:g} s while others have asked for the stream and read "
        "nothing. The ring of events fills in any case (`ring_bytes`): what a stalled client costs is the difference.",
        ("stalled", "before [MB]", "most [MB]", "after [MB]", "p99 of the reading [ms]", "delivered to them"),
    )
    runs: dict[int, Repetitions[StalledFigures]] = {0: Repetitions(), STALLED: Repetitions()}
    for _ in range(repetitions):
        for stalled, figures in runs.items():
            figures.all.append(measure_stalled(bench, stalled, seconds))
    for stalled, figures in runs.items():
        section.add(
            stalled,
            figures.spread(lambda f: f.before_mb),
            figures.spread(lambda f: f.most_mb),
            figures.spread(lambda f: f.after_mb),
            figures.spread(lambda f: f.p99_ms),
            f"{100 * min(run.delivered for run in figures.all):.4g} %",
        )
    most = {stalled: figures.spread(lambda f: f.most_mb).median for stalled, figures in runs.items()}
    section.add("each one", "", f"{(most[STALLED] - most[0]) / STALLED:+.3f}", "", "", "")
    return section
