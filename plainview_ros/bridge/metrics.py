"""What ``/metrics`` tells Prometheus. Nothing is counted here: the parts count, this reads them when it is asked."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.follower import Follower
from plainview_ros.bridge.store.event_store import EventStore

CONTENT_TYPE = CONTENT_TYPE_LATEST


class BridgeCollector(Collector):
    """The parts of one bridge. Collects on the asyncio side."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def collect(self) -> Iterable[Metric]:
        yield from self._events()
        yield from self._clients()
        yield from self._kept()
        yield from self._bridge.gateway.metrics()

    def _events(self) -> Iterable[Metric]:
        log = self._bridge.log
        events = CounterMetricFamily("plainview_events", "Events told", labels=["type"])
        for event_type, count in sorted(log.counts.published.items()):
            events.add_metric([event_type], count)
        yield events
        yield _counter("plainview_events_repeated", "Events not told again, as they were already", log.counts.repeated)
        yield _counter(
            "plainview_telemetry_coalesced",
            "Telemetry events that clients were spared because they were behind",
            log.counts.coalesced,
        )
        yield _counter("plainview_stream_gaps", "Times a client was told that it missed events", log.counts.gaps)
        yield _gauge("plainview_log_entries", "Events in memory", log.entries)
        yield _gauge("plainview_log_bytes", "Bytes of events in memory", log.size_bytes)

    def _clients(self) -> Iterable[Metric]:
        clients = GaugeMetricFamily("plainview_stream_clients", "Open streams", labels=["kind"])
        refused = CounterMetricFamily("plainview_stream_clients_refused", "Streams that found no seat", labels=["kind"])
        given_up = CounterMetricFamily(
            "plainview_stream_clients_given_up", "Streams cut off because their client took nothing", labels=["kind"]
        )
        kinds = {
            "events": self._bridge.event_seats,
            "cameras": self._bridge.camera_seats,
            "exports": self._bridge.export_seats,
        }
        for kind, seats in kinds.items():
            clients.add_metric([kind], len(seats.occupants))
            refused.add_metric([kind], seats.refused)
            given_up.add_metric([kind], seats.given_up)
        yield from (clients, refused, given_up)
        followers = (each for each in self._bridge.event_seats.occupants if isinstance(each, Follower))
        behind = max((follower.behind for follower in followers), default=0)
        yield _gauge("plainview_stream_behind", "Events that the slowest client has still to be sent", behind)

    def _kept(self) -> Iterable[Metric]:
        keeping = self._bridge.keeping
        yield _gauge(
            "plainview_keeping_trouble", "1 while events are not kept as they should be", bool(keeping.trouble())
        )
        if keeping.store is not None:
            yield from _history(keeping.store)
        if keeping.upkeep is not None and keeping.upkeep.measured is not None:
            measured = keeping.upkeep.measured
            yield _gauge("plainview_database_bytes", "Size of the database", measured.size_bytes)
            behind = GaugeMetricFamily(
                "plainview_roll_up_behind_seconds", "For how long the next could have been made", labels=["table"]
            )
            for table, behind_s in measured.behind_s.items():
                behind.add_metric([table], behind_s)
            yield behind
            yield _gauge("plainview_roll_up_late", "Minutes to be rolled up again", measured.late_minutes)
        if keeping.mirror is not None:
            mirror = keeping.mirror
            yield _gauge("plainview_redis_away", "1 while the order is not that of other bridges", bool(mirror.trouble))
            yield _counter("plainview_redis_departures", "Times this bridge went on alone", mirror.departures)
            yield _counter("plainview_redis_alone", "Events given their place without Redis", mirror.sequenced_alone)
            yield _gauge("plainview_redis_waiting", "Events offered to Redis and not back yet", mirror.waiting)


def _history(store: EventStore) -> Iterable[Metric]:
    yield _gauge("plainview_store_trouble", "1 while history does not get into the database", bool(store.trouble))
    yield _counter("plainview_store_written", "Events and rows written to the database", store.written)
    yield _counter("plainview_store_lost", "Events and rows that never reached the database", store.lost)
    yield _counter("plainview_store_given_up", "Rows of telemetry for which there was no room", store.given_up)
    yield _counter("plainview_store_refused", "Rows the database refuses for ever", store.writer.refused)
    yield _gauge("plainview_store_behind", "Events and rows that wait for the database", store.behind)
    if store.spool is not None:
        yield _gauge("plainview_spool_rows", "Rows that wait in the spool", store.spool.rows)
        yield _gauge("plainview_spool_bytes", "Bytes of rows that wait in the spool", store.spool.bytes)


def registry_of(bridge: Bridge) -> CollectorRegistry:
    """All there is to tell of a bridge and its process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BridgeCollector(bridge))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def render(bridge: Bridge) -> bytes:
    """In the text format of ``CONTENT_TYPE``."""
    return generate_latest(registry_of(bridge))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
