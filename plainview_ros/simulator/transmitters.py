"""Transmitters: what the instruments make of the truth, at their own rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plainview_ros.assets import Instrument
from plainview_ros.samples import Sample

Array = NDArray[np.float64]

DRIFT_TIME_S = 3600.0
"""Time constant of the slow wander of a healthy transmitter."""
DRIFT_SHARE = 0.5
"""Its standard deviation, as a share of the instrument's accuracy."""
CONVERTER_STEPS = 65536
"""Over the instrument's range."""
FAILURE_SHARE = 1 / 16
"""A transmitter that knows it has failed drives its 4-20 mA loop to 21 mA, so far above its range (NAMUR NE 43)."""
SPIKE_PERIOD_S = 10.0
"""One reading in this time is a spike."""


class TransmitterGroup:
    """Transmitters that are sampled together, at one rate.

    A reading is the truth plus a slow wander plus noise (one standard deviation: ``accuracy``), converted in 16 bits
    over the instrument's range. Between two states of the plant the truth is taken to change linearly.

    Args:
        instruments: all of the same rate.
        state: everything measurable, SI units, at time 0.
        sources: index of each instrument's true value in the state.
    """

    def __init__(
        self, instruments: Sequence[Instrument], state: Array, sources: Sequence[int], rng: np.random.Generator
    ) -> None:
        self.rate_hz = instruments[0].rate_hz
        self._instruments = tuple(instruments)
        self._rng = rng
        self._sources = np.array(sources)
        self._accuracy = np.array([item.accuracy for item in instruments])
        self._low = np.array([item.range.low for item in instruments])
        self._high = np.array([item.range.high for item in instruments])
        self._quantum = (self._high - self._low) / CONVERTER_STEPS
        self._wander = DRIFT_SHARE * self._accuracy * rng.standard_normal(len(instruments))
        self._kept = math.exp(-1 / self.rate_hz / DRIFT_TIME_S)
        self._last_truth: Array = state[self._sources]
        self._last_s = 0.0
        self._count = 0
        self._readings: Array = self._last_truth
        self._offset: Array = np.zeros(len(instruments))
        self._frozen: NDArray[np.bool_] = np.zeros(len(instruments), bool)
        self._scatter: Array = np.ones(len(instruments))
        self._spikes: dict[str, float] = {}
        self._replaced: dict[str, float] = {}
        self._stamp_steps: dict[str, float] = {}
        self._silent: set[str] = set()
        self._index = {item.tag: i for i, item in enumerate(instruments)}

    def heal(self) -> None:
        """End all faults."""
        self._offset[:] = 0.0
        self._frozen[:] = False
        self._scatter[:] = 1.0
        for faults in (self._spikes, self._replaced, self._stamp_steps, self._silent):
            faults.clear()

    def shift(self, tag: str, offset: float) -> None:
        """Add to the readings of an instrument, if it is of this group; unit of the quantity."""
        if tag in self._index:
            self._offset[self._index[tag]] += offset

    def freeze(self, tag: str) -> None:
        """Let the reading of an instrument, if it is of this group, stay what it is."""
        if tag in self._index:
            self._frozen[self._index[tag]] = True

    def spike(self, tag: str, height: float) -> None:
        """Add to one reading in ten seconds of an instrument; unit of the quantity."""
        self._spikes[tag] = height

    def scatter(self, tag: str, factor: float) -> None:
        """Multiply the noise of an instrument, if it is of this group."""
        if tag in self._index:
            self._scatter[self._index[tag]] = factor

    def fail_high(self, tag: str) -> None:
        """Let an instrument, if it is of this group, read what lies above its range."""
        if tag in self._index:
            index = self._index[tag]
            self._replaced[tag] = float(self._high[index] + FAILURE_SHARE * (self._high[index] - self._low[index]))

    def fail_to_number(self, tag: str) -> None:
        """Let an instrument give no numbers."""
        self._replaced[tag] = math.nan

    def step_clock(self, tag: str, step_s: float) -> None:
        """Let the clock of an instrument be wrong."""
        self._stamp_steps[tag] = step_s

    def silence(self, tag: str) -> None:
        """Let an instrument give no readings."""
        self._silent.add(tag)

    def sample(self, state: Array, now_s: float, epoch_s: float) -> list[Sample]:
        """Readings that fell due since the last call, as the instruments give them: a faulty one not always believable.

        Args:
            state: as given to the constructor, now.
            now_s: seconds since time 0, which was ``epoch_s``.
        """
        samples: list[Sample] = []
        truth: Array = state[self._sources]
        due_s = self._count / self.rate_hz
        while due_s <= now_s:
            share = (due_s - self._last_s) / (now_s - self._last_s) if now_s > self._last_s else 1.0
            values = self._measure(self._last_truth + share * (truth - self._last_truth))
            stamp_s = epoch_s + due_s
            samples += [
                Sample(
                    item.tag,
                    item.quantity,
                    self._replaced.get(item.tag, value),
                    stamp_s + self._stamp_steps.get(item.tag, 0.0),
                )
                for item, value in zip(self._instruments, values.tolist(), strict=True)
                if item.tag not in self._silent
            ]
            self._count += 1
            due_s = self._count / self.rate_hz
        self._last_truth, self._last_s = truth, now_s
        return samples

    def _measure(self, truth: Array) -> Array:
        noise = self._rng.standard_normal((2, len(truth)))
        self._wander = (
            self._kept * self._wander + DRIFT_SHARE * math.sqrt(1 - self._kept**2) * self._accuracy * noise[0]
        )
        values = truth + self._wander + self._accuracy * self._scatter * noise[1] + self._offset
        if self._spikes and self._count % max(1, round(SPIKE_PERIOD_S * self.rate_hz)) == 0:
            for tag in self._spikes.keys() & self._index.keys():
                values[self._index[tag]] += self._spikes[tag]
        values = np.clip(
            self._low + np.round((values - self._low) / self._quantum) * self._quantum, self._low, self._high
        )
        self._readings = np.where(self._frozen, self._readings, values)
        return self._readings
