"""The product's detectors as the shared bench wants them: one class a node, thin over the product's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from plainview_ros.assets import Quantity
from plainview_ros.flow_iq.anomaly import Channel
from plainview_ros.flow_iq.detectors import Limits, LineDetector
from plainview_ros.flow_iq.rows import Row

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
