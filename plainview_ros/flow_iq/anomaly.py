"""What FlowIQ says when something is wrong: one anomaly for one event, with what the judgement rests on."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from plainview_ros.assets import UNITS, Quantity

Severity = Literal["low", "medium", "high"]
Phase = Literal["opened", "updated", "closed"]

SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")

ANOMALY_TYPES: dict[Quantity, str] = {
    "pressure": "pressure_deviation",
    "flow_rate": "flow_rate_deviation",
    "temperature": "temperature_spike",
    "viscosity": "viscosity_change",
}
"""Of the channel that contributes most; names of the HTTP contract."""


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
class Channel:
    """One measured channel of a line."""

    name: str
    tag: str
    quantity: Quantity
    floor: float
    """Least standard deviation that a healthy instrument has, in the SI unit of its quantity."""

    @property
    def unit(self) -> str:
        return UNITS[self.quantity]

    def text(self, value: float) -> str:
        return f"{value:.4g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Deviation:
    """A channel's part in what is wrong."""

    channel: Channel
    value: float
    band: Band
    share: float
    """Of the statistic [0..1]."""

    @property
    def score(self) -> float:
        return abs(self.band.score(self.value))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a judgement of one row rests on."""

    statistic: str
    value: float
    threshold: float
    window_s: float
    """The time the statistic looks at."""
    deviations: Sequence[Deviation]
    """Of the channels that contribute, the largest share first; at least one."""

    @property
    def excess(self) -> float:
        """Multiple of the threshold."""
        return self.value / self.threshold


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One transition of one anomaly."""

    line_id: str
    type: str
    phase: Phase
    severity: Severity
    """The worst since it opened."""
    stamp_s: float
    """Of the sample that caused the transition."""
    detected_at_s: float
    confidence: float
    """[0..1]"""
    evidence: Evidence
    """Where it was at its worst since it opened."""
    sentence: str
    """For the operator."""
    anomaly_id: uuid.UUID = field(default_factory=uuid.uuid4)
    event_id: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def worst(self) -> Deviation:
        """The channel that contributes most."""
        return self.evidence.deviations[0]


@dataclass(frozen=True)
class Grading:
    """How bad a deviation is: by its size and by how long it lasts."""

    large: float = 2.0
    """A statistic of so many thresholds is medium at once ..."""
    lasting_s: float = 60.0
    """... one that is above its threshold for so long is medium too, and one that is both is high."""

    def severity(self, excess: float, lasted_s: float) -> Severity:
        return SEVERITIES[(excess >= self.large) + (lasted_s >= self.lasting_s)]


class Episode:
    """One event of a line, from when it is found until it is over: one anomaly, whatever channels it moves on to."""

    def __init__(self, line_id: str, stamp_s: float, evidence: Evidence, grading: Grading) -> None:
        self.grading = grading
        self._rows = self._outside = 1
        self.now = Anomaly(
            line_id=line_id,
            type=ANOMALY_TYPES[evidence.deviations[0].channel.quantity],
            phase="opened",
            severity=grading.severity(evidence.excess, 0.0),
            stamp_s=stamp_s,
            detected_at_s=stamp_s,
            confidence=_confidence(evidence, 1.0),
            evidence=evidence,
            sentence=_sentence(evidence),
        )
        """The anomaly as it is."""

    def follow(self, stamp_s: float, excess: float, explain: Callable[[], Evidence]) -> list[Anomaly]:
        """Take one more row; returns the transition when it has become worse.

        Args:
            stamp_s: of the row.
            excess: multiple of the threshold.
            explain: makes the evidence, when it is wanted.
        """
        was = self.now
        is_outside = excess >= 1
        self._rows += 1
        self._outside += is_outside
        worst = explain() if excess > was.evidence.excess else was.evidence
        lasted_s = stamp_s - was.detected_at_s
        # A row below the threshold, on the way to closing, makes nothing worse.
        severity = self.grading.severity(worst.excess, lasted_s) if is_outside else was.severity
        severity = max(severity, was.severity, key=SEVERITIES.index)
        self.now = replace(
            was, severity=severity, evidence=worst, confidence=_confidence(worst, self._outside / self._rows)
        )
        if severity == was.severity:
            return []
        self.now = replace(
            self.now,
            phase="updated",
            stamp_s=stamp_s,
            event_id=uuid.uuid4(),
            sentence=f"{_sentence(worst)} For {_time(lasted_s)} now.",
        )
        return [self.now]

    def memory(self) -> dict[str, Any]:
        """What :meth:`recalled` takes, as JSON can hold it."""
        now, evidence = self.now, self.now.evidence
        return {
            **{name: getattr(now, name) for name in _REMEMBERED},
            "anomaly_id": str(now.anomaly_id),
            "rows": self._rows,
            "outside": self._outside,
            "evidence": {
                **{name: getattr(evidence, name) for name in ("statistic", "value", "threshold", "window_s")},
                "deviations": [
                    [deviation.channel.tag, deviation.value, *deviation.band, deviation.share]
                    for deviation in evidence.deviations
                ],
            },
        }

    @classmethod
    def recalled(cls, memory: Mapping[str, Any], channels: Sequence[Channel], grading: Grading) -> Episode:
        """The episode that :meth:`memory` was taken of.

        Raises:
            KeyError, TypeError, ValueError: it is no memory, or of other channels.
        """
        of_tag = {channel.tag: channel for channel in channels}
        kept = memory["evidence"]
        deviations = [
            Deviation(of_tag[tag], float(value), Band(float(centre), float(sigma), float(sigmas)), float(share))
            for tag, value, centre, sigma, sigmas, share in kept["deviations"]
        ]
        value, threshold, window_s = (float(kept[name]) for name in ("value", "threshold", "window_s"))
        evidence = Evidence(str(kept["statistic"]), value, threshold, window_s, deviations)
        episode = cls(str(memory["line_id"]), float(memory["stamp_s"]), evidence, grading)
        episode._rows, episode._outside = int(memory["rows"]), int(memory["outside"])
        known = {name: memory[name] for name in _REMEMBERED}
        episode.now = replace(episode.now, **known, anomaly_id=uuid.UUID(memory["anomaly_id"]))
        return episode

    def close(self, stamp_s: float, reason: str) -> Anomaly:
        """The end, with its reason as a sentence."""
        lasted_s = stamp_s - self.now.detected_at_s
        self.now = replace(
            self.now,
            phase="closed",
            stamp_s=stamp_s,
            event_id=uuid.uuid4(),
            sentence=f"{reason} It lasted {_time(lasted_s)}; at worst: {_sentence(self.now.evidence)}",
        )
        return self.now


def _confidence(evidence: Evidence, outside: float) -> float:
    """Share of the rows that were outside, times 1 - 1/score²: by Chebyshev's inequality at most 1/score² of normal
    samples lie as far out as the worst one, whatever their distribution."""
    score = max((deviation.score for deviation in evidence.deviations), default=0.0)
    return outside * (1 - 1 / score / score if score > 1 else 0.0)


def _sentence(evidence: Evidence) -> str:
    first, *others = evidence.deviations
    text = (
        f"{first.channel.tag} at {first.channel.text(first.value)},"
        f" expected {first.channel.text(first.band.low)} to {first.channel.text(first.band.high)}"
    )
    also = [deviation.channel.tag for deviation in others if deviation.share >= NOTABLE_SHARE]
    return f"{text}{'; with it ' + ', '.join(also) if also else ''}."


_REMEMBERED = ("line_id", "type", "phase", "severity", "stamp_s", "detected_at_s", "confidence", "sentence")

NOTABLE_SHARE = 0.1
"""A channel that contributes less is not named in the sentence."""


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
