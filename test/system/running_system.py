"""The whole system as ``ros2 launch`` runs it: one process per node, on a graph of its own."""

from __future__ import annotations

from plainview_ros.system import MEMBERS
from ros_graph import REPOSITORY, Graph, NodeProcess
from web import Web, free_port


class System:
    """The running rig."""

    def __init__(self, graph: Graph, simulator: dict[str, object]) -> None:
        self.graph = graph
        self.port = free_port()
        self.settings = {name: simulator if name == "simulator" else {} for name in (m.name for m in MEMBERS)}
        self.settings["bridge"] = {"port": self.port}
        if simulator.get("speed", 1.0) != 1.0:
            for name in self.settings.keys() - {"simulator"}:
                self.settings[name] = self.settings[name] | {"use_sim_time": True}
        self.nodes: dict[str, NodeProcess] = {}
        for name in self.settings:
            self.start(name, wait=False)
        for name, process in self.nodes.items():
            process.wait_for_log("running on" if name == "bridge" else f"[{name}]: active")
        self.web = Web(self.port)
        self.web.get_until("/modules", lambda modules: all(m["status"] == "ok" for m in modules), "all up")

    def start(self, name: str, *, wait: bool = True) -> None:
        params = ("--params-file", str(REPOSITORY / "config" / "plainview.yaml"))
        self.nodes[name] = self.graph.start(name, self.settings[name], arguments=params, wait=wait)
