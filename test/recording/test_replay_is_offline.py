"""A recording played through ROS gives what the same detector makes of the same file without ROS."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from plainview_ros.assets import load_rig
from plainview_ros.flow_iq.anomaly import Anomaly
from plainview_ros.flow_iq.detectors import Limits
from plainview_ros.flow_iq.lines import FlowLines
from plainview_ros.msg import FlowAnomaly
from plainview_ros.recording.channels import parse_map
from plainview_ros.recording.readers import open_recording
from plainview_ros.recording.routing import Route
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_stamp
from plainview_ros.samples import Sample
from ros_graph import REPOSITORY, Graph

RECORDINGS = REPOSITORY / os.environ.get("PLAINVIEW_DATA", "../shared/data") / "recordings"

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the shared recordings are not on this machine (PLAINVIEW_DATA)"
)

SECONDS = 2700
"""Of a recording that are played, at the most."""

PHASES = {FlowAnomaly.PHASE_OPENED: "opened", FlowAnomaly.PHASE_UPDATED: "updated", FlowAnomaly.PHASE_CLOSED: "closed"}


class Told(NamedTuple):
    phase: str
    type: str
    offset_s: float
    """From the first reading."""
    value: float
    sentence: str


def is_of_line(message: FlowAnomaly) -> bool:
    """And not of an instrument, which falls silent when the recording ends."""
    return not message.type.startswith("sensor_")


def offline(file: Path, rig_path: Path, mapping: list[str]) -> list[Told]:
    rig = load_rig(rig_path)
    lines = FlowLines(rig, Limits(), 3600.0)
    readings = list(Route(open_recording(file, {}), parse_map(mapping), rig).readings())
    return [
        Told(a.phase, a.type, round(a.stamp_s - readings[0].time_s, 3), a.worst.value, a.sentence)
        for r in readings
        for a in lines.read(Sample(r.tag, rig.instrument[r.tag].quantity, r.value, r.time_s), r.time_s, r.time_s)[0]
        if isinstance(a, Anomaly)
    ]


@pytest.mark.parametrize(
    ("name", "rig", "mapping", "rate"),
    [
        ("skab_other__1.csv", "skab_testbed.yaml", ["config/recordings/skab.yaml"], 50.0),
        ("3w_2__WELL-00003_20141122214325.csv", "3w_well.yaml", [], 100.0),
    ],
)
def test_replay_gives_the_anomalies_of_the_offline_run(
    graph: Graph, tmp_path: Path, name: str, rig: str, mapping: list[str], rate: float
) -> None:
    file, rig_path = tmp_path / name, REPOSITORY / "config" / "rigs" / rig
    with (RECORDINGS / name).open(encoding="utf-8") as recorded:
        file.write_text("".join(islice(recorded, SECONDS)), encoding="utf-8")
    maps = [str(REPOSITORY / item) for item in mapping]
    expected = offline(file, rig_path, maps)
    assert [told.phase for told in expected][:1] == ["opened"]

    anomalies = graph.collect(FlowAnomaly, topics.FLOW_ANOMALIES, qos.EVENT)
    graph.start("flow_iq", {"rig": rig_path, "use_sim_time": True})
    settings = {"rig": rig_path, "file": file, "rate": rate, "publish_clock": True}
    node = graph.start("recording", settings | ({"map": f"[{', '.join(maps)}]"} if maps else {}))
    told = anomalies.wait_for_count(len(expected), is_of_line)
    began = re.search(r"the first reading is stamped ([\d.]+)", node.log())
    assert began is not None
    got = [
        Told(PHASES[m.phase], m.type, from_stamp(m.header.stamp) - float(began[1]), m.value, m.evidence) for m in told
    ]
    assert [(g.phase, g.type, g.sentence) for g in got] == [(e.phase, e.type, e.sentence) for e in expected]
    assert [g.offset_s for g in got] == pytest.approx([e.offset_s for e in expected], abs=0.01)
    assert [g.value for g in got] == pytest.approx([e.value for e in expected], rel=1e-3)  # sensor data is sent once
    assert node.wait() == 0
    assert len(anomalies.wait_for_count(len(expected), is_of_line)) == len(expected), "and nothing else"
