"""Flow metrics of the last hour, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import fsum
from typing import Literal, NamedTuple, TypeAlias

from plainview_ros.bridge.gateway import Plain

Channel: TypeAlias = Literal["flow_rate", "pressure", "temperature", "viscosity"]
HOUR_S = 3600.0

CHANNELS: tuple[Channel, ...] = ("flow_rate", "pressure", "temperature", "viscosity")


@dataclass(frozen=True, slots=True)
class FlowSample:
    """The fresh values of one line at one time, SI units; ``None``: not measured, or stale by then."""

    line_id: str
    stamp_s: float
    flow_rate: float | None
    pressure: float | None
    temperature: float | None
    viscosity: float | None


class Spread(NamedTuple):
    min: float
    max: float
    avg: float


def sample_of(line: Plain) -> FlowSample | None:
    """The sample in one line of ``flow/state``; ``None`` when there is no fresh value in it."""
    fresh = {item["channel"]: item for item in line["channels"] if not item["stale"] and item["stamp"] is not None}
    if not fresh:
        return None
    values = {name: fresh[name]["value"] if name in fresh else None for name in CHANNELS}
    return FlowSample(line["id"], max(item["stamp"] for item in fresh.values()), **values)


def spreads(samples: Iterable[FlowSample]) -> Mapping[Channel, Spread]:
    """Least, greatest and mean value of each channel that has any."""
    values: dict[Channel, list[float]] = {name: [] for name in CHANNELS}
    for sample in samples:
        for name in CHANNELS:
            value = getattr(sample, name)
            if value is not None:
                values[name].append(value)
    return {name: Spread(min(some), max(some), fsum(some) / len(some)) for name, some in values.items() if some}


class FlowHistory:
    """The samples of the last hour of every line, oldest first; what is older is in the database.

    Args:
        capacity: of each line, that memory is bounded whatever the rate and the stamps are.
    """

    def __init__(self, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._samples: dict[str, deque[FlowSample]] = {}

    def add(self, sample: FlowSample) -> bool:
        """Keep a sample; False when it is no newer data than the one before."""
        samples = self._samples.setdefault(sample.line_id, deque(maxlen=self._capacity))
        if samples and samples[-1].stamp_s == sample.stamp_s:
            return False
        samples.append(sample)
        while samples[0].stamp_s < sample.stamp_s - HOUR_S:
            samples.popleft()
        return True

    def newest(self, line_id: str, count: int) -> list[FlowSample]:
        """The last samples of a line, in the order of time."""
        samples = self._samples.get(line_id, deque())
        return list(islice(samples, max(0, len(samples) - count), None))

    def between(self, line_id: str, start_s: float, end_s: float) -> list[FlowSample]:
        """A line's samples with a stamp in [start, end], in the order of time."""
        return [sample for sample in self._samples.get(line_id, ()) if start_s <= sample.stamp_s <= end_s]
