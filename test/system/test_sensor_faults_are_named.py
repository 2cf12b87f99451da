"""Every fault an instrument of the simulated rig can have is named by FlowIQ, and by no other name."""

from __future__ import annotations

import math

from plainview_ros.flow_iq.forecast import HORIZONS
from plainview_ros.msg import FlowAnomaly, FlowForecast, FlowState
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import from_stamp
from plainview_ros.srv import ClearFault, InjectFault
from ros_graph import Graph

SPEED = 60.0
LEARN_S = 90.0
"""Habits of the slowest instrument take so long [simulated s]; those of two that measure the same half an hour."""
PAIR_LEARN_S = 1900.0

EXPECTED = {
    ("spiking_sensor", "FT-601", 0.02): "sensor_spike",
    ("not_a_number_sensor", "PT-601", 0.0): "sensor_not_a_number",
    ("silent_sensor", "TT-601", 0.0): "sensor_gap",
}
EXPECTED_LATER = {
    ("frozen_sensor", "FT-601", 0.0): "sensor_stuck",
    ("out_of_range_sensor", "PT-601", 0.0): "sensor_out_of_range",
    ("clock_step_sensor", "TT-601", 30.0): "sensor_clock_step",
}


def inject(graph: Graph, kind: str, target: str, magnitude: float, onset_s: float) -> None:
    request = InjectFault.Request(kind=kind, target=target, magnitude=magnitude, position_m=math.nan, onset_s=onset_s)
    answer = graph.call(InjectFault, topics.INJECT_FAULT, request)
    assert answer.error_code == InjectFault.Response.NONE, answer.error_msg


def test_every_fault_of_an_instrument_is_named(graph: Graph) -> None:
    anomalies = graph.collect(FlowAnomaly, topics.FLOW_ANOMALIES, qos.EVENT)
    graph.start("flow_iq", {"use_sim_time": True})
    graph.start("simulator", {"speed": SPEED, "cameras": False, "transport": "scan"})

    for batch in (EXPECTED, EXPECTED_LATER):
        for kind, tag, magnitude in batch:
            inject(graph, kind, tag, magnitude, LEARN_S)
        for (kind, tag, _), name in batch.items():
            found = anomalies.wait_for(
                lambda told, tag=tag, name=name: (told.tag, told.type) == (tag, name), f"{name} of {tag}, of {kind}"
            )
            assert tag in found.evidence
        graph.call(ClearFault, topics.CLEAR_FAULT, ClearFault.Request())
        for (_, tag, _), name in batch.items():
            anomalies.wait_for(
                lambda told, tag=tag, name=name: (
                    (told.tag, told.type, told.phase) == (tag, name, FlowAnomaly.PHASE_CLOSED)
                ),
                f"the end of {name} of {tag}",
            )

    # A clock that is set right steps as well, and at sixty times real time so does one that stalls for a moment.
    named = {(told.tag, told.type) for told in anomalies.messages if told.type.startswith("sensor_")}
    wanted = {(tag, name) for batch in (EXPECTED, EXPECTED_LATER) for (_, tag, _), name in batch.items()}
    assert {(tag, name) for tag, name in named - wanted if name != "sensor_clock_step"} == set()


def test_drift_against_an_instrument_that_measures_the_same_is_named_and_lines_are_forecast(graph: Graph) -> None:
    forecasts = graph.collect(FlowForecast, topics.FLOW_FORECAST, qos.STATE)
    states = graph.collect(FlowState, topics.FLOW_STATE, qos.STATE)
    anomalies = graph.collect(FlowAnomaly, topics.FLOW_ANOMALIES, qos.EVENT)
    graph.start("flow_iq", {"use_sim_time": True})
    graph.start("simulator", {"speed": SPEED, "cameras": False, "transport": "scan"})
    inject(graph, "drifting_sensor", "PT-602", 50.0, PAIR_LEARN_S)
    began_s = from_stamp(states.wait_for(lambda state: state.publishers, "the simulator").header.stamp)
    for step_s in (700.0, 1400.0, PAIR_LEARN_S):
        states.wait_for(lambda state, at_s=began_s + step_s: from_stamp(state.header.stamp) > at_s, f"{step_s} s")
    told = anomalies.wait_for(lambda told: told.type == "sensor_drift", "the drift")
    assert "PT-601" in told.evidence
    assert "PT-602" in told.evidence
    assert from_stamp(told.header.stamp) > began_s + PAIR_LEARN_S
    assert {told.type for told in anomalies.messages} - {"sensor_clock_step"} == {"sensor_drift"}

    forecast = forecasts.wait_for(lambda told: all(len(line.channels) == 3 for line in told.lines), "a forecast")
    for channel in forecast.lines[0].channels:
        assert len(channel.ahead_s) == len(HORIZONS)
        assert all(a <= b <= c for a, b, c in zip(channel.low, channel.expected, channel.high, strict=True))
