"""From the entries of a timeline as people and recordings write them to the steps of a mission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainview_ros.missions.mission import Step
from plainview_ros.utc import parse_s

MAX_STEPS = 10_000
MAX_LENGTH_S = 30 * 86_400.0
MAX_TIME = 1e14
"""Epoch milliseconds far beyond anything meant, and safely a float."""


def steps_of(timeline: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """The steps of a timeline in order of time; entries of the same time keep their order.

    When an entry happens it says in one of two ways, the same in all entries: ``at`` is seconds from the start;
    ``timestamp`` is the recorded time, an ISO 8601 string (UTC unless it has an offset) or epoch milliseconds, and the
    first entry is the start. ``title`` may be left out where ``type`` says what it is; whatever else an entry holds
    is kept and handed back.

    Raises:
        ValueError: naming the entry and what was expected.
    """
    if len(timeline) > MAX_STEPS:
        raise ValueError(f"timeline: expected at most {MAX_STEPS} entries, got {len(timeline)}")
    if not timeline:
        return ()
    key = "at" if "at" in timeline[0] else "timestamp"
    times_s = [_time_s(entry, key, f"timeline[{i}]") for i, entry in enumerate(timeline)]
    start_s = min(times_s) if key == "timestamp" else 0.0
    if max(times_s) - start_s > MAX_LENGTH_S:
        raise ValueError(f"timeline: expected at most {MAX_LENGTH_S:g} s, got {max(times_s) - start_s:g} s")
    steps = [
        Step(time_s - start_s, _title(entry, f"timeline[{i}]"), entry)
        for i, (time_s, entry) in enumerate(zip(times_s, timeline, strict=True))
    ]
    return tuple(sorted(steps, key=lambda step: step.at_s))


def _time_s(entry: Mapping[str, Any], key: str, where: str) -> float:
    if key not in entry:
        raise ValueError(f"{where}: expected {key}, as in the first entry (each needs at [s] or timestamp)")
    value = entry[key]
    if key == "timestamp" and isinstance(value, str):
        try:
            return parse_s(value)
        except ValueError:
            raise ValueError(f"{where}.timestamp: expected an ISO 8601 time, got {value!r}") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_TIME:
        raise ValueError(f"{where}.{key}: expected a number between 0 and {MAX_TIME:g}, got {str(value)[:40]}")
    return value / 1000 if key == "timestamp" else float(value)


def _title(entry: Mapping[str, Any], where: str) -> str:
    title = entry.get("title", entry.get("type"))
    if not isinstance(title, str) or not title:
        raise ValueError(f"{where}.title: expected some text, got {title!r}")
    return title
