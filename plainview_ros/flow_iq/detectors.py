"""One channel against the band it is expected in.

The band is median ± k robust standard deviations of the channel's recent normal samples (Hampel identifier), never
narrower than the instrument's accuracy allows. Samples outside the band are not learnt from, and while an anomaly is
open the band stands still: what is flagged cannot become normal by lasting.

It re-learns on purpose only: an anomaly that has been open for ``accept_after_s`` while the last ``window_s`` of it
stood still is taken for a change of operation; it is closed with that reason and its level becomes the reference.
"""

from __future__ import annotations

import math
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from plainview_ros.assets import Instrument, Quantity
from plainview_ros.flow_iq.statistics import RobustWindow

Severity = Literal["low", "medium", "high"]
Phase = Literal["opened", "updated", "closed"]

SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")

ANOMALY_TYPES: dict[Quantity, str] = {
    "pressure": "pressure_deviation",
    "flow_rate": "flow_rate_deviation",
    "temperature": "temperature_spike",
    "viscosity": "viscosity_change",
}

UNITS: dict[Quantity, str] = {"pressure": "Pa", "flow_rate": "m^3/s", "temperature": "degC", "viscosity": "Pa s"}

LOOKS_PER_WINDOW = 60
"""How often it is looked whether a new level stands still: with the default window every half minute."""


@dataclass(frozen=True)
class Limits:
    """When a deviation is an anomaly and how bad it is."""

    band_sigmas: float = 6.0
    """Half width of the expected band [robust standard deviations]."""
    window_s: float = 1800.0
    """Normal samples this recent are the reference."""
    learn_s: float = 60.0
    """No judgement before the reference spans this time ..."""
    min_samples: int = 60
    """... and has this many samples."""
    open_samples: int = 5
    """Opens when so many of the last ``open_of`` samples lie outside."""
    open_of: int = 8
    close_samples: int = 15
    """Closes when so many of the last ``close_of`` samples lie inside."""
    close_of: int = 20
    large_sigmas: float = 12.0
    """A deviation this large is medium at once ..."""
    lasting_s: float = 60.0
    """... one that lasts this long is medium too, and one that is both large and lasting is high."""
    accept_after_s: float = 1800.0
    """A steady new level is accepted as normal after this time; 0: never."""

    def __post_init__(self) -> None:
        for samples, of in (("open_samples", "open_of"), ("close_samples", "close_of")):
            if getattr(self, samples) > getattr(self, of):
                raise ValueError(f"{samples} must not be above {of}, found {getattr(self, samples)}")
        if self.large_sigmas < self.band_sigmas:
            raise ValueError(f"large_sigmas must not be below band_sigmas, found {self.large_sigmas:g}")
        if self.learn_s > self.window_s:
            raise ValueError(f"learn_s must not be above window_s, found {self.learn_s:g}")


class Band(NamedTuple):
    """Where a channel is expected: centre ± sigmas · sigma, in its unit."""

    centre: float
    sigma: float
    sigmas: float

    @property
    def low(self) -> float:
        return self.centre - self.sigmas * self.sigma

    @property
    def high(self) -> float:
        return self.centre + self.sigmas * self.sigma

    def score(self, value: float) -> float:
        """Signed distance from the centre [robust standard deviations]."""
        return (value - self.centre) / self.sigma


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One transition of one anomaly."""

    line_id: str
    channel: Quantity
    phase: Phase
    severity: Severity
    """The worst since it opened."""
    stamp_s: float
    """Of the sample that caused the transition."""
    detected_at_s: float
    value: float
    """Worst value since it opened."""
    band: Band
    confidence: float
    """Share of the samples since it began that lay outside the band, times 1 - 1/score²: by Chebyshev's inequality at
    most 1/score² of normal samples lie further out than the worst value, whatever their distribution."""
    evidence: str
    anomaly_id: uuid.UUID = field(default_factory=uuid.uuid4)
    event_id: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def type(self) -> str:
        return ANOMALY_TYPES[self.channel]

    @property
    def score(self) -> float:
        """Robust standard deviations from the expected value to the worst."""
        return abs(self.band.score(self.value))


class ChannelDetector:
    """Judges the samples of one channel of one line."""

    def __init__(self, line_id: str, instrument: Instrument, limits: Limits) -> None:
        self._line_id = line_id
        self._channel = instrument.quantity
        self._tag = instrument.tag
        self._floor = instrument.sigma
        self._limits = limits
        self._newest_s = -math.inf
        self._start_over()

    @property
    def band(self) -> Band | None:
        """Where the next sample is expected; ``None`` while still learning."""
        return self._band

    @property
    def anomaly(self) -> Anomaly | None:
        """The open anomaly as it is now."""
        return self._anomaly

    def update(self, stamp_s: float, value: float) -> list[Anomaly]:
        """Judge one sample and, when it is normal, learn from it. Returns the transitions it causes."""
        transitions: list[Anomaly] = []
        if stamp_s < self._newest_s:
            transitions = self._close(stamp_s, "The clock was set back: learning starts afresh.")
            self._start_over()
        self._newest_s = stamp_s
        if self._band is None:
            self._learn(stamp_s, value)
            return transitions
        is_outside = not self._band.low <= value <= self._band.high
        if self._anomaly is None:
            self._votes.append(is_outside)
            if not is_outside:
                self._learn(stamp_s, value)
            elif sum(self._votes) >= self._limits.open_samples:
                transitions += self._open(stamp_s, value, self._band)
        else:
            self._votes.append(not is_outside)
            self._level.add(stamp_s, value)
            transitions += self._follow(stamp_s, value, is_outside, self._anomaly)
        return transitions

    def _start_over(self) -> None:
        self._anomaly: Anomaly | None = None
        self._band: Band | None = None
        self._votes: deque[bool] = deque(maxlen=self._limits.open_of)
        self._judged = self._outside = 0
        self._accept_at_s = math.inf
        self._reference = RobustWindow(self._limits.window_s, self._limits.min_samples)
        self._level = RobustWindow(self._limits.window_s, self._limits.min_samples)

    def _learn(self, stamp_s: float, value: float) -> None:
        self._reference.add(stamp_s, value)
        if len(self._reference) >= self._limits.min_samples and self._reference.span_s >= self._limits.learn_s:
            sigma = max(self._reference.sigma(), self._floor)
            self._band = Band(self._reference.median(), sigma, self._limits.band_sigmas)

    def _open(self, stamp_s: float, value: float, band: Band) -> list[Anomaly]:
        self._judged, self._outside = len(self._votes), sum(self._votes)
        self._anomaly = Anomaly(
            line_id=self._line_id,
            channel=self._channel,
            phase="opened",
            severity=self._severity(abs(band.score(value)), 0.0),
            stamp_s=stamp_s,
            detected_at_s=stamp_s,
            value=value,
            band=band,
            confidence=self._confidence(abs(band.score(value))),
            evidence=f"{self._tag} at {self._text(value)}, expected {self._text(band.low)} to {self._text(band.high)}:"
            f" {self._outside} of the last {self._judged} samples outside.",
        )
        self._votes = deque(maxlen=self._limits.close_of)
        self._level.clear()
        self._accept_at_s = stamp_s + (self._limits.accept_after_s or math.inf)
        return [self._anomaly]

    def _follow(self, stamp_s: float, value: float, is_outside: bool, was: Anomaly) -> list[Anomaly]:
        self._judged += 1
        self._outside += is_outside
        worst = max(was.value, value, key=lambda x: abs(was.band.score(x)))
        score = abs(was.band.score(worst))
        lasted_s = stamp_s - was.detected_at_s
        # A sample back inside, on the way to closing, makes nothing worse.
        severity = (
            max(was.severity, self._severity(score, lasted_s), key=SEVERITIES.index) if is_outside else was.severity
        )
        self._anomaly = replace(was, value=worst, severity=severity, confidence=self._confidence(score))
        if sum(self._votes) >= self._limits.close_samples:
            return self._close(stamp_s, f"Back in the expected band after {lasted_s:.0f} s.")
        if self._is_new_level(stamp_s):
            level = self._level
            transitions = self._close(
                stamp_s, f"Steady at {self._text(level.median())} after {lasted_s:.0f} s: accepted as the new normal."
            )
            self._reference, self._level = level, self._reference
            self._learn(stamp_s, value)
            return transitions
        if severity == was.severity:
            return []
        self._anomaly = replace(
            self._anomaly,
            phase="updated",
            stamp_s=stamp_s,
            event_id=uuid.uuid4(),
            evidence=f"{self._tag} outside {self._text(was.band.low)} to {self._text(was.band.high)} for"
            f" {lasted_s:.0f} s, at worst {self._text(worst)}.",
        )
        return [self._anomaly]

    def _is_new_level(self, stamp_s: float) -> bool:
        if stamp_s < self._accept_at_s:
            return False
        self._accept_at_s = stamp_s + self._limits.window_s / LOOKS_PER_WINDOW
        return self._level.has_settled(self._floor)

    def _close(self, stamp_s: float, reason: str) -> list[Anomaly]:
        was, self._anomaly = self._anomaly, None
        self._votes = deque(maxlen=self._limits.open_of)
        if was is None:
            return []
        evidence = f"{reason} {self._tag} was at worst {self._text(was.value)}."
        return [replace(was, phase="closed", stamp_s=stamp_s, event_id=uuid.uuid4(), evidence=evidence)]

    def _severity(self, score: float, lasted_s: float) -> Severity:
        is_large = score >= self._limits.large_sigmas
        is_lasting = lasted_s >= self._limits.lasting_s
        return SEVERITIES[is_large + is_lasting]

    def _confidence(self, score: float) -> float:
        return self._outside / self._judged * (1 - 1 / max(score, 1.0) ** 2)

    def _text(self, value: float) -> str:
        return f"{value:.4g} {UNITS[self._channel]}"
