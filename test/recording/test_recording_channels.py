"""Maps of columns to instruments: how they are written, and what is said of those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.assets import Quantity, Rig, load_rig
from plainview_ros.recording.channels import Channel, MapError, check_channels, parse_map
from ros_graph import REPOSITORY

SOURCES: dict[str, Quantity | None] = {"Pressure": None, "/rig/t/temperature": "temperature"}


@pytest.mark.parametrize(
    ("item", "channel"),
    [
        ("Pressure=PT-601", Channel("Pressure", "PT-601")),
        ("Pressure=PT-601*1e5", Channel("Pressure", "PT-601", 1e5)),
        ("Volume Flow RateRMS=FT-601*1.6667e-05", Channel("Volume Flow RateRMS", "FT-601", 1.6667e-5)),
        ("T=TT-1*0.5556-17.78", Channel("T", "TT-1", 0.5556, -17.78)),
        ("T=TT-1*0.5556+-17.78", Channel("T", "TT-1", 0.5556, -17.78)),
        ("T=TT-1+-273.15", Channel("T", "TT-1", 1.0, -273.15)),
        ("P=PT-1-5", Channel("P", "PT-1-5")),
        ("P=PT-1*-1", Channel("P", "PT-1", -1.0)),
        ("a=b=PT-1", Channel("a=b", "PT-1")),
        ("/rig/p/pressure=PT-1", Channel("/rig/p/pressure", "PT-1")),
    ],
)
def test_map_item_is_read(item: str, channel: Channel) -> None:
    assert parse_map([item]) == [channel]


@pytest.mark.parametrize("item", ["Pressure", "=PT-1", "P=", "P=PT-1*", "P=PT-1*x", "P=PT 1", "P=PT-1*1*2", ""])
def test_malformed_item_is_quoted(item: str) -> None:
    with pytest.raises(MapError) as refusal:
        parse_map([item])
    assert f"map {item!r}: expected COLUMN=TAG[*SCALE][+OFFSET]" in str(refusal.value)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_python_prints_can_be_a_scale_and_an_offset(scale: float, offset: float) -> None:
    assert parse_map([f"P=PT-1*{scale!r}+{offset!r}"]) == [Channel("P", "PT-1", scale, offset)]


def test_one_instrument_cannot_be_played_twice() -> None:
    with pytest.raises(MapError, match="PT-1 is given 2 times, from 'a', 'b'"):
        parse_map(["a=PT-1", "b=PT-1"])


def test_map_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("channels:\n  Volume Flow: FT-601*1.6667e-5\n  Pressure: PT-601\n", encoding="utf-8")
    assert parse_map([str(file), "T=TT-601"]) == [
        Channel("Volume Flow", "FT-601", 1.6667e-5),
        Channel("Pressure", "PT-601"),
        Channel("T", "TT-601"),
    ]


def test_mistake_in_a_file_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("channels:\n  Pressure: PT-601\n  Flow: FT-601*\n", encoding="utf-8")
    with pytest.raises(
        MapError, match=r"map\.yaml:3: channels\.Flow: expected TAG\[\*SCALE\]\[\+OFFSET\], found 'FT-601"
    ):
        parse_map([str(file)])


def test_unknown_column_is_told_the_columns_there_are(rig: Rig) -> None:
    with pytest.raises(MapError, match=r"the recording has no 'Presure'; it has '/rig/t/temperature', 'Pressure'"):
        check_channels([Channel("Presure", "PT-601")], SOURCES, rig)


def test_unknown_tag_is_told_the_tags_there_are(rig: Rig) -> None:
    with pytest.raises(MapError, match=r"rig 'demo' has no instrument 'PT-1' for 'Pressure'; it has 'FT-101', "):
        check_channels([Channel("Pressure", "PT-1")], SOURCES, rig)


def test_topic_of_another_quantity_is_refused(rig: Rig) -> None:
    with pytest.raises(MapError, match="'/rig/t/temperature' carries temperature, instrument PT-601 measures pressure"):
        check_channels([Channel("/rig/t/temperature", "PT-601")], SOURCES, rig)


@pytest.mark.parametrize(("map_file", "rig_file"), [("skab", "skab_testbed"), ("3w_bag", "3w_well")])
def test_shipped_maps_fit_the_shipped_rigs(map_file: str, rig_file: str) -> None:
    rig = load_rig(REPOSITORY / "config" / "rigs" / f"{rig_file}.yaml")
    channels = parse_map([str(REPOSITORY / "config" / "recordings" / f"{map_file}.yaml")])
    check_channels(channels, {channel.source: None for channel in channels}, rig)
