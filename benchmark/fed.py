"""The bridge, given rows of flow metrics without ROS: what the database costs is seen apart from what the topics cost.

The real way, by ``flow/state``, takes most of a core for 5,000 readings a second before anything is written.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import nullcontext
from dataclasses import replace
from time import time

from plainview_ros.bridge import app as bridge_app
from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.node import BridgeNode
from plainview_ros.bridge.server import serve
from plainview_ros.bridge.start import spinning
from plainview_ros.bridge.store.rows import Row
from plainview_ros.ros.process import ros_process

LINES = 110
"""So many rows are given at once, one of each line ..."""
SNAPSHOTS_HZ = 50
"""... and so often each second."""


async def feed(bridge: Bridge) -> None:
    """Give rows to the ledger at a steady rate, whoever reads it."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        stamp_ms = int(time() * 1000)
        for line in range(LINES):
            values = {"flow_rate_lpm": 2500.0 + line, "pressure_pa": 1.6e6, "temperature_c": 35.0, "viscosity": None}
            bridge.keeping.ledger.add(
                Row("flow_metrics", {"line_id": f"fl-{line}", "timestamp_ms": stamp_ms, **values})
            )
        due_s += 1 / SNAPSHOTS_HZ
        await asyncio.sleep(max(0.0, due_s - loop.time()))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-database", action="store_true")
    options, _ros = parser.parse_known_args()
    environment = Environment.of()
    if options.no_database:
        environment = replace(environment, database_url=None)

    bridge_app.BACKGROUND = (*bridge_app.BACKGROUND, feed)
    with ros_process():
        node = BridgeNode()
        with spinning(node) as gateway:
            app = bridge_app.create_app(lambda: nullcontext(gateway), environment)
            return serve(app, node.settings.host, node.settings.port)


if __name__ == "__main__":
    sys.exit(main())
