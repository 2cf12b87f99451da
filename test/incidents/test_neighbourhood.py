from __future__ import annotations

import pytest

from plainview_ros.assets import Rig
from plainview_ros.incidents.finding import Asset
from plainview_ros.incidents.neighbourhood import Neighbourhood


@pytest.fixture
def neighbourhood(rig: Rig) -> Neighbourhood:
    return Neighbourhood(rig)


def sections(neighbourhood: Neighbourhood, asset: Asset) -> set[str]:
    return {place.id for place in neighbourhood.places(asset) if place.kind == "section"}


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        (Asset("section", "C-South"), {"C-South"}),
        (Asset("valve", "v-101"), {"A-North"}),
        (Asset("valve", "v-102"), {"A-North", "B-Central"}),
        (Asset("line", "fl-1"), {"E-West"}),
        (Asset("camera", "cam-103"), {"D-East", "E-West"}),
        (Asset("camera", "cam-102"), {"A-North", "B-Central"}),
        (Asset("instrument", "PT-201"), {"A-North"}),
        (Asset("instrument", "FT-201"), {"A-North", "B-Central"}),
        (Asset("instrument", "TT-301"), {"B-Central", "C-South"}),
        (Asset("instrument", "PT-101"), {"A-North"}),
    ],
)
def test_asset_lies_in_its_sections(neighbourhood: Neighbourhood, asset: Asset, expected: set[str]) -> None:
    assert sections(neighbourhood, asset) == expected
    assert asset in neighbourhood.places(asset)


def test_asset_unknown_to_the_rig_is_its_own_place(neighbourhood: Neighbourhood) -> None:
    stranger = Asset("valve", "v-999")
    assert neighbourhood.places(stranger) == {stranger}


def test_every_asset_of_the_rig_has_a_section(rig: Rig, neighbourhood: Neighbourhood) -> None:
    assets = [
        *(Asset("valve", valve.id) for valve in rig.valves),
        *(Asset("line", line.id) for line in rig.flow_lines),
        *(Asset("camera", camera.id) for camera in rig.cameras),
        *(Asset("instrument", instrument.tag) for instrument in rig.instruments),
    ]
    assert all(sections(neighbourhood, asset) for asset in assets)
