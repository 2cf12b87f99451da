"""What a process and its children cost, as Linux counts it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_GONE = (OSError, StopIteration)


def process_tree(pid: int) -> Iterator[int]:
    """The process and all its descendants."""
    yield pid
    with suppress(*_GONE):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from process_tree(int(child))


def cpu_s(pid: int) -> float:
    """User and system time [s] of the tree so far, of ended threads too, in nanoseconds' resolution."""
    total = 0.0
    for member in process_tree(pid):
        with suppress(*_GONE):
            total += time.clock_gettime((~member << 3) | 2)  # clock_getcpuclockid(3), which Python does not have
    return total


def machine_s() -> float:
    """Time [s] that all cores together were busy so far, or were taken away by the machine's host."""
    user, nice, system, _idle, _waiting, irq, softirq, steal, *_ = map(
        int, Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory [MB] of the tree."""
    total_kb = 0
    for member in process_tree(pid):
        with suppress(*_GONE):
            status = Path(f"/proc/{member}/status").read_text()
            total_kb += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return total_kb / 1000
