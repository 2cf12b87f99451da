"""The line model: no residual without a leak, and the right one with it."""

from __future__ import annotations

import numpy as np
import pytest

from plainview_ros.assets import Rig
from plainview_ros.pipeline_guard.line_model import (
    Friction,
    Grid,
    LineModel,
    friction,
    grid,
    leak_responses,
    reading_responses,
)

REACHES = 12
LINE = Grid(REACHES, 0.25, 1.0)


class TwoModels:
    """A line with another grid than the model's: what it sends out at its ends is what the model reads."""

    def __init__(self, law: Friction, drop: float, flow: float) -> None:
        self.law = law
        self.down = np.linspace(drop, 0.0, REACHES + 1) + flow
        self.up = np.linspace(drop, 0.0, REACHES + 1) - flow
        self.leak_node, self.leak = 4, 0.0

    def step(self, inlet_sends: float, outlet_sends: float) -> tuple[float, float, float, float]:
        flow = (self.down - self.up) / 2
        mean = (flow[1:] + flow[:-1]) / 2
        lost = np.array([self.law.at(value) for value in mean]) / REACHES
        down, up = self.down.copy(), self.up.copy()
        down[self.leak_node] -= self.leak
        up[self.leak_node] -= self.leak
        self.down[1:], self.up[:-1] = down[:-1] - lost, up[1:] + lost
        self.down[0], self.up[-1] = inlet_sends, outlet_sends
        inlet, outlet = (self.down[0], self.up[0]), (self.down[-1], self.up[-1])
        return (
            (inlet[0] + inlet[1]) / 2,
            (inlet[0] - inlet[1]) / 2,
            (outlet[0] + outlet[1]) / 2,
            (outlet[0] - outlet[1]) / 2,
        )


@pytest.fixture
def law() -> Friction:
    flows = np.linspace(0, 2, 400)
    return Friction(flows, flows**1.8)


def test_waves_from_outside_leave_no_residual(law: Friction) -> None:
    flow = 0.5
    line, model = TwoModels(law, law.at(flow), flow), LineModel(LINE, law)
    sent_in, sent_out = law.at(flow) + flow, -flow
    for step in range(400):
        pulse = 0.3 * (50 < step < 60) - 0.2 * (step > 150)
        found = model.step(*line.step(sent_in + pulse, sent_out + 0.2 * np.sin(step / 20)))
        assert np.abs(found).max() < 1e-12


def test_a_leak_leaves_its_size_at_each_end_when_its_wave_arrives(law: Friction) -> None:
    flow = 0.5
    line, model = TwoModels(law, law.at(flow), flow), LineModel(LINE, law)
    residuals = []
    for step in range(60 + 8 * REACHES):
        line.leak = 0.01 * (step >= 20)
        residuals.append(model.step(*line.step(law.at(flow) + flow, -flow)))
    inlet, outlet = np.transpose(residuals)
    assert np.abs(inlet[: 20 + line.leak_node - 1]).max() < 1e-12
    assert np.abs(outlet[: 20 + REACHES - line.leak_node - 1]).max() < 1e-12
    expected = 0.01 * leak_responses(REACHES, law.slope(flow), 8 * REACHES)[line.leak_node - 1]
    assert inlet[20 : 20 + 8 * REACHES] == pytest.approx(expected[0], rel=0.05, abs=1e-5)
    assert outlet[20 : 20 + 8 * REACHES] == pytest.approx(expected[1], rel=0.05, abs=1e-5)


def test_the_mean_of_both_residuals_of_a_leak_is_the_volume_balance() -> None:
    courses = leak_responses(REACHES, 0.8, 12 * REACHES)
    assert courses[:, :, -1].mean(axis=1) == pytest.approx(np.ones(REACHES - 1), rel=0.1)
    nearer_inlet, nearer_outlet = courses[1], courses[-2]
    assert nearer_inlet[0, -1] > nearer_inlet[1, -1]
    assert nearer_outlet[0, -1] < nearer_outlet[1, -1]


def test_a_wrong_flow_reading_looks_like_a_leak_at_its_end_and_a_wrong_pressure_like_none() -> None:
    courses = reading_responses(REACHES, 0.0, 4 * REACHES)
    inlet_pressure, inlet_flow, outlet_pressure, outlet_flow = courses[:, :, -1]
    assert inlet_flow == pytest.approx([1, 1])
    assert outlet_flow == pytest.approx([-1, -1])
    assert inlet_pressure == pytest.approx([-1, 1])
    assert outlet_pressure == pytest.approx([1, -1])


def test_friction_is_that_of_darcy(rig: Rig) -> None:
    section = rig.pipeline.sections[0]
    law = friction(section, rig.fluid, 1.0)

    def expected(velocity: float) -> float:
        reynolds = 850 * velocity * 0.3 / 0.008
        haaland = (-1.8 * np.log10((4.5e-5 / 0.3 / 3.7) ** 1.11 + 6.9 / reynolds)) ** -2
        factor = 64 / reynolds if reynolds < 2300 else haaland
        return float(factor * 2000 / 0.3 * 850 * velocity**2 / 2)

    for velocity in (0.01, 0.05, 0.3, 0.6, 2.0):
        flow = velocity * section.area_m2
        assert law.at(flow) == pytest.approx(expected(velocity), rel=0.04)
        assert law.at(-flow) == -law.at(flow)
    flow = 0.6 * section.area_m2
    assert law.slope(flow) == pytest.approx((law.at(1.05 * flow) - law.at(0.95 * flow)) / (0.1 * flow), rel=0.05)
    assert law.scaled(2.0).at(flow) == 2 * law.at(flow)


def test_the_grid_fits_the_travel_time(rig: Rig) -> None:
    section = rig.pipeline.sections[0]
    found = grid(section, rig.fluid, 0.25)
    assert found.travel_time_s == pytest.approx(2000 / 1100)
    assert found.impedance_pa_s_m3 == pytest.approx(850 * 1100 / section.area_m2)
    assert grid(section, rig.fluid, 0.25, wave_speed=1.1).travel_time_s == pytest.approx(2000 / 1210)
