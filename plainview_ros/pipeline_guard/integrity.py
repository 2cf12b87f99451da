"""What the leaks and pressures mean for the pipeline as a whole: score, risk, profile."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from plainview_ros.assets import Pipeline
from plainview_ros.pipeline_guard.leaks import Leak, Severity

Risk = Literal["low", "medium", "high"]

PENALTY: dict[Severity, float] = {"critical": 40.0, "major": 15.0, "minor": 5.0}
"""What an active leak takes off the integrity score, as the first Plainview counted."""


def integrity_score(leaks: Collection[Leak]) -> float:
    """From 100, nothing active, down to 0."""
    return max(0.0, 100.0 - sum(PENALTY[leak.severity] for leak in leaks if leak.status == "active"))


def risk(active_leaks: int) -> Risk:
    """Risk of a section, by the rule of the first Plainview."""
    return "high" if active_leaks > 5 else "medium" if active_leaks > 2 else "low"


@dataclass(frozen=True, slots=True)
class Tapping:
    """Where a pressure of the profile is measured."""

    tag: str
    location: str
    position_m: float


def tappings(pipeline: Pipeline) -> Iterator[Tapping]:
    """The pressure transmitters at the ends of the sections, each once, from the inlet on."""
    following = [*(section.inlet.pressure for section in pipeline.sections[1:]), None]
    for section, start_m, next_tag in zip(pipeline.sections, pipeline.starts_m, following, strict=False):
        yield Tapping(section.inlet.pressure, f"{section.id} inlet", start_m)
        if section.outlet.pressure != next_tag:
            yield Tapping(section.outlet.pressure, f"{section.id} outlet", start_m + section.length_m)
