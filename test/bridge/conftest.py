"""What the tests of the bridge share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge_fakes import FakeBridge, fake_bridge
from plainview_ros.assets import Rig
from plainview_ros.bridge import restore
from plainview_ros.bridge.store import event_store
from plainview_ros.msg import Alert
from plainview_ros.ros import qos, topics
from postgres import Postgres, postgres_server
from ros_graph import DEADLINE_S, Graph, Publisher

DISK_BYTES = 40_000_000


@pytest.fixture(autouse=True)
def patient_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge that starts in this process waits for what was before as long as it takes on a loaded machine."""
    monkeypatch.setattr(event_store, "ASK_AT_START_S", DEADLINE_S)
    monkeypatch.setattr(restore, "ASK_AT_START_S", DEADLINE_S)


@pytest.fixture
def fake(rig: Rig) -> Iterator[FakeBridge]:
    """The application around a gateway that the test plays."""
    with fake_bridge(rig) as bridge:
        yield bridge


@pytest.fixture(scope="module")
def shared_graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """One real ROS graph for all tests of a module that leave it as it was."""
    graph = Graph(tmp_path_factory.mktemp("bridge"))
    yield graph
    graph.close()


@pytest.fixture(scope="module")
def alerts(shared_graph: Graph) -> Publisher:
    """What the bridge hears as alerts."""
    return shared_graph.publisher(Alert, topics.ALERTS, qos.EVENT)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of :data:`DISK_BYTES`."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "plainview", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL."""
    with postgres_server() as server:
        yield server
