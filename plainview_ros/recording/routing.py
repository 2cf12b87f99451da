"""From a recording's entries to readings of the rig's instruments."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from plainview_ros.assets import Rig
from plainview_ros.recording.channels import Channel, check_channels
from plainview_ros.recording.readers import Entry, Recording


class Reading(NamedTuple):
    """One value of one instrument."""

    time_s: float
    """As recorded."""
    tag: str
    value: float
    """SI unit of the instrument's quantity."""


class Route:
    """Leads a recording to a rig, and counts what came through.

    With channels their columns or topics are played and nothing else. Without, each value goes to the instrument that
    the recording itself names: a column headed by its tag, a message with its tag as ``frame_id``.

    Raises:
        MapError: when a channel does not fit the recording or the rig.
    """

    def __init__(self, recording: Recording, channels: Sequence[Channel], rig: Rig) -> None:
        check_channels(channels, recording.sources, rig)
        self._recording = recording
        self._channels = channels
        self._rig = rig
        self.played: Counter[str] = Counter()
        """Readings by tag."""
        self._outside: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._empty = 0

    @property
    def tags(self) -> set[str]:
        """Instruments that may be played."""
        return {channel.tag for channel in self._channels} or set(self._rig.instrument)

    def readings(self) -> Iterator[Reading]:
        """The recording from its beginning.

        Raises:
            RecordingError: where it turns out to be broken.
        """
        for entry in self._recording.entries({channel.source for channel in self._channels} or None):
            if math.isnan(entry.value):
                self._empty += 1
                continue
            for channel in self._channels_of(entry):
                value = channel.value(entry.value)
                limits = self._rig.instrument[channel.tag].range
                self.played[channel.tag] += 1
                self._outside[channel.tag] += not limits.low <= value <= limits.high
                yield Reading(entry.time_s, channel.tag, value)

    def account(self) -> str:
        """One sentence on what came through and what did not."""
        parts = [f"{self.played.total()} readings of {', '.join(sorted(self.played)) or 'no instrument'}"]
        if self._empty:
            parts.append(f"{self._empty} empty values passed over")
        for tag, count in sorted((+self._outside).items()):
            parts.append(f"{count} of {self.played[tag]} values of {tag} outside its range: is the scale right?")
        if self._unknown:
            names = ", ".join(f"{name!r} ({count} times)" for name, count in sorted(self._unknown.items()))
            parts.append(f"not an instrument of rig {self._rig.name!r}, or of another quantity: {names}")
        return "; ".join(parts)

    def _channels_of(self, entry: Entry) -> Sequence[Channel]:
        if self._channels:
            return [channel for channel in self._channels if channel.source == entry.source]
        instrument = self._rig.instrument.get(entry.name)
        if instrument is None or self._recording.sources.get(entry.source) not in (None, instrument.quantity):
            self._unknown[entry.name] += 1
            return []
        return [Channel(entry.source, entry.name)]
