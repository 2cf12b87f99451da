"""Where the instruments' values come from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

Source = Literal["none", "simulated", "real"]

UNDISCOVERED = "_NODE_NAME_UNKNOWN_"
"""What rmw calls a publisher's node that discovery has not told it about yet."""


def judge_source(publishers: Collection[str], simulators: Collection[str]) -> Source:
    """Simulated while only simulators publish, real as soon as anybody else does; a recording is real.

    Args:
        publishers: fully qualified names of the nodes that publish instruments.
        simulators: names, without namespace, of the nodes that simulate.
    """
    names = {name.rpartition("/")[2] for name in publishers} - {UNDISCOVERED}
    if not names:
        return "none"
    return "simulated" if names <= set(simulators) else "real"
