"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from plainview_ros.assets import Rig, load_rig
from ros_graph import DEADLINE_S, REPOSITORY, Graph, remove_orphaned_memory

# A slow machine is no defect: only the one deadline of the graph judges time.
settings.register_profile("plainview", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plainview")


@pytest.fixture(scope="session", autouse=True)
def shared_memory() -> Iterator[None]:
    """What killed nodes leave is removed, also that of earlier runs."""
    yield
    remove_orphaned_memory()


@pytest.fixture(scope="session")
def rig() -> Rig:
    """The default rig."""
    return load_rig(REPOSITORY / "config" / "rig.yaml")


@pytest.fixture(scope="session")
def deadline_s() -> float:
    """Longest time to wait for anything."""
    return DEADLINE_S


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    """A real ROS graph of its own."""
    graph = Graph(tmp_path)
    yield graph
    graph.close()
