"""The guard on recorded transients of a 20 km line, simulated by another solver (see the README of the data).

What the records say of a leak is used to judge, never to detect: the guard is built from ``meta.public``. Only some of
them are tried here; ``make bench-detectors`` tries all.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmark.detectors.adapters import Pipeline
from ros_graph import REPOSITORY

DATA = REPOSITORY / os.environ.get("PLAINVIEW_DATA", "../shared/data") / "leak" / "dev"
HAVE_DATA = pytest.mark.skipif(not DATA.is_dir(), reason="no leak records: set PLAINVIEW_DATA to the folder of them")
WARM_UP = 1000
LATEST_S = 60.0
"""After its onset, for a leak of 1 % and more."""


class Outcome(NamedTuple):
    alarm_s: float | None
    location_m: float | None
    truth: dict[str, Any]


def run(name: str, until_s: float = np.inf) -> Outcome:
    """The first alarm of a record and the first place that is told."""
    with np.load(DATA / f"{name}.npz") as file:
        meta = json.loads(str(file["meta"]))
        channels = [str(channel) for channel in file["channels"]]
        times_s, rows = file["t"].tolist(), file["X"].astype(float).tolist()
    period_s = float(np.median(np.diff(times_s[:200])))
    detector = Pipeline(channels, WARM_UP, period_s, meta["public"])
    alarm_s = None
    for time_s, row in zip(times_s, rows, strict=True):
        if detector.update(time_s, dict(zip(channels, row, strict=True))) and alarm_s is None:
            alarm_s = time_s
        if time_s > until_s or (alarm_s is not None and detector.location is not None):
            break
    return Outcome(alarm_s, detector.location, meta["truth"])


@HAVE_DATA
@pytest.mark.parametrize("name", [f"ops{n:02d}" for n in range(10)])
def test_operations_without_a_leak_raise_no_alarm(name: str) -> None:
    assert run(name).alarm_s is None


@HAVE_DATA
@pytest.mark.parametrize("name", ["leak02", "leak03", "leak06", "leak08", "leak18"])
def test_a_leak_of_one_percent_and_more_is_found_within_a_minute(name: str) -> None:
    outcome = run(name)
    began_s = outcome.truth["t0"]
    assert outcome.alarm_s is not None
    assert 0 < outcome.alarm_s - began_s < LATEST_S
    assert outcome.location_m == pytest.approx(outcome.truth["x"], abs=2000)
