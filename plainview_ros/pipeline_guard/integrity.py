"""What the leaks and pressures mean for the pipeline as a whole: score, risk, profile."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from plainview_ros.assets import Pipeline
from plainview_ros.pipeline_guard.leaks import SEVERITIES, Leak, Severity

Risk = Literal["low", "medium", "high"]

RISKS: tuple[Risk, ...] = ("low", "medium", "high")

PENALTY: dict[Severity, float] = {"critical": 40.0, "major": 15.0, "minor": 5.0}
"""What an active leak takes off the integrity score, as the first Plainview counted."""


def integrity_score(leaks: Collection[Leak]) -> float:
    """From 100, nothing active, down to 0."""
    return max(0.0, 100.0 - sum(PENALTY[leak.severity] for leak in leaks if leak.status == "active"))


def risk(leaks: Collection[Leak]) -> Risk:
    """Risk of a section with these open leaks, by number and severity, whichever is the graver.

    More than two active leaks are a medium risk and more than five a high one, as the first Plainview counted. An
    active major leak is a medium risk and a critical one a high risk. One that has dwindled or is contained counts one
    step lower than the worst it has been: it is there when the section is opened again.
    """
    active = sum(leak.status == "active" for leak in leaks)
    by_number = 2 if active > 5 else 1 if active > 2 else 0
    return RISKS[max([by_number, *map(_risk_step, leaks)])]


def _risk_step(leak: Leak) -> int:
    now = SEVERITIES.index(leak.severity) if leak.status == "active" else 0
    return max(now, SEVERITIES.index(leak.worst) - 1)


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
