"""Ctrl-C stops everything cleanly within seconds, with streams open and however often it is pressed."""

from __future__ import annotations

import time

import pytest

from plainview_ros.system import MEMBERS
from ros_graph import Graph, NodeProcess
from web import Web, free_port


def press_until_ended(process: NodeProcess) -> int:
    """An impatient user; exit code."""
    while process.is_running():
        process.interrupt()
        time.sleep(0.02)  # between two presses, not in place of an event
    return process.wait()


@pytest.mark.parametrize("name", [member.name for member in MEMBERS])
def test_impatient_ctrl_c_ends_a_node_cleanly(graph: Graph, name: str) -> None:
    settings: dict[str, object] = {"port": free_port()} if name == "bridge" else {}
    process = graph.start(name, settings)
    if name == "bridge":
        process.wait_for_log("Plainview is at")
    assert press_until_ended(process) == 0, process.log()
    assert "Traceback" not in process.log()


def test_ctrl_c_ends_the_whole_system_in_one_process_with_streams_open(graph: Graph) -> None:
    port = free_port()
    process = graph.run("up", "plainview_ros.cli", ["up", "--port", str(port)])
    process.wait_for_log("Plainview is at")
    web = Web(port)
    try:
        web.get_until("/modules", lambda modules: all(m["status"] == "ok" for m in modules), "all up")
        streams = [web.events() for _ in range(5)]
        for stream in streams:
            stream.wait_for("flow.metrics.updated")
        assert press_until_ended(process) == 0, process.log()
        for stream in streams:
            stream.wait_for_end()
    finally:
        web.close()
    assert "Traceback" not in process.log()


def test_ctrl_c_ends_the_system_without_a_bridge(graph: Graph) -> None:
    process = graph.run("up", "plainview_ros.cli", ["up", "--bridge", "false"])
    process.wait_for_log("[rig_sight]: active")
    assert press_until_ended(process) == 0, process.log()
    assert "Traceback" not in process.log()
