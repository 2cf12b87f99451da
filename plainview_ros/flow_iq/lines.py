"""The flow lines of a rig: what each channel measures, its statistics, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from plainview_ros.alerts import Alert, AlertBook
from plainview_ros.alerts import Severity as AlertSeverity
from plainview_ros.assets import FlowLine, Instrument, Quantity, Rig
from plainview_ros.flow_iq.detectors import SEVERITIES, Anomaly, Band, ChannelDetector, Limits, Severity
from plainview_ros.flow_iq.statistics import RollingSummary, Summary
from plainview_ros.samples import Readings, Sample

ALERT_CODE: Literal["flow_anomaly"] = "flow_anomaly"

ALERT_SEVERITY: dict[Severity, AlertSeverity] = {"medium": "warning", "high": "critical"}
"""A low anomaly is an event to look at, not a reason to disturb the operator."""


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """One channel now, in its SI unit."""

    channel: Quantity
    tag: str
    newest: Sample | None
    is_stale: bool
    summary: Summary | None
    """Over the statistics window; ``None`` when nothing arrived in it."""
    band: Band | None
    """``None`` while learning."""


@dataclass(frozen=True, slots=True)
class LineReport:
    """One line now."""

    line: FlowLine
    channels: list[ChannelReport]
    anomalies: list[Anomaly]
    """Those that are open."""

    @property
    def is_learning(self) -> bool:
        """Whether a measured channel cannot be judged yet; a line of which nothing is measured is learning."""
        measured = [report for report in self.channels if report.newest is not None]
        return not measured or any(report.band is None for report in measured)


class _Channel:
    def __init__(self, line: FlowLine, instrument: Instrument, limits: Limits, window_s: float) -> None:
        self.instrument = instrument
        self.summary = RollingSummary(window_s)
        self.detector = ChannelDetector(line.id, instrument, limits)


class FlowLines:
    """Judges the samples of all flow lines.

    Args:
        rig: the asset model.
        limits: of the detectors, the same for all channels.
        window_s: length of the statistics window [s].
    """

    def __init__(self, rig: Rig, limits: Limits, window_s: float) -> None:
        self._readings = Readings(rig)
        self._alerts = AlertBook("flow-iq")
        self._lines = [
            (line, [_Channel(line, rig.instrument[tag], limits, window_s) for tag in line.tags.values()])
            for line in rig.flow_lines
        ]
        self._of_tag: dict[str, list[tuple[FlowLine, list[_Channel], _Channel]]] = {}
        for line, channels in self._lines:
            for channel in channels:
                self._of_tag.setdefault(channel.instrument.tag, []).append((line, channels, channel))

    @property
    def tags(self) -> set[str]:
        """Instruments of all lines."""
        return set(self._of_tag)

    def read(self, sample: Sample, now_s: float, monotonic_s: float) -> tuple[list[Anomaly], list[Alert]]:
        """Take one sample; returns the transitions of anomalies and alerts that it causes."""
        self._readings.update(sample, now_s, monotonic_s)
        anomalies: list[Anomaly] = []
        alerts: list[Alert] = []
        for line, channels, channel in self._of_tag.get(sample.tag, ()):
            channel.summary.add(sample.stamp_s, sample.value)
            transitions = channel.detector.update(sample.stamp_s, sample.value)
            if transitions:
                anomalies += transitions
                alerts += self._judge(line, channels, sample.stamp_s)
        return anomalies, alerts

    def reports(self, now_s: float, monotonic_s: float) -> list[LineReport]:
        return [
            LineReport(
                line,
                [
                    ChannelReport(
                        channel=channel.instrument.quantity,
                        tag=channel.instrument.tag,
                        newest=self._readings.newest(channel.instrument.tag),
                        is_stale=self._readings.is_stale(channel.instrument.tag, monotonic_s),
                        summary=channel.summary.at(now_s),
                        band=channel.detector.band,
                    )
                    for channel in channels
                ],
                list(_open_anomalies(channels)),
            )
            for line, channels in self._lines
        ]

    def _judge(self, line: FlowLine, channels: Iterable[_Channel], stamp_s: float) -> list[Alert]:
        """One alert a line, as severe as its worst anomaly."""
        worst = max(_open_anomalies(channels), key=lambda a: SEVERITIES.index(a.severity), default=None)
        severity = ALERT_SEVERITY.get(worst.severity) if worst else None
        if worst is None or severity is None:
            return self._alerts.clear(line.id, ALERT_CODE, stamp_s)
        return self._alerts.raise_("line", line.id, ALERT_CODE, severity, f"{line.name}: {worst.evidence}", stamp_s)


def _open_anomalies(channels: Iterable[_Channel]) -> Iterable[Anomaly]:
    return (channel.detector.anomaly for channel in channels if channel.detector.anomaly)
