"""The flow lines of a rig: what each channel measures, its statistics, and what is wrong with the line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from plainview_ros.alerts import Alert, AlertBook
from plainview_ros.alerts import Severity as AlertSeverity
from plainview_ros.assets import FlowLine, OperatingLimits, Rig
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
from plainview_ros.flow_iq.forecast import Forecast, Forecaster, Reach, reach
from plainview_ros.flow_iq.rows import Row, RowAssembler
from plainview_ros.flow_iq.statistics import RollingSummary, Summary
from plainview_ros.samples import Readings, Refusal, Sample
from plainview_ros.sensor_faults import FaultTransition, FaultType, Sensors

ALERT_CODE: Literal["flow_anomaly"] = "flow_anomaly"

ALERT_SEVERITY: dict[Severity, AlertSeverity] = {"medium": "warning", "high": "critical"}
"""A low anomaly is an event to look at, not a reason to disturb the operator."""

CONFIRM_S = 60.0
"""An instrument that was at fault before a restart is found at fault again in this time, or is not any more."""

OF_TIME: frozenset[FaultType] = frozenset({"sensor_gap", "sensor_clock_step"})
"""Faults that say nothing against the values."""

SET_BACK_S = 60.0
"""A sample that is so much older than the newest of its line is of a clock that was set back."""


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """One channel now, in its SI unit."""

    channel: Channel
    newest: Sample | None
    is_stale: bool
    summary: Summary | None
    """Over the statistics window; ``None`` when nothing arrived in it."""
    band: Band | None
    """Of the smoothed value; ``None`` while learning."""


@dataclass(frozen=True, slots=True)
class InstrumentFault:
    """A transition of a fault of an instrument of a line, or of one that measures the same as one of the line's."""

    line_id: str
    channel: Channel
    fault: FaultTransition


@dataclass(frozen=True, slots=True)
class LineReport:
    """One line now."""

    line: FlowLine
    channels: list[ChannelReport]
    anomalies: list[Anomaly]
    """Those that are open."""
    word: Word | None = None
    """The last that an operator has had about the reference."""
    faults: Sequence[InstrumentFault] = ()
    """Those of its instruments that are open."""

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


@dataclass(frozen=True, slots=True)
class ChannelForecast:
    """What one channel will read, in its SI unit."""

    channel: Channel
    forecast: Forecast
    limits: OperatingLimits
    low: Reach
    """When the low limit will be reached."""
    high: Reach


class Told(NamedTuple):
    """Transitions, in their order."""

    anomalies: list[Anomaly | InstrumentFault]
    alerts: list[Alert]

    def then(self, anomalies: Iterable[Anomaly | InstrumentFault], alerts: Iterable[Alert]) -> Told:
        return Told([*self.anomalies, *anomalies], [*self.alerts, *alerts])


class _Line:
    def __init__(self, line: FlowLine, rig: Rig, limits: Limits, window_s: float, row_s: float) -> None:
        self.line = line
        instruments = [(name, rig.instrument[tag]) for name, tag in line.tags.items()]
        self.detector = LineDetector(
            line.id, [Channel(name, item.tag, item.quantity, item.sigma) for name, item in instruments], limits
        )
        self._window_s = window_s
        self.start_statistics()
        self.forecasters = [Forecaster() for _ in instruments]
        self.limits = [item.limits for _, item in instruments]
        self.word: Word | None = None
        self._rows = RowAssembler(len(instruments), row_s)
        self._newest_s = 0.0

    def start_statistics(self) -> None:
        self.summaries = [RollingSummary(self._window_s) for _ in self.detector.channels]

    def read(self, index: int, sample: Sample) -> list[Anomaly]:
        rows: list[Row] = []
        if sample.stamp_s < self._newest_s - SET_BACK_S:
            rows += self._rows.start_over()
            self.start_statistics()
            self._newest_s = sample.stamp_s
        self._newest_s = max(self._newest_s, sample.stamp_s)
        self.summaries[index].add(sample.stamp_s, sample.value)
        self.forecasters[index].add(sample.stamp_s, sample.value)
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
        self._alerts = AlertBook("flow-iq")
        self._lines = {line.id: _Line(line, rig, limits, window_s, row_s) for line in rig.flow_lines}
        self._of_tag: dict[str, list[tuple[_Line, int]]] = {}
        for line in self._lines.values():
            for index, channel in enumerate(line.detector.channels):
                self._of_tag.setdefault(channel.tag, []).append((line, index))
        self._sensors = Sensors(rig, self._of_tag)
        self._home = self._homes(rig)
        self._unconfirmed: set[tuple[str, str]] = set()
        """Alerts of instruments that stood before a restart, and may not have to any more."""
        self._confirm_until_s = math.inf
        self._forecasts_made: dict[tuple[str, str], float] | None = None
        """When the forecasts that were told last were made, by line and tag."""

    @property
    def tags(self) -> frozenset[str]:
        """Instruments of all lines, and those that measure the same as one of them."""
        return self._sensors.tags

    def read(self, sample: Sample, now_s: float, monotonic_s: float) -> Told:
        """Take one sample; returns the transitions that it causes.

        The values of an instrument at fault are not judged; the line's other channels are. A sample that was overtaken
        by a newer one of its instrument still counts for the line, and says nothing of the instrument.
        """
        newest = self._readings.newest(sample.tag)
        if newest is not None and newest.stamp_s - SET_BACK_S <= sample.stamp_s < newest.stamp_s:
            refusal = Refusal(sample.tag, "not_newer", sample.value, sample.stamp_s)
            told = self._of_faults(self._sensors.refuse(refusal, now_s))
        else:
            self._readings.update(sample, now_s, monotonic_s)
            told = self._of_faults(self._sensors.accept(sample, now_s))
        fault = self._sensors.fault(sample.tag)
        if fault is None or fault.type in OF_TIME:
            for line, index in self._of_tag.get(sample.tag, ()):
                transitions = line.read(index, sample)
                if transitions:
                    told = told.then(transitions, self._judge(line, sample.stamp_s))
        return told

    def refuse(self, refusal: Refusal, now_s: float) -> Told:
        """Take a reading that was refused; returns the transitions that it causes."""
        return self._of_faults(self._sensors.refuse(refusal, now_s))

    def tick(self, now_s: float) -> Told:
        """Look for instruments that have fallen silent; to be called every second or so."""
        told = self._of_faults(self._sensors.tick(now_s))
        if not self._unconfirmed:
            return told
        self._confirm_until_s = min(self._confirm_until_s, now_s + CONFIRM_S)
        if now_s < self._confirm_until_s:
            return told
        self._unconfirmed -= {(fault.tag, fault.type) for fault in self._sensors.faults}
        gone = [alert for tag, code in self._unconfirmed for alert in self._alerts.clear(tag, code, now_s)]
        self._unconfirmed.clear()
        return told.then((), gone)

    def _of_faults(self, transitions: list[FaultTransition]) -> Told:
        alerts: list[Alert] = []
        for fault in transitions:
            if fault.phase == "closed":
                alerts += self._alerts.clear(fault.tag, fault.type, fault.stamp_s)
            elif fault.severity in ALERT_SEVERITY:
                alerts += self._alerts.raise_(
                    "instrument", fault.tag, fault.type, "warning", fault.sentence, fault.stamp_s
                )
        return Told([InstrumentFault(*self._home[fault.tag], fault) for fault in transitions], alerts)

    def judge_by(self, limits: Limits) -> None:
        """Go on with other limits, from the next row of each line on."""
        for line in self._lines.values():
            line.detector.judge_by(limits)

    def set_baseline(self, line_id: str, action: BaselineAction, requested_by: str, note: str, now_s: float) -> Told:
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
            line.start_statistics()
            line.forecasters = [Forecaster() for _ in line.forecasters]
        if action not in ("learn", "reset"):
            return Told([], [])
        closed = line.detector.learn_anew(now_s, acknowledgement(action, requested_by, note))
        return Told(list(closed), self._judge(line, now_s) if closed else [])

    def reports(self, now_s: float, monotonic_s: float) -> list[LineReport]:
        faults = [InstrumentFault(*self._home[fault.tag], fault) for fault in self._sensors.faults]
        return [
            LineReport(
                line.line,
                [
                    ChannelReport(
                        channel=channel,
                        newest=self._readings.newest(channel.tag),
                        is_stale=self._readings.is_stale(channel.tag, monotonic_s),
                        summary=line.summaries[index].at(now_s),
                        band=line.detector.band(index),
                    )
                    for index, channel in enumerate(line.detector.channels)
                ],
                [line.detector.anomaly] if line.detector.anomaly else [],
                line.word,
                [fault for fault in faults if fault.line_id == line.line.id],
            )
            for line in self._lines.values()
        ]

    def forecasts(self, monotonic_s: float) -> dict[str, list[ChannelForecast]] | None:
        """Of every line the channels that can be forecast and are not silent; ``None``: as it was when last asked."""
        told = {
            line_id: [
                _with_limits(channel, forecaster.forecast, newest.value, limits)
                for channel, forecaster, limits in zip(
                    line.detector.channels, line.forecasters, line.limits, strict=True
                )
                if forecaster.forecast is not None
                and forecaster.forecast.points
                and (newest := self._readings.newest(channel.tag)) is not None
                and not self._readings.is_stale(channel.tag, monotonic_s)
            ]
            for line_id, line in self._lines.items()
        }
        made = {
            (line_id, item.channel.tag): item.forecast.made_at_s for line_id, items in told.items() for item in items
        }
        if made == self._forecasts_made:
            return None
        self._forecasts_made = made
        return told

    def memory(self) -> dict[str, Any]:
        """What :meth:`restore` takes, as JSON can hold it."""
        lines = {
            line_id: line.detector.memory()
            | {
                "word": line.word.memory() if line.word else None,
                "forecasts": [forecaster.memory() for forecaster in line.forecasters],
            }
            for line_id, line in self._lines.items()
        }
        return {"lines": lines, "alerts": self._alerts.memory(), "sensors": self._sensors.memory()}

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
                    for forecaster, known in zip(line.forecasters, lines[line_id].get("forecasts", ()), strict=False):
                        forecaster.restore(known)
                except ValueError as error:
                    complaints.append(str(error))
        try:
            self._sensors.restore(memory.get("sensors", {}))
        except ValueError as error:
            complaints.append(str(error))
        open_lines = {line_id for line_id, line in self._lines.items() if line.detector.anomaly}
        try:
            of_lines = [alert for alert in alerts if alert["asset_id"] in open_lines]
            of_instruments = [alert for alert in alerts if alert["asset_kind"] == "instrument"]
            self._alerts.restore([*of_lines, *of_instruments])
            self._unconfirmed = {(alert["asset_id"], alert["code"]) for alert in of_instruments}
        except (ValueError, KeyError, TypeError) as error:
            complaints.append(str(error))
        return complaints

    def _homes(self, rig: Rig) -> dict[str, tuple[str, Channel]]:
        """Of each instrument the line that its faults are told of, and what it measures there."""
        homes = {
            tag: (line.line.id, line.detector.channels[index]) for tag, ((line, index), *_) in self._of_tag.items()
        }
        for group in rig.redundant_groups:
            known = [homes[tag] for tag in group if tag in homes]
            for tag in group:
                if known and tag not in homes:
                    line_id, channel = known[0]
                    homes[tag] = (line_id, replace(channel, tag=tag))
        return homes

    def _judge(self, line: _Line, stamp_s: float) -> list[Alert]:
        """One alert a line, as severe as its anomaly."""
        anomaly, asset = line.detector.anomaly, line.line
        severity = ALERT_SEVERITY.get(anomaly.severity) if anomaly else None
        if anomaly is None or severity is None:
            return self._alerts.clear(asset.id, ALERT_CODE, stamp_s)
        message = f"{asset.name}: {anomaly.sentence}"
        return self._alerts.raise_("line", asset.id, ALERT_CODE, severity, message, stamp_s)


def _with_limits(channel: Channel, forecast: Forecast, value: float, limits: OperatingLimits) -> ChannelForecast:
    never = Reach(None, None)
    return ChannelForecast(
        channel,
        forecast,
        limits,
        never if limits.low is None else reach(forecast, value, limits.low, above=False),
        never if limits.high is None else reach(forecast, value, limits.high, above=True),
    )
