"""What a process says when its parameters cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ros_graph import DEADLINE_S, REPOSITORY, Graph

UP = ("plainview_ros.cli", "up", "--params")
SIMULATOR = ("plainview_ros.simulator.node", "--ros-args", "--params-file")
BRIDGE = ("plainview_ros.bridge.node", "--ros-args", "--params-file")

WRONG_TYPE = "/**:\n  simulator:\n    ros__parameters: {speed: fast}\n  bridge:\n    ros__parameters: {port: http}\n"


@pytest.mark.parametrize(
    ("command", "text", "message"),
    [
        (UP, WRONG_TYPE, "/simulator: Trying to set parameter 'speed' to 'fast'"),
        (SIMULATOR, WRONG_TYPE, "/simulator: Trying to set parameter 'speed' to 'fast'"),
        (SIMULATOR, WRONG_TYPE.replace("fast", "1.0e9"), "Parameter speed out of range"),
        (BRIDGE, WRONG_TYPE, "/bridge: Trying to set parameter 'port' to 'http'"),
        (UP, None, "Error opening YAML file"),
        (SIMULATOR, None, "Error opening YAML file"),
        (BRIDGE, "bridge: [", "Sequences can only be values and not keys in params. Error at line 1"),
    ],
    ids=["up-type", "node-type", "node-range", "bridge-type", "up-no-file", "node-no-file", "bridge-broken-file"],
)
def test_parameters_that_cannot_be_used_end_it_with_a_line_that_says_why(
    graph: Graph, tmp_path: Path, command: tuple[str, ...], text: str | None, message: str
) -> None:
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", *command, str(path)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        cwd=REPOSITORY,
        env=graph.environment,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    *_, said = ended.stderr.splitlines()
    assert message in said
