"""A process with one rclpy publisher: a number of messages at a steady rate, each stamped when it is published.

It prints ``{"ready": ...}`` once somebody subscribes, begins when it reads a line, ends when it has published all or
reads another, prints what it did, and stays until its standard input ends: what is not yet delivered is still sent, and
a reader that joins late is handed what is kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from threading import Event, Thread

import rclpy

from benchmark.messages import SOURCES, Source, add_source_arguments

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
    enough, hung_up = Event(), Event()
    Thread(target=_listen, args=(enough, hung_up), daemon=True).start()
    period_ns, published = 1e9 / rate_hz, 0
    cpu_s, began_ns = time.process_time(), time.monotonic_ns()
    for number in range(count):
        early_ns = began_ns + number * period_ns - time.monotonic_ns()
        if early_ns > 0:
            time.sleep(early_ns / 1e9)
        if enough.is_set():
            break
        publisher.publish(source.fill(number))
        published += 1
    took_s = (time.monotonic_ns() - began_ns) / 1e9
    cpu_s = time.process_time() - cpu_s
    cpu_us = cpu_s / max(1, published) * 1e6
    print(json.dumps({"published": published, "rate_hz": published / took_s, "cpu_us": cpu_us}), flush=True)
    hung_up.wait()
    node.destroy_node()  # not before: what it keeps for others would go with it


def _listen(enough: Event, hung_up: Event) -> None:
    sys.stdin.readline()
    enough.set()
    sys.stdin.read()
    hung_up.set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_source_arguments(parser)
    parser.add_argument("--rate", type=float, required=True, help="[1/s]")
    arguments = parser.parse_args()
    rclpy.init(args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
    try:
        publish(SOURCES[arguments.source](arguments.lines), arguments.rate, arguments.count)
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
