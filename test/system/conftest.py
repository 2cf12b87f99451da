"""What the tests of the whole system share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ros_graph import Graph
from running_system import System


@pytest.fixture
def start_system(graph: Graph) -> Iterator[Callable[..., System]]:
    """Start the system with settings of the simulator."""
    systems: list[System] = []

    def start(**simulator: object) -> System:
        systems.append(System(graph, simulator))
        return systems[-1]

    yield start
    for system in systems:
        system.web.close()
