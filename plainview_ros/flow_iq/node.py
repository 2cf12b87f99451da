"""The flow_iq node: statistics and anomalies of the flow lines, and where their values come from."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields
from time import monotonic
from typing import Any

from plainview_ros.alerts import Alert
from plainview_ros.flow_iq.anomaly import Anomaly
from plainview_ros.flow_iq.baseline import BaselineAction, StillLearningError, UnknownLineError
from plainview_ros.flow_iq.detectors import Limits
from plainview_ros.flow_iq.lines import ChannelForecast, ChannelReport, FlowLines, InstrumentFault, LineReport
from plainview_ros.flow_iq.memory import Memory, MemoryInUseError, fingerprint
from plainview_ros.flow_iq.rows import LATE_S
from plainview_ros.flow_iq.source import Source, judge_source
from plainview_ros.msg import Alert as AlertMsg
from plainview_ros.msg import ChannelForecast as ChannelForecastMsg
from plainview_ros.msg import ChannelState, FlowAnomaly, FlowForecast, FlowLineState, FlowState, LineForecast
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import alert_message, constant, to_stamp, to_uuid_msg
from plainview_ros.ros.instruments import InstrumentFeed
from plainview_ros.ros.node import Health, ModuleNode
from plainview_ros.ros.process import run
from plainview_ros.ros.settings import Setting
from plainview_ros.samples import Refusal, Sample
from plainview_ros.share import state_dir
from plainview_ros.srv import FlowBaseline

STATE_PERIOD_S = 1.0
KEEP_PERIOD_S = 60.0
"""What is learnt in this time is lost with a kill; that an anomaly opened or closed is kept at once."""

BASELINE_ACTIONS: dict[int, BaselineAction] = {
    FlowBaseline.Request.ACTION_LEARN: "learn",
    FlowBaseline.Request.ACTION_FREEZE: "freeze",
    FlowBaseline.Request.ACTION_RESUME: "resume",
    FlowBaseline.Request.ACTION_RESET: "reset",
}


class FlowIqNode(ModuleNode):
    SETTINGS = (
        Setting("simulator_nodes", ["simulator"], "Names of the nodes whose values count as simulated", live=True),
        Setting("statistics_window_s", 3600.0, "Minimum, maximum and mean are over this time [s]", 10.0, 604_800.0),
        Setting("row_s", 1.0, "What is measured in this time is judged together, as its mean [s]", 0.01, 3600.0),
        Setting(
            "open_sigmas",
            Limits.open_sigmas,
            "An anomaly opens at this deviation of a channel [standard deviations of its own history]",
            1.0,
            100.0,
            live=True,
        ),
        Setting(
            "peak_margin",
            Limits.peak_margin,
            "... and at so many times the largest one that was normal",
            0.0,
            100.0,
            live=True,
        ),
        Setting(
            "pressure_tolerance",
            Limits.pressure_tolerance,
            "Least standard deviation of a pressure, as a share of its level",
            0.0,
            1.0,
            live=True,
        ),
        Setting(
            "temperature_tolerance_c",
            Limits.temperature_tolerance_c,
            "Least standard deviation of a temperature [degC]",
            0.0,
            100.0,
            live=True,
        ),
        Setting(
            "flow_tolerance",
            Limits.flow_tolerance,
            "Least standard deviation of a flow rate or viscosity, as a share of its level",
            0.0,
            1.0,
            live=True,
        ),
        Setting(
            "learn_s",
            Limits.learn_s,
            "No judgement before a line has been seen this long [s]",
            0.0,
            604_800.0,
            live=True,
        ),
        Setting(
            "learn_rows",
            Limits.learn_rows,
            "No judgement before it has been seen in so many rows",
            61,
            100_000,
            live=True,
        ),
        Setting(
            "large",
            Limits.large,
            "A deviation of so many thresholds is medium at once, high when it lasts",
            1.0,
            1000.0,
            live=True,
        ),
        Setting(
            "lasting_s",
            Limits.lasting_s,
            "A deviation is medium when it lasts this long [s]",
            0.0,
            604_800.0,
            live=True,
        ),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__("flow_iq", **options)

    def build(self) -> None:
        self._lines = FlowLines(self.rig, self._limits({}), self.setting("statistics_window_s"), self.setting("row_s"))
        self._instrument_publishers: list[str] = []
        self._source: Source = "none"
        self._publish_states = self.publisher(FlowState, topics.FLOW_STATE, qos.STATE)
        self._publish_forecasts = self.publisher(FlowForecast, topics.FLOW_FORECAST, qos.STATE)
        self._publish_anomaly = self.publisher(FlowAnomaly, topics.FLOW_ANOMALIES, qos.EVENT)
        self._publish_alert = self.publisher(AlertMsg, topics.ALERTS, qos.EVENT)
        self._feed = InstrumentFeed(self, self._lines.tags, self._on_sample, self._on_refused, LATE_S)
        self.serve(FlowBaseline, topics.SET_BASELINE, self._set_baseline)
        self._remember()
        # On the wall clock, so that values still turn stale when a simulation's clock stands.
        self.every(STATE_PERIOD_S, self._look_around, wall=True)
        self.every(KEEP_PERIOD_S, self._keep, wall=True)

    def stand_down(self) -> None:
        self._keep()

    def _remember(self) -> None:
        """Go on with what was learnt before the node was started."""
        self._forgets = ""
        self._memory: Memory | None = None
        try:
            self._memory = Memory(
                state_dir() / "flow_iq",
                self.get_fully_qualified_name(),
                fingerprint(self.rig.name),
                self.get_logger().warning,
            )
            kept = self._memory.load()
        except (MemoryInUseError, OSError) as error:
            self._forgets = f"what is learnt is not kept: {error}"
            self.get_logger().warning(self._forgets)
            return
        self.on_cleanup_do(self._memory.close)
        if kept is not None:
            for complaint in self._lines.restore(kept.state):
                self.get_logger().warning(complaint)
            self.get_logger().info("goes on with what it had learnt")

    def _keep(self) -> None:
        if self._memory is None:
            return
        try:
            self._memory.save(self._lines.memory(), self.now_s())
            self._forgets = ""
        except (OSError, ValueError, TypeError) as error:
            self._forgets = f"what is learnt is not kept: {error}"

    def on_settings(self, changed: Mapping[str, Any]) -> None:
        self._lines.judge_by(self._limits(changed))

    def _limits(self, changed: Mapping[str, Any]) -> Limits:
        """As the settings say, or rather as they are about to."""
        return Limits(**{limit.name: changed.get(limit.name, self.setting(limit.name)) for limit in fields(Limits)})

    def health(self) -> list[Health]:
        reports = self._lines.reports(self.now_s(), monotonic())
        stale = sorted({channel.channel.tag for report in reports for channel in report.channels if channel.is_stale})
        values: dict[str, object] = {
            "source": self._source,
            "learning": ", ".join(report.line.id for report in reports if report.is_learning),
            "open anomalies": sum(len(report.anomalies) for report in reports),
        }
        memory = [Health("memory", "warn", self._forgets, {})] if self._forgets else []
        if stale:
            return [Health("flow lines", "warn", f"no fresh value of {', '.join(stale)}", values), *memory]
        return [Health("flow lines", "ok", "all measured", values), *memory]

    def _on_sample(self, sample: Sample) -> None:
        self._tell(*self._lines.read(sample, self.now_s(), monotonic()))

    def _set_baseline(self, request: FlowBaseline.Request, response: FlowBaseline.Response) -> FlowBaseline.Response:
        codes = FlowBaseline.Response
        action = BASELINE_ACTIONS.get(request.action)
        if not self.is_active:
            response.error_code, response.error_msg = codes.INACTIVE, "flow_iq is not active"
        elif action is None:
            response.error_code, response.error_msg = codes.UNKNOWN_ACTION, f"no action {request.action}"
        else:
            try:
                transitions = self._lines.set_baseline(
                    request.line_id, action, request.requested_by, request.note, self.now_s()
                )
            except UnknownLineError as error:
                response.error_code, response.error_msg = codes.UNKNOWN_LINE, str(error)
            except StillLearningError as error:
                response.error_code, response.error_msg = codes.STILL_LEARNING, str(error)
            else:
                by, why = request.requested_by or "somebody", f": {request.note}" if request.note else ""
                self.get_logger().info(f"baseline of {request.line_id}: {action}, by {by}{why}")
                self._tell(*transitions)
                self._publish_state()
        reports = self._lines.reports(self.now_s(), monotonic())
        lines = (line_message(report) for report in reports if report.line.id == request.line_id)
        response.line = next(lines, response.line)
        return response

    def _on_refused(self, refusal: Refusal) -> None:
        self._tell(*self._lines.refuse(refusal, self.now_s()))

    def _tell(self, anomalies: Iterable[Anomaly | InstrumentFault], alerts: Iterable[Alert]) -> None:
        for anomaly in anomalies:
            self._publish_anomaly(
                fault_message(anomaly) if isinstance(anomaly, InstrumentFault) else anomaly_message(anomaly)
            )
        for alert in alerts:
            self._publish_alert(alert_message(alert))
        if anomalies:
            self._publish_state()
            self._keep()

    def _look_around(self) -> None:
        self._tell(*self._lines.tick(self.now_s()))
        self._instrument_publishers = self._feed.publishers()
        self._source = judge_source(self._instrument_publishers, self.setting("simulator_nodes"))
        self._publish_state()
        self._forecast()

    def _forecast(self) -> None:
        forecasts = self._lines.forecasts(monotonic())
        if forecasts is None:
            return
        told = FlowForecast(
            lines=[
                LineForecast(id=line_id, channels=list(map(forecast_message, channels)))
                for line_id, channels in forecasts.items()
            ]
        )
        told.header.stamp = self.get_clock().now().to_msg()
        self._publish_forecasts(told)

    def _publish_state(self) -> None:
        state = FlowState(
            source=constant(FlowState, "source", self._source),
            publishers=self._instrument_publishers,
            lines=[line_message(report) for report in self._lines.reports(self.now_s(), monotonic())],
        )
        state.header.stamp = self.get_clock().now().to_msg()
        self._publish_states(state)


def line_message(report: LineReport) -> FlowLineState:
    return FlowLineState(
        id=report.line.id,
        name=report.line.name,
        channels=[channel_message(channel) for channel in report.channels],
        open_anomalies=[*map(anomaly_message, report.anomalies), *map(fault_message, report.faults)],
        learning=report.is_learning,
        baseline=constant(FlowLineState, "baseline", report.baseline),
        baseline_since=to_stamp(report.word.at_s if report.word else None),
        baseline_by=report.word.by if report.word else "",
    )


def channel_message(report: ChannelReport) -> ChannelState:
    newest, summary, band = report.newest, report.summary, report.band
    return ChannelState(
        channel=report.channel.name,
        tag=report.channel.tag,
        unit=report.channel.unit,
        value=newest.value if newest else math.nan,
        stamp=to_stamp(newest.stamp_s if newest else None),
        stale=report.is_stale,
        min=summary.low if summary else math.nan,
        max=summary.high if summary else math.nan,
        mean=summary.mean if summary else math.nan,
        expected_min=band.low if band else math.nan,
        expected_max=band.high if band else math.nan,
    )


def forecast_message(told: ChannelForecast) -> ChannelForecastMsg:
    points = told.forecast.points
    return ChannelForecastMsg(
        channel=told.channel.name,
        tag=told.channel.tag,
        unit=told.channel.unit,
        made_at=to_stamp(told.forecast.made_at_s),
        ahead_s=[point.ahead_s for point in points],
        expected=[point.expected for point in points],
        low=[point.low for point in points],
        high=[point.high for point in points],
        low_limit=_or_nan(told.limits.low),
        high_limit=_or_nan(told.limits.high),
        low_limit_expected_s=_or_nan(told.low.expected_s),
        low_limit_earliest_s=_or_nan(told.low.earliest_s),
        high_limit_expected_s=_or_nan(told.high.expected_s),
        high_limit_earliest_s=_or_nan(told.high.earliest_s),
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def anomaly_message(anomaly: Anomaly) -> FlowAnomaly:
    worst, evidence = anomaly.worst, anomaly.evidence
    message = FlowAnomaly(
        event_id=to_uuid_msg(anomaly.event_id),
        anomaly_id=to_uuid_msg(anomaly.anomaly_id),
        line_id=anomaly.line_id,
        channel=worst.channel.name,
        tag=worst.channel.tag,
        unit=worst.channel.unit,
        type=anomaly.type,
        phase=constant(FlowAnomaly, "phase", anomaly.phase),
        severity=constant(FlowAnomaly, "severity", anomaly.severity),
        detected_at=to_stamp(anomaly.detected_at_s),
        value=worst.value,
        expected_min=worst.band.low,
        expected_max=worst.band.high,
        score=worst.score,
        confidence=anomaly.confidence,
        channels=[deviation.channel.name for deviation in evidence.deviations],
        contributions=[deviation.share for deviation in evidence.deviations],
        statistic=evidence.statistic,
        statistic_value=evidence.value,
        threshold=evidence.threshold,
        window_s=evidence.window_s,
        evidence=anomaly.sentence,
    )
    message.header.stamp = to_stamp(anomaly.stamp_s)
    return message


def fault_message(told: InstrumentFault) -> FlowAnomaly:
    fault = told.fault
    message = FlowAnomaly(
        event_id=to_uuid_msg(fault.event_id),
        anomaly_id=to_uuid_msg(fault.fault_id),
        line_id=told.line_id,
        channel=told.channel.name,
        tag=fault.tag,
        unit=told.channel.unit,
        type=fault.type,
        phase=constant(FlowAnomaly, "phase", fault.phase),
        severity=constant(FlowAnomaly, "severity", fault.severity),
        detected_at=to_stamp(fault.detected_at_s),
        value=fault.value,
        expected_min=fault.expected_min,
        expected_max=fault.expected_max,
        score=fault.statistic_value / fault.threshold if fault.threshold else math.nan,
        confidence=1.0 / len(fault.suspects),
        channels=[told.channel.name],
        contributions=[1.0],
        statistic=fault.statistic,
        statistic_value=fault.statistic_value,
        threshold=fault.threshold,
        window_s=fault.window_s,
        evidence=fault.sentence,
    )
    message.header.stamp = to_stamp(fault.stamp_s)
    return message


def main() -> int:
    return run(FlowIqNode)


if __name__ == "__main__":
    sys.exit(main())
