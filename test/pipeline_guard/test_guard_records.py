"""The watch on recorded transients of a 20 km line, simulated by another solver (see the README of the data).

What the records say of a leak is used to judge, never to detect: the watch is built from ``meta.public``. Their meters'
accuracy is not given; it is taken from the noise that the first minute shows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plainview_ros.assets import Rig
from plainview_ros.pipeline_guard.watch import Judgement, SectionWatch, Sensitivity
from plainview_ros.samples import Sample
from ros_graph import REPOSITORY

DATA = REPOSITORY / os.environ.get("PLAINVIEW_DATA", "../shared/data") / "leak" / "dev"
HAVE_DATA = pytest.mark.skipif(not DATA.is_dir(), reason="no leak records: set PLAINVIEW_DATA to the folder of them")
TAGS = {"p_in": "pressure", "p_out": "pressure", "q_in": "flow_rate", "q_out": "flow_rate"}
OPERATIONS = [f"ops{n:02d}" for n in range(10)]
LEAKS = [f"leak{n:02d}" for n in range(20)]


@dataclass
class Record:
    times_s: Any
    values: dict[str, Any]
    public: dict[str, float]
    truth: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> Record:
        with np.load(path) as file:
            meta = json.loads(str(file["meta"]))
            channels = [str(channel) for channel in file["channels"]]
            values = {channel: file["X"][:, n].astype(float) for n, channel in enumerate(channels)}
            return cls(file["t"].astype(float), values, meta["public"], meta["truth"])

    def accuracy(self, channel: str) -> float:
        """Standard deviation from one reading to the next in the first minute."""
        first = self.values[channel][self.times_s < self.times_s[0] + 60]
        return float(np.std(np.diff(first)) / np.sqrt(2))

    def rig(self) -> Rig:
        ends = {end: {"pressure": f"p_{end}", "flow_rate": f"q_{end}"} for end in ("in", "out")}
        section = {
            "id": "line",
            "length_m": self.public["length_m"],
            "diameter_m": self.public["diameter_m"],
            "roughness_m": 0,
            "wave_speed_m_s": self.public["wave_speed_nominal"],
            "start": {"latitude": 0, "longitude": 0},
            "end": {"latitude": 0, "longitude": 0},
            "inlet": ends["in"],
            "outlet": ends["out"],
        }
        instruments = [
            {"tag": tag, "quantity": quantity, "range": [-1e9, 1e9], "accuracy": self.accuracy(tag), "deadline_s": 5}
            for tag, quantity in TAGS.items()
        ]
        return Rig.model_validate(
            {
                "name": "record",
                "fluid": {"name": "oil", "density_kg_m3": self.public["density"], "viscosity_pa_s": 0.01},
                "pipeline": {"sections": [section]},
                "instruments": instruments,
            }
        )

    def judgements(self) -> Iterator[Judgement]:
        rig = self.rig()
        watch = SectionWatch(rig, rig.pipeline.sections[0], Sensitivity())
        found = False
        for n, time_s in enumerate(self.times_s.tolist()):
            for tag in TAGS:
                sample = Sample(tag, rig.instrument[tag].quantity, float(self.values[tag][n]), time_s)
                for judgement in watch.add(sample, sound=not found):
                    found = found or judgement.limit_share >= 1
                    yield judgement


def alarms(judgements: Iterable[Judgement]) -> Iterator[float]:
    """Stamps with complete evidence of a leak."""
    return (judgement.stamp_s for judgement in judgements if judgement.limit_share >= 1)


@HAVE_DATA
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_without_a_leak_raise_no_alarm(name: str) -> None:
    assert list(alarms(Record.load(DATA / f"{name}.npz").judgements())) == []


@HAVE_DATA
@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_of_one_percent_and_more_is_found_in_three_minutes_with_its_size(name: str) -> None:
    record = Record.load(DATA / f"{name}.npz")
    began_s, percent = record.truth["t0"], record.truth["pct"]
    judgements = list(record.judgements())
    found_s = next(alarms(judgements), None)
    assert found_s is None or found_s > began_s, "alarm before the leak"
    if percent >= 1:
        assert found_s is not None
        assert found_s - began_s < 180
        line_flow = float(record.values["q_in"][record.times_s < began_s].mean())
        noise_m3s = np.hypot(record.accuracy("q_in"), record.accuracy("q_out"))
        assert judgements[-1].rate_m3s == pytest.approx(percent / 100 * line_flow, rel=0.25, abs=2 * noise_m3s)
