"""Tables of figures: the spread over the repetitions, ratios, targets, and the machine they were measured on."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

FiguresT = TypeVar("FiguresT")

PACKAGES = ("rclpy", "ros-rmw-fastrtps-cpp", "fastapi", "pydantic", "uvicorn", "uvloop", "httptools")


class Spread(NamedTuple):
    """Of one figure over the repetitions."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        known = sorted(value for value in values if not math.isnan(value))
        return cls(known[0], statistics.median(known), known[-1]) if known else cls(math.nan, math.nan, math.nan)

    def __str__(self) -> str:
        if math.isnan(self.median):
            return "-"
        if self.low == self.high:
            return number(self.median)
        return f"{number(self.median)} ({number(self.low)} … {number(self.high)})"


class Repetitions(Generic[FiguresT]):
    """What one cell measured, again and again."""

    def __init__(self) -> None:
        self.all: list[FiguresT] = []

    def spread(self, of: Callable[[FiguresT], float]) -> Spread:
        return Spread.of(map(of, self.all))


@dataclass(frozen=True)
class Section:
    """A table and what must be known to read it."""

    title: str
    note: str
    header: Sequence[str]
    rows: list[Sequence[object]] = field(default_factory=list)

    def add(self, *row: object) -> None:
        """Add a row, and show at once that there is one more."""
        self.rows.append(row)
        print(f"{self.title}: " + " | ".join(map(str, row)), flush=True)

    def markdown(self) -> str:
        """The section as GitHub shows it, and as it can be read in a terminal."""
        cells = [[str(cell) for cell in row] for row in (self.header, *self.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.header))]
        lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join([f"## {self.title}", "", self.note, "", *lines, ""])


def number(value: float) -> str:
    """Three digits that matter; whole from a hundred on."""
    if math.isnan(value):
        return "-"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def ratio(measured: Spread, floor: Spread) -> float:
    """Of the medians; NaN where one was not measured."""
    return measured.median / floor.median if floor.median else math.nan


def against(value: float, *, most: float = math.inf, least: float = -math.inf) -> str:
    """A figure or ratio with the target beside it; bold when that is not reached."""
    if math.isnan(value):
        return "-"
    reached = least <= value <= most
    if least > -math.inf and most < math.inf:
        target = f"{least:g} to {most:g}"
    else:
        target = f"≤ {most:g}" if most < math.inf else f"≥ {least:g}"
    shown = number(value) if value >= 100 else f"{value:.2f}"
    return f"{shown} ({target})" if reached else f"**{shown}** ({target})"


def machine() -> str:
    """Facts of the machine and of what runs on it, as a list."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory_kb = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    versions = ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name)))
    return "\n".join(
        (
            f"- {cpu}, {len(os.sched_getaffinity(0))} cores for everything, {memory_kb / 1e6:.1f} GB",
            f"- Linux {platform.release()}, Python {platform.python_version()}, ROS {os.environ.get('ROS_DISTRO', '')}",
            f"- {versions}",
            f"- {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, load average before the run {os.getloadavg()[0]:.2f}",
        )
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
