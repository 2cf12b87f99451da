"""The ROS graph over HTTP: who is there, what they say, and messages to those who may be told."""

from __future__ import annotations

from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Path, Query

from plainview_ros.bridge.context import Bridge, BridgeDep
from plainview_ros.bridge.errors import BridgeError, not_found
from plainview_ros.bridge.graph import NodeView, TakenError
from plainview_ros.bridge.problems import answers
from plainview_ros.bridge.schemas.ros2 import (
    Agent,
    Answer,
    Command,
    NewCommand,
    Node,
    Nodes,
    Registered,
    Subscription,
    TelemetryItem,
    TelemetryItems,
)

router = APIRouter(prefix="/ros2", tags=["ROS 2"])

COMMAND_TIMEOUT_MS = 2000.0


def find(bridge: Bridge, node_id: str) -> NodeView:
    """The node with a fully qualified name; the slash in front may be missing."""
    view = bridge.graph.book.get(f"/{node_id.lstrip('/')}", monotonic())
    if view is None:
        raise not_found("node", node_id)
    return view


@router.get("/nodes")
async def nodes(
    bridge: BridgeDep,
    type_: Annotated[str | None, Query(alias="type", examples=["valve_ops"])] = None,
    namespace: Annotated[str | None, Query(examples=["/rig7"])] = None,
) -> Nodes:
    found = [
        Node.of(view)
        for view in bridge.graph.book.all(monotonic())
        if type_ in (None, view.type) and namespace in (None, view.namespace)
    ]
    return Nodes(nodes=found, count=len(found))


@router.post("/nodes/register", responses=answers(409))
async def register(bridge: BridgeDep, agent: Agent) -> Registered:
    view = NodeView(
        name=agent.name,
        namespace=agent.namespace,
        type=agent.type,
        publishes=tuple(agent.topics.publish),
        subscribes=tuple(agent.topics.subscribe),
        last_seen_s=bridge.gateway.now_s(),
        location=None if agent.location is None else agent.location.model_dump(exclude_none=True),
        deadline_s=agent.deadline_sec,
        heard_s=monotonic(),
        health=agent.health,
    )
    try:
        bridge.graph.register(view)
    except TakenError as error:
        raise BridgeError(409, "not_registered", str(error)) from None
    return Registered(node_id=view.id, deadline_sec=agent.deadline_sec)


@router.get("/nodes/{node_id:path}", responses=answers(404))
async def node(bridge: BridgeDep, node_id: Annotated[str, Path(examples=["/valve_ops"])]) -> Node:
    return Node.of(find(bridge, node_id))


@router.post("/subscribe", responses=answers(404, 409, 504))
async def subscribe(bridge: BridgeDep, wanted: Subscription) -> Answer:
    view = find(bridge, wanted.node_id)
    if wanted.topic not in view.publishes or view.is_agent:
        raise BridgeError(422, "not_published", f"{view.id} does not publish {wanted.topic} on this ROS graph")
    await bridge.telemetry.subscribe(view.id, wanted.topic)
    return Answer(message=f"subscribed to {wanted.topic} of {view.id}")


@router.post("/unsubscribe", responses=answers(404, 504))
async def unsubscribe(bridge: BridgeDep, unwanted: Subscription) -> Answer:
    if not await bridge.telemetry.unsubscribe(unwanted.node_id, unwanted.topic):
        raise BridgeError(404, "not_found", f"there is no subscription to {unwanted.topic} of {unwanted.node_id}")
    return Answer(message=f"unsubscribed from {unwanted.topic} of {unwanted.node_id}")


@router.get("/telemetry")
async def telemetry(
    bridge: BridgeDep,
    node_id: Annotated[str | None, Query(alias="nodeId", examples=["/valve_ops"])] = None,
    topic: Annotated[str | None, Query(examples=["/valves/state"])] = None,
    max_age: Annotated[
        float | None, Query(alias="maxAge", ge=0, allow_inf_nan=False, description="[ms]", examples=[5000])
    ] = None,
) -> TelemetryItems:
    entries = bridge.telemetry.recent(node_id, topic, None if max_age is None else max_age / 1000)
    return TelemetryItems(telemetry=[TelemetryItem.of(entry) for entry in entries])


@router.post("/command", responses=answers(403, 404, 504))
async def command(bridge: BridgeDep, new: NewCommand) -> Command:
    view = find(bridge, new.node_id)
    timeout_s = (new.timeout or COMMAND_TIMEOUT_MS) / 1000
    return Command.of(await bridge.topic_commands.send(view, new.topic, new.params, new.priority, timeout_s))


@router.get("/command/{command_id}", responses=answers(404))
async def command_status(bridge: BridgeDep, command_id: str) -> Command:
    kept = bridge.topic_commands.get(command_id)
    if kept is None:
        raise not_found("command", command_id)
    return Command.of(kept)
