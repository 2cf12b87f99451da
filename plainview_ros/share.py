"""Where files are: those beside the code (config/, launch/), and those that outlive a process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def share_file(name: str) -> Path:
    """Path of an installed file such as ``config/rig.yaml``.

    Looks in the source tree this code runs from, in each sourced ROS prefix, then where pip puts data files.

    Raises:
        FileNotFoundError: naming every place that was tried.
    """
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    places = [Path(__file__).parents[1], *(Path(prefix, "share", "plainview_ros") for prefix in prefixes)]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(f"{name} is in none of {', '.join(map(str, places))}")


def state_dir(variables: Mapping[str, str] = os.environ) -> Path:
    """Folder of what outlives a process: ``PLAINVIEW_STATE_DIR``, or else ``plainview`` in the XDG state directory."""
    given = variables.get("PLAINVIEW_STATE_DIR", "").strip()
    if given:
        return Path(given).expanduser().absolute()
    xdg = variables.get("XDG_STATE_HOME", "").strip()
    return (Path(xdg) if xdg else Path.home() / ".local" / "state") / "plainview"
