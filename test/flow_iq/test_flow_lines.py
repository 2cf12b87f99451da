"""Lines as a whole: what is reported, who is alerted, where values come from."""

from __future__ import annotations

import json
import random

import pytest

from plainview_ros.alerts import Alert
from plainview_ros.assets import Rig
from plainview_ros.flow_iq.anomaly import Anomaly
from plainview_ros.flow_iq.detectors import Limits
from plainview_ros.flow_iq.lines import FlowLines, InstrumentFault
from plainview_ros.flow_iq.source import UNDISCOVERED, judge_source
from plainview_ros.samples import Sample


class Feed:
    def __init__(self, rig: Rig) -> None:
        self.lines = FlowLines(rig, Limits(), 3600.0)
        self.now_s = 1000.0
        self._chance = random.Random(1)

    def send(self, count: int, pressure_pa: float = 1e6, temperature_c: float = 40.0, only: str = "") -> list[Alert]:
        alerts = []
        for _ in range(count):
            self.now_s += 1.0
            for sample in (
                Sample("PT-601", "pressure", self._chance.gauss(pressure_pa, 800.0), self.now_s),
                Sample("TT-601", "temperature", self._chance.gauss(temperature_c, 0.1), self.now_s),
            ):
                if only in ("", sample.quantity):
                    alerts += self.lines.read(sample, self.now_s, self.now_s).alerts
        return alerts


@pytest.fixture
def feed(rig: Rig) -> Feed:
    feed = Feed(rig)
    assert feed.send(300) == []
    return feed


def test_lines_ask_for_their_instruments_only(feed: Feed) -> None:
    assert feed.lines.tags == {"FT-601", "PT-601", "TT-601", "PT-602"}, "and the one that measures the same"


def test_report_has_every_channel_measured_or_not(feed: Feed, rig: Rig) -> None:
    (report,) = feed.lines.reports(feed.now_s, feed.now_s)
    channels = {channel.channel.name: channel for channel in report.channels}
    assert list(channels) == ["flow_rate", "pressure", "temperature"]
    pressure = channels["pressure"]
    assert pressure.newest is not None
    assert pressure.summary is not None
    assert pressure.summary.low < pressure.summary.mean < pressure.summary.high
    assert not pressure.is_stale
    flow = channels["flow_rate"]
    assert (flow.newest, flow.summary, flow.band, flow.is_stale) == (None, None, None, True)
    assert not report.is_learning, "what was never measured keeps nobody from judging the rest"
    (fresh,) = FlowLines(rig, Limits(), 3600.0).reports(0.0, 0.0)
    assert fresh.is_learning


def test_old_value_is_reported_stale(feed: Feed) -> None:
    (report,) = feed.lines.reports(feed.now_s + 3.0, feed.now_s + 3.0)
    stale = {channel.channel.name for channel in report.channels if channel.is_stale}
    assert stale == {"flow_rate", "pressure"}, "the temperature's deadline is 5 s"


def test_low_anomaly_disturbs_nobody(feed: Feed) -> None:
    assert feed.send(30, pressure_pa=1.04e6) == []
    (report,) = feed.lines.reports(feed.now_s, feed.now_s)
    assert [anomaly.severity for anomaly in report.anomalies] == ["low"]


def test_line_has_one_anomaly_and_one_alert_whatever_channels_deviate(feed: Feed) -> None:
    (warning,) = feed.send(30, temperature_c=80.0)
    assert (warning.phase, warning.severity, warning.asset_kind, warning.asset_id) == (
        "raised",
        "warning",
        "line",
        "fl-1",
    )
    assert warning.message.startswith("Export line: TT-601 at ")
    lowered, critical = feed.send(60, temperature_c=80.0)
    assert (lowered.phase, lowered.alert_id) == ("cleared", warning.alert_id)
    assert (critical.phase, critical.severity) == ("raised", "critical")
    assert feed.send(30, pressure_pa=2e6, temperature_c=80.0) == []
    (report,) = feed.lines.reports(feed.now_s, feed.now_s)
    (anomaly,) = report.anomalies
    assert {deviation.channel.tag for deviation in anomaly.evidence.deviations} == {"TT-601", "PT-601"}
    assert feed.send(20, pressure_pa=2e6) == [], "the pressure is still away: the same event goes on"
    (cleared,) = feed.send(60)
    assert (cleared.phase, cleared.alert_id) == ("cleared", critical.alert_id)


def test_instrument_at_fault_is_named_and_the_line_is_judged_by_the_rest(feed: Feed) -> None:
    transitions: list[Anomaly | InstrumentFault] = []
    for _ in range(200):
        feed.now_s += 1.0
        stuck = Sample("PT-601", "pressure", 1e6 + 100, feed.now_s)
        transitions += feed.lines.read(stuck, feed.now_s, feed.now_s).anomalies
        feed.send(1, only="temperature")
    (fault,) = transitions
    assert isinstance(fault, InstrumentFault)
    assert (fault.line_id, fault.channel.name, fault.fault.type) == ("fl-1", "pressure", "sensor_stuck")
    (report,) = feed.lines.reports(feed.now_s, feed.now_s)
    assert [told.fault.tag for told in report.faults] == ["PT-601"]
    assert report.anomalies == []
    (alert,) = feed.send(60, temperature_c=80.0, only="temperature")
    assert alert.message.startswith("Export line: TT-601")


def test_clock_that_was_set_back_ends_the_anomaly_and_judgement_goes_on(feed: Feed) -> None:
    assert feed.send(30, temperature_c=80.0)
    feed.now_s -= 600.0
    (cleared,) = feed.send(300)
    assert cleared.phase == "cleared"
    assert [alert.phase for alert in feed.send(30, temperature_c=80.0)] == ["raised"]


def test_lines_go_on_after_a_restart_in_mid_anomaly(feed: Feed, rig: Rig) -> None:
    feed.send(100, pressure_pa=1.2e6)
    (before,) = feed.lines.reports(feed.now_s, feed.now_s)[0].anomalies
    memory = json.loads(json.dumps(feed.lines.memory(), allow_nan=False))
    feed.lines = FlowLines(rig, Limits(), 3600.0)
    assert feed.lines.restore(memory) == []
    assert feed.send(100, pressure_pa=1.2e6) == []
    (after,) = feed.lines.reports(feed.now_s, feed.now_s)[0].anomalies
    assert (after.anomaly_id, after.detected_at_s) == (before.anomaly_id, before.detected_at_s)
    assert [(alert.phase, str(alert.alert_id)) for alert in feed.send(60)] == [
        ("cleared", memory["alerts"][0]["alert_id"])
    ]
    assert feed.lines.reports(feed.now_s, feed.now_s)[0].anomalies == []


def test_frozen_reference_is_frozen_after_a_restart_too(feed: Feed, rig: Rig) -> None:
    feed.lines.set_baseline("fl-1", "freeze", "K. Berg", "", feed.now_s)
    (before,) = feed.lines.reports(feed.now_s, feed.now_s)
    memory = json.loads(json.dumps(feed.lines.memory(), allow_nan=False))
    feed.lines = FlowLines(rig, Limits(), 3600.0)
    assert feed.lines.restore(memory) == []
    feed.send(100, pressure_pa=1.01e6)
    (after,) = feed.lines.reports(feed.now_s, feed.now_s)
    assert (after.baseline, after.word) == ("frozen", before.word)
    assert after.channels[1].band == pytest.approx(before.channels[1].band, rel=1e-6)
    feed.lines.set_baseline("fl-1", "resume", "K. Berg", "", feed.now_s)
    feed.send(100, pressure_pa=1.01e6)
    (moved,) = feed.lines.reports(feed.now_s, feed.now_s)
    assert moved.channels[1].band is not None
    assert before.channels[1].band is not None
    assert moved.channels[1].band.centre > before.channels[1].band.centre + 1e3


@pytest.mark.parametrize("word", [7, {"action": "thaw", "by": "", "at_s": 1.0}, {"action": "freeze"}])
def test_word_that_is_none_is_not_used_and_said_so(feed: Feed, rig: Rig, word: object) -> None:
    memory = feed.lines.memory()
    memory["lines"]["fl-1"]["word"] = word
    lines = FlowLines(rig, Limits(), 3600.0)
    assert len(lines.restore(memory)) == 1
    assert lines.reports(0.0, 0.0)[0].word is None


def test_memory_of_other_instruments_is_not_used_and_said_so(feed: Feed, rig: Rig) -> None:
    memory = feed.lines.memory()
    memory["lines"]["fl-1"]["tags"][0] = "FT-999"
    (complaint,) = FlowLines(rig, Limits(), 3600.0).restore(memory)
    assert complaint.startswith("fl-1: what was learnt before is of no use")
    assert "FT-999" in complaint


@pytest.mark.parametrize(
    ("publishers", "source"),
    [
        ([], "none"),
        (["/simulator"], "simulated"),
        (["/rig7/simulator"], "simulated"),
        (["/simulator", "/recording"], "real"),
        (["/plc_gateway"], "real"),
        (["/simulator_2"], "real"),
        ([f"/{UNDISCOVERED}", "/simulator"], "simulated"),
        ([UNDISCOVERED], "none"),
    ],
)
def test_source_is_simulated_only_while_nobody_else_publishes(publishers: list[str], source: str) -> None:
    assert judge_source(publishers, ["simulator"]) == source


def test_further_channels_are_judged_and_told_by_their_names(rig: Rig) -> None:
    (line,) = rig.flow_lines
    further = line.model_copy(update={"channels": {"separator_pressure": "PT-602", "gas_flow": "FT-501"}})
    lines = FlowLines(rig.model_copy(update={"flow_lines": (further,)}), Limits(), 3600.0)
    chance = random.Random(1)
    told: list[Anomaly | InstrumentFault] = []
    for second in range(400):
        now_s = 1000.0 + second
        for tag, value in (("PT-601", 1e6), ("PT-602", 1.1e6 if second >= 300 else 1e6)):
            sample = Sample(tag, "pressure", chance.gauss(value, 800.0), now_s)
            told += lines.read(sample, now_s, now_s).anomalies
    (report,) = lines.reports(now_s, now_s)
    assert [channel.channel.name for channel in report.channels] == [
        *("flow_rate", "pressure", "temperature", "separator_pressure", "gas_flow")
    ]
    opened = next(anomaly for anomaly in told if isinstance(anomaly, Anomaly))
    assert (opened.worst.channel.name, opened.worst.channel.tag) == ("separator_pressure", "PT-602")
    assert opened.type == "pressure_deviation"


def test_samples_that_overtake_each_other_give_the_same_anomalies(rig: Rig) -> None:
    chance = random.Random(1)
    samples = [
        Sample("PT-601", "pressure", chance.gauss(1.1e6 if 300 <= second < 350 else 1e6, 800.0), 1000.0 + second)
        for second in range(500)
    ]
    late = sorted(samples, key=lambda sample: sample.stamp_s + chance.choice((0.0, 0.0, 0.0, 2.5)))
    assert late != samples
    told = []
    for order in (samples, late):
        lines = FlowLines(rig, Limits(), 3600.0)
        anomalies = [a for sample in order for a in lines.read(sample, sample.stamp_s, sample.stamp_s).anomalies]
        told.append([(a.phase, a.stamp_s, a.worst.value) for a in anomalies if isinstance(a, Anomaly)])
        assert len(told[-1]) == len(anomalies), "and none of the instrument"
        (report,) = lines.reports(1500.0, 1500.0)
        assert report.channels[1].summary == pytest.approx(
            (min(s.value for s in samples), max(s.value for s in samples), sum(s.value for s in samples) / 500)
        )
    assert told[0] == told[1] != []
