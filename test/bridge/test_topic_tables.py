"""A topic that the bridge subscribes to is known wherever one has to be."""

from __future__ import annotations

from typing import Any

import pytest

from plainview_ros.bridge.admission import NAMED
from plainview_ros.bridge.announcements import TRANSITIONS
from plainview_ros.bridge.graph import FAMILIES
from plainview_ros.bridge.incident_desk import FINDINGS
from plainview_ros.bridge.node import EVENTS, STATES
from plainview_ros.bridge.settings import Settings
from plainview_ros.bridge.state import PARTS, State
from plainview_ros.ros import topics
from plainview_ros.ros.conversions import constant_names
from plainview_ros.ros.from_plain import message_type
from plainview_ros.system import MODULES
from ros_graph import REPOSITORY


def test_every_snapshot_is_taken_apart_and_belongs_to_a_module() -> None:
    assert STATES.keys() == PARTS.keys() == {module.state_topic for module in MODULES} | {topics.FLOW_FORECAST}
    for topic, type_ in STATES.items():
        assert PARTS[topic] in type_.get_fields_and_field_types()


def test_every_transition_is_kept_and_announced() -> None:
    assert EVENTS.keys() == State(Settings())._journals.keys() == TRANSITIONS.keys()


def test_every_transition_but_a_stroke_can_make_an_incident() -> None:
    assert EVENTS.keys() - FINDINGS.keys() == {topics.VALVE_ACTUATIONS}
    assert FINDINGS.keys() <= EVENTS.keys()


def named_fields(type_: Any) -> set[str]:
    """Fields of a message and of those in it whose numbers the interface file names."""
    found = set()
    for field, text in type_.get_fields_and_field_types().items():
        if constant_names(type_, field):
            found.add(field)
        inner = text.removeprefix("sequence<").partition(">")[0].partition("[")[0]
        if inner.startswith("plainview_ros/"):
            found |= named_fields(message_type(inner.replace("/", "/msg/")))
    return found


@pytest.mark.parametrize("topic", [*STATES, *EVENTS])
def test_numbers_that_an_interface_names_are_checked(topic: str) -> None:
    assert named_fields({**STATES, **EVENTS}[topic]) <= NAMED


def test_checked_fields_exist() -> None:
    assert set().union(*map(named_fields, (*STATES.values(), *EVENTS.values()))) == NAMED


def test_every_node_of_ours_is_known_by_its_name() -> None:
    nodes = {path.parent.name for path in (REPOSITORY / "plainview_ros").glob("*/node.py")} - {"ros"}
    assert nodes == FAMILIES
