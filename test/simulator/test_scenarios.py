"""Scenario files: those that ship, what they make happen, and mistakes told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from plainview_ros.assets import Rig
from plainview_ros.simulator.faults import Fault
from plainview_ros.simulator.plant import Plant
from plainview_ros.simulator.scenarios import DemandChange, Scenario, ScenarioError, Stroke, load_scenario

FOLDER = Path(__file__).parents[2] / "config" / "scenarios"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_scenarios_fit_the_default_rig(rig: Rig, path: Path) -> None:
    scenario = load_scenario(path, rig)
    assert scenario.operations or scenario.faults
    assert scenario.description


def test_each_item_is_due_once_in_each_round() -> None:
    stroke = Stroke(kind="stroke", at_s=10, valve="v-101", opening=0.5)
    change = DemandChange(kind="demand", at_s=25, value=1.1)
    fault = Fault("smoke", "cam-101", 0.5)
    scenario = Scenario(name="x", repeat_every_s=30, operations=(stroke, change), faults=(fault,))
    due = [(t, item) for t in range(75) for item in scenario.due(t, t + 1)]
    assert due == [
        *((t + round_s, item) for round_s in (0, 30) for t, item in ((0, fault), (10, stroke), (25, change))),
        (60, fault),
        (70, stroke),
    ]


def test_operations_are_carried_out(rig: Rig) -> None:
    scenario = Scenario.model_validate(
        {
            "name": "x",
            "operations": [
                {"kind": "stroke", "at_s": 1, "valve": "v-102", "opening": 0.5},
                {"kind": "demand", "at_s": 2, "value": 0.5, "ramp_s": 10},
                {"kind": "pump_speed", "at_s": 3, "value": 0.9},
            ],
        }
    )
    plant = Plant(rig, 1, scenario)
    for _ in plant.run(60):
        pass
    assert plant.actuators["v-102"].opening == pytest.approx(0.5, abs=0.01)
    assert plant.pipeline.demand == pytest.approx(0.5, rel=0.1)
    assert plant.pipeline.pump_speed == 0.9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- leak", r"x.yaml:1: expected a mapping with name, description"),
        ("name: x\nfaults:\n  - {kind: flood, target: A}\n", r"x.yaml:3: faults\[0\]: unknown kind 'flood'"),
        ("name: x\nfaults:\n  - {kind: leak, target: A-North, size: 3}\n", r"x.yaml:3: faults\[0\].size: Unexpected"),
        ("name: x\nfaults:\n\n  - {kind: leak, target: A-North, magnitude: .nan}\n", r"x.yaml:4: .*found nan"),
        (
            "name: x\noperations:\n  - kind: stroke\n    at_s: 5\n    valve: v-9\n    opening: 1\n",
            r"x.yaml:5: operations\[0\].valve: expected one of v-101, v-102, v-103, found 'v-9'",
        ),
        ("name: x\noperations:\n  - {kind: dance, at_s: 5}\n", r"x.yaml:3: operations\[0\]: .*'dance'"),
        (
            "name: x\nrepeat_every_s: 60\noperations:\n  - {kind: demand, at_s: 60, value: 1}\n",
            r"x.yaml:4: operations\[0\].at_s: expected less than repeat_every_s, 60",
        ),
    ],
)
def test_mistakes_in_a_file_are_told_with_their_line(rig: Rig, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=words):
        load_scenario(path, rig)
