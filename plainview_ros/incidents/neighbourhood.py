"""Which assets stand so close that one cause can show at both."""

from __future__ import annotations

from collections.abc import Iterable

from plainview_ros.assets import Instrument, Rig
from plainview_ros.incidents.finding import Asset


class Neighbourhood:
    """Places of the rig's assets. Two assets are neighbours when they have a place in common.

    The places of an asset are the asset itself and the pipeline sections it lies in: a valve or an instrument between
    two sections lies in both, a flow line where its instruments are, a camera in the sections it watches and those
    of the valves it watches. An asset that the rig does not have is a place of its own.
    """

    def __init__(self, rig: Rig) -> None:
        self._places: dict[Asset, frozenset[Asset]] = {}
        for instrument in rig.instruments:
            self._put(Asset("instrument", instrument.tag), _sections_of_instrument(rig, instrument))
        for section_id in rig.section:
            self._put(Asset("section", section_id), ())
        for valve in rig.valves:
            self._put(Asset("valve", valve.id), _sections_at(rig, valve.position_m))
        for line in rig.flow_lines:
            tags = line.tags.values()
            self._put(Asset("line", line.id), *(self.places(Asset("instrument", tag)) for tag in tags))
        for camera in rig.cameras:
            watched = (asset for id_ in camera.watches for asset in (Asset("section", id_), Asset("valve", id_)))
            self._put(Asset("camera", camera.id), *(self.places(asset) for asset in watched if asset in self._places))

    def places(self, asset: Asset) -> frozenset[Asset]:
        """The asset itself and the sections it lies in."""
        return self._places.get(asset, frozenset((asset,)))

    def _put(self, asset: Asset, *places: Iterable[Asset]) -> None:
        sections = frozenset(place for group in places for place in group if place.kind == "section")
        self._places[asset] = sections | {asset}


def _sections_at(rig: Rig, position_m: float) -> list[Asset]:
    """The section at a distance from the inlet of the pipeline; both, where two meet."""
    return [
        Asset("section", section.id)
        for section, start_m in zip(rig.pipeline.sections, rig.pipeline.starts_m, strict=False)
        if start_m <= position_m <= start_m + section.length_m
    ]


def _sections_of_instrument(rig: Rig, instrument: Instrument) -> list[Asset]:
    """The sections whose ends it measures; for other instruments where they are."""
    measured = [
        Asset("section", section.id)
        for section in rig.pipeline.sections
        if instrument.tag in {*dict(section.inlet).values(), *dict(section.outlet).values()}
    ]
    return measured or ([] if instrument.position_m is None else _sections_at(rig, instrument.position_m))
