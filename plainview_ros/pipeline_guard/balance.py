"""The volume balance of one pipeline section, corrected for line pack.

What flows in and does not flow out was packed into the section (the liquid compressed, the pipe stretched) or was lost.
Per unit of pressure a section packs ``C = A L / (rho a^2)`` [m^3/Pa], its wave speed ``a`` holding the compressibility
of the liquid and the elasticity of the pipe together (Wylie and Streeter, "Fluid Transients in Systems", 1993,
chapter 2).

The pressure between the two transmitters is not measured. Taking the mean of the ends for the mean of the section is
exact in steady flow (a straight profile) and wrong while a pressure wave is inside. The balance here is therefore taken
along the characteristics: with ``tau = L / a``, the time a wave needs through the section,

    imbalance(t) = [q_in(t) + q_in(t - tau)] / 2 - [q_out(t) + q_out(t - tau)] / 2
                   - C [p(t) - p(t - tau)] / tau,        p = (p_in + p_out) / 2.

This is the difference of the two compatibility equations that join ``inlet at t - tau`` to ``outlet at t`` and the
reverse (Wylie and Streeter, equations 3-21 and 3-22), so a wave of any shape that passes without friction leaves no
imbalance at all. What remains is friction that differs along the two paths while a wave is under way: a pulse that sums
to zero over the transient. Averaged over a window longer than ``tau`` it is the textbook line-pack-corrected balance.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from plainview_ros.assets import Section
from plainview_ros.samples import Sample


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of one step of time."""

    stamp_s: float
    """End of the step."""
    step_s: float
    imbalance_m3s: float
    """In minus out minus packed; positive when volume is lost."""
    line_pack_m3s: float
    """Rate at which the section was being packed over the last wave travel time."""
    swing_m3s: float
    """Change of the inlet flow plus change of the outlet flow since the step before, both without sign."""
    flow_in_m3s: float
    flow_out_m3s: float

    @property
    def flow_m3s(self) -> float:
        """What the section carries, without sign."""
        return max(abs(self.flow_in_m3s), abs(self.flow_out_m3s))


class VolumeBalance:
    """Turns the samples of a section's four transmitters into one :class:`Balance` per step.

    Samples may come at any rate, irregularly and not at the same moments: each channel is integrated between its own
    stamps and the balance advances when all four have passed the end of a step. Where a channel has a gap there is no
    balance until one wave travel time after the gap.

    Args:
        section: geometry and tags.
        density_kg_m3: of the fluid.
        step_s: wanted step; the real one divides the wave travel time, see ``step_s`` of the object.
        gap_s: per tag, the longest time between two samples that is bridged by a straight line.
    """

    def __init__(self, section: Section, density_kg_m3: float, step_s: float, gap_s: dict[str, float]) -> None:
        self.travel_time_s = section.length_m / section.wave_speed_m_s
        self._lag = math.ceil(self.travel_time_s / step_s - 1e-9)
        self.step_s = self.travel_time_s / self._lag if self._lag > 1 else step_s
        self._lag_s = self._lag * self.step_s
        self._packing_m3_pa = section.area_m2 * section.length_m / (density_kg_m3 * section.wave_speed_m_s**2)
        self._tags = (
            section.inlet.flow_rate,
            section.outlet.flow_rate,
            section.inlet.pressure,
            section.outlet.pressure,
        )
        self._gap_s = gap_s
        self._start_afresh()

    def add(self, sample: Sample) -> Iterator[Balance]:
        """The balances that this sample completes. A stamp that steps back (a clock started again) starts afresh."""
        channel = self._channels[sample.tag]
        if sample.stamp_s <= channel.newest_s:
            self._start_afresh()
            channel = self._channels[sample.tag]
        end_before = channel.end
        channel.add(sample.stamp_s, sample.value)
        if channel.end != end_before:
            yield from self._advance()

    def _start_afresh(self) -> None:
        self._channels = {tag: _Channel(self.step_s, self._lag, self._gap_s[tag]) for tag in self._tags}
        self._next = 0

    def _advance(self) -> Iterator[Balance]:
        channels = [self._channels[tag] for tag in self._tags]
        self._next = max(self._next, *(channel.first + self._lag for channel in channels))
        while all(self._next < channel.end for channel in channels):
            yield self._balance(*channels)
            self._next += 1

    def _balance(self, flow_in: _Channel, flow_out: _Channel, p_in: _Channel, p_out: _Channel) -> Balance:
        now, then, before = self._next, self._next - self._lag, self._next - 1
        packed_pa = (p_in[now] - p_in[then] + p_out[now] - p_out[then]) / 2
        line_pack_m3s = self._packing_m3_pa * packed_pa / self._lag_s
        in_m3s, out_m3s = (flow_in[now] + flow_in[then]) / 2, (flow_out[now] + flow_out[then]) / 2
        return Balance(
            stamp_s=(now + 1) * self.step_s,
            step_s=self.step_s,
            imbalance_m3s=in_m3s - out_m3s - line_pack_m3s,
            line_pack_m3s=line_pack_m3s,
            swing_m3s=abs(flow_in[now] - flow_in[before]) + abs(flow_out[now] - flow_out[before]),
            flow_in_m3s=in_m3s,
            flow_out_m3s=out_m3s,
        )


class _Channel:
    """Means of one channel over steps of equal length; step ``n`` lasts from ``n * step_s`` to ``(n + 1) * step_s``.

    Between two samples the value runs along a straight line. The means of the last ``lag`` steps, and of those not yet
    used, are ``channel[first]`` to ``channel[end - 1]``.
    """

    MAX_UNUSED = 10_000
    """Steps kept for channels that wait for one that sends nothing."""

    def __init__(self, step_s: float, lag: int, gap_s: float) -> None:
        self._step_s = step_s
        self._gap_s = gap_s
        self._means: deque[float] = deque(maxlen=lag + self.MAX_UNUSED)
        self._whole = False
        self._area = 0.0
        self._newest_value = 0.0
        self.newest_s = -math.inf
        self.end = 0

    @property
    def first(self) -> int:
        return self.end - len(self._means)

    def __getitem__(self, step: int) -> float:
        return self._means[step - self.end]

    def add(self, stamp_s: float, value: float) -> None:
        if stamp_s - self.newest_s > self._gap_s:
            self._means.clear()
            self._whole = False
            self.end = math.floor(stamp_s / self._step_s)
        else:
            self._integrate(stamp_s, (value - self._newest_value) / (stamp_s - self.newest_s))
        self.newest_s, self._newest_value = stamp_s, value

    def _integrate(self, until_s: float, slope: float) -> None:
        while self.newest_s < until_s:
            step_end_s = (self.end + 1) * self._step_s
            to_s = min(step_end_s, until_s)
            lasted_s = max(0.0, to_s - self.newest_s)
            self._area += (self._newest_value + slope * lasted_s / 2) * lasted_s
            self._newest_value += slope * lasted_s
            self.newest_s = to_s
            if to_s == step_end_s:
                if self._whole:
                    self._means.append(self._area / self._step_s)
                self.end += 1
                self._whole, self._area = True, 0.0
