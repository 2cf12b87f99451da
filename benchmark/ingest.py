"""What a reading costs a module: scan frames of a thousand tags, and a message for each reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, sleep

from benchmark.bench import Bench
from benchmark.children import PATIENCE_S
from benchmark.process_cost import cpu_s
from benchmark.results import Repetitions, Section
from benchmark.rig import write_rig

LEAST_MESSAGES = 75
"""FlowIQ has learnt a line after 61 rows, and judges it from then on."""


@dataclass(frozen=True)
class IngestCell:
    """Readings of one source into FlowIQ, which judges every one of them."""

    name: str
    source: str
    lines: int
    """Flow lines of the rig, of four instruments each."""
    readings: int
    """In one message."""
    rate_hz: int
    """Messages each second."""
    in_pairs: bool = False
    """Two lines are judged as one, of eight channels."""

    def messages(self, seconds: float) -> int:
        return max(round(self.rate_hz * seconds), LEAST_MESSAGES)


CELLS = (
    IngestCell("1000 tags in a scan frame at 10 Hz", "scans", lines=250, readings=1000, rate_hz=10),
    IngestCell("100 lines of 8 channels at 1 Hz", "scans", lines=200, readings=800, rate_hz=1, in_pairs=True),
    IngestCell("100 pressure transmitters at 10 Hz", "pressures", lines=100, readings=1, rate_hz=1000),
)


@dataclass(frozen=True)
class IngestFigures:
    """One run of one cell."""

    cpu_us: float
    """Per reading, of the whole node with all else it does."""
    share: float
    """Of one core, while readings came."""
    idle_share: float
    """Of one core, before they came: state of all lines each second, diagnostics."""


def measure_module(bench: Bench, cell: IngestCell, seconds: float) -> IngestFigures:
    """FlowIQ as it runs on a rig of that size."""
    rig = bench.new_directory() / "rig.yaml"
    write_rig(rig, cell.lines, in_pairs=cell.in_pairs)
    messages = cell.messages(seconds)
    with (
        bench.module("flow_iq", rig=rig) as module,
        bench.publisher(cell.source, cell.rate_hz, messages, cell.lines) as publisher,
    ):
        idle_share = _share(module.pid, 2.0)
        spent_s, began_s = cpu_s(module.pid), monotonic()
        publisher.tell("go")
        publisher.answer(PATIENCE_S + messages / cell.rate_hz)
        spent_s, took_s = cpu_s(module.pid) - spent_s, monotonic() - began_s
        return IngestFigures(spent_s / (messages * cell.readings) * 1e6, spent_s / took_s, idle_share)


def measure_subscriber(bench: Bench, cell: IngestCell, seconds: float) -> float:
    """CPU per reading [µs] of a subscriber on the supported executor that does nothing with what it takes."""
    messages = cell.messages(seconds)
    with (
        bench.subscriber(cell.source, messages, "executor", cell.lines) as subscriber,
        bench.publisher(cell.source, cell.rate_hz, messages, cell.lines) as publisher,
    ):
        publisher.tell("go")
        publisher.answer(PATIENCE_S + messages / cell.rate_hz)
        taken = subscriber.answer()
        if taken["received"] < 0.99 * messages:
            raise subscriber.failure(f"has received {taken['received']} of {messages} messages")
        return float(taken["cpu_us"]) / cell.readings


def run_ingest(bench: Bench, cells: Sequence[IngestCell], seconds: float, repetitions: int) -> Section:
    """Every cell, the empty subscriber and the module in turn."""
    section = Section(
        "Readings into a module",
        "FlowIQ with a rig of that size, as it runs: every reading is checked and judged. The floor is an rclpy "
        "subscriber on the same executor that does nothing with what it takes.",
        ("source", "floor [µs/reading]", "FlowIQ [µs/reading]", "FlowIQ's CPU", "idle"),
    )
    for cell in cells:
        modules: Repetitions[IngestFigures] = Repetitions()
        floors: Repetitions[float] = Repetitions()
        for _ in range(repetitions):
            floors.all.append(measure_subscriber(bench, cell, seconds))
            modules.all.append(measure_module(bench, cell, seconds))
        section.add(
            cell.name,
            floors.spread(float),
            modules.spread(lambda f: f.cpu_us),
            f"{100 * modules.spread(lambda f: f.share).median:.0f} %",
            f"{100 * modules.spread(lambda f: f.idle_share).median:.0f} %",
        )
    return section


def _share(pid: int, seconds: float) -> float:
    spent_s, began_s = cpu_s(pid), monotonic()
    sleep(seconds)
    return (cpu_s(pid) - spent_s) / (monotonic() - began_s)
