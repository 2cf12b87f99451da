"""PipelineGuard beside other leak detectors, on simulated transients of a 20 km line by another solver."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.detectors import scores
from benchmark.detectors.adapters import Pipeline
from benchmark.results import Section, against

OTHERS = ("leak_baselines:SeedRule", "leak_baselines:MassBalance", "leak_baselines:NPW", "leak_baselines:NPWandBalance")
"""Of the shared bench: the first version's rule, the balance, the pressure wave, and both."""


def table() -> str:
    found = Section(
        "PipelineGuard: leaks",
        "Found within 180 s of the onset and not before it; delays from the onset, of abrupt leaks and of those that"
        " grow for up to a minute; place when it is first told, as a share of the length; size at the record's end.",
        (
            *("detector", "found", "of 1 % and more in 60 s", "of 0.5 % in 120 s", "median delay [s]", "90 % [s]"),
            *("within 5 %", "within 2 %", "size error, median", "us/row of 4 channels"),
        ),
    )
    quiet = Section(
        "PipelineGuard: no leaks",
        "Records with an alarm before the leak; operations (pump, valve, demand) with an alarm; alarms in days of"
        " operation before their leak, and when that is found.",
        ("detector", "early", "operations", "false alarms in days", "days [h]", "leaks of the days found after [min]"),
    )
    for label, detector in _compared():
        lines = scores.lines(detector)
        found.add(
            label,
            f"{lines.found}/{lines.leaks}",
            against(lines.large_in_60_s, least=1.0),
            against(lines.small_in_120_s, least=0.9),
            against(lines.median_delay_s, most=12.0),
            against(lines.p90_delay_s, most=40.0),
            against(lines.within_5, least=0.8),
            against(lines.within_2, least=0.6),
            against(100 * lines.size_error, most=15.0) + " %",
            f"{lines.cost_us:.0f}",
        )
        quiet.add(
            label,
            against(lines.early, most=0.0),
            against(lines.operations_alarmed, most=0.0),
            against(lines.false_in_days, most=0.0),
            f"{lines.days_h:.0f}",
            ", ".join(f"{percent:g} %: {delay_s / 60:.1f}" for percent, delay_s in lines.day_delays),
        )
    return "\n".join((found.markdown(), quiet.markdown()))


def _compared() -> Iterator[tuple[str, object]]:
    yield "**PipelineGuard**", (Pipeline, {})
    for name in OTHERS:
        yield name.partition(":")[2], name
