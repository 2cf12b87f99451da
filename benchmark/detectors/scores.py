"""The scores of the shared bench, each as its records' authors define it, as plain figures.

The bench and its records are not part of this repository: ``PLAINVIEW_BENCH`` and ``PLAINVIEW_DATA`` say where they
are, by default ``../shared/bench`` and ``../shared/data``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

REPOSITORY = Path(__file__).parents[2]
BENCH = REPOSITORY / os.environ.get("PLAINVIEW_BENCH", "../shared/bench")
DATA = REPOSITORY / os.environ.get("PLAINVIEW_DATA", "../shared/data")


class Runs(NamedTuple):
    """SKAB: a water loop with valves and a pump, runs of 20 minutes, 8 channels at 1 Hz."""

    f1: float
    false_alarm_rate: float
    change_points: float
    """NAB score of the change points, standard profile."""
    cost_us: float


class Wells(NamedTuple):
    """3W: real offshore wells, hours at 1 Hz, up to 8 channels."""

    micro_f1: float
    detected: int
    events: int
    false_per_day: float
    """On normal wells."""
    in_alarm: float
    """Share of the time of normal wells."""
    normal_h: float
    cost_us: float


class Series(NamedTuple):
    """NAB: 58 single channels, samples minutes to an hour apart; standard profile."""

    optimised: float
    """With the threshold that is best for the whole corpus."""
    own: float
    """With the detector's own alarms."""
    cost_us: float


class Lines(NamedTuple):
    """Simulated transients of a 20 km line, two transmitters at each end."""

    leaks: int
    found: int
    """Within 180 s of the onset, and not before it."""
    large_in_60_s: float
    """Share of the leaks of 1 % and more that were found in a minute."""
    small_in_120_s: float
    """Share of the smaller ones that were found in two."""
    median_delay_s: float
    p90_delay_s: float
    within_5: float
    """Share of all leaks whose place, when it is first told, is right to 5 % of the length."""
    within_2: float
    size_error: float
    """Median, of the detectors that tell a size; as a share of the size."""
    early: int
    operations_alarmed: int
    false_in_days: int
    days_h: float
    day_delays: Sequence[tuple[float, float]]
    """Size [%] and delay [s] of the leaks at the end of days."""
    cost_us: float


@cache
def module(name: str) -> Any:
    """A module of the shared bench.

    Raises:
        FileNotFoundError: the bench or the records are not there.
    """
    for folder, variable in ((BENCH, "PLAINVIEW_BENCH"), (DATA, "PLAINVIEW_DATA")):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is not there: set {variable} to where it is")
    os.environ.setdefault("BENCH_PREP", str(DATA.resolve()))
    if str(BENCH) not in sys.path:
        sys.path.append(str(BENCH))
    return importlib.import_module(name)


def records(folder: str, names: Sequence[str] | None = None) -> list[Any]:
    """Scenarios of a folder of the data, all of them or those of these names."""
    known = module("common").load_dir(DATA / folder)
    return known if names is None else [record for record in known if record.name in names]


def runs(detector: object, names: Sequence[str] | None = None) -> Runs:
    found = module("score_skab").run(detector, data=records("skab", names))
    return Runs(found["F1"], found["FAR"] / 100, found["NAB"], found["us"])


def wells(detector: object, names: Sequence[str] | None = None) -> Wells:
    scorer, known = module("score_3w"), records("3w", names)
    normal = [record for record in known if record.meta["cls"] == 0 and len(record.t) > 5400]
    found = scorer.records(detector, scorer.usable(known), normal)
    events, healthy = [r for r in found if r["ev"]], [r for r in found if not r["ev"]]
    hours = sum(r["h"] for r in healthy)
    return Wells(
        micro_f1=float(np.mean([r["f1"] for r in events])) if events else np.nan,
        detected=sum(r["hit"] for r in events),
        events=len(events),
        false_per_day=24 * sum(r["fa"] for r in healthy) / hours if hours else np.nan,
        in_alarm=sum(r["on"] * r["h"] for r in healthy) / hours if hours else np.nan,
        normal_h=hours,
        cost_us=float(np.mean([r["us"] for r in found])),
    )


def lines(detector: object) -> Lines:
    """As the bench's own ``score_leak``, and what the size and the time limits are worth."""
    common, scorer = module("common"), module("score_leak")
    delays: list[tuple[float, float]] = []
    places: list[float] = []
    sizes: list[float] = []
    costs: list[float] = []
    day_delays: list[tuple[float, float]] = []
    early = operations = false_in_days = 0
    days_h = 0.0
    for record in records("leak/dev"):
        truth = record.meta["truth"]
        kind, warm_up = truth["kind"], 3600 if truth["kind"].startswith("day") else 1000
        run = common.run_online(detector, record, warmup=warm_up)
        alarm, times = run["alarm"], record.t
        costs.append(run["us_per_sample"])
        onset_s = truth["t0"] if kind in ("leak", "day_leak") else times[-1] + 1
        before = np.flatnonzero(alarm & (times < onset_s))
        after = np.flatnonzero(alarm & (times >= onset_s) & ~np.r_[False, alarm[:-1]])
        if kind == "ops":
            operations += bool(len(before))
        elif kind == "leak":
            early += bool(len(before))
            is_found = len(after) and not len(before) and times[after[0]] <= onset_s + FOUND_S
            delays.append((truth["pct"], times[after[0]] - onset_s if is_found else np.inf))
            located = (
                np.isfinite(run["loc"]) & alarm if is_found and run["loc"] is not None else np.zeros(len(times), bool)
            )
            error_m = abs(run["loc"][np.argmax(located)] - truth["x"]) if located.any() else np.inf
            places.append(error_m / record.meta["public"]["length_m"])
            size_m3s = getattr(run["detector"], "size_m3s", np.nan)
            sizes.append(abs(size_m3s / (truth["pct"] / 100 * truth["q0"]) - 1))
        else:
            usual = (times < onset_s) & (np.arange(len(times)) >= warm_up)
            false_in_days += len(scorer.runs(alarm & usual, times))
            days_h += float(np.ptp(times[usual])) / 3600
            if kind == "day_leak":
                day_delays.append((truth["pct"], times[after[0]] - onset_s if len(after) else np.inf))
    found = [delay_s for _, delay_s in delays if np.isfinite(delay_s)]
    return Lines(
        leaks=len(delays),
        found=len(found),
        large_in_60_s=float(np.mean([delay_s <= 60 for percent, delay_s in delays if percent >= 1])),
        small_in_120_s=float(np.mean([delay_s <= 120 for percent, delay_s in delays if percent < 1])),
        median_delay_s=float(np.median(found)) if found else np.nan,
        p90_delay_s=float(np.quantile(found, 0.9)) if found else np.nan,
        within_5=float(np.mean(np.array(places) <= 0.05)),
        within_2=float(np.mean(np.array(places) <= 0.02)),
        size_error=float(np.nanmedian(sizes)) if np.isfinite(sizes).any() else np.nan,
        early=early,
        operations_alarmed=operations,
        false_in_days=false_in_days,
        days_h=days_h,
        day_delays=day_delays,
        cost_us=float(np.mean(costs)),
    )


FOUND_S = 180.0
"""After its onset, within which a leak has to be found."""


def series(detector: object) -> Series:
    scorer, common = module("score_nab"), module("common")
    own: list[tuple[Any, Any, Any]] = []
    scored: list[tuple[Any, Any, Any]] = []
    costs_us: list[float] = []
    for record in scorer.load():
        weights, values = scorer.sweep(len(record.t), record.extra["windows"])
        scorer.items_nw[id(weights)] = len(record.extra["windows"])
        run = common.run_online(detector, record, warmup=min(int(0.15 * len(record.t)), 750))
        alarm = run["alarm"]
        own.append((weights, values, (alarm & ~np.r_[False, alarm[:-1]]).astype(float)))
        scored.append((weights, values, run["score"]))
        costs_us.append(run["us_per_sample"])
    best = scorer.optimise(scored, "standard")
    return Series(
        scorer.score_at(scored, best)["standard"], scorer.score_at(own, 0.5)["standard"], float(np.mean(costs_us))
    )
