"""The flow_iq node: statistics and anomalies of the flow lines, and where their values come from."""

from __future__ import annotations

import math
import sys
from dataclasses import fields
from time import monotonic
from typing import Any

from plainview_ros.flow_iq.detectors import UNITS, Anomaly, Limits
from plainview_ros.flow_iq.lines import ChannelReport, FlowLines, LineReport
from plainview_ros.flow_iq.source import Source, judge_source
from plainview_ros.msg import Alert as AlertMsg
from plainview_ros.msg import ChannelState, FlowAnomaly, FlowLineState, FlowState
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import alert_message, constant, to_stamp, to_uuid_msg
from plainview_ros.ros.instruments import InstrumentFeed
from plainview_ros.ros.node import Health, ModuleNode
from plainview_ros.ros.process import run
from plainview_ros.ros.settings import Setting
from plainview_ros.samples import Sample

STATE_PERIOD_S = 1.0


class FlowIqNode(ModuleNode):
    SETTINGS = (
        Setting("simulator_nodes", ["simulator"], "Names of the nodes whose values count as simulated"),
        Setting("statistics_window_s", 3600.0, "Minimum, maximum and mean are over this time [s]", 10.0, 604_800.0),
        Setting(
            "band_sigmas",
            Limits.band_sigmas,
            "Half width of the expected band [robust standard deviations]",
            1.0,
            100.0,
        ),
        Setting("window_s", Limits.window_s, "Normal samples this recent are the reference [s]", 10.0, 604_800.0),
        Setting("learn_s", Limits.learn_s, "No judgement before the reference spans this time [s]", 1.0, 604_800.0),
        Setting("min_samples", Limits.min_samples, "No judgement before the reference has so many", 10, 1000),
        Setting("open_samples", Limits.open_samples, "An anomaly opens when so many lie outside", 1, 1000),
        Setting("open_of", Limits.open_of, "... of so many last samples", 1, 1000),
        Setting("close_samples", Limits.close_samples, "An anomaly closes when so many lie inside", 1, 1000),
        Setting("close_of", Limits.close_of, "... of so many last samples", 1, 1000),
        Setting(
            "large_sigmas",
            Limits.large_sigmas,
            "A deviation this large is medium at once, high when it lasts [robust standard deviations]",
            1.0,
            1000.0,
        ),
        Setting("lasting_s", Limits.lasting_s, "A deviation is medium when it lasts this long [s]", 0.0, 604_800.0),
        Setting(
            "accept_after_s",
            Limits.accept_after_s,
            "A steady new level is accepted as normal after this time [s]; 0: never",
            0.0,
            604_800.0,
        ),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__("flow_iq", **options)

    def build(self) -> None:
        limits = Limits(**{limit.name: self.setting(limit.name) for limit in fields(Limits)})
        self._lines = FlowLines(self.rig, limits, self.setting("statistics_window_s"))
        self._instrument_publishers: list[str] = []
        self._source: Source = "none"
        self._publish_states = self.publisher(FlowState, topics.FLOW_STATE, qos.STATE)
        self._publish_anomaly = self.publisher(FlowAnomaly, topics.FLOW_ANOMALIES, qos.EVENT)
        self._publish_alert = self.publisher(AlertMsg, topics.ALERTS, qos.EVENT)
        self._feed = InstrumentFeed(self, self._lines.tags, self._on_sample)
        # On the wall clock, so that values still turn stale when a simulation's clock stands.
        self.every(STATE_PERIOD_S, self._look_around, wall=True)

    def health(self) -> list[Health]:
        reports = self._lines.reports(self.now_s(), monotonic())
        stale = sorted({channel.tag for report in reports for channel in report.channels if channel.is_stale})
        values: dict[str, object] = {
            "source": self._source,
            "learning": ", ".join(report.line.id for report in reports if report.is_learning),
            "open anomalies": sum(len(report.anomalies) for report in reports),
        }
        if stale:
            return [Health("flow lines", "warn", f"no fresh value of {', '.join(stale)}", values)]
        return [Health("flow lines", "ok", "all measured", values)]

    def _on_sample(self, sample: Sample) -> None:
        anomalies, alerts = self._lines.read(sample, self.now_s(), monotonic())
        for anomaly in anomalies:
            self._publish_anomaly(anomaly_message(anomaly))
        for alert in alerts:
            self._publish_alert(alert_message(alert))
        if anomalies:
            self._publish_state()

    def _look_around(self) -> None:
        self._instrument_publishers = self._feed.publishers()
        self._source = judge_source(self._instrument_publishers, self.setting("simulator_nodes"))
        self._publish_state()

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
        open_anomalies=[anomaly_message(anomaly) for anomaly in report.anomalies],
        learning=report.is_learning,
    )


def channel_message(report: ChannelReport) -> ChannelState:
    newest, summary, band = report.newest, report.summary, report.band
    return ChannelState(
        channel=report.channel,
        tag=report.tag,
        unit=UNITS[report.channel],
        value=newest.value if newest else math.nan,
        stamp=to_stamp(newest.stamp_s if newest else None),
        stale=report.is_stale,
        min=summary.low if summary else math.nan,
        max=summary.high if summary else math.nan,
        mean=summary.mean if summary else math.nan,
        expected_min=band.low if band else math.nan,
        expected_max=band.high if band else math.nan,
    )


def anomaly_message(anomaly: Anomaly) -> FlowAnomaly:
    message = FlowAnomaly(
        event_id=to_uuid_msg(anomaly.event_id),
        anomaly_id=to_uuid_msg(anomaly.anomaly_id),
        line_id=anomaly.line_id,
        channel=anomaly.channel,
        type=anomaly.type,
        phase=constant(FlowAnomaly, "phase", anomaly.phase),
        severity=constant(FlowAnomaly, "severity", anomaly.severity),
        detected_at=to_stamp(anomaly.detected_at_s),
        value=anomaly.value,
        expected_min=anomaly.band.low,
        expected_max=anomaly.band.high,
        score=anomaly.score,
        confidence=anomaly.confidence,
        evidence=anomaly.evidence,
    )
    message.header.stamp = to_stamp(anomaly.stamp_s)
    return message


def main() -> int:
    return run(FlowIqNode)


if __name__ == "__main__":
    sys.exit(main())
