"""The bridge is killed again and again under load, also while it starts."""

from __future__ import annotations

from random import Random
from time import monotonic, sleep, time

from benchmark.bench import Bench, free_port, sqlite_url, wait_for_answer
from benchmark.children import Child
from benchmark.inventory import Kept, metrics_since, newest_stroke_s, rows
from benchmark.postgres import Postgres
from benchmark.proof import (
    BACK_S,
    EVENTS_HZ,
    LINES,
    LOOK_S,
    PATIENCE_S,
    Finding,
    given_up,
    is_well,
    load,
    new_rig,
    told,
    trouble,
    wait_until_kept,
)
from plainview_ros.ros.qos import EVENT

RUNS_S = 3.0
"""It lives for up to so long once it answers ..."""
STARTS_S = 1.5
"""... or since its start, when it is killed in that."""
HELD_S = EVENT.depth / EVENTS_HZ
"""A publisher holds so much of the events for a bridge that is not there; longer, and they are lost before history."""
DEAF_S = 0.4 * HELD_S
"""Nothing new was kept for so long: the bridge is not killed before there is. DDS takes up to three seconds to tell a
publisher of a reader that comes after one that was killed; bridges that die sooner, one after the other, hear nothing.
"""
STARTS = 3
"""One of so many kills is in a start."""


def prove_killed(bench: Bench, kills: int, seed: int, postgres: Postgres | None) -> Finding:
    """The moments are random, the same for the same seed; the database is SQLite when there is no PostgreSQL."""
    random = Random(seed)  # noqa: S311
    port, state, rig = free_port(), bench.new_directory(), new_rig(bench)
    postgres_url = postgres.new_database() if postgres else ""
    url = postgres_url or sqlite_url(state)

    def launch() -> Child:
        return bench.launch("bridge", port, state, postgres_url=postgres_url, rig=rig)

    bridge = launch()
    try:
        wait_for_answer(bridge, port)
        with load(bench) as strokes:
            strokes.start()
            kept = vanished = since_ms = 0
            longest_s = 0.0
            for kill in range(kills):
                if kill % STARTS == STARTS - 1:
                    sleep(random.uniform(0, STARTS_S))
                else:
                    wait_for_answer(bridge, port)
                    sleep(random.uniform(0, RUNS_S))
                longest_s = max(longest_s, wait_until_heard(url))
                bridge.kill()
                here = rows(url, "flow_metrics")
                vanished += max(0, kept - here)
                kept = max(kept, here)
                since_ms = int(time() * 1000)
                bridge = launch()
            wait_for_answer(bridge, port)
            longest_s = max(longest_s, wait_until_heard(url))
            published = strokes.stop()
            wait_until_kept(url, published, port)
            end_s = monotonic() + BACK_S
            while not is_well(port) and monotonic() < end_s:
                sleep(LOOK_S)
            said, read, counted = trouble(port), told(port), given_up(port)
        bridge.stop()
        name = f"bridge killed {kills} times, {'PostgreSQL' if postgres else 'SQLite'}, seed {seed}"
        finding = Finding(name, Kept.of(url, published), published)
        finding.seen.append(
            f"longest time that no bridge kept anything new: {longest_s:.1f} s; ROS holds {HELD_S:.0f} s"
        )
        finding.expect(not said, f"/health of the last bridge: {said}")
        finding.expect(not vanished, f"{vanished:,} flow metrics were in the database and are not any more")
        check_metrics(finding, url, strokes.readings, since_ms, read - counted)
        return finding
    finally:
        bridge.kill()


def wait_until_heard(url: str) -> float:
    """Until the bridge has kept something new; the age of the newest that was kept, before that was [s]."""
    began_s = time()
    newest_s = newest_stroke_s(url) or began_s
    age_s = longest_s = began_s - newest_s
    while age_s > DEAF_S and time() < began_s + PATIENCE_S:
        sleep(LOOK_S)
        newest_s = newest_stroke_s(url) or newest_s  # a database that does not answer has not grown older
        age_s = time() - newest_s
        longest_s = max(longest_s, age_s)
    return longest_s


def check_metrics(finding: Finding, url: str, published: int, since_ms: int, wanted: int) -> None:
    """What a bridge that is killed has in memory of flow metrics, and what comes before the next one listens, is gone.

    But there are never more than were published (their key keeps them from being there twice), and the last bridge has
    kept what it wanted to, but for the newest snapshot of before its time, with which it begins.
    """
    here, last = rows(url, "flow_metrics"), metrics_since(url, since_ms)
    finding.seen.append(f"flow metrics: {published:,} published, {here:,} in the database")
    finding.seen.append(f"of the last bridge {wanted:,} wanted, {last:,} in the database")
    finding.expect(0 < here <= published, "there are none, or more flow metrics than were published")
    finding.expect(wanted - LINES <= last, "the last bridge has lost flow metrics")
