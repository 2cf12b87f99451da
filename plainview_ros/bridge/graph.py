"""The ROS graph as the web sees it: who is there, since when, in what health.

Pure: what the ROS side sees goes in, values come out. Agents that are not on this graph are kept beside its nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal

from plainview_ros.ros.graph import GraphNode, node_id
from plainview_ros.system import MEMBERS

NodeHealth = Literal["ok", "warning", "error", "unknown"]

FAMILIES = frozenset((*(member.name for member in MEMBERS), "recording"))
"""Types of our own nodes, which are their names; every other node of the graph has the type ``ros2``."""

HEALTH: Mapping[str, NodeHealth] = {"ok": "ok", "warn": "warning", "error": "error"}
WORST_LAST: tuple[NodeHealth, ...] = ("unknown", "ok", "warning", "error")

DIAGNOSTICS_DEADLINE_S = 5.0
"""REP-107 nodes report once a second; after this long without a report nobody knows how a node is."""

MAX_AGENTS = 500
MAX_STATUSES = 5000


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node of the graph or an agent."""

    name: str
    namespace: str
    type: str
    publishes: tuple[str, ...]
    subscribes: tuple[str, ...]
    last_seen_s: float
    """The node's clock [s]: on the graph at the last look, or the agent's last registration."""
    location: Mapping[str, Any] | None = None
    deadline_s: float | None = None
    """Agents: time between two registrations [s]; ``None`` for nodes of the graph."""
    heard_s: float = 0.0
    """Monotonic clock of ``last_seen_s`` [s]."""
    health: NodeHealth = "unknown"

    @property
    def id(self) -> str:
        """Fully qualified name."""
        return node_id(self.name, self.namespace)

    @property
    def is_agent(self) -> bool:
        return self.deadline_s is not None


@dataclass(frozen=True, slots=True)
class Difference:
    """Who came and who went."""

    discovered: tuple[NodeView, ...] = ()
    offline: tuple[NodeView, ...] = ()


class TakenError(ValueError):
    """An agent asked for what another has, or for more than there is."""


class NodeBook:
    """Everybody known. A node of the graph is known while it is there, an agent until its deadline passes."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeView] = {}
        self._agents: dict[str, NodeView] = {}
        self._reports: dict[str, tuple[str, float]] = {}
        self.revision = 0
        """Moves with everything that is taken in."""

    def look(self, seen: Iterable[GraphNode], now_s: float, monotonic_s: float) -> Difference:
        """Take a look at the whole graph."""
        nodes = {
            node.id: NodeView(
                name=node.name,
                namespace=node.namespace,
                type=node.name if node.name in FAMILIES else "ros2",
                publishes=node.publishes,
                subscribes=node.subscribes,
                last_seen_s=now_s,
                heard_s=monotonic_s,
            )
            for node in seen
        }
        before, self._nodes = self._nodes, nodes
        self.revision += 1
        overdue = [
            agent
            for agent in self._agents.values()
            if agent.deadline_s is not None and monotonic_s - agent.heard_s > agent.deadline_s
        ]
        for agent in overdue:
            del self._agents[agent.id]
        return Difference(
            discovered=tuple(node for id_, node in nodes.items() if id_ not in before),
            offline=(*(node for id_, node in before.items() if id_ not in nodes), *overdue),
        )

    def register(self, agent: NodeView) -> bool:
        """Take an agent in, or hear from it again; True when it is new.

        Raises:
            TakenError: a node of the graph has that name, or there are too many agents.
        """
        if agent.id in self._nodes:
            raise TakenError(f"{agent.id} is on the ROS graph itself")
        known = agent.id in self._agents
        if not known and len(self._agents) >= MAX_AGENTS:
            raise TakenError(f"there are {MAX_AGENTS} agents already")
        self._agents[agent.id] = agent
        self.revision += 1
        return not known

    def diagnose(self, name: str, level: str, monotonic_s: float) -> None:
        """Take one status of ``/diagnostics``, whose name begins with the name of the node (REP-107)."""
        if name in self._reports or len(self._reports) < MAX_STATUSES:
            self._reports[name] = (level, monotonic_s)
            self.revision += 1

    def known_until_s(self, monotonic_s: float) -> float:
        """When nobody will know any more how some node is that has reported, unless it reports again."""
        until = (heard_s + DIAGNOSTICS_DEADLINE_S for _, heard_s in self._reports.values())
        return min((until_s for until_s in until if until_s >= monotonic_s), default=inf)

    def get(self, id_: str, monotonic_s: float) -> NodeView | None:
        view = self._nodes.get(id_) or self._agents.get(id_)
        return None if view is None else self._with_health(view, self._health(monotonic_s))

    def all(self, monotonic_s: float) -> list[NodeView]:
        """In order of their names."""
        health = self._health(monotonic_s)
        views = {**self._agents, **self._nodes}
        return [self._with_health(views[id_], health) for id_ in sorted(views)]

    def _with_health(self, view: NodeView, health: Mapping[str, NodeHealth]) -> NodeView:
        return view if view.is_agent else replace(view, health=health.get(view.name, "unknown"))

    def _health(self, monotonic_s: float) -> dict[str, NodeHealth]:
        """The worst that is reported now by the name of the node. Diagnostics do not say its namespace."""
        health: dict[str, NodeHealth] = {}
        for name, (reported, heard_s) in self._reports.items():
            if monotonic_s - heard_s <= DIAGNOSTICS_DEADLINE_S:
                node = name.partition(":")[0].strip().rpartition("/")[2]
                level = HEALTH.get(reported, "unknown")
                health[node] = max(health.get(node, level), level, key=WORST_LAST.index)
        return health
