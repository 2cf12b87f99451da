"""The bridge without its database: what history costs the streams is the difference."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace

from plainview_ros.bridge.app import create_app
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.node import BridgeNode
from plainview_ros.bridge.server import serve
from plainview_ros.bridge.start import spinning
from plainview_ros.ros.process import ros_process


def main() -> int:
    environment = replace(Environment.of(), database_url=None)
    with ros_process():
        node = BridgeNode()
        with spinning(node) as gateway:
            app = create_app(lambda: nullcontext(gateway), environment)
            return serve(app, node.settings.host, node.settings.port)


if __name__ == "__main__":
    sys.exit(main())
