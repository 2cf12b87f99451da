"""Faults of the simulated plant: what there is to inject, and how far each one has developed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import ConfigDict

from plainview_ros.assets import Rig

Mistake = Literal["unknown_kind", "unknown_target", "bad_value"]


class FaultError(ValueError):
    """A fault that cannot be injected; ``mistake`` is the error code of ``srv/InjectFault`` in lower case."""

    def __init__(self, mistake: Mistake, message: str) -> None:
        super().__init__(message)
        self.mistake: Mistake = mistake


class FaultKind(NamedTuple):
    """What a kind of fault takes. ``plainview faults`` prints these."""

    target: str
    """What the target is."""
    targets: Callable[[Rig], Iterable[str]]
    magnitude: str
    """What the magnitude means."""
    low: float = -math.inf
    high: float = math.inf


FAULT_KINDS: dict[str, FaultKind] = {
    "leak": FaultKind(
        "section",
        lambda rig: rig.section,
        "share of the nominal flow that is lost, above 0 to 0.5; position_m: from the section's inlet",
        1e-6,
        0.5,
    ),
    "sticking_valve": FaultKind(
        "valve",
        lambda rig: rig.valve,
        "multiple of the healthy friction, above 1 to 20: from 2 it jerks, from 3 it may stall, from 5 it stays stuck",
        1.000001,
        20.0,
    ),
    "frozen_sensor": FaultKind("instrument", lambda rig: rig.instrument, "not used"),
    "drifting_sensor": FaultKind("instrument", lambda rig: rig.instrument, "drift per second, unit of the quantity"),
    "spiking_sensor": FaultKind(
        "instrument", lambda rig: rig.instrument, "height of a spike, unit of the quantity: one reading in ten seconds"
    ),
    "noisy_sensor": FaultKind(
        "instrument", lambda rig: rig.instrument, "multiple of its healthy noise, above 1 to 100", 1.000001, 100.0
    ),
    "out_of_range_sensor": FaultKind(
        "instrument", lambda rig: rig.instrument, "not used: it reads what a 4-20 mA loop at 21 mA means"
    ),
    "not_a_number_sensor": FaultKind("instrument", lambda rig: rig.instrument, "not used"),
    "silent_sensor": FaultKind("instrument", lambda rig: rig.instrument, "not used"),
    "clock_step_sensor": FaultKind(
        "instrument", lambda rig: rig.instrument, "step of its stamps [s], negative: back; -1e6 to 1e6", -1e6, 1e6
    ),
    "hot_spot": FaultKind(
        "thermal camera",
        lambda rig: (camera.id for camera in rig.cameras if camera.kind == "thermal"),
        "temperature of the hottest point [degC], 20 to 350",
        20.0,
        350.0,
    ),
    "smoke": FaultKind(
        "visible camera",
        lambda rig: (camera.id for camera in rig.cameras if camera.kind == "visible"),
        "size and density of the plume, above 0 to 1",
        1e-6,
        1.0,
    ),
    "frame_drop": FaultKind("camera", lambda rig: rig.camera, "share of frames that get lost, above 0 to 1", 1e-6, 1.0),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, as in ``srv/InjectFault``; times count from when it is injected (in a scenario: from its start)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: str
    target: str
    magnitude: float = 0.0
    position_m: float | None = None
    """Leak: from the inlet of the section; ``None``: its middle."""
    onset_s: float = 0.0
    ramp_s: float = 0.0
    duration_s: float = 0.0
    """0: until it is cleared."""

    def check(self, rig: Rig) -> None:
        """Raise :class:`FaultError` when this rig cannot have this fault."""
        error = self.error(rig)
        if error is not None:
            raise error

    def error(self, rig: Rig) -> FaultError | None:
        """Why this rig cannot have this fault; ``None`` when it can."""
        kind = FAULT_KINDS.get(self.kind)
        if kind is None:
            return FaultError("unknown_kind", f"unknown kind {self.kind!r}: expected one of {', '.join(FAULT_KINDS)}")
        targets = list(kind.targets(rig))
        if self.target not in targets:
            return FaultError(
                "unknown_target",
                f"{self.kind}: expected a {kind.target} as target, one of {', '.join(targets) or '(none)'};"
                f" found {self.target!r}",
            )
        if not (math.isfinite(self.magnitude) and kind.low <= self.magnitude <= kind.high):
            return FaultError("bad_value", f"{self.kind}: magnitude is {kind.magnitude}; found {self.magnitude:g}")
        for name in ("onset_s", "ramp_s", "duration_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                return FaultError("bad_value", f"{self.kind}: expected {name} of 0 or more seconds, found {value:g}")
        if self.position_m is None:
            return None
        if self.kind != "leak":
            return FaultError("bad_value", f"{self.kind}: only a leak has a position_m")
        length_m = rig.section[self.target].length_m
        if not 0 <= self.position_m <= length_m:
            expected = f"expected position_m from 0 to {length_m:g}, the section's length"
            return FaultError("bad_value", f"leak: {expected}; found {self.position_m:g}")
        return None

    def size(self, age_s: float) -> float:
        """How far it has developed, 0 to 1, ``age_s`` after it was injected."""
        running_s = age_s - self.onset_s
        if running_s < 0 or self.is_over(age_s):
            return 0.0
        return min(running_s / self.ramp_s, 1.0) if self.ramp_s else 1.0

    def exposure_s(self, age_s: float) -> float:
        """Integral of :meth:`size` over time: what a drift has gathered."""
        running_s = age_s - self.onset_s
        if running_s < 0 or self.is_over(age_s):
            return 0.0
        return running_s**2 / (2 * self.ramp_s) if running_s < self.ramp_s else running_s - self.ramp_s / 2

    def is_over(self, age_s: float) -> bool:
        return self.duration_s > 0 and age_s >= self.onset_s + self.duration_s


class ActiveFault(NamedTuple):
    fault: Fault
    injected_s: float


class FaultBook:
    """The faults of one plant that are injected and not over."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._active: dict[str, ActiveFault] = {}
        self._count = 0

    def inject(self, fault: Fault, now_s: float) -> str:
        """Id of the fault, by which it can be cleared. Raises :class:`FaultError`."""
        fault.check(self._rig)
        self._count += 1
        fault_id = f"{fault.kind}-{self._count}"
        self._active[fault_id] = ActiveFault(fault, now_s)
        return fault_id

    def clear(self, fault_id: str = "") -> int:
        """End one fault, or all; how many ended. Raises ``KeyError`` for an id that is not active."""
        ended = [fault_id] if fault_id else list(self._active)
        for name in ended:
            del self._active[name]
        return len(ended)

    def expire(self, now_s: float) -> None:
        """Forget the faults that are over."""
        for fault_id, (fault, injected_s) in list(self._active.items()):
            if fault.is_over(now_s - injected_s):
                del self._active[fault_id]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._active)

    def __len__(self) -> int:
        return len(self._active)

    def of_kind(self, kind: str, now_s: float) -> list[tuple[str, Fault, float]]:
        """Id, fault and age [s] of the active faults of a kind."""
        return [
            (fault_id, fault, now_s - injected_s)
            for fault_id, (fault, injected_s) in self._active.items()
            if fault.kind == kind
        ]
