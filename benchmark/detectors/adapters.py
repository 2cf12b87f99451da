"""The product's detectors as the shared bench wants them: one class a node, thin over the product's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from plainview_ros.assets import Quantity, Rig
from plainview_ros.flow_iq.anomaly import Channel
from plainview_ros.flow_iq.detectors import Limits, LineDetector
from plainview_ros.flow_iq.rows import Row
from plainview_ros.pipeline_guard.leaks import SeverityLimits
from plainview_ros.pipeline_guard.pipeline import PipelineGuard
from plainview_ros.pipeline_guard.watch import Sensitivity
from plainview_ros.samples import Sample

QUANTITIES: Mapping[str, Quantity] = {"flow": "flow_rate", "pressure": "pressure", "temperature": "temperature"}


class Flow:
    """FlowIQ's detector of one line.

    Args:
        channels: names.
        kinds: what they measure; one that the product does not know counts as viscosity, which only names it.
        warmup: rows that are known to be normal.
        factor: multiplies the threshold.
    """

    threshold = 1.0

    def __init__(self, channels: Sequence[str], kinds: Sequence[str], warmup: int = 400, factor: float = 1.0) -> None:
        limits = Limits(learn_rows=warmup, learn_s=0.0)
        self._channels = list(channels)
        self._detector = LineDetector(
            "line",
            [
                Channel(name, name, QUANTITIES.get(kind, "viscosity"), floor=0.0)
                for name, kind in zip(channels, kinds, strict=True)
            ],
            replace(limits, open_sigmas=limits.open_sigmas * factor),
        )

    @property
    def changepoint(self) -> bool:
        return self._detector.has_moved

    def update(self, t_s: float, values: Mapping[str, float]) -> float:
        """At least 1 while an anomaly is open; where it opens more, the worse it is."""
        detector = self._detector
        row = Row(t_s, tuple([values.get(channel, math.nan) for channel in self._channels]))
        transitions = detector.update(row)
        if detector.anomaly is None:
            return min(detector.excess, 0.999)
        opened = any(transition.phase == "opened" for transition in transitions)
        return 1.0 + (detector.anomaly.evidence.excess if opened else 0.0)


class Pipeline:
    """PipelineGuard over one section with two transmitters at each end.

    Args:
        channels: names; those of pressures begin with p.
        warmup: rows of operation without a leak.
        period: of the rows [s].
        meta: what is known of the line; viscosity, roughness and accuracies are not.
    """

    ENDS: Mapping[str, Mapping[str, str]] = {
        "inlet": {"pressure": "p_in", "flow_rate": "q_in"},
        "outlet": {"pressure": "p_out", "flow_rate": "q_out"},
    }

    def __init__(self, channels: Sequence[str], warmup: int, period: float, meta: Mapping[str, float]) -> None:
        place = {"latitude": 0.0, "longitude": 0.0}
        section = {
            "id": "line",
            "length_m": meta["length_m"],
            "diameter_m": meta["diameter_m"],
            "roughness_m": 4.5e-5,
            "wave_speed_m_s": meta["wave_speed_nominal"],
            "start": place,
            "end": place,
            **self.ENDS,
        }
        quantities = {channel: "pressure" if channel.startswith("p") else "flow_rate" for channel in channels}
        deadline_s = max(2.0, 5 * period)
        instruments = [
            {"tag": tag, "quantity": quantity, "range": (-1e9, 1e9), "deadline_s": deadline_s}
            for tag, quantity in quantities.items()
        ]
        fluid = {"name": "oil", "density_kg_m3": meta["density"], "viscosity_pa_s": 0.01}
        rig = Rig.model_validate(
            {"name": "record", "fluid": fluid, "pipeline": {"sections": [section]}, "instruments": instruments}
        )
        self._quantities = {tag: instrument.quantity for tag, instrument in rig.instrument.items()}
        self._guard = PipelineGuard(rig, Sensitivity(learning_s=0.95 * warmup * period), SeverityLimits())

    @property
    def location(self) -> float | None:
        located = [leak.position_m for leak in self._guard.now(0.0).open_leaks if leak.is_located]
        return located[-1] if located else None

    @property
    def size_m3s(self) -> float:
        """Of the open leaks together; NaN: there is none."""
        rates = [leak.rate_m3s for leak in self._guard.now(0.0).open_leaks]
        return sum(rates) if rates else math.nan

    def update(self, t_s: float, values: Mapping[str, float]) -> bool:
        """Whether a leak is open."""
        for tag, value in values.items():
            self._guard.add(Sample(tag, self._quantities[tag], value, t_s), t_s, t_s)
        return bool(self._guard.has_open_leaks)
