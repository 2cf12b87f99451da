"""The floor on the graph: rclpy publisher to rclpy subscriber, in two processes."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.bench import Bench
from benchmark.results import Repetitions, Section

RATES_HZ = (100, 1000)
MODES = ("executor", "wait_set")


@dataclass(frozen=True)
class GraphFigures:
    """One run."""

    p50_ms: float
    p99_ms: float
    delivered: float
    """Share of the messages."""
    cpu_us: float
    """Of the subscriber, per message."""


def measure_graph(bench: Bench, mode: str, rate_hz: int, messages: int) -> GraphFigures:
    """Publish to a subscriber that only looks at the stamp; its mode is ``executor`` or ``wait_set``."""
    with (
        bench.subscriber("actuations", messages, mode) as subscriber,
        bench.publisher("actuations", rate_hz, messages) as publisher,
    ):
        publisher.tell("go")
        publisher.answer()
        figures = subscriber.answer()
        return GraphFigures(figures["p50_ms"], figures["p99_ms"], figures["received"] / messages, figures["cpu_us"])


def run_graph(bench: Bench, seconds: float, repetitions: int) -> Section:
    """Both modes at all rates, in turn."""
    section = Section(
        "Topic to subscriber",
        "The same message without any web: rclpy publisher to rclpy subscriber, on the SingleThreadedExecutor and on a "
        "wait set that is kept and drained by hand.",
        ("messages/s", "subscriber", "p50 [ms]", "p99 [ms]", "delivered", "CPU per message [µs]"),
    )
    for rate_hz in RATES_HZ:
        runs: dict[str, Repetitions[GraphFigures]] = {mode: Repetitions() for mode in MODES}
        for _ in range(repetitions):
            for mode in MODES:
                runs[mode].all.append(measure_graph(bench, mode, rate_hz, round(rate_hz * seconds)))
        for mode, figures in runs.items():
            section.add(
                rate_hz,
                mode.replace("_", " "),
                figures.spread(lambda f: f.p50_ms),
                figures.spread(lambda f: f.p99_ms),
                f"{100 * min(run.delivered for run in figures.all):.4g} %",
                figures.spread(lambda f: f.cpu_us),
            )
    return section
