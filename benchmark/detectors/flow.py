"""FlowIQ beside other detectors, in one configuration for all records."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

from benchmark.detectors import scores
from benchmark.detectors.adapters import Flow
from benchmark.results import Section, against, number

OTHERS = ("seed rule", "frozen-reference MAD", "online PCA T2+Q", "river HalfSpaceTrees", "windowed Gaussian tail")
"""Of the shared bench's baselines: the first version's rule, and the best of each kind."""

SENSITIVITIES = (0.5, 0.7, 1.4, 2.0)
"""Of the Pareto curve; 1 is the default."""


def table() -> str:
    compared = Section(
        "FlowIQ",
        "F1 and false alarm rate of SKAB, its change points (NAB score); micro-F1 of windows and clean detections of"
        " 3W, alarms on its normal wells; NAB's score with the best threshold of all and with the detector's own.",
        (
            *("detector", "SKAB F1", "FAR", "CP", "3W F1", "clean", "false/day", "in alarm", "NAB best", "NAB own"),
            "us/row of 8 channels",
        ),
    )
    for label, detector in _compared():
        runs, wells, series = scores.runs(detector), scores.wells(detector), scores.series(detector)
        compared.add(
            label,
            against(runs.f1, least=0.85),
            against(100 * runs.false_alarm_rate, most=9.0) + " %",
            against(runs.change_points, least=45.0),
            against(wells.micro_f1, least=0.84),
            f"{against(wells.detected / wells.events, least=0.88)} {wells.detected}/{wells.events}",
            against(wells.false_per_day, most=0.5),
            against(100 * wells.in_alarm, most=1.0) + " %",
            against(series.optimised, least=65.0),
            against(series.own, least=55.0),
            against(runs.cost_us, most=50.0),
        )
    curve = Section(
        "FlowIQ, more and less sensitive",
        "One number multiplies every threshold; 1 is the default.",
        ("thresholds x", "SKAB F1", "FAR", "CP", "3W F1", "clean", "false/day", "in alarm"),
    )
    for factor in SENSITIVITIES:
        detector = (Flow, {"factor": factor})
        runs, wells = scores.runs(detector), scores.wells(detector)
        curve.add(
            *(f"{factor:g}", number(runs.f1), f"{100 * runs.false_alarm_rate:.1f} %"),
            *(number(runs.change_points), number(wells.micro_f1), f"{wells.detected}/{wells.events}"),
            *(number(wells.false_per_day), f"{100 * wells.in_alarm:.1f} %"),
        )
    return "\n".join((compared.markdown(), curve.markdown()))


def _compared() -> Iterator[tuple[str, object]]:
    yield "**FlowIQ**", (Flow, {})
    known = scores.module("detectors").BASELINES
    for label in OTHERS:
        if not label.startswith("river") or importlib.util.find_spec("river"):
            yield label, known[label] + ('{"generic": true}' if label == "seed rule" else "")
