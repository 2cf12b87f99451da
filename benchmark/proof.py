"""A load that goes on whatever happens to bridge and database, and what must be in the database after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from benchmark import web
from benchmark.bench import Bench
from benchmark.children import Child
from benchmark.clients import Clients
from benchmark.inventory import Kept, alert_messages, finished, rows
from benchmark.load import LoadError
from benchmark.rig import write_rig
from benchmark.stream import pump_for

EVENTS_HZ = 100
"""Half of them request strokes, half complete them."""
LINES, SNAPSHOTS_HZ = 20, 10
"""Rows of flow metrics: the product of these, each second."""
UNTIL_TOLD = 10_000_000
"""Messages; told to stop it is long before."""
READERS = 5
PATH = "/events?types=valve.actuation.requested"

PATIENCE_S = 30.0
"""When nothing new has come into the database for so long, what is missing is lost."""
LOOK_S = 0.5
BACK_S = 60.0
"""Within so long everything is well again."""

TOLD = 'plainview_events_total{type="flow.metrics.updated"}'
GIVEN_UP = "plainview_store_given_up_total"


@dataclass
class Finding:
    """What one proof has found."""

    name: str
    kept: Kept
    published: int
    """Transitions."""
    seen: list[str] = field(default_factory=list)
    """Worth telling."""
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.kept.is_exact(self.published):
            self.expect(False, "NOT EVERY EVENT ONCE AND IN ORDER in the database")

    def expect(self, is_so: bool, otherwise: str) -> None:
        """Note what is wrong if it is not so."""
        if not is_so:
            self.wrong.append(otherwise)

    def __str__(self) -> str:
        verdict = "FAILED" if self.wrong else "every event once and in order"
        lines = [f"{self.name}: {verdict}; {self.published:,} published; {self.kept}", *self.seen, *self.wrong]
        return "\n  ".join(lines)


class Load:
    """Publishers of strokes and of snapshots of flow lines, which live on when the bridge does not."""

    def __init__(self, strokes: Child, flows: Child) -> None:
        self._publishers = (strokes, flows)
        self.readings = 0
        """Of flow lines that were published, once it is stopped."""

    def start(self) -> None:
        for publisher in self._publishers:
            publisher.tell("go")

    def stop(self) -> int:
        """How many transitions were published. What is not delivered yet still is, while the load is open."""
        for publisher in self._publishers:
            publisher.tell("stop")
        strokes, flows = (publisher.answer() for publisher in self._publishers)
        self.readings = LINES * int(flows["published"])
        return int(strokes["published"])


@contextmanager
def load(bench: Bench) -> Iterator[Load]:
    """A load to be started; the bridge must be up, as publishers wait until somebody listens."""
    with (
        bench.publisher("strokes", EVENTS_HZ, UNTIL_TOLD) as strokes,
        bench.publisher("flows", SNAPSHOTS_HZ, UNTIL_TOLD, LINES) as flows,
    ):
        yield Load(strokes, flows)


@contextmanager
def readers(port: int) -> Iterator[Clients]:
    """Clients of the strokes that are requested, while a bridge stays up."""
    clients = Clients(port, PATH)
    try:
        clients.add(READERS)
        clients.wait_until_open()
        yield clients
    finally:
        clients.close()


def new_rig(bench: Bench) -> Path:
    """A rig with the lines of the load."""
    path = bench.new_directory() / "rig.yaml"
    write_rig(path, LINES)
    return path


def wait_until_kept(url: str, published: int, port: int) -> None:
    """Until all there is to write is in the database, or nothing new comes there."""
    before, since_s = (-1, -1, -1), monotonic()
    while monotonic() < since_s + PATIENCE_S:
        now = events, strokes, metrics = rows(url, "events"), finished(url), rows(url, "flow_metrics")
        if events >= published and strokes >= published // 2 and metrics + given_up(port) >= told(port):
            return
        if now != before:
            before, since_s = now, monotonic()
        sleep(LOOK_S)


def told(port: int) -> int:
    """Readings of lines that this bridge had to write."""
    return round(web.metrics(port).get(TOLD, 0.0))


def given_up(port: int) -> int:
    """Of these, how many it counts as given up."""
    return round(web.metrics(port).get(GIVEN_UP, 0.0))


def check_rows(finding: Finding, url: str, port: int) -> None:
    """Each reading is in the database or counted as given up."""
    here, counted, wanted = rows(url, "flow_metrics"), given_up(port), told(port)
    finding.seen.append(f"flow metrics: {wanted:,} read, {here:,} in the database, {counted:,} given up")
    finding.expect(here + counted == wanted, "flow metrics are missing and not counted")


def check_readers(finding: Finding, clients: Clients) -> None:
    """Each of the clients has got each request of a stroke."""
    wanted = (finding.published + 1) // 2
    wrong = [
        client for client in clients.all if (client.received, client.duplicates, client.gaps_told) != (wanted, 0, 0)
    ]
    p99 = clients.latencies.percentile_ms(99)
    finding.seen.append(f"{len(clients.all)} clients streamed on, p99 {p99:.0f} ms")
    finding.expect(not wrong, f"{len(wrong)} of them have not got every event once")


def meanwhile(clients: Clients, work: Callable[[], object]) -> None:
    """Do what takes a while on a thread of its own; the clients go on reading."""
    with ThreadPoolExecutor(1) as executor:
        done = executor.submit(work)
        while not done.done():
            pump_for(clients, 0.05)
        done.result()


def wait_for(what: Callable[[], bool], clients: Clients, seconds: float) -> bool:
    """Whether it is so within the time; meanwhile clients read."""
    end_s = monotonic() + seconds
    while not what():
        if monotonic() > end_s:
            return False
        pump_for(clients, LOOK_S)
    return True


def trouble(port: int) -> str:
    """What ``/health`` says of events and history; empty when nothing is wrong with them, nor was."""
    try:
        checks = web.health(port)["checks"]
    except (OSError, LoadError) as error:
        return f"no answer: {error}"
    return "; ".join(checks[name]["detail"] for name in ("events", "history") if checks[name]["status"] != "ok")


def is_well(port: int) -> bool:
    """Whether everything gets where it should again."""
    samples = web.metrics(port)
    return not (samples["plainview_keeping_trouble"] or samples["plainview_store_trouble"])


def check_told(finding: Finding, said: str, word: str, url: str) -> None:
    """The trouble was told in ``/health``, and as an alert, which history has."""
    finding.seen.append(f"meanwhile /health: {said}")
    finding.expect(word in said, f"/health did not tell of the {word}")
    told_so = [message for message in alert_messages(url) if word in message]
    finding.seen.append(f"alert: {told_so[0] if told_so else 'none'}")
    finding.expect(bool(told_so), f"no alert of the {word}")
