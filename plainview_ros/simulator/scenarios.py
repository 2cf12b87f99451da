"""Scenario files: what happens at the simulated plant, and when."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from plainview_ros.assets import Id, Positive, Rig
from plainview_ros.documents import DocumentError, Mistake, Part, load_document
from plainview_ros.simulator.faults import Fault

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ScenarioError(DocumentError):
    """A scenario file that cannot be used."""


class Stroke(Part):
    """A valve is driven to an opening, without asking ValveOps."""

    kind: Literal["stroke"]
    at_s: Seconds
    valve: Id
    opening: Annotated[float, Field(ge=0, le=1)]
    over_s: Seconds = 0.0
    """0: as fast as the actuator can."""


class DemandChange(Part):
    """What the receiver takes, as a multiple of the nominal opening of the delivery valve."""

    kind: Literal["demand"]
    at_s: Seconds
    value: Annotated[float, Field(ge=0, le=1.5)]
    ramp_s: Seconds = 0.0


class PumpSpeedChange(Part):
    """Speed of the pump, as a multiple of its nominal speed."""

    kind: Literal["pump_speed"]
    at_s: Seconds
    value: Annotated[float, Field(ge=0, le=1.1)]
    ramp_s: Seconds = 0.0


Operation = Annotated[Stroke | DemandChange | PumpSpeedChange, Field(discriminator="kind")]


class Scenario(Part):
    """Timed operations, and faults whose onset counts from the start of the scenario."""

    name: str
    description: str = ""
    repeat_every_s: Positive | None = None
    """Everything again, each time after this."""
    operations: tuple[Operation, ...] = ()
    faults: tuple[Fault, ...] = ()

    def due(self, from_s: float, to_s: float) -> list[Operation | Fault]:
        """What begins in ``[from_s, to_s)``, seconds since the start; a fault is due when its scenario starts."""
        timed = [*((0.0, fault) for fault in self.faults), *((item.at_s, item) for item in self.operations)]
        if self.repeat_every_s is None:
            return [item for at_s, item in timed if from_s <= at_s < to_s]
        rounds = range(math.floor(from_s / self.repeat_every_s), math.floor(to_s / self.repeat_every_s) + 1)
        return [item for n in rounds for at_s, item in timed if from_s <= at_s + n * self.repeat_every_s < to_s]


def load_scenario(path: str | Path, rig: Rig) -> Scenario:
    """Read a scenario file and check it against the rig.

    Raises:
        ScenarioError: with one line per mistake, ``file:line: path: what was expected``.
    """

    def broken_references(scenario: Scenario) -> Iterable[Mistake]:
        for i, operation in enumerate(scenario.operations):
            if scenario.repeat_every_s is not None and operation.at_s >= scenario.repeat_every_s:
                yield ("operations", i, "at_s"), f"expected less than repeat_every_s, {scenario.repeat_every_s:g}"
            if isinstance(operation, Stroke) and operation.valve not in rig.valve:
                yield ("operations", i, "valve"), f"expected one of {', '.join(rig.valve)}, found {operation.valve!r}"
        for i, fault in enumerate(scenario.faults):
            error = fault.error(rig)
            if error is not None:
                yield ("faults", i), str(error)

    return load_document(path, Scenario, broken_references, ScenarioError)
