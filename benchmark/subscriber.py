"""The floor on the graph: a process with one rclpy subscriber and nothing else.

It prints ``{"ready": ...}``, takes so many messages, and prints what each cost and how late it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor

from benchmark.frames import read_stamp
from benchmark.latencies import Latencies
from benchmark.messages import SOURCES, Actuations, Source, add_source_arguments
from benchmark.wait_set import draining

PATIENCE_S = 30.0
"""To wait for the first message."""
IDLE_S = 3.0
"""Without another one for so long the publisher is done, and what has not come is lost."""
UNMEASURED = 20


class Counter:
    """Takes messages and notes when."""

    def __init__(self, *, is_stamped: bool) -> None:
        self.latencies = Latencies()
        self.received = 0
        self._wait_until_s = time.monotonic() + PATIENCE_S
        self._cpu_s = 0.0
        self._is_stamped = is_stamped

    def take(self, message: Any) -> None:
        now_ns = time.monotonic_ns()
        if self.received == 0:
            self._cpu_s = time.process_time()
        self.received += 1
        self._wait_until_s = now_ns / 1e9 + IDLE_S
        if self._is_stamped:
            number, published_ns = read_stamp(message.requested_by)
            if number >= UNMEASURED:
                self.latencies.add(now_ns - published_ns)

    def is_idle(self) -> bool:
        """Whether there is no use in waiting any longer."""
        return time.monotonic() > self._wait_until_s

    def figures(self) -> dict[str, float]:
        return {
            "received": self.received,
            "p50_ms": self.latencies.percentile_ms(50),
            "p99_ms": self.latencies.percentile_ms(99),
            "cpu_us": (time.process_time() - self._cpu_s) / max(1, self.received - 1) * 1e6,
        }


def count(source: Source, expected: int, mode: str) -> dict[str, float]:
    """Take messages until all are there or no more come."""
    counter = Counter(is_stamped=isinstance(source, Actuations))
    node = rclpy.create_node("benchmark_subscriber")
    if mode == "wait_set":
        with draining(node, source.type, source.topic, source.qos) as drain:
            print(json.dumps({"ready": source.topic}), flush=True)
            while counter.received < expected and not counter.is_idle():
                for message in drain.take(0.5):
                    counter.take(message)
        return counter.figures()
    node.create_subscription(source.type, source.topic, counter.take, source.qos)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    print(json.dumps({"ready": source.topic}), flush=True)
    while counter.received < expected and not counter.is_idle():
        executor.spin_once(timeout_sec=0.5)
    executor.shutdown()
    return counter.figures()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_source_arguments(parser)
    parser.add_argument("--mode", choices=("executor", "wait_set"), required=True)
    arguments = parser.parse_args()
    rclpy.init(args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
    try:
        source = SOURCES[arguments.source](arguments.lines)
        print(json.dumps(count(source, arguments.count, arguments.mode)), flush=True)
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
