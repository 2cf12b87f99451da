"""One flow line against its normal: when something is wrong, since when, and which channels show it.

             every channel has been      a channel deviates by more          the line has come back
             seen long enough            than its threshold                  (nearly) to its normal
    LEARNING ──────────────────▶ WATCHING ─────────────────▶ OPEN ──────────────────────────┐
        ▲                          ▲  ▲                                                      │
        │                          │  └──────────────────────────────────────────────────────┤ all the way
        │ operator: learn, reset   │ stands still                                            │
        └── from anywhere          └───────────── SETTLING ◀─────────────────────────────────┘ but for a rest

The references (see :mod:`reference`) learn in WATCHING only: what is flagged cannot become normal by lasting. They
learn anew when an operator says so. In SETTLING the anomaly is over and the small rest it has left behind, such as a
valve that does not return to quite the same place, is taken as the level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from plainview_ros.assets import Quantity
from plainview_ros.flow_iq.anomaly import Anomaly, Band, Channel, Deviation, Episode, Evidence, Grading
from plainview_ros.flow_iq.records import LOOK_S, SPAN, Record, Records
from plainview_ros.flow_iq.reference import LONGEST_MEMORY, SMOOTHING, Reference
from plainview_ros.flow_iq.rows import Row

State = Literal["learning", "watching", "open", "settling"]
STATES: tuple[State, ...] = ("learning", "watching", "open", "settling")

STATISTIC = "level_deviation"
"""Smoothed distance of the worst channel from its level [standard deviations of its history]."""

RECORD = "record"
"""How far a channel is beyond everything it has done before [of what is worth telling]."""
QUIET = Grading(large=math.inf, lasting_s=math.inf)
"""A record by itself is something to look at and no more."""

CLOSE_SHARE = 0.6
"""A channel is back below this share of its threshold."""
REST_SHARE = 0.2
"""An anomaly is over when less of its worst distance is left."""
SETTLE_ROWS, MAX_SETTLE_ROWS = 30, 300
"""What is left must have stood still for so many rows; it is waited for no longer than that."""
START_OVER = 4.0
"""While learning, a deviation of so many standard deviations means that what was learnt before is not the normal."""

NOTABLE = 0.02
"""A channel with a smaller share of the statistic is not among the evidence."""

MOVED = 4.0
"""An open anomaly is somewhere else when a channel has moved by so many standard deviations ..."""
MOVED_ROWS = 30
"""... but that is not told again within so many rows."""


@dataclass(frozen=True)
class Limits:
    """When a deviation is an anomaly and how bad it is."""

    open_sigmas: float = 3.1
    """Threshold of a channel's smoothed deviation [standard deviations of its history]."""
    peak_margin: float = 1.3
    """The threshold is at least so many times the largest deviation that was normal before."""
    pressure_tolerance: float = 0.01
    """Least standard deviation of a pressure, as a share of its level."""
    temperature_tolerance_c: float = 1.0
    """Least standard deviation of a temperature."""
    flow_tolerance: float = 0.004
    """Least standard deviation of any other quantity, as a share of its level."""
    learn_s: float = 120.0
    """No judgement before the line has been seen for this time ..."""
    learn_rows: int = 120
    """... and in so many rows."""
    large: float = 2.0
    """A deviation of so many thresholds is medium at once ..."""
    lasting_s: float = 60.0
    """... one that lasts this long is medium too, and one that is both large and lasting is high."""

    def tolerance(self, quantity: Quantity) -> float:
        """Least standard deviation as a share of the level."""
        if quantity == "temperature":
            return 0.0
        return self.pressure_tolerance if quantity == "pressure" else self.flow_tolerance

    def floor(self, channel: Channel) -> float:
        """Least standard deviation in the channel's unit."""
        return max(channel.floor, self.temperature_tolerance_c if channel.quantity == "temperature" else 0.0)


class LineDetector:
    """Judges the rows of one line.

    Args:
        line_id: of the line, for the anomalies.
        channels: what the values of a row are, in their order.
        limits: see there.
    """

    def __init__(self, line_id: str, channels: Sequence[Channel], limits: Limits) -> None:
        self._line_id = line_id
        self.channels = tuple(channels)
        self._references = [Reference(limits.floor(c), limits.tolerance(c.quantity)) for c in self.channels]
        self.limits = limits
        self.is_frozen = False
        """Nothing is learnt, whatever the state."""
        self._newest_s = -math.inf
        self._spacing_s = 0.0
        self._forget_records()
        self._start_over()

    def _forget_records(self) -> None:
        self._records = [Records() for _ in self.channels]
        self.record: tuple[int, Record] | None = None
        """Channel and size of the last row's record, where that is worth telling."""
        self._held_until_s = -math.inf

    def _start_over(self) -> None:
        self.state: State = "learning"
        self.has_moved = False
        """Whether the last row is a change point: an anomaly opened or closed, or moved on to somewhere else."""
        self.excess = 0.0
        """Of the last row: largest deviation of a channel [thresholds]."""
        self._began_s = -math.inf
        self._rows = 0
        self._episode: Episode | None = None
        self._farthest = 0.0
        self._turned = [0.0] * len(self.channels)
        self._since_turn = 0
        self._still = self._settling = 0
        for reference in self._references:
            reference.start_over()

    @property
    def anomaly(self) -> Anomaly | None:
        """The open anomaly as it is now."""
        return self._episode.now if self._episode else None

    def band(self, index: int) -> Band | None:
        """Where a channel's smoothed value is expected; ``None`` while it is not judged."""
        reference = self._references[index]
        if self.state == "learning" or not reference.is_known:
            return None
        return Band(reference.level, reference.sigma, self._threshold(reference))

    def update(self, row: Row) -> list[Anomaly]:
        """Judge one row and, when it is normal, learn from it. Returns the transitions it causes."""
        gone: list[Anomaly] = []
        if row.stamp_s < self._newest_s:
            gone = self.learn_anew(row.stamp_s, "The clock was set back: learning starts afresh.")
        self._keep_time(row.stamp_s)
        self._rows += 1
        self.has_moved = False
        pairs = [(i, value) for i, value in enumerate(row.values) if value == value]  # not missing
        self._look_for_records(row.stamp_s, pairs)
        if self.state == "settling":
            self._settle(pairs)
            return gone
        self._look(pairs)
        if self.state == "learning":
            self._learn_first(row.stamp_s, pairs)
        elif self._episode is not None:
            gone += self._follow(row.stamp_s, self._episode)
        elif self.excess >= 1:
            gone.append(self._open(row.stamp_s, self._explain(), self._grading))
        elif self.record is not None:
            gone.append(self._open(row.stamp_s, self._explain_record(*self.record), QUIET))
        if self.state == "watching" and not self.is_frozen:
            for i, value in pairs:
                self._references[i].learn(value)
        return gone

    def judge_by(self, limits: Limits) -> None:
        """Go on with other limits; an anomaly that is open is graded by those it opened with."""
        self.limits = limits
        for channel, reference in zip(self.channels, self._references, strict=True):
            reference.bound(limits.floor(channel), limits.tolerance(channel.quantity))

    def learn_anew(self, stamp_s: float, reason: str) -> list[Anomaly]:
        """Forget what is normal, and close an open anomaly with a reason."""
        closed = [self._episode.close(stamp_s, reason)] if self._episode else []
        self._start_over()
        self._forget_records()
        self._newest_s = -math.inf
        return closed

    # -- one row -------------------------------------------------------------------------------------------------------

    def _keep_time(self, stamp_s: float) -> None:
        if self._newest_s > -math.inf:
            spacing_s = stamp_s - self._newest_s
            usual_s = spacing_s if self._rows < SMOOTHING else min(spacing_s, 2 * self._spacing_s)
            self._spacing_s += (usual_s - self._spacing_s) / min(self._rows + 1, SMOOTHING)
            if spacing_s > LONGEST_MEMORY * max(1.0, self._spacing_s) and self._episode is None:
                self._start_over()  # what was normal before so long a silence need not be now
        self._newest_s = stamp_s
        if not self._rows:
            self._began_s = stamp_s

    def _look(self, pairs: Sequence[tuple[int, float]]) -> None:
        excess = 0.0
        for i, value in pairs:
            reference = self._references[i]
            size = abs(reference.look(value)) / self._threshold(reference)
            if size > excess and reference.is_known:
                excess = size
        self.excess = excess

    def _look_for_records(self, stamp_s: float, pairs: Sequence[tuple[int, float]]) -> None:
        self.record = None
        for i, value in pairs:
            record = self._records[i].add(stamp_s, value, self.limits.open_sigmas * self._references[i].floor)
            if record is not None and (self.record is None or record.excess > self.record[1].excess):
                self.record = (i, record)
                self._held_until_s = stamp_s + LOOK_S

    def _threshold(self, reference: Reference) -> float:
        return max(self.limits.open_sigmas, self.limits.peak_margin * reference.peak)

    def _learn_first(self, stamp_s: float, pairs: Sequence[tuple[int, float]]) -> None:
        for i, value in pairs:
            reference = self._references[i]
            if reference.is_known and abs(reference.deviation) > START_OVER:
                reference.start_over()
                reference.look(value)
            reference.learn(value)
        if self._rows >= self.limits.learn_rows and stamp_s - self._began_s >= self.limits.learn_s:
            self.state = "watching"

    # -- one anomaly ---------------------------------------------------------------------------------------------------

    def _open(self, stamp_s: float, evidence: Evidence, grading: Grading) -> Anomaly:
        self.state = "open"
        self._farthest = 0.0
        self._turn()
        self._episode = Episode(self._line_id, stamp_s, evidence, grading)
        return self._episode.now

    def _follow(self, stamp_s: float, episode: Episode) -> list[Anomaly]:
        if self.excess >= 1:
            episode.grading = self._grading if episode.grading == QUIET else episode.grading
        elif stamp_s < self._held_until_s:
            return []
        distance = self._distance()
        self._farthest = max(self._farthest, distance)
        if distance > REST_SHARE * self._farthest:
            self._since_turn += 1
            if self._since_turn >= MOVED_ROWS and self._moved():
                self._turn()
            known = [reference for reference in self._references if reference.is_known]
            excess = max(reference.distance / self._threshold(reference) for reference in known)
            return episode.follow(stamp_s, excess, self._explain)
        self.has_moved = True
        closed = episode.close(stamp_s, "Back to normal." if distance == 0 else "Over, but for a small rest.")
        self._episode = None
        self.state = "watching" if distance == 0 else "settling"
        self._still = self._settling = 0
        for reference in self._references:
            reference.recent = 0.0
        return [closed]

    def _distance(self) -> float:
        """Of the line from its normal, over the channels that are not back [standard deviations]."""
        return math.sqrt(
            sum(
                reference.distance**2
                for reference in self._references
                if reference.is_known and abs(reference.deviation) > CLOSE_SHARE * self._threshold(reference)
            )
        )

    def _moved(self) -> bool:
        return any(
            abs(reference.recent - turned) > MOVED * reference.sigma
            for reference, turned in zip(self._references, self._turned, strict=True)
        )

    def _turn(self) -> None:
        self.has_moved = True
        self._since_turn = 0
        self._turned = [reference.recent for reference in self._references]

    def _settle(self, pairs: Sequence[tuple[int, float]]) -> None:
        moving = False
        for i, value in pairs:
            self._references[i].look(value)
            moving |= self._references[i].follow(value)
        self.excess = 0.0
        self._settling += 1
        self._still = 0 if moving else self._still + 1
        if self._still >= SETTLE_ROWS or self._settling >= MAX_SETTLE_ROWS:
            self.state = "watching"

    def _explain(self) -> Evidence:
        sizes = [reference.distance if reference.is_known else 0.0 for reference in self._references]
        thresholds = list(map(self._threshold, self._references))
        squares = [(size / threshold) ** 2 for size, threshold in zip(sizes, thresholds, strict=True)]
        order = sorted(range(len(squares)), key=squares.__getitem__, reverse=True)
        total = sum(squares)
        worst = order[0]
        return Evidence(
            statistic=STATISTIC,
            value=sizes[worst],
            threshold=thresholds[worst],
            window_s=SMOOTHING * self._spacing_s,
            deviations=[
                Deviation(
                    channel=self.channels[i],
                    value=self._references[i].level + self._references[i].recent,
                    band=Band(self._references[i].level, self._references[i].sigma, thresholds[i]),
                    share=squares[i] / total,
                )
                for i in order
                if i == worst or squares[i] >= NOTABLE * total
            ],
        )

    def _explain_record(self, index: int, record: Record) -> Evidence:
        middle, half = (record.high + record.low) / 2, (record.high - record.low) / 2
        band = Band(middle, max(half, 1e-9 * abs(middle), 1e-12), 1.0)
        deviation = Deviation(self.channels[index], record.value, band, share=1.0)
        return Evidence(RECORD, record.excess, 1.0, SPAN * LOOK_S, [deviation])

    # -- over restarts -------------------------------------------------------------------------------------------------

    def memory(self) -> dict[str, Any]:
        """What :meth:`restore` takes, as JSON can hold it."""
        return {
            "tags": [channel.tag for channel in self.channels],
            "references": [reference.state() for reference in self._references],
            "records": [records.state() for records in self._records],
            "state": self.state,
            "newest_s": self._newest_s if self._rows else None,
            "began_s": self._began_s if self._rows else None,
            "spacing_s": self._spacing_s,
            "rows": self._rows,
            "farthest": self._farthest,
            "episode": self._episode.memory() if self._episode else None,
        }

    def restore(self, memory: Mapping[str, Any]) -> None:
        """Go on where :meth:`memory` was taken, in mid-anomaly too; nothing of that is told again.

        Raises:
            ValueError: it is of other channels, or is no memory; the detector is then as it was made.
        """
        try:
            if memory["tags"] != [channel.tag for channel in self.channels]:
                raise ValueError(f"it is of {memory['tags']}")
            for reference, state in zip(self._references, memory["references"], strict=True):
                reference.restore(state)
            for records, kept in zip(self._records, memory["records"], strict=True):
                records.restore(kept)
            self._newest_s, self._began_s = _time(memory["newest_s"]), _time(memory["began_s"])
            self._spacing_s, self._farthest = float(memory["spacing_s"]), float(memory["farthest"])
            self._rows = int(memory["rows"])
            if memory["episode"] is not None:
                self._episode = Episode.recalled(memory["episode"], self.channels, self._grading)
            if memory["state"] not in STATES or (memory["state"] == "open") != (self._episode is not None):
                raise ValueError(f"its state is {memory['state']!r}")
            self.state = memory["state"]
        except (KeyError, TypeError, ValueError) as error:
            self._newest_s, self._spacing_s = -math.inf, 0.0
            self._forget_records()
            self._start_over()
            raise ValueError(f"{self._line_id}: what was learnt before is of no use: {error!r}") from error

    @property
    def _grading(self) -> Grading:
        return Grading(self.limits.large, self.limits.lasting_s)


def _time(stamp_s: float | None) -> float:
    """A time in a memory, which has none for ever ago."""
    return -math.inf if stamp_s is None else float(stamp_s)
