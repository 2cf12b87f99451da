"""A real bridge process and a client of it."""

from __future__ import annotations

from ros_graph import Graph, NodeProcess
from web import Web, free_port


class LiveBridge(Web):
    """A bridge in its own process."""

    def __init__(self, graph: Graph, **settings: object) -> None:
        super().__init__(free_port())
        self._graph = graph
        self._settings = settings
        self.start()

    def start(self) -> None:
        """Start it, also after it was killed: on the same port, with what it kept."""
        settings = {"port": self.port, **self._settings}
        self.process: NodeProcess = self._graph.start("bridge", settings=settings, wait=False)
        self.process.wait_for_log("Uvicorn running")

    def stop(self) -> int:
        self.client.close()
        return self.process.stop()
