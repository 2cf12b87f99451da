"""One reading of one instrument, and the gate that refuses readings nobody should judge by."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

from plainview_ros.assets import Quantity, Rig


@dataclass(frozen=True, slots=True)
class Sample:
    """A believable reading: finite, within the instrument's range, newer than the one before."""

    tag: str
    quantity: Quantity
    value: float
    """SI unit of the quantity: Pa, degC, m^3/s, Pa s."""
    stamp_s: float
    """Time of measurement [s since the epoch, ROS time]."""


Reason = Literal[
    "unknown_source",
    "wrong_quantity",
    "bad_quality",
    "not_a_number",
    "out_of_range",
    "future_stamp",
    "old_stamp",
    "not_newer",
]


class BadSampleError(ValueError):
    """A reading that was refused; the message names the tag and what was wrong, ``reason`` is for programs."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class Refusal(NamedTuple):
    """A reading that was refused, as it came."""

    tag: str
    reason: Reason
    value: float
    stamp_s: float


class StampGate:
    """Refuses stamps that nobody should judge by, of any number of sources (tags, joints, cameras).

    A stamp is absurd when it lies more than ``future_s`` ahead of the node's clock or ``past_s`` behind it: a driver
    whose clock is wrong must not look fresh or reorder history. Five seconds ahead are allowed because at many times
    real time a sample overtakes the tick of ``/clock`` that it belongs to. A clock that itself steps back by more than
    that (a simulation started again) starts the order afresh.

    Args:
        late_s: how much older than the newest of its source a stamp may be: for who puts them in order [s].
    """

    def __init__(self, future_s: float = 5.0, past_s: float = 60.0, late_s: float = 0.0) -> None:
        self._future_s = future_s
        self._past_s = past_s
        self._late_s = late_s
        self._recent_s: dict[str, deque[float]] = {}
        self._newest_stamp_s: dict[str, float] = {}
        self._newest_now_s = -math.inf

    def admit(self, source: str, stamp_s: float, now_s: float) -> None:
        """Check the stamp of a source's next reading, ``now_s`` on the node's clock.

        Raises:
            BadSampleError: naming the source, when the stamp is absurd or not newer than the one before.
        """
        if stamp_s > now_s + self._future_s:
            raise BadSampleError(
                "future_stamp", f"{source}: stamp {stamp_s:.3f} is {stamp_s - now_s:.3f} s in the future"
            )
        if stamp_s < now_s - self._past_s:
            raise BadSampleError("old_stamp", f"{source}: stamp {stamp_s:.3f} is {now_s - stamp_s:.3f} s old")
        if now_s < self._newest_now_s - self._future_s:
            self._newest_stamp_s.clear()
            self._recent_s.clear()
        self._newest_now_s = now_s
        newest_s = self._newest_stamp_s.get(source, -math.inf)
        if stamp_s <= newest_s - self._late_s or stamp_s == newest_s or self._is_known(source, stamp_s):
            raise BadSampleError("not_newer", f"{source}: stamp {stamp_s:.3f} is not newer than the one before")
        self._newest_stamp_s[source] = max(stamp_s, newest_s)

    def _is_known(self, source: str, stamp_s: float) -> bool:
        """Whether a stamp that may be late was there before; it is remembered."""
        if not self._late_s:
            return False
        recent_s = self._recent_s.setdefault(source, deque())
        while recent_s and recent_s[0] <= stamp_s - self._late_s:
            recent_s.popleft()
        if recent_s and stamp_s < recent_s[-1] and stamp_s in recent_s:
            return True
        recent_s.append(stamp_s)
        return False


class SampleGate:
    """Turns raw readings into samples, one gate per node; stamps are checked by a :class:`StampGate`."""

    def __init__(self, rig: Rig, future_s: float = 5.0, past_s: float = 60.0, late_s: float = 0.0) -> None:
        self._rig = rig
        self._stamps = StampGate(future_s, past_s, late_s)

    def admit(self, tag: str, quantity: Quantity | None, value: float, stamp_s: float, now_s: float) -> Sample:
        """Check one reading.

        Args:
            tag: instrument tag as in rig.yaml.
            quantity: what the message measures; ``None`` when the message does not say (a scan frame).
            value: reading in the SI unit of the quantity.
            stamp_s: time of measurement [s].
            now_s: the node's clock [s].

        Raises:
            BadSampleError: naming the tag and the reason.
        """
        instrument = self._rig.instrument.get(tag)
        if instrument is None:
            raise BadSampleError("unknown_source", f"unknown tag {tag!r}: not an instrument of rig {self._rig.name!r}")
        if quantity is not None and quantity != instrument.quantity:
            raise BadSampleError(
                "wrong_quantity", f"{tag}: got a {quantity} message, the instrument measures {instrument.quantity}"
            )
        if not math.isfinite(value):
            raise BadSampleError("not_a_number", f"{tag}: {value} is no reading")
        if not instrument.range.low <= value <= instrument.range.high:
            raise BadSampleError(
                "out_of_range",
                f"{tag}: {value:g} is outside the instrument's range"
                f" {instrument.range.low:g}..{instrument.range.high:g}",
            )
        self._stamps.admit(tag, stamp_s, now_s)
        return Sample(tag, instrument.quantity, value, stamp_s)


class Readings:
    """The newest sample of each tag and its age.

    Ages are counted on a monotonic clock from the moment of receipt, plus what the sample was old by then, so neither a
    step of the wall clock nor a simulation clock that stops can make an old value look fresh.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._newest: dict[str, tuple[Sample, float]] = {}

    def update(self, sample: Sample, now_s: float, monotonic_s: float) -> None:
        """Keep a sample received at ``monotonic_s`` (monotonic clock), which is ``now_s`` on the node's clock."""
        self._newest[sample.tag] = (sample, monotonic_s - max(0.0, now_s - sample.stamp_s))

    def newest(self, tag: str | None) -> Sample | None:
        """Newest sample of a tag, however old; ``None`` when there was none or no tag."""
        return self._newest[tag][0] if tag in self._newest else None

    def is_stale(self, tag: str, monotonic_s: float) -> bool:
        """Whether the tag's newest value is older than its instrument's deadline, or there is none."""
        if tag not in self._newest:
            return True
        return monotonic_s - self._newest[tag][1] > self._rig.instrument[tag].deadline_s
