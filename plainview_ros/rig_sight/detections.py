"""From what single frames show to events: one detection for as long as something is there.

STARTED (seen in several frames running) ──▶ UPDATED (moved or grew) ──▶ ENDED (not seen for the hold time)
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

DetectionType = Literal["hot_spot", "smoke", "motion"]
Phase = Literal["started", "updated", "ended"]


class Region(NamedTuple):
    """A box in pixels of the full frame, from its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        return self.width * self.height

    def overlap(self, other: Region) -> float:
        """Share of the smaller of the two that both cover, 0..1."""
        return self._shared(other) / max(1, min(self.area, other.area))

    def likeness(self, other: Region) -> float:
        """Intersection over union, 1 for the same box."""
        shared = self._shared(other)
        return shared / max(1, self.area + other.area - shared)

    def _shared(self, other: Region) -> int:
        wide = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        high = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0, wide) * max(0, high)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one frame shows."""

    type: DetectionType
    region: Region
    confidence: float
    """0..1; the detector of the type says what it means."""
    evidence: str
    """One sentence for the operator."""
    suffices: bool = True
    """Enough to start a detection; less than that only keeps one going."""
    temperature_c: float = math.nan


@dataclass(frozen=True, slots=True)
class Detection:
    """One transition of one detection."""

    camera_id: str
    phase: Phase
    seen: Observation
    stamp_s: float
    detection_id: uuid.UUID = field(default_factory=uuid.uuid4)
    event_id: uuid.UUID = field(default_factory=uuid.uuid4)


@dataclass(frozen=True, slots=True)
class TrackSettings:
    confirm_frames: int = 3
    """Seen in so many frames running, it starts."""
    hold_s: float = 5.0
    """Not seen for so long, it ends."""
    update_period_s: float = 2.0
    """Updates are not published more often."""


@dataclass(slots=True)
class _Track:
    seen: Observation
    seen_at_s: float
    sightings: int
    published: Detection | None = None
    published_at_s: float = -math.inf


class Tracks:
    """The detections of one camera.

    Times are of a monotonic clock: stamps only label. What the camera does not show for want of frames does not end.
    """

    def __init__(self, camera_id: str, settings: TrackSettings) -> None:
        self._camera_id = camera_id
        self._settings = settings
        self._tracks: list[_Track] = []

    @property
    def open(self) -> list[Detection]:
        """Detections that have started and not ended, as last published."""
        return [track.published for track in self._tracks if track.published is not None]

    def update(self, observations: Sequence[Observation], stamp_s: float, t_s: float) -> list[Detection]:
        """Take in what a frame shows.

        Args:
            stamp_s: of the frame [s since the epoch].
            t_s: when it arrived, on a monotonic clock.
        """
        transitions: list[Detection] = []
        unseen = list(self._tracks)
        for observation in observations:
            track = max(
                (track for track in unseen if track.seen.type == observation.type),
                key=lambda track: track.seen.region.overlap(observation.region),
                default=None,
            )
            if track is None or track.seen.region.overlap(observation.region) == 0:
                if observation.suffices:
                    self._tracks.append(_Track(observation, t_s, 1))
                continue
            unseen.remove(track)
            track.sightings = track.sightings + 1 if observation.suffices else 0
            track.seen, track.seen_at_s = observation, t_s
        for track in list(self._tracks):
            transition = self._advance(track, missed=track in unseen, stamp_s=stamp_s, t_s=t_s)
            if transition is not None:
                transitions.append(transition)
        return transitions

    def _advance(self, track: _Track, *, missed: bool, stamp_s: float, t_s: float) -> Detection | None:
        last = track.published
        if last is None:
            if missed or track.sightings == 0:
                self._tracks.remove(track)
            elif track.sightings >= self._settings.confirm_frames:
                return self._publish(track, Detection(self._camera_id, "started", track.seen, stamp_s), t_s)
            return None
        if t_s - track.seen_at_s > self._settings.hold_s:
            self._tracks.remove(track)
            return replace(last, phase="ended", stamp_s=stamp_s, event_id=uuid.uuid4())
        if t_s - track.published_at_s >= self._settings.update_period_s and _is_news(last.seen, track.seen):
            update = replace(last, phase="updated", seen=track.seen, stamp_s=stamp_s, event_id=uuid.uuid4())
            return self._publish(track, update, t_s)
        return None

    def _publish(self, track: _Track, detection: Detection, t_s: float) -> Detection:
        track.published, track.published_at_s = detection, t_s
        return detection


def _is_news(before: Observation, now: Observation) -> bool:
    return (
        before.region.likeness(now.region) < 0.6
        or abs(before.confidence - now.confidence) >= 0.2
        or abs(before.temperature_c - now.temperature_c) >= 5.0
    )
