"""What the topics have said so far, ready to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from plainview_ros.assets import Rig
from plainview_ros.bridge.gateway import Received
from plainview_ros.bridge.settings import Settings


class Announcement(NamedTuple):
    """One event for ``EventLog.publish``."""

    type: str
    asset: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one message."""

    new: bool
    """False for a transition that is known already, by its ``event_id``."""
    live: bool
    """False for a transition of before this bridge came up."""
    announcements: tuple[Announcement, ...] = ()


class State:
    """A projection of the topics. Reading it never waits."""

    def __init__(self, rig: Rig, settings: Settings) -> None:
        self._rig = rig
        self._settings = settings

    def apply(self, received: Received) -> Applied:  # noqa: ARG002
        return Applied(new=True, live=True)
