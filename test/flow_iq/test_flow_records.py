"""The detectors on records nobody here made. What they reach stands in docs/flow_iq.md; here it must not get worse."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plainview_ros.assets import Instrument, Quantity, load_rig
from plainview_ros.flow_iq.detectors import ChannelDetector, Limits
from ros_graph import REPOSITORY

DATA = REPOSITORY / os.environ.get("PLAINVIEW_DATA", "../shared/data")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared records are not on this machine (PLAINVIEW_DATA)")

QUANTITIES: dict[str, Quantity] = {"flow": "flow_rate", "pressure": "pressure", "temperature": "temperature"}
ACCURACIES = {"pressure": 1000.0, "temperature": 0.1}
"""Of ordinary transmitters; the records do not tell. For other kinds, whose unit is unknown, next to none."""


def instruments(kinds: Sequence[str]) -> list[Instrument]:
    """Stand-ins for those of a record. A kind the product does not know counts as viscosity: that only names it."""
    return [
        Instrument(
            tag="X",
            quantity=QUANTITIES.get(kind, "viscosity"),
            range=(-1e30, 1e30),
            accuracy=ACCURACIES.get(kind, 1e-9),
        )
        for kind in kinds
    ]


def alarms(times_s: Any, rows: Any, channels: Sequence[Instrument]) -> Any:
    """Whether an anomaly of any channel is open, row by row."""
    detectors = [ChannelDetector("line", instrument, Limits()) for instrument in channels]
    alarm = np.zeros(len(times_s), bool)
    for i, (time_s, row) in enumerate(zip(times_s, rows, strict=True)):
        for detector, value in zip(detectors, row, strict=True):
            if np.isfinite(value):
                detector.update(float(time_s), float(value))
        alarm[i] = any(detector.anomaly for detector in detectors)
    return alarm


def load(path: Path) -> Any:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_testbed_runs_are_judged_as_well_as_stated() -> None:
    """F1 and false alarm rate by the protocol of SKAB: the first 400 rows of a run are not judged."""
    truth, alarm = [], []
    for path in sorted((DATA / "skab").glob("*__*.npz")):
        if "anomaly-free" not in path.name:
            record = load(path)
            truth.append(record["label"][400:] == 1)
            alarm.append(alarms(record["t"], record["X"], instruments(record["kinds"]))[400:])
    y, p = np.concatenate(truth), np.concatenate(alarm)
    f1 = 2 * (y & p).sum() / (y.sum() + p.sum())
    false_alarm_rate = (~y & p).sum() / (~y).sum()
    assert f1 > 0.65
    assert false_alarm_rate < 0.04


def test_closure_of_a_safety_valve_is_found_in_time_and_nothing_before() -> None:
    record = load(DATA / "3w" / "2__WELL-00003_20141122214325.npz")
    rig = load_rig(REPOSITORY / "config" / "rigs" / "3w_well.yaml")
    tags = ["P-TPT", "T-TPT"]
    columns = [list(record["channels"]).index(tag) for tag in tags]
    alarm = alarms(record["t"], record["X"][:, columns], [rig.instrument[tag] for tag in tags])
    onset = int(np.flatnonzero(record["label"])[0])
    assert not alarm[:onset].any()
    assert alarm[onset : onset + 120].any()
