"""What FlowIQ's routes ask the database for, and flow metrics as CSV."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fastapi import Response
from starlette.types import Receive, Scope, Send

from plainview_ros.bridge.archive import ask, shown
from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.part import Part
from plainview_ros.bridge.schemas.base import iso
from plainview_ros.bridge.schemas.flow import (
    Anomaly,
    Bucket,
    FlowRange,
    FlowSeries,
    FlowStatistics,
    Metrics,
    SeriesPoint,
    Stats,
)
from plainview_ros.bridge.streams import Seats, respond

if TYPE_CHECKING:
    from plainview_ros.bridge.store.database import Database
    from plainview_ros.bridge.store.flow_table import Figures, Sample
    from plainview_ros.bridge.store.histories import Found

logger = logging.getLogger(__name__)

CSV_HEADER = "timestamp,flow_lpm,pressure_pa,temperature_c\n"
PAGE_ROWS = 5000
"""Of an export that are read at once: others who ask wait some 30 ms."""


def anomaly(found: Found) -> Anomaly:
    return Anomaly.of(found.record)


def anomalies(part: Part, database: Database) -> list[Anomaly]:
    from plainview_ros.bridge.store import histories

    return shown("flow_anomalies", histories.things(database, "flow_anomalies", part)[: part.limit], anomaly)


def statistics(line: str, start_ms: int, end_ms: int, database: Database) -> FlowStatistics:
    from plainview_ros.bridge.store import flow_table, histories

    total = flow_table.total(database, line, flow_table.Stretch(start_ms, end_ms))
    oldest_ms = flow_table.oldest_ms(database, line)
    return FlowStatistics(
        stats=_stats(total),
        anomalies_count=histories.count_anomalies(database, line, start_ms),
        sample_count=max((figure.count for figure in total.values()), default=0),
        since=None if oldest_ms is None else oldest_ms / 1000,
    )


def range_(line: str, start_ms: int, end_ms: int, part: Part, database: Database) -> bytes:
    from plainview_ros.bridge.store import flow_table

    stretch = flow_table.Stretch(start_ms, end_ms)
    after_ms = None if part.after is None else int(part.after[0])
    samples = flow_table.samples(database, line, stretch, after_ms, part.limit + 1)
    oldest_ms = flow_table.oldest_ms(database, line)
    answer = FlowRange(
        metrics=[_metrics(sample) for sample in samples[: part.limit]],
        aggregation=_stats(flow_table.total(database, line, stretch)),
        since=None if oldest_ms is None else oldest_ms / 1000,
        next_cursor=part.cursor([(sample.timestamp_ms,) for sample in samples]),
    )
    return answer.model_dump_json(by_alias=True).encode()


def series(line: str, start_ms: int, end_ms: int, points: int, database: Database) -> bytes:
    from plainview_ros.bridge.store import flow_table

    bucket_ms, buckets = flow_table.series(database, line, flow_table.Stretch(start_ms, end_ms), points)
    answer = FlowSeries(
        line_id=line,
        bucket_sec=bucket_ms / 1000,
        points=[_point(begin_ms, figures) for begin_ms, figures in buckets.items()],
    )
    return answer.model_dump_json(by_alias=True).encode()


def _point(begin_ms: int, figures: Figures) -> SeriesPoint:
    buckets = {
        name: Bucket(min=figure.min, avg=figure.spread.avg, max=figure.max, count=figure.count)
        for name, figure in figures.items()
    }
    return SeriesPoint(timestamp=begin_ms / 1000, **buckets)


def _stats(figures: Figures) -> Stats:
    return Stats.of_web({name: figure.spread for name, figure in figures.items()})


def _metrics(sample: Sample) -> Metrics:
    return Metrics(
        flow_rate_lpm=sample.flow_rate_lpm,
        pressure_pa=sample.pressure_pa,
        temperature_c=sample.temperature_c,
        viscosity=sample.viscosity,
        timestamp=sample.timestamp_ms / 1000,
    )


# -- export ------------------------------------------------------------------------------------------------------------


async def count(bridge: Bridge, line: str, period: tuple[int, int], most: int) -> int:
    """How many samples an export has; counting stops at the most."""
    return await ask(bridge, partial(_count, line, period, most))


async def csv(bridge: Bridge, line: str, period: tuple[int, int]) -> AsyncIterator[bytes]:
    """The header, then rows in portions: each is a question of its own, and no transaction is open in between."""
    portion = await ask(bridge, partial(_csv, line, period, None))
    yield CSV_HEADER.encode()
    while portion.rows:
        yield portion.text
        portion = await ask(bridge, partial(_csv, line, period, portion.until_ms))


async def csv_in_json(bridge: Bridge, line: str, period: tuple[int, int]) -> bytes:
    """A ``FlowExport``; it is written in portions on the database's thread, as they are read, and put together here."""
    portions, rows = [json.dumps(CSV_HEADER)[:-1].encode()], 0
    portion = await ask(bridge, partial(_csv_in_json, line, period, None))
    while portion.rows:
        portions.append(portion.text)
        rows += portion.rows
        portion = await ask(bridge, partial(_csv_in_json, line, period, portion.until_ms))
    return b'{"format":"csv","data":' + b"".join(portions) + f'","rowCount":{rows}}}'.encode()


class CsvFile(Response):
    """CSV of any length, as fast as its client takes it; cut off, and not ended, when the database goes away.

    Args:
        portions: until the first is read the answer can be a refusal.
        name: of the file.
        seats: how many there may be.
    """

    media_type = "text/csv"

    def __init__(self, portions: AsyncIterator[bytes], name: str, seats: Seats) -> None:
        super().__init__(headers={"Content-Disposition": f'attachment; filename="{name}"'})
        self._portions = portions
        self._seats = seats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value for name, value in self.headers.items() if name != "content-length"}
        with self._seats.take(self):
            first = await anext(self._portions)
            try:
                await respond(scope, receive, send, headers, first, self._portions, bytes, self._seats)
            except BridgeError as error:
                # Returning without the end of the body makes the server close the connection: the client sees that.
                logger.error("an export was cut off: %s", error)


def _count(line: str, period: tuple[int, int], most: int, database: Database) -> int:
    from plainview_ros.bridge.store import flow_table

    return flow_table.count_samples(database, line, flow_table.Stretch(*period), most)


class Portion(NamedTuple):
    """Of an export."""

    text: bytes
    rows: int
    until_ms: int | None
    """When the last of them is."""


def _csv(line: str, period: tuple[int, int], after_ms: int | None, database: Database) -> Portion:
    from plainview_ros.bridge.store import flow_table

    samples = flow_table.samples(database, line, flow_table.Stretch(*period), after_ms, PAGE_ROWS)
    text = "".join(map(_csv_row, samples)).encode()
    return Portion(text, len(samples), samples[-1].timestamp_ms if samples else None)


def _csv_in_json(line: str, period: tuple[int, int], after_ms: int | None, database: Database) -> Portion:
    """As a part of a JSON string."""
    portion = _csv(line, period, after_ms, database)
    return portion._replace(text=json.dumps(portion.text.decode())[1:-1].encode())


def _csv_row(sample: Sample) -> str:
    values: Sequence[float | None] = (sample.flow_rate_lpm, sample.pressure_pa, sample.temperature_c)
    fields = ["" if value is None else f"{value:.10g}" for value in values]
    return f"{iso(sample.timestamp_ms / 1000)},{','.join(fields)}\n"
