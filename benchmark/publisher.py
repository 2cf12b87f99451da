"""A process with one rclpy publisher: a number of messages at a steady rate, each stamped when it is published.

It prints ``{"ready": ...}`` once somebody subscribes, begins when it reads a line, prints what it did, and stays until
its standard input ends: what is not yet delivered is still sent, and a reader that joins late is handed what is kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import rclpy

from benchmark.messages import Source, add_source_arguments, source_of

PATIENCE_S = 30.0


def publish(source: Source, rate_hz: float, count: int) -> None:
    """Publish when told to, print what was achieved, stay. One that is late catches up: the rate holds in the mean."""
    node = rclpy.create_node("benchmark_publisher")
    publisher = node.create_publisher(source.type, source.topic, source.qos)
    end_s = time.monotonic() + PATIENCE_S
    while publisher.get_subscription_count() == 0:
        if time.monotonic() > end_s:
            raise TimeoutError(f"nobody subscribes to {source.topic}")
        time.sleep(0.02)
    print(json.dumps({"ready": source.topic}), flush=True)
    if not sys.stdin.readline():
        return
    period_ns = 1e9 / rate_hz
    cpu_s, began_ns = time.process_time(), time.monotonic_ns()
    for number in range(count):
        early_ns = began_ns + number * period_ns - time.monotonic_ns()
        if early_ns > 0:
            time.sleep(early_ns / 1e9)
        publisher.publish(source.fill(number))
    took_s = (time.monotonic_ns() - began_ns) / 1e9
    cpu_s = time.process_time() - cpu_s
    print(json.dumps({"published": count, "rate_hz": count / took_s, "cpu_us": cpu_s / count * 1e6}), flush=True)
    sys.stdin.read()
    node.destroy_node()  # not before: what it keeps for others would go with it


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_source_arguments(parser)
    parser.add_argument("--rate", type=float, required=True, help="[1/s]")
    arguments = parser.parse_args()
    rclpy.init(args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
    try:
        publish(source_of(arguments.source, arguments.lines), arguments.rate, arguments.count)
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
