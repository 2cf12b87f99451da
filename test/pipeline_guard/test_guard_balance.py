"""The volume balance against what the wave equation and plain integration say."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainview_ros.assets import Rig, Section
from plainview_ros.pipeline_guard.balance import Balance, VolumeBalance
from plainview_ros.samples import Sample

DENSITY = 850.0
SECTION = Section.model_validate(
    {
        "id": "S",
        "length_m": 2000,
        "diameter_m": 0.3,
        "roughness_m": 0,
        "wave_speed_m_s": 1000,
        "start": {"latitude": 0, "longitude": 0},
        "end": {"latitude": 0, "longitude": 0},
        "inlet": {"pressure": "P-IN", "flow_rate": "Q-IN"},
        "outlet": {"pressure": "P-OUT", "flow_rate": "Q-OUT"},
    }
)
TRAVEL_TIME_S = 2.0
IMPEDANCE = DENSITY * SECTION.wave_speed_m_s / SECTION.area_m2
"""Pressure of a wave per flow of a wave [Pa s/m^3]."""

Signal = Callable[[float], float]


def constant(value: float) -> Signal:
    return lambda _: value


STEADY = constant(1e6)


class Line:
    """Feeds a balance with what four instruments read of given signals, each at its own times."""

    def __init__(self, step_s: float = 0.5, gap_s: float = 2.0) -> None:
        self.balance = VolumeBalance(SECTION, DENSITY, step_s, dict.fromkeys(("P-IN", "P-OUT", "Q-IN", "Q-OUT"), gap_s))

    def feed(
        self,
        *,
        until_s: float,
        q_in: Signal,
        q_out: Signal,
        p_in: Signal = STEADY,
        p_out: Signal = STEADY,
        from_s: float = 0.0,
        periods_s: tuple[float, float, float, float] = (0.1, 0.1, 0.1, 0.1),
    ) -> list[Balance]:
        signals = {"Q-IN": q_in, "Q-OUT": q_out, "P-IN": p_in, "P-OUT": p_out}
        times = [
            (from_s + n * period_s, tag)
            for tag, period_s in zip(signals, periods_s, strict=True)
            for n in range(round((until_s - from_s) / period_s) + 1)
        ]
        balances = []
        for time_s, tag in sorted(times):
            quantity = "pressure" if tag.startswith("P") else "flow_rate"
            balances += self.balance.add(Sample(tag, quantity, signals[tag](time_s), time_s))
        return balances


waves = st.lists(st.floats(-0.05, 0.05), min_size=3, max_size=12)


@settings(deadline=None, max_examples=50)
@given(forward=waves, backward=waves, lost=st.floats(0, 0.01))
def test_waves_of_any_shape_leave_no_imbalance_and_a_loss_leaves_itself(
    forward: list[float], backward: list[float], lost: float
) -> None:
    """d'Alembert: p = Z (f + g), q = f - g with f(t - x/a) and g(t + x/a); both change every 0.7 s."""

    def at(shape: list[float], time_s: float) -> float:
        return float(np.interp(time_s, 0.7 * np.arange(len(shape)) + TRAVEL_TIME_S, shape))

    def f(t: float) -> float:
        return at(forward, t)

    def g(t: float) -> float:
        return at(backward, t)

    balances = Line().feed(
        until_s=14,
        q_in=lambda t: f(t) - g(t),
        p_in=lambda t: 1e6 + IMPEDANCE * (f(t) + g(t)),
        q_out=lambda t: f(t - TRAVEL_TIME_S) - g(t + TRAVEL_TIME_S) - lost,
        p_out=lambda t: 1e6 + IMPEDANCE * (f(t - TRAVEL_TIME_S) + g(t + TRAVEL_TIME_S)),
    )
    assert len(balances) >= 20
    assert [b.imbalance_m3s for b in balances] == pytest.approx([lost] * len(balances), abs=1e-9)


def test_pressurising_packs_what_compressibility_says() -> None:
    """1 bar per second into V = A L of bulk modulus rho a^2."""
    rate_pa_s = 1e5
    packed_m3s = SECTION.area_m2 * SECTION.length_m / (DENSITY * SECTION.wave_speed_m_s**2) * rate_pa_s
    balances = Line().feed(
        until_s=10,
        q_in=constant(0.1 + packed_m3s),
        q_out=constant(0.1),
        p_in=lambda t: 2e6 + rate_pa_s * t,
        p_out=lambda t: 1e6 + rate_pa_s * t,
    )
    assert balances[-1].line_pack_m3s == pytest.approx(packed_m3s, rel=1e-9)
    assert balances[-1].imbalance_m3s == pytest.approx(0, abs=1e-12)


def test_instruments_need_not_be_read_together() -> None:
    balances = Line().feed(
        until_s=60,
        q_in=lambda t: 0.1 + 0.001 * t,
        q_out=lambda t: 0.09 + 0.001 * t,
        periods_s=(0.1, 0.37, 1.0, 0.83),
    )
    assert len(balances) > 100
    assert [b.imbalance_m3s for b in balances] == pytest.approx([0.01] * len(balances), abs=1e-9)


@pytest.mark.parametrize("rate_hz", [1, 2, 5, 10])
def test_every_step_is_judged_once_at_any_rate(rate_hz: int) -> None:
    balances = Line().feed(
        until_s=60, q_in=constant(0.1), q_out=constant(0.1), periods_s=(1 / rate_hz,) * 4, from_s=1000
    )
    steps = np.diff([b.stamp_s for b in balances])
    assert steps == pytest.approx(np.full(len(steps), 0.5))


def test_the_step_divides_the_travel_time() -> None:
    tags = dict.fromkeys(("P-IN", "P-OUT", "Q-IN", "Q-OUT"), 2.0)
    balance = VolumeBalance(SECTION, DENSITY, 0.6, tags)
    assert balance.step_s <= 0.6
    assert math.isclose(TRAVEL_TIME_S / balance.step_s % 1, 0, abs_tol=1e-9)


def test_no_balance_is_made_up_over_a_gap() -> None:
    line = Line()
    line.feed(until_s=20, q_in=constant(0.1), q_out=constant(0.1))
    rest = line.feed(from_s=30, until_s=40, q_in=constant(0.1), q_out=constant(0.1))
    assert rest[0].stamp_s > 30 + TRAVEL_TIME_S
    assert rest[-1].stamp_s == pytest.approx(40, abs=0.5)


def test_one_silent_instrument_stops_the_balance_until_it_speaks() -> None:
    line = Line()
    line.feed(until_s=20, q_in=constant(0.1), q_out=constant(0.1))
    silent = [b for n in range(100) for b in line.balance.add(Sample("Q-IN", "flow_rate", 0.1, 20.1 + n * 0.1))]
    assert not silent


def test_a_clock_that_begins_anew_is_followed() -> None:
    line = Line()
    line.feed(from_s=1000, until_s=1020, q_in=constant(0.1), q_out=constant(0.1))
    again = line.feed(from_s=0, until_s=20, q_in=constant(0.1), q_out=constant(0.1))
    assert again[0].stamp_s < 5
    assert again[-1].stamp_s == pytest.approx(20, abs=0.5)


def test_sections_of_the_default_rig_advance_in_steps_below_the_wanted_one(rig: Rig) -> None:
    for section in rig.pipeline.sections:
        ends = (section.inlet, section.outlet)
        tags = dict.fromkeys([tag for end in ends for tag in (end.pressure, end.flow_rate)], 2.0)
        assert 0.4 < VolumeBalance(section, DENSITY, 0.5, tags).step_s <= 0.5
