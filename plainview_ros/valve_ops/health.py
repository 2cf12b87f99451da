"""How healthy a valve is, by the limits of its thresholds and its maintenance date.

The rules are those of the first Plainview, kept as defaults in :class:`plainview_ros.assets.ValveThresholds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Literal

from plainview_ros.alerts import Severity

Status = Literal["ok", "warning", "offline", "maintenance"]

ALERT_SEVERITY: dict[Status, Severity] = {"warning": "warning", "offline": "critical", "maintenance": "info"}
"""How much an operator should care about a status; ``ok`` is no alert."""


class Level(IntEnum):
    """On which side of its limits a quantity is."""

    NORMAL = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """Warning and critical limit of one quantity, both in its SI unit, and how a person reads it."""

    name: str
    """What is measured, as a sentence begins with it."""
    warning: float
    critical: float
    deadband: float
    """A value that has passed a limit is back only when it is this far below it, so that noise at the limit does not
    raise and clear an alert with each sample (ISA-18.2 calls it that)."""
    unit: str
    """Unit of the sentences for the operator, ``per_unit`` of the SI unit."""
    per_unit: float = 1.0

    def level(self, value: float, before: Level) -> Level:
        """Side of the limits a value is on, given where the one before was."""
        for level, limit in ((Level.CRITICAL, self.critical), (Level.WARNING, self.warning)):
            if value > limit - (self.deadband if before >= level else 0.0):
                return level
        return Level.NORMAL

    def sentence(self, level: Level, value: float) -> str:
        """Why a level is not normal."""
        limit = self.critical if level is Level.CRITICAL else self.warning
        return f"{self.name} {self._read(value)} is above the {level.name.lower()} limit {self._read(limit)}"

    def _read(self, value: float) -> str:
        return f"{value / self.per_unit:.4g} {self.unit}"


@dataclass(slots=True)
class Gauge:
    """One measured quantity of one valve: its newest value and the level it was judged to be at.

    Before the first value the level is normal: without evidence there is no deduction, and the valve's state says that
    the measurement is missing.
    """

    limits: Limits
    tag: str
    value: float = float("nan")
    level: Level = Level.NORMAL

    def read(self, value: float) -> None:
        """Take a finite value."""
        self.value = value
        self.level = self.limits.level(value, self.level)


@dataclass(frozen=True, slots=True)
class Health:
    """One judgement of one valve."""

    status: Status
    score: int
    """0..100, 100 is healthy."""
    factors: tuple[str, ...]
    """One sentence for each deduction from 100."""


DEDUCTION_LIMIT = 20
DEDUCTION_MAINTENANCE = 30


def judge(gauges: Sequence[Gauge], maintenance: date | None, today: date) -> Health:
    """Health of a valve from what was last measured.

    The status is the first that applies of: a quantity above its critical limit → offline; above its warning limit →
    warning; the maintenance date has passed → maintenance; ok. The score loses 20 for each quantity above its warning
    limit and 30 when maintenance is overdue, and is never negative.

    A quantity that is no longer measured keeps the level of its last value: a transmitter that dies while the pressure
    is critical must not turn the valve healthy. That the value is old is said beside the health, not by it.
    """
    exceeded = [gauge for gauge in gauges if gauge.level > Level.NORMAL]
    factors = [f"{gauge.limits.sentence(gauge.level, gauge.value)} (-{DEDUCTION_LIMIT})" for gauge in exceeded]
    score = 100 - DEDUCTION_LIMIT * len(exceeded)
    overdue = maintenance is not None and maintenance < today
    if overdue:
        factors.append(f"Maintenance was due on {maintenance} (-{DEDUCTION_MAINTENANCE})")
        score -= DEDUCTION_MAINTENANCE
    worst = max((gauge.level for gauge in gauges), default=Level.NORMAL)
    status: Status = (
        "offline"
        if worst is Level.CRITICAL
        else "warning"
        if worst is Level.WARNING
        else "maintenance"
        if overdue
        else "ok"
    )
    return Health(status, max(score, 0), tuple(factors))
