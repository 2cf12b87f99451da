"""A rig as large as asked, for measuring what readings cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmark.children import REPOSITORY

CHANNELS: Mapping[str, tuple[str, tuple[float, float]]] = {
    "flow_rate": ("FT", (-0.2, 0.2)),
    "pressure": ("PT", (-1.0e5, 6.0e6)),
    "temperature": ("TT", (-60.0, 200.0)),
    "viscosity": ("VT", (0.0, 1.0)),
}
"""Prefix of the tags, and the believable range in SI units, of each channel of a flow line."""

NOMINAL = {"flow_rate": 0.1, "pressure": 2.0e6, "temperature": 45.0, "viscosity": 0.008}
"""What the instruments read, with one thousandth of noise [SI units]."""


def write_rig(path: Path, lines: int, *, in_pairs: bool = False) -> None:
    """Write the default rig with so many flow lines of four instruments each, all of which FlowIQ judges.

    Args:
        in_pairs: make one line of eight channels of every two.
    """
    rig: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "rig.yaml").read_text(encoding="utf-8"))
    for line in range(lines):
        tags = {quantity: f"{prefix}-b{line}" for quantity, (prefix, _) in CHANNELS.items()}
        rig["flow_lines"].append({"id": f"bench-{line}", "name": f"Bench {line}", **tags})
        rig["instruments"] += [
            {"tag": tag, "quantity": quantity, "range": CHANNELS[quantity][1]} for quantity, tag in tags.items()
        ]
        if in_pairs and line % 2:
            other = rig["flow_lines"].pop()
            rig["flow_lines"][-1]["channels"] = {f"other_{quantity}": other[quantity] for quantity in CHANNELS}
    del rig["flow_lines"][0]  # the default rig's own line, whose instruments nobody plays
    path.write_text(json.dumps(rig, default=str), encoding="utf-8")  # JSON is YAML


def bench_tags(lines: int, quantity: str) -> list[str]:
    """Tags of one quantity of all lines."""
    return [f"{CHANNELS[quantity][0]}-b{line}" for line in range(lines)]
