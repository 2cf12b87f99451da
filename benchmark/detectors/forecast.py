"""FlowIQ's forecast of every channel of the shared records: does the band hold what it says, is the middle of use?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.detectors import scores
from benchmark.results import Section, against, number
from plainview_ros.flow_iq.forecast import CELL_S, HORIZONS, Forecaster

MOVING = 0.8
"""A channel counts when it reads otherwise after an hour than before in so many cases: the band of one that stands is
one value, and always right."""

LONGEST = 3000
"""Steps of a record that are used at the most, from its beginning."""

SETS = {"NAB": "nab/*.npz", "3W, normal": "3w/0_*.npz", "3W, an event": "3w/[1-9]_*.npz"}

SHOWN_S = (300.0, 1800.0, 3600.0)


class Outcome(NamedTuple):
    """Of the forecasts of one channel for one time ahead."""

    inside: int
    told: int
    error: float
    """Mean distance of the reading from what was expected ..."""
    standing: float
    """... and from the newest reading before."""
    width: float
    """Mean, of the bands."""


def judged(t: NDArray[np.float64], x: NDArray[np.float64]) -> dict[float, Outcome] | None:
    """Forecast one channel as the node does, and look what came; ``None``: it does not move, or is too short.

    Args:
        t: stamps [s].
        x: readings, NaN where there is none.
    """
    measured = ~np.isnan(x)
    t, x = t[measured], x[measured]
    forecaster, made = Forecaster(), []
    for stamp_s, value in zip(t.tolist(), x.tolist(), strict=True):
        before = forecaster.forecast
        forecaster.add(stamp_s, value)
        if forecaster.forecast is not None and forecaster.forecast is not before:
            made.append(forecaster.forecast)
    cells = np.floor(t / CELL_S)
    ends = np.flatnonzero(np.diff(cells, append=np.inf))
    last = dict(zip(((cells[ends] + 1) * CELL_S).tolist(), x[ends].tolist(), strict=True))
    hour_s = HORIZONS[-1] * CELL_S
    hours = [abs(last[end_s + hour_s] - value) for end_s, value in last.items() if end_s + hour_s in last]
    if not hours or np.mean(np.array(hours) > 0) < MOVING:
        return None
    told: dict[float, list[tuple[bool, float, float, float]]] = defaultdict(list)
    for forecast in made:
        for point in forecast.points:
            actual = last.get(forecast.made_at_s + point.ahead_s)
            if actual is not None:
                told[point.ahead_s].append(
                    (
                        point.low <= actual <= point.high,
                        abs(actual - point.expected),
                        abs(actual - last[forecast.made_at_s]),
                        point.high - point.low,
                    )
                )
    return {ahead_s: _outcome(np.array(items, float)) for ahead_s, items in told.items()}


def _outcome(items: NDArray[np.float64]) -> Outcome:
    inside, error, standing, width = items.T
    return Outcome(int(inside.sum()), len(items), float(error.mean()), float(standing.mean()), float(width.mean()))


def records() -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """Of each channel the name of its set, its stamps and its readings."""
    for label, pattern in SETS.items():
        for path in sorted(scores.DATA.glob(pattern)):
            with np.load(path, allow_pickle=False) as record:
                t, values = record["t"].astype(float), record["X"].astype(float)
            step_s = max(float(np.median(np.diff(t))), CELL_S)
            if step_s > HORIZONS[0] * CELL_S:
                continue  # it says nothing of the times that are forecast
            used = t <= t[0] + LONGEST * step_s
            for column in values.T:
                yield label, t[used], column[used]


def table() -> str:
    outcomes: dict[str, list[dict[float, Outcome]]] = defaultdict(list)
    for label, t, x in records():
        if (outcome := judged(t, x)) is not None:
            outcomes[label].append(outcome)
    section = Section(
        "Forecast",
        "Share of the readings in the 90 % band, forecast as the node does from the first minute on; the error of the"
        " middle and the width of the band, as shares of the error of the newest reading (geometric mean of channels)."
        " Channels that stand still are left out: their band is always right.",
        ("set", "channels", "ahead", "in the band", "middle", "width", "forecasts"),
    )
    for label, channels in outcomes.items():
        for ahead_s in SHOWN_S:
            _add(section, label, f"{ahead_s / 60:.0f} min", [c[ahead_s] for c in channels if ahead_s in c])
        _add(section, label, "all", [o for c in channels for o in c.values()], len(channels))
    return section.markdown()


def _add(section: Section, label: str, ahead: str, outcomes: list[Outcome], channels: int | None = None) -> None:
    inside, told = sum(o.inside for o in outcomes), sum(o.told for o in outcomes)
    middle = np.exp(np.mean([np.log(o.error / o.standing) for o in outcomes if o.standing and o.error]))
    width = np.exp(np.mean([np.log(o.width / o.standing) for o in outcomes if o.standing and o.width]))
    section.add(
        *(label, str(channels or len(outcomes)), ahead, against(100 * inside / told, least=88.0, most=92.0) + " %"),
        *(number(float(middle)), number(float(width)), f"{told:,}"),
    )
