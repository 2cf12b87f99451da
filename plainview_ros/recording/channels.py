"""Which column or topic of a recording is which instrument of the rig."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from plainview_ros.assets import Quantity, Rig
from plainview_ros.documents import DocumentError, Mistake, Part, load_document

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
TARGET = re.compile(
    rf"(?P<tag>[A-Za-z0-9][A-Za-z0-9_.-]*)(?:\*(?P<scale>{NUMBER}))?(?:\+(?P<plus>{NUMBER})|(?P<minus>-{NUMBER}))?"
)


class MapError(DocumentError):
    """A map that cannot be used; the message quotes the item and says what was wrong with it."""


class MapFile(Part):
    """A map in a file: ``channels: {COLUMN: TAG*SCALE+OFFSET, ...}``."""

    channels: dict[str, str]


@dataclass(frozen=True)
class Channel:
    """An instrument that a column of a CSV file, or a topic of a bag, is played on."""

    source: str
    tag: str
    scale: float = 1.0
    offset: float = 0.0

    def value(self, recorded: float) -> float:
        """Recorded value in the SI unit of the instrument's quantity."""
        return recorded * self.scale + self.offset


def parse_map(items: Sequence[str]) -> list[Channel]:
    """Channels of ``--map`` items, each ``COLUMN=TAG[*SCALE][+OFFSET]`` or the path of a YAML file (:class:`MapFile`).

    The column may contain any character: the last ``=`` separates. A tag may contain ``-`` and ``.``, so a negative
    offset without a scale is written ``+-5``.

    Raises:
        MapError: quoting the item.
    """
    channels: list[Channel] = []
    for item in items:
        source, separator, target = item.rpartition("=")
        if not separator and item.endswith((".yaml", ".yml")):
            document = load_document(item, MapFile, _broken_targets, MapError)
            channels += filter(None, map(_channel, document.channels, document.channels.values()))
        elif channel := _channel(source, target):
            channels.append(channel)
        else:
            raise MapError(f"map {item!r}: expected COLUMN=TAG[*SCALE][+OFFSET] or the path of a .yaml file")
    tags = [channel.tag for channel in channels]
    for tag in tags:
        if tags.count(tag) > 1:
            sources = ", ".join(repr(channel.source) for channel in channels if channel.tag == tag)
            raise MapError(f"map: {tag} is given {tags.count(tag)} times, from {sources}")
    return channels


def check_channels(channels: Sequence[Channel], sources: Mapping[str, Quantity | None], rig: Rig) -> None:
    """See that each channel connects something the recording has to an instrument of the rig.

    Args:
        channels: from the user's map.
        sources: names of the recording's columns or topics, with what they measure where the recording says it.
        rig: the asset model.

    Raises:
        MapError: naming the channel and what there is instead.
    """
    for channel in channels:
        instrument = rig.instrument.get(channel.tag)
        if channel.source not in sources:
            raise MapError(f"map: the recording has no {channel.source!r}; it has {_listed(sources)}")
        if instrument is None:
            raise MapError(
                f"map: rig {rig.name!r} has no instrument {channel.tag!r} for {channel.source!r};"
                f" it has {_listed(rig.instrument)}"
            )
        measured = sources[channel.source]
        if measured is not None and measured != instrument.quantity:
            raise MapError(
                f"map: {channel.source!r} carries {measured}, instrument {channel.tag} measures {instrument.quantity}"
            )


def _broken_targets(document: MapFile) -> Iterable[Mistake]:
    for source, target in document.channels.items():
        if _channel(source, target) is None:
            yield ("channels", source), f"expected TAG[*SCALE][+OFFSET], found {target!r}"


def _channel(source: str, target: str) -> Channel | None:
    """``None`` when the target is not ``TAG[*SCALE][+OFFSET]`` or the source is empty."""
    match = TARGET.fullmatch(target)
    if match is None or not source:
        return None
    return Channel(source, match["tag"], float(match["scale"] or 1.0), float(match["plus"] or match["minus"] or 0.0))


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(repr(name) for name in sorted(names)) or "none"
