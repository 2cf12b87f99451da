"""Files beside the code are found in the source tree, in a sourced workspace, and where pip puts them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from plainview_ros.share import share_file
from ros_graph import REPOSITORY


def installed(prefix: Path, name: str) -> Path:
    path = prefix / "share" / "plainview_ros" / name
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_source_tree_comes_first() -> None:
    assert share_file("config/rig.yaml") == REPOSITORY / "config" / "rig.yaml"


def test_sourced_workspaces_are_looked_through_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = installed(tmp_path / "overlay", "config/only_installed.yaml")
    installed(tmp_path / "underlay", "config/only_installed.yaml")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'overlay'}:{tmp_path / 'underlay'}")
    assert share_file("config/only_installed.yaml") == overlay


def test_without_a_workspace_pips_place_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = installed(tmp_path, "config/only_installed.yaml")
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert share_file("config/only_installed.yaml") == path


def test_missing_file_is_reported_with_every_place_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        share_file("config/nowhere.yaml")
    said = str(caught.value)
    for place in (REPOSITORY, tmp_path / "share" / "plainview_ros", Path(sys.prefix, "share", "plainview_ros")):
        assert str(place) in said


def test_folder_is_no_file() -> None:
    with pytest.raises(FileNotFoundError):
        share_file("config")
