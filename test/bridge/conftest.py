"""What the tests of the bridge share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge_fakes import FakeBridge, fake_bridge
from plainview_ros.assets import Rig
from postgres import Postgres, postgres_server


@pytest.fixture
def fake(rig: Rig) -> Iterator[FakeBridge]:
    """The application around a gateway that the test plays."""
    with fake_bridge(rig) as bridge:
        yield bridge


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL."""
    with postgres_server() as server:
        yield server
