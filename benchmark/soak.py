"""What must hold whatever happens, proven by counting; exit code 1 when it did not hold.

clients: ten minutes with clients that stall, come and go, and with ``--kills`` a bridge that is killed. Clients keep
the last ``id:`` and send it as ``Last-Event-ID`` when they connect again. Wrong is an event that was lost, repeated or
out of order for any of them, or a gap that one was told of.

outage, hang, killed, disk-full: what is in the database after PostgreSQL was killed or silent for two minutes, the
bridge was killed fifty times, the disk was full for a minute, under a load that goes on. Wrong is an event that is not
there once and in order, a stroke not as it ended, a reading that is neither there nor counted as given up.

together: two bridges start at once on an empty database, twenty times.

history: the last five of these, one after the other; 15 minutes, --quick about 5.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic, process_time

from benchmark.bench import Bench, Server, allow_open_files, free_port
from benchmark.clients import Client, Clients, StalledClients
from benchmark.disk_full import prove_disk_full
from benchmark.killed import prove_killed
from benchmark.outage import prove_outage
from benchmark.postgres import postgres_server
from benchmark.process_cost import cpu_s, machine_s, rss_mb
from benchmark.proof import Finding
from benchmark.results import number
from benchmark.together import Starts, prove_together

REPORT_S = 60.0
STALL_S = 30.0
"""After so long others stall: by then the bridge has given up the ones before."""
LOOK_S = 0.05
"""Between two looks at who has to connect, hang up, or be killed."""
RETRY_S = 0.5
CONNECTED_S = 4.0
"""Mean time that a flapping client stays."""
AWAY_S = 2.0
"""It is away for up to so long."""
PATIENCE_S = 15.0
"""Without anything new for so long after the end, what is missing is lost."""


@dataclass(frozen=True)
class Plan:
    """What is done to the bridge."""

    clients: int = 200
    """All of them, with those that stall and flap."""
    stalled: int = 20
    flapping: int = 20
    rate_hz: int = 100
    seconds: float = 600.0
    kills: int = 0
    """``kill -9`` of the bridge, evenly spread."""
    seed: int = 0

    @property
    def events(self) -> int:
        return round(self.rate_hz * self.seconds)


@dataclass(frozen=True)
class Verdict:
    """What came of it."""

    wanted: int
    """Events times clients that read."""
    lost: int
    repeated: int
    late: int
    """Came after a newer one."""
    disorders: int
    """So often ids did not grow."""
    gaps_told: int
    worst: list[str]
    """Clients for whom something was wrong."""

    @property
    def is_exact(self) -> bool:
        """Whether every client got every event once and in order, with ids that grow, and was told of no gap."""
        return not any((self.lost, self.repeated, self.late, self.disorders, self.gaps_told))

    def __str__(self) -> str:
        said = "every event once and in order to every client" if self.is_exact else "NOT EVERY EVENT ONCE AND IN ORDER"
        counts = f"{self.wanted:,} wanted, {self.lost} lost, {self.repeated} repeated, {self.late} out of order"
        told = f"{self.disorders} times ids did not grow, {self.gaps_told} gaps told"
        return "\n".join((f"{said}: {counts}, {told}", *self.worst))


class Soak:
    """One run.

    Args:
        bench: where the bridge runs.
        plan: what is done to it.
    """

    def __init__(self, bench: Bench, plan: Plan) -> None:
        self._bench = bench
        self._plan = plan
        self._random = Random(plan.seed)  # noqa: S311  # the same run again
        self._port = free_port()
        self._state = bench.new_directory()
        self._server = self._start_bridge()
        self._clients = Clients(self._port)
        self._stalled = StalledClients(self._port, 0)
        self._due_s: dict[Client, float] = {}
        """When a flapping client comes or goes next."""
        self._retry_s: dict[Client, float] = {}
        self._counted = {"flaps": 0, "kills": 0, "cut off": 0, "refused": 0}
        self._expected_ends = 0

    def run(self) -> Verdict:
        """Do it all, print a line each minute; what came of it."""
        plan = self._plan
        try:
            with self._bench.publisher("actuations", plan.rate_hz, plan.events) as publisher:
                self._clients.add(plan.clients - plan.stalled)
                self._clients.wait_until_open()
                for client in self._clients.all[: plan.flapping]:
                    client.is_measured = False
                    self._due_s[client] = monotonic() + 2.0 + self._random.uniform(0, CONNECTED_S)
                self._stall_again()
                publisher.tell("go")
                self._soak()
                self._wait_for_the_rest()
                publisher.answer()  # it has published all
            verdict = self._verdict()
            ended_s = self._server.child.stop()
            print(f"Ctrl-C with {len(self._clients.all)} streams open: ended in {ended_s:.2f} s")
            return verdict
        finally:
            self._server.child.kill()
            self._clients.close()
            self._stalled.close()

    def _soak(self) -> None:
        began_s = reported_s = looked_s = stalled_s = monotonic()
        end_s = began_s + self._plan.seconds
        kills_s = [began_s + self._plan.seconds * (k + 1) / (self._plan.kills + 1) for k in range(self._plan.kills)]
        spent = self._spent()
        while (now_s := monotonic()) < end_s:
            self._clients.pump(LOOK_S)
            if now_s < looked_s + LOOK_S:
                continue
            looked_s = now_s
            self._flap(now_s)
            self._connect_again(now_s)
            if kills_s and now_s > kills_s[0]:
                kills_s.pop(0)
                self._kill()
                spent = self._spent()
            if now_s > reported_s + REPORT_S:
                self._report(now_s - began_s, spent)
                reported_s, spent = now_s, self._spent()
            if now_s > stalled_s + STALL_S:
                stalled_s = now_s
                self._stall_again()

    def _wait_for_the_rest(self) -> None:
        """Nobody goes any more; all read until they have everything, or nothing new comes."""
        self._due_s.clear()
        last_s = monotonic()
        while monotonic() < last_s + PATIENCE_S and any(c.received < self._plan.events for c in self._clients.all):
            if self._clients.pump(LOOK_S):
                last_s = monotonic()
            self._connect_again(monotonic())
        self._clients.pump(LOOK_S)

    def _flap(self, now_s: float) -> None:
        for client, due_s in self._due_s.items():
            if now_s < due_s:
                continue
            if client.socket is None:
                self._connect(client, now_s)
                self._due_s[client] = now_s + self._random.expovariate(1 / CONNECTED_S)
            else:
                self._clients.disconnect(client)
                self._counted["flaps"] += 1
                self._due_s[client] = now_s + self._random.uniform(0, AWAY_S)

    def _connect_again(self, now_s: float) -> None:
        """Whoever was cut off or refused, and does not stay away of its own will."""
        for client in self._clients.all:
            if client.refused:
                self._counted["refused"] += 1
                self._clients.disconnect(client)
                client.refused = ""
                self._retry_s[client] = now_s + RETRY_S
            if client.socket is None and client not in self._due_s and now_s >= self._retry_s.get(client, 0.0):
                self._connect(client, now_s)

    def _connect(self, client: Client, now_s: float) -> None:
        try:
            self._clients.connect(client)
        except OSError:
            self._retry_s[client] = now_s + RETRY_S

    def _kill(self) -> None:
        self._note_cut_off()
        self._server.child.kill()
        while any(client.socket is not None for client in self._clients.all):
            self._clients.pump(LOOK_S)
        self._expected_ends = self._clients.closed_by_server
        self._server = self._start_bridge()
        self._stall_again()
        self._counted["kills"] += 1

    def _stall_again(self) -> None:
        self._stalled.close()
        self._stalled = StalledClients(self._port, self._plan.stalled)

    def _start_bridge(self) -> Server:
        streams = 2 * self._plan.clients
        return self._bench.start_server("bridge", self._port, self._state, max_event_streams=streams)

    def _note_cut_off(self) -> None:
        """Streams that the server ended although it was alive."""
        self._counted["cut off"] += self._clients.closed_by_server - self._expected_ends
        self._expected_ends = self._clients.closed_by_server

    def _spent(self) -> tuple[float, float, float, float]:
        """Time that has gone by, and that this bridge, these clients and the whole machine have worked [s]."""
        return monotonic(), cpu_s(self._server.pid), process_time(), machine_s()

    def _report(self, after_s: float, before: tuple[float, float, float, float]) -> None:
        self._note_cut_off()
        seconds, *worked_s = (now - then for now, then in zip(self._spent(), before, strict=True))
        server, own, everything = (100 * worked / seconds for worked in worked_s)
        latencies = self._clients.latencies
        counted = ", ".join(f"{name} {count}" for name, count in self._counted.items())
        print(
            f"{after_s / 60:5.1f} min: RSS {rss_mb(self._server.pid):.0f} MB,"
            f" p50 {number(latencies.percentile_ms(50))} ms, p99 {number(latencies.percentile_ms(99))} ms,"
            f" bridge {server:.0f} %, clients {own:.0f} %, whole machine {everything:.0f} % of a core; {counted}",
            flush=True,
        )
        latencies.clear()
        self._counted = dict.fromkeys(self._counted, 0)

    def _verdict(self) -> Verdict:
        plan, clients = self._plan, self._clients.all
        wrong = [
            client
            for client in clients
            if client.received != plan.events
            or client.duplicates
            or client.late
            or client.disorders
            or client.gaps_told
        ]
        return Verdict(
            wanted=plan.events * len(clients),
            lost=sum(plan.events - client.received for client in clients),
            repeated=sum(client.duplicates for client in clients),
            late=sum(client.late for client in clients),
            disorders=sum(client.disorders for client in clients),
            gaps_told=sum(client.gaps_told for client in clients),
            worst=[
                f"client {clients.index(client)}: {client.received} received, {client.duplicates} repeated, "
                f"{client.late} out of order, {client.disorders} times ids did not grow, {client.gaps_told} gaps told, "
                f"missing {sorted(client.missing)[:5]} ... of {plan.events}, last id {client.last_id}"
                for client in wrong[:10]
            ],
        )


PROOFS = ("outage", "hang", "killed", "disk-full", "together")


def main() -> int:
    arguments = _parse()
    allow_open_files()
    with tempfile.TemporaryDirectory(prefix="plainview-soak-") as directory, suppress(KeyboardInterrupt):
        bench = Bench(Path(directory))
        if arguments.part == "clients":
            verdict = Soak(bench, _plan(arguments)).run()
            print(verdict)
            return 0 if verdict.is_exact else 1
        wrong = 0
        for proof in PROOFS if arguments.part == "history" else (arguments.part,):
            for finding in _findings(bench, proof, arguments):
                print(finding, flush=True)
                wrong += bool(finding.wrong)
        return min(wrong, 1)
    return 130


def _findings(bench: Bench, proof: str, arguments: argparse.Namespace) -> Iterator[Finding | Starts]:
    """One proof, on each database that it is about."""
    if proof in ("outage", "hang"):
        seconds = arguments.seconds or (20.0 if arguments.quick else 120.0)
        yield prove_outage(bench, "killed" if proof == "outage" else "hanging", seconds)
        return
    with postgres_server() as postgres:
        for database in (None, postgres):
            if proof == "killed":
                kills = arguments.kills or (8 if arguments.quick else 50)
                yield prove_killed(bench, kills, arguments.seed, database)
            elif proof == "together":
                yield prove_together(bench, arguments.starts or (3 if arguments.quick else 20), database)
            else:
                try:
                    yield prove_disk_full(bench, arguments.seconds or (15.0 if arguments.quick else 60.0), database)
                except PermissionError as error:
                    print(f"disk-full: skipped, {error}", flush=True)


def _plan(arguments: argparse.Namespace) -> Plan:
    return Plan(
        arguments.clients,
        arguments.stalled,
        arguments.flapping,
        arguments.rate,
        60 * arguments.minutes,
        arguments.kills or 0,
        arguments.seed,
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", default="clients", choices=("clients", "history", *PROOFS))
    parser.add_argument("--kills", type=int, help="kill -9 of the bridge: clients, evenly spread (0); killed (50)")
    parser.add_argument("--seed", type=int, default=0)
    clients = parser.add_argument_group("clients")
    clients.add_argument("--minutes", type=float, default=10.0)
    clients.add_argument("--clients", type=int, default=200, help="all of them")
    clients.add_argument("--stalled", type=int, default=20, help="of these, that never read")
    clients.add_argument("--flapping", type=int, default=20, help="of these, that come and go")
    clients.add_argument("--rate", type=int, default=100, help="events each second")
    history = parser.add_argument_group("history and its parts")
    history.add_argument("--seconds", type=float, help="of outage and hang (120), of disk-full (60)")
    history.add_argument("--starts", type=int, help="together: how often (20)")
    history.add_argument("--quick", action="store_true", help="each below two minutes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
