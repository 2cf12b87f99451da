"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph import DEADLINE_S, REPOSITORY, Graph
from plainview_ros.assets import Rig, load_rig


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
