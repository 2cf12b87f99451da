"""The ROS graph as the web sees it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from plainview_ros.bridge.graph import NodeHealth, NodeView
from plainview_ros.bridge.schemas.base import Body, Instant, Number, Schema
from plainview_ros.bridge.telemetry import TelemetryEntry
from plainview_ros.bridge.topic_commands import Priority, Status, TopicCommand

NAME = r"[A-Za-z_][A-Za-z0-9_]*"

NodeName = Annotated[str, StringConstraints(pattern=rf"^{NAME}$", max_length=200)]
Namespace = Annotated[str, StringConstraints(pattern=rf"^/({NAME}(/{NAME})*)?$", max_length=200)]
FullName = Annotated[str, StringConstraints(pattern=rf"^/{NAME}(/{NAME})*$", max_length=255)]
TopicNames = Annotated[list[FullName], Field(max_length=500)]


class Topics(Schema):
    subscribe: list[str] = Field(examples=[["/valves/state"]])
    publish: list[str] = Field(examples=[["/tf"]])


class Place(Schema):
    lat: Number = Field(ge=-90, le=90, examples=[58.3989])
    lon: Number = Field(ge=-180, le=180, examples=[1.7201])
    z: Number | None = Field(default=None, examples=[None])


class Node(Schema):
    id: str = Field(description="fully qualified name", examples=["/rig7/valve_ops"])
    name: str = Field(examples=["valve_ops"])
    namespace: str = Field(examples=["/rig7"])
    type: str = Field(
        description="of our own nodes their name, of other nodes on the graph ros2, of agents what they said",
        examples=["valve_ops"],
    )
    topics: Topics
    last_seen: Instant
    health: NodeHealth = Field(description="the worst it reports in /diagnostics; unknown when it reports nothing")
    location: Place | None = None
    registered: bool = Field(description="an agent that is not on this ROS graph", examples=[False])

    @classmethod
    def of(cls, view: NodeView) -> Node:
        return cls(
            id=view.id,
            name=view.name,
            namespace=view.namespace,
            type=view.type,
            topics=Topics(subscribe=list(view.subscribes), publish=list(view.publishes)),
            last_seen=view.last_seen_s,
            health=view.health,
            location=None if view.location is None else Place.model_validate(view.location),
            registered=view.is_agent,
        )


class Nodes(Schema):
    nodes: list[Node]
    count: int = Field(examples=[6])


class AgentTopics(Body):
    subscribe: TopicNames = Field(default_factory=list, examples=[["/valves/state"]])
    publish: TopicNames = Field(default_factory=list, examples=[["/tf"]])


class Agent(Body):
    """An agent that is not on this ROS graph. Registering again within the deadline keeps it online."""

    name: NodeName = Field(examples=["robot_01"])
    namespace: Namespace = Field(default="/", examples=["/fleet/robots"])
    type: str = Field(min_length=1, max_length=64, examples=["robot"])
    location: Place | None = None
    topics: AgentTopics = Field(default_factory=AgentTopics)
    health: NodeHealth = "unknown"
    deadline_sec: Number = Field(default=60, ge=1, le=86_400, description="[s] until offline")


class Registered(Schema):
    ok: bool = True
    node_id: str = Field(examples=["/fleet/robots/robot_01"])
    deadline_sec: float = Field(description="register again within this time [s]", examples=[60.0])


class Subscription(Body):
    node_id: FullName = Field(examples=["/valve_ops"])
    topic: FullName = Field(examples=["/valves/state"])


class Answer(Schema):
    ok: bool = True
    message: str = Field(examples=["subscribed to /valves/state of /valve_ops"])


class TelemetryItem(Schema):
    node_id: str = Field(examples=["/valve_ops"])
    topic: str = Field(examples=["/valves/state"])
    data: Any = Field(
        description="the message; long arrays as their length and first items", examples=[{"valves": [{"id": "v-101"}]}]
    )
    timestamp: Instant

    @classmethod
    def of(cls, entry: TelemetryEntry) -> TelemetryItem:
        return cls(node_id=entry.node_id, topic=entry.topic, data=entry.data, timestamp=entry.stamp_s)


class TelemetryItems(Schema):
    telemetry: list[TelemetryItem] = Field(description="oldest first")


class NewCommand(Body):
    node_id: FullName = Field(examples=["/crawler"])
    topic: FullName = Field(description="one of the bridge's `command_topics`", examples=["/crawler/goal"])
    action: Literal["publish"] = "publish"
    params: dict[str, Any] = Field(
        default_factory=dict,
        description="fields of the topic's message type, strictly; what is left out keeps its default",
        examples=[{"data": "dock"}],
    )
    priority: Priority = Field(default="normal", description="kept with the command; ROS topics have no priorities")
    timeout: Number | None = Field(
        default=None, gt=0, le=60_000, description="[ms] to wait for the subscriber; default 2000", examples=[2000]
    )


class Command(Schema):
    command_id: str = Field(examples=["9b2f1a52-9c7e-4f0e-8f38-3a4f5b6c7d8e"])
    status: Status = Field(description="sent: at least one subscriber was connected; whether it obeyed, ROS cannot say")
    node_id: str = Field(examples=["/crawler"])
    timestamp: Instant
    topic: str = Field(examples=["/crawler/goal"])
    priority: Priority
    error: str | None = Field(default=None, description="why it was not sent", examples=[None])

    @classmethod
    def of(cls, command: TopicCommand) -> Command:
        return cls(
            command_id=command.id,
            status=command.status,
            node_id=command.node_id,
            timestamp=command.stamp_s,
            topic=command.topic,
            priority=command.priority,
            error=command.error,
        )
