"""The recording node in its own process on a real graph."""

from __future__ import annotations

import csv
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from mcap.writer import Writer
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import FluidPressure, Temperature
from std_msgs.msg import Float64

from plainview_ros.msg import FlowAnomaly, FlowRate, FlowState
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_stamp, to_stamp
from ros_graph import REPOSITORY, Graph, Inbox

RECORDINGS = REPOSITORY / os.environ.get("PLAINVIEW_DATA", "../shared/data") / "recordings"

TABLE = """time_s,Volume Flow RateRMS,Pressure,Thermocouple,label
100.0,60,2.5,20.5,0
101.0,66,,20.6,0
103.0,72,2.7,20.7,1
"""
MAP = "['Volume Flow RateRMS=FT-601*1.6666666667e-05', Pressure=PT-601*1e5+1000, Thermocouple=TT-601]"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "run.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


class Listener:
    """Subscribes to all that a recording can publish readings on, so that the play begins at once."""

    def __init__(self, graph: Graph) -> None:
        self.flows = graph.collect(FlowRate, topics.FLOW_RATE, qos.SENSOR)
        self.pressures = graph.collect(FluidPressure, topics.PRESSURE, qos.SENSOR)
        self.temperatures = graph.collect(Temperature, topics.TEMPERATURE, qos.SENSOR)


@pytest.fixture
def listener(graph: Graph) -> Listener:
    return Listener(graph)


def write_bag(path: Path) -> Path:
    """As rosbag2 records our own topics: the tag in frame_id; and a bare number on a topic of its own."""
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2", library="test")
        types = {topics.PRESSURE: "sensor_msgs/msg/FluidPressure", "level": "std_msgs/msg/Float64"}
        channels = {
            topic: writer.register_channel(f"/{topic}", "cdr", writer.register_schema(name, "ros2msg", b""))
            for topic, name in types.items()
        }
        for second in range(3):
            pressure = FluidPressure(fluid_pressure=1e6 + second)
            pressure.header.frame_id = "PT-601"
            pressure.header.stamp = to_stamp(float(second))
            for topic, message in ((topics.PRESSURE, pressure), ("level", Float64(data=float(second)))):
                stamp = second * 1_000_000_000
                writer.add_message(channels[topic], stamp, serialize_message(message), stamp)
        writer.finish()
    return path


def by_value(inbox: Inbox, field: str, values: list[float]) -> dict[float, Any]:
    """The first message received with each of the values. Best effort may lose any, so the play must repeat."""
    return {
        value: inbox.wait_for(lambda m, v=value: getattr(m, field) == pytest.approx(v, rel=1e-7), f"{field} {value:g}")
        for value in values
    }


def intervals_s(inbox: Inbox, field: str) -> dict[tuple[float, float], float]:
    """Time between the stamps of messages that came one after the other, by their values."""
    return {
        (round(getattr(a, field), 6), round(getattr(b, field), 6)): from_stamp(b.header.stamp)
        - from_stamp(a.header.stamp)
        for a, b in pairwise(inbox.messages)
    }


def test_table_arrives_on_the_mapped_tags_in_si_units_and_live(graph: Graph, listener: Listener, table: Path) -> None:
    before_s = from_stamp(graph.stamp())
    node = graph.start("recording", {"file": table, "map": MAP, "rate": 10.0, "loop": True})
    flows = by_value(listener.flows, "flow_rate", [1.0e-3, 1.1e-3, 1.2e-3])
    pressures = by_value(listener.pressures, "fluid_pressure", [2.51e5, 2.71e5])
    temperatures = by_value(listener.temperatures, "temperature", [20.5, 20.6, 20.7])
    listener.flows.wait_for_count(7)
    after_s = from_stamp(graph.stamp())
    assert {m.header.frame_id for m in flows.values()} == {"FT-601"}
    assert {m.header.frame_id for m in pressures.values()} == {"PT-601"}
    assert {m.header.frame_id for m in temperatures.values()} == {"TT-601"}
    stamps = [from_stamp(m.header.stamp) for m in listener.flows.messages]
    assert before_s < stamps[0]
    assert stamps == sorted(stamps)
    assert stamps[-1] < after_s + 0.5
    assert intervals_s(listener.flows, "flow_rate")[0.0011, 0.0012] == pytest.approx(0.2, abs=0.15)
    assert node.stop() == 0


def test_with_a_clock_stamps_keep_the_recorded_intervals(graph: Graph, listener: Listener, table: Path) -> None:
    clocks = graph.collect(Clock, topics.CLOCK, qos.CLOCK)
    graph.start("recording", {"file": table, "map": MAP, "rate": 10.0, "publish_clock": True, "loop": True})
    by_value(listener.flows, "flow_rate", [1.0e-3, 1.1e-3, 1.2e-3])
    listener.flows.wait_for_count(7)
    intervals = intervals_s(listener.flows, "flow_rate")
    expected = {(0.001, 0.0011): 1.0, (0.0011, 0.0012): 2.0, (0.0012, 0.001): 2.0}
    assert intervals.keys() & expected.keys()
    for pair in intervals.keys() & expected.keys():
        assert intervals[pair] == pytest.approx(expected[pair], abs=1e-6)
    ticks = [from_stamp(m.clock) for m in list(clocks.messages)]
    assert ticks == sorted(ticks)
    assert ticks[-1] - ticks[0] > 5.0


def test_play_ends_with_an_account(graph: Graph, table: Path) -> None:
    node = graph.start("recording", {"file": table, "map": MAP, "rate": 50.0, "patience_s": 0.0})
    assert node.wait() == 0
    assert "played 3 s: 8 readings of FT-601, PT-601, TT-601; 1 empty values passed over" in node.log()


def test_bag_of_our_own_topics_needs_no_map(graph: Graph, listener: Listener, tmp_path: Path) -> None:
    settings: dict[str, object] = {"file": write_bag(tmp_path / "bag.mcap"), "rate": 10.0, "loop": True}
    graph.start("recording", settings)
    received = by_value(listener.pressures, "fluid_pressure", [1e6, 1e6 + 1, 1e6 + 2])
    assert {m.header.frame_id for m in received.values()} == {"PT-601"}


def test_bare_numbers_of_a_bag_can_be_mapped(graph: Graph, listener: Listener, tmp_path: Path) -> None:
    settings: dict[str, object] = {
        "file": write_bag(tmp_path / "bag.mcap"),
        "map": "['/level=TT-601*2+20']",
        "rate": 10.0,
        "loop": True,
    }
    graph.start("recording", settings)
    received = by_value(listener.temperatures, "temperature", [20.0, 22.0, 24.0])
    assert {m.header.frame_id for m in received.values()} == {"TT-601"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"map": "[Presure=PT-601]"}, "map: the recording has no 'Presure'; it has 'Pressure', 'Thermocouple'"),
        ({"map": "[Pressure=PT-1]"}, "map: rig 'demo' has no instrument 'PT-1' for 'Pressure'; it has 'FT-101'"),
        ({}, "run.csv: nothing to play: 0 readings of no instrument"),
        ({"map": MAP, "publish_clock": True, "use_sim_time": True}, "use_sim_time: must be false with publish_clock"),
    ],
    ids=["column", "tag", "no map", "clock"],
)
def test_what_cannot_be_played_ends_the_node_with_the_reason(
    graph: Graph, table: Path, settings: dict[str, object], complaint: str
) -> None:
    node = graph.start("recording", settings | {"file": table}, wait=False)
    assert node.wait() == 1
    assert complaint in node.log()
    assert "Traceback" not in node.log()


def test_table_that_breaks_off_fails_where_it_does(graph: Graph, table: Path) -> None:
    table.write_text(TABLE + "104.0,75,2.8\n", encoding="utf-8")
    node = graph.start("recording", {"file": table, "map": MAP, "rate": 50.0, "patience_s": 0.0})
    assert node.wait() == 1
    assert "run.csv:5: expected 5 cells, found 3" in node.log()


def test_truncated_bag_ends_the_node_with_the_reason(graph: Graph, tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag.mcap")
    path.write_bytes(path.read_bytes()[:-100])
    node = graph.start("recording", {"file": path}, wait=False)
    assert node.wait() == 1
    assert "bag.mcap: not a whole MCAP file, or damaged" in node.log()


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the shared recordings are not on this machine (PLAINVIEW_DATA)")
def test_recorded_testbed_run_reaches_flow_iq_and_its_fault_is_found(graph: Graph) -> None:
    file = RECORDINGS / "skab_other__1.csv"
    with file.open(encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    labels = [float(row["time_s"]) - float(rows[0]["time_s"]) for row in rows if row["label"] == "1"]
    states = graph.collect(FlowState, topics.FLOW_STATE, qos.STATE)
    anomalies = graph.collect(FlowAnomaly, topics.FLOW_ANOMALIES, qos.EVENT)
    rig = {"rig": REPOSITORY / "config" / "rigs" / "skab_testbed.yaml"}
    graph.start("flow_iq", rig | {"use_sim_time": True})
    node = graph.start(
        "recording",
        rig
        | {
            "file": file,
            "map": f"[{REPOSITORY / 'config' / 'recordings' / 'skab.yaml'}]",
            "rate": 100.0,
            "publish_clock": True,
        },
    )
    opened = anomalies.wait_for(lambda message: message.phase == FlowAnomaly.PHASE_OPENED, "an anomaly")
    began = re.search(r"the first reading is stamped ([\d.]+)", node.log())
    assert began is not None
    assert opened.type == "flow_rate_deviation"
    assert labels[0] < from_stamp(opened.header.stamp) - float(began[1]) < labels[-1]
    state = states.wait_for(lambda state: state.lines[0].open_anomalies, "the anomaly in the snapshot")
    assert state.source == FlowState.SOURCE_REAL
    assert state.publishers == ["/recording"]
    assert node.wait() == 0
