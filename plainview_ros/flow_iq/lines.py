"""The flow lines of a rig: what each channel measures, its statistics, and what is wrong with the line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from plainview_ros.alerts import Alert, AlertBook
from plainview_ros.alerts import Severity as AlertSeverity
from plainview_ros.assets import FlowLine, Quantity, Rig
from plainview_ros.flow_iq.anomaly import Anomaly, Band, Channel, Severity
from plainview_ros.flow_iq.baseline import (
    BaselineAction,
    BaselineState,
    StillLearningError,
    UnknownLineError,
    Word,
    acknowledgement,
)
from plainview_ros.flow_iq.detectors import Limits, LineDetector
from plainview_ros.flow_iq.rows import RowAssembler
from plainview_ros.flow_iq.statistics import RollingSummary, Summary
from plainview_ros.samples import Readings, Sample

ALERT_CODE: Literal["flow_anomaly"] = "flow_anomaly"

ALERT_SEVERITY: dict[Severity, AlertSeverity] = {"medium": "warning", "high": "critical"}
"""A low anomaly is an event to look at, not a reason to disturb the operator."""

SET_BACK_S = 60.0
"""A sample that is so much older than the newest of its line is of a clock that was set back."""


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
    """Of the smoothed value; ``None`` while learning."""


@dataclass(frozen=True, slots=True)
class LineReport:
    """One line now."""

    line: FlowLine
    channels: list[ChannelReport]
    anomalies: list[Anomaly]
    """Those that are open."""
    word: Word | None = None
    """The last that an operator has had about the reference."""

    @property
    def baseline(self) -> BaselineState:
        """What the reference does now."""
        if self.is_learning:
            return "learning"
        return "frozen" if self.word is not None and self.word.action == "freeze" else "following"

    @property
    def is_learning(self) -> bool:
        """Whether a measured channel cannot be judged yet; a line of which nothing was ever measured is learning."""
        bands = [report.band for report in self.channels if report.newest is not None or report.band is not None]
        return not bands or None in bands


class _Line:
    def __init__(self, line: FlowLine, rig: Rig, limits: Limits, window_s: float, row_s: float) -> None:
        self.line = line
        instruments = [(quantity, rig.instrument[tag]) for quantity, tag in line.tags.items()]
        self.detector = LineDetector(
            line.id, [Channel(name, item.tag, item.quantity, item.sigma) for name, item in instruments], limits
        )
        self.summaries = [RollingSummary(window_s) for _ in instruments]
        self.word: Word | None = None
        self._rows = RowAssembler(len(instruments), row_s)
        self._newest_s = 0.0

    def read(self, index: int, sample: Sample) -> list[Anomaly]:
        self.summaries[index].add(sample.stamp_s, sample.value)
        rows = [*self._rows.start_over()] if sample.stamp_s < self._newest_s - SET_BACK_S else []
        self._newest_s = sample.stamp_s if rows else max(self._newest_s, sample.stamp_s)
        rows += self._rows.add(index, sample.stamp_s, sample.value)
        return [anomaly for row in rows for anomaly in self.detector.update(row)]


class FlowLines:
    """Judges the samples of all flow lines.

    Args:
        rig: the asset model.
        limits: of the detectors, the same for all lines.
        window_s: length of the statistics window [s].
        row_s: what is measured in this time is judged together [s].
    """

    def __init__(self, rig: Rig, limits: Limits, window_s: float, row_s: float = 1.0) -> None:
        self._readings = Readings(rig)
        self._window_s = window_s
        self._alerts = AlertBook("flow-iq")
        self._lines = {line.id: _Line(line, rig, limits, window_s, row_s) for line in rig.flow_lines}
        self._of_tag: dict[str, list[tuple[_Line, int]]] = {}
        for line in self._lines.values():
            for index, channel in enumerate(line.detector.channels):
                self._of_tag.setdefault(channel.tag, []).append((line, index))

    @property
    def tags(self) -> set[str]:
        """Instruments of all lines."""
        return set(self._of_tag)

    def read(self, sample: Sample, now_s: float, monotonic_s: float) -> tuple[list[Anomaly], list[Alert]]:
        """Take one sample; returns the transitions of anomalies and alerts that it causes."""
        self._readings.update(sample, now_s, monotonic_s)
        anomalies: list[Anomaly] = []
        alerts: list[Alert] = []
        for line, index in self._of_tag.get(sample.tag, ()):
            transitions = line.read(index, sample)
            if transitions:
                anomalies += transitions
                alerts += self._judge(line, sample.stamp_s)
        return anomalies, alerts

    def judge_by(self, limits: Limits) -> None:
        """Go on with other limits, from the next row of each line on."""
        for line in self._lines.values():
            line.detector.judge_by(limits)

    def set_baseline(
        self, line_id: str, action: BaselineAction, requested_by: str, note: str, now_s: float
    ) -> tuple[list[Anomaly], list[Alert]]:
        """Do what an operator says about a line's reference; returns the transitions that it causes.

        Raises:
            UnknownLineError: the rig has no such line.
            StillLearningError: there is no reference yet that could be frozen.
        """
        line = self._lines.get(line_id)
        if line is None:
            raise UnknownLineError(f"no flow line {line_id!r}, there is {', '.join(self._lines)}")
        if action == "freeze" and line.detector.state == "learning":
            raise StillLearningError(f"{line_id} is still learning: there is no reference yet that could be frozen")
        line.word = Word(action, requested_by, now_s)
        line.detector.is_frozen = action == "freeze"
        if action == "reset":
            line.summaries = [RollingSummary(self._window_s) for _ in line.summaries]
        if action not in ("learn", "reset"):
            return [], []
        closed = line.detector.learn_anew(now_s, acknowledgement(action, requested_by, note))
        return closed, self._judge(line, now_s) if closed else []

    def reports(self, now_s: float, monotonic_s: float) -> list[LineReport]:
        return [
            LineReport(
                line.line,
                [
                    ChannelReport(
                        channel=channel.quantity,
                        tag=channel.tag,
                        newest=self._readings.newest(channel.tag),
                        is_stale=self._readings.is_stale(channel.tag, monotonic_s),
                        summary=line.summaries[index].at(now_s),
                        band=line.detector.band(index),
                    )
                    for index, channel in enumerate(line.detector.channels)
                ],
                [line.detector.anomaly] if line.detector.anomaly else [],
                line.word,
            )
            for line in self._lines.values()
        ]

    def memory(self) -> dict[str, Any]:
        """What :meth:`restore` takes, as JSON can hold it."""
        lines = {
            line_id: line.detector.memory() | {"word": line.word.memory() if line.word else None}
            for line_id, line in self._lines.items()
        }
        return {"lines": lines, "alerts": self._alerts.memory()}

    def restore(self, memory: Mapping[str, Any]) -> list[str]:
        """Go on where :meth:`memory` was taken; returns what was of no use, in words."""
        complaints: list[str] = []
        lines, alerts = memory.get("lines", {}), memory.get("alerts", [])
        for line_id, line in self._lines.items():
            if line_id in lines:
                try:
                    word = Word.recalled(lines[line_id].get("word"))
                    line.detector.restore(lines[line_id])
                    line.word = word
                    line.detector.is_frozen = word is not None and word.action == "freeze"
                except ValueError as error:
                    complaints.append(str(error))
        open_lines = {line_id for line_id, line in self._lines.items() if line.detector.anomaly}
        try:
            self._alerts.restore(alert for alert in alerts if alert.get("asset_id") in open_lines)
        except ValueError as error:
            complaints.append(str(error))
        return complaints

    def _judge(self, line: _Line, stamp_s: float) -> list[Alert]:
        """One alert a line, as severe as its anomaly."""
        anomaly, asset = line.detector.anomaly, line.line
        severity = ALERT_SEVERITY.get(anomaly.severity) if anomaly else None
        if anomaly is None or severity is None:
            return self._alerts.clear(asset.id, ALERT_CODE, stamp_s)
        message = f"{asset.name}: {anomaly.sentence}"
        return self._alerts.raise_("line", asset.id, ALERT_CODE, severity, message, stamp_s)
