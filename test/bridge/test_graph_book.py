"""Who came and who went, from looks at a graph."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.bridge import graph
from plainview_ros.bridge.graph import DIAGNOSTICS_DEADLINE_S, NodeBook, NodeView, TakenError
from plainview_ros.ros.graph import GraphNode


def node(name: str, namespace: str = "/") -> GraphNode:
    return GraphNode(name, namespace, ("/rosout",), ())


def agent(name: str = "robot", heard_s: float = 0.0, namespace: str = "/fleet") -> NodeView:
    return NodeView(name, namespace, "robot", (), (), 0.0, deadline_s=10.0, heard_s=heard_s, health="ok")


def test_nodes_come_and_go() -> None:
    book = NodeBook()
    first = book.look([node("valve_ops", "/rig7"), node("talker")], 1.0, 1.0)
    assert [(view.id, view.type) for view in first.discovered] == [
        ("/rig7/valve_ops", "valve_ops"),
        ("/talker", "ros2"),
    ]
    assert first.offline == ()
    second = book.look([node("talker")], 2.0, 2.0)
    assert second.discovered == ()
    assert [view.id for view in second.offline] == ["/rig7/valve_ops"]
    assert [(view.id, view.last_seen_s) for view in book.all(2.0)] == [("/talker", 2.0)]


@given(st.lists(st.sets(st.sampled_from("abcd")), max_size=12))
def test_every_coming_is_followed_by_one_going(looks: list[set[str]]) -> None:
    book = NodeBook()
    here: set[str] = set()
    for number, names in enumerate(looks):
        difference = book.look([node(name) for name in names], number, number)
        came, went = ({view.name for view in views} for views in (difference.discovered, difference.offline))
        assert came.isdisjoint(here)
        assert went <= here
        here = (here | came) - went
        assert here == names == {view.name for view in book.all(number)}


def test_agent_is_offline_after_its_deadline_unless_it_registers_again() -> None:
    book = NodeBook()
    assert book.register(agent())
    assert not book.register(agent(heard_s=8.0))
    assert book.look([], 15.0, 15.0).offline == ()
    assert [view.id for view in book.look([], 19.0, 19.0).offline] == ["/fleet/robot"]
    assert book.get("/fleet/robot", 19.0) is None
    assert book.register(agent(heard_s=20.0))


def test_agent_cannot_take_the_name_of_a_node_on_the_graph() -> None:
    book = NodeBook()
    book.look([node("robot", "/fleet")], 0.0, 0.0)
    with pytest.raises(TakenError, match="/fleet/robot is on the ROS graph itself"):
        book.register(agent())


def test_agents_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MAX_AGENTS", 1)
    book = NodeBook()
    book.register(agent("one"))
    with pytest.raises(TakenError, match="there are 1 agents already"):
        book.register(agent("two"))
    book.register(agent("one"))


def test_health_is_the_worst_that_is_reported_now() -> None:
    book = NodeBook()
    book.look([node("flow_iq"), node("camera_driver"), node("silent")], 0.0, 0.0)
    book.diagnose("flow_iq: input", "ok", 0.0)
    book.diagnose("flow_iq: detector", "warn", 0.0)
    book.diagnose("/flow_iq: lately", "ok", 3.0)
    book.diagnose("camera_driver", "error", 0.0)
    assert {view.name: view.health for view in book.all(1.0)} == {
        "flow_iq": "warning",
        "camera_driver": "error",
        "silent": "unknown",
    }
    later_s = DIAGNOSTICS_DEADLINE_S + 1.0
    assert {view.name: view.health for view in book.all(later_s)} == {
        "flow_iq": "ok",
        "camera_driver": "unknown",
        "silent": "unknown",
    }


def test_statuses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MAX_STATUSES", 1)
    book = NodeBook()
    book.look([node("a"), node("b")], 0.0, 0.0)
    book.diagnose("a", "ok", 0.0)
    book.diagnose("b", "ok", 0.0)
    book.diagnose("a", "error", 1.0)
    assert [view.health for view in book.all(1.0)] == ["error", "unknown"]
