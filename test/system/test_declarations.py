"""colcon, pip, ros2 launch and plainview up describe the same system."""

from __future__ import annotations

import configparser
import importlib
import shutil
import subprocess
import xml.etree.ElementTree as ET
from typing import Any, get_args

import pytest
import yaml

import plainview_ros
from plainview_ros.assets import SCAN_ONLY, Quantity, load_rig
from plainview_ros.ros.instruments import MESSAGES
from plainview_ros.ros.node import ModuleNode
from plainview_ros.system import ARGUMENTS, MEMBERS
from ros_graph import REPOSITORY

NODES = sorted(
    path.parent.name for path in (REPOSITORY / "plainview_ros").glob("*/node.py") if path.parent.name != "ros"
)


def node_class(name: str) -> type[ModuleNode]:
    module = importlib.import_module(f"plainview_ros.{name}.node")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ModuleNode) and value.__module__ == module.__name__
    )
    return found


def entry_points() -> dict[str, str]:
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].strip().splitlines()
    return dict(tuple(part.strip() for part in line.split("=")) for line in lines)  # type: ignore[misc]


def test_every_node_has_an_executable_of_its_name() -> None:
    assert entry_points() == {"plainview": "plainview_ros.cli:main"} | {
        name: f"plainview_ros.{name}.node:main" for name in NODES
    }


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_member_of_the_system_names_the_class_of_its_node(member: Any) -> None:
    module, name = member.node.split(":")
    assert getattr(importlib.import_module(module), name) is node_class(member.name)


def test_every_quantity_has_a_message_or_comes_by_scan_only() -> None:
    assert MESSAGES.keys() == set(get_args(Quantity)) - SCAN_ONLY


def test_the_command_is_there_for_whoever_sources_the_workspace() -> None:
    command = shutil.which("plainview")
    assert command is not None
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"plainview_ros {plainview_ros.__version__}"


def test_the_version_is_the_same_everywhere() -> None:
    package = ET.parse(REPOSITORY / "package.xml").getroot()
    assert package.findtext("version") == plainview_ros.__version__


@pytest.mark.parametrize("name", NODES)
def test_parameter_file_says_what_the_node_declares(name: str) -> None:
    file = yaml.safe_load((REPOSITORY / "config" / "plainview.yaml").read_text())
    written = file[f"/**/{name}"]["ros__parameters"]
    declared = {setting.name: setting for setting in node_class(name).SETTINGS}
    assert written.keys() == declared.keys()
    for key, value in written.items():
        setting = declared[key]
        assert type(value) is type(setting.default), key
        assert value == setting.default, key
        if setting.low is not None and setting.high is not None:
            assert setting.low <= value <= setting.high, key


@pytest.mark.parametrize("path", sorted((REPOSITORY / "config").glob("rig*/*.yaml")), ids=lambda path: path.name)
def test_every_rig_file_that_is_shipped_is_valid(path: Any) -> None:
    assert load_rig(path).instruments


def test_launch_file_offers_the_arguments_and_starts_the_members() -> None:
    pytest.importorskip("launch_ros", reason="launch_ros is not on the package index: needs a ROS distribution")
    from launch import LaunchContext
    from launch.actions import DeclareLaunchArgument, OpaqueFunction
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(str(REPOSITORY / "launch" / "plainview.launch.py"))
    declared = [entity for entity in description.entities if isinstance(entity, DeclareLaunchArgument)]
    assert [argument.name for argument in declared] == [argument.name for argument in ARGUMENTS]
    context = LaunchContext()
    for argument in declared:
        argument.execute(context)
    (start,) = (entity for entity in description.entities if isinstance(entity, OpaqueFunction))
    nodes = start.execute(context)
    assert [node.node_executable for node in nodes] == [member.name for member in MEMBERS]
