"""The benchmark measures what it says: its pieces on real processes, without a word about time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.bench import Bench
from benchmark.clients import Client
from benchmark.frames import Piece, read_piece, stamp_text
from benchmark.graph import measure_graph
from benchmark.latencies import Latencies
from benchmark.load import measure_load
from benchmark.process_cost import cpu_s, process_tree, rss_mb
from benchmark.results import Repetitions, Section, against
from benchmark.rig import write_rig
from benchmark.soak import Plan, Soak, Verdict
from benchmark.stream import StreamCell, measure_stream
from plainview_ros.assets import load_rig
from ros_graph import Graph


@pytest.fixture
def bench(graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench on the domain of this test."""
    monkeypatch.setenv("ROS_DOMAIN_ID", graph.environment["ROS_DOMAIN_ID"])
    directory = tmp_path / "bench"
    directory.mkdir()
    return Bench(directory)


def frame(number: int, event_id: str = "") -> bytes:
    head = f"id: {event_id}\n" if event_id else ""
    return f'{head}event: valve.actuation.requested\ndata: {{"requestedBy":"{stamp_text(number)}"}}\n\n'.encode()


def run(*numbers: int) -> Piece:
    return read_piece(b"".join(frame(number, f"1-{number}") for number in numbers))


def test_every_message_reaches_every_client_once(bench: Bench) -> None:
    figures = measure_stream(bench, "floor", StreamCell(clients=2, rate_hz=100, seconds=0.2, settle_s=0.1))
    assert (figures.delivered, figures.duplicates, figures.gaps) == (1.0, 0, 0)
    assert 0 < figures.p50_ms <= figures.p99_ms
    assert figures.cpu_us > 0


def test_clients_of_a_bridge_that_is_killed_get_every_message_once(bench: Bench) -> None:
    plan = Plan(clients=5, stalled=1, flapping=1, rate_hz=100, seconds=2.0, kills=1)
    verdict = Soak(bench, plan).run()
    assert verdict.is_exact, str(verdict)
    assert verdict.wanted == 4 * 200


@pytest.mark.parametrize("wrong", ["lost", "repeated", "late", "disorders", "gaps_told"])
def test_verdict_fails_on_anything_but_every_event_once_and_in_order(wrong: str) -> None:
    exact = Verdict(wanted=10, lost=0, repeated=0, late=0, disorders=0, gaps_told=0, worst=[])
    assert exact.is_exact
    failed = replace(exact, worst=["client 0"], **{wrong: 1})
    assert not failed.is_exact
    assert "client 0" in str(failed)


def test_subscriber_on_a_drained_wait_set_gets_every_message(bench: Bench) -> None:
    assert measure_graph(bench, "wait_set", rate_hz=200, messages=20).delivered == 1.0


def test_load_counts_whole_answers(bench: Bench) -> None:
    with bench.server("floor") as server:
        figures = measure_load(server.port, server.pid, "/valves", connections=2, seconds=0.2)
    assert figures.requests_per_s > 0
    assert figures.cpu_us > 0


def test_frames_are_found_between_the_lengths_of_chunks_and_put_together_across_reads() -> None:
    whole = b"".join(
        f"{len(part):x}\r\n".encode() + part + b"\r\n"
        for part in (b"retry: 2000\n\n" + frame(0, "1-0"), frame(1, "1-1.2") + frame(2), frame(3, "1-4"))
    )
    for cut in range(len(whole) + 1):
        first = read_piece(whole[:cut])
        second = read_piece(first.rest + whole[cut:])
        assert [number for number, _ in (*first.stamps, *second.stamps)] == [0, 1, 2, 3]
        assert (second.last_id or first.last_id, second.rest) == ("1-4", b"")


def test_client_counts_what_is_lost_late_and_repeated() -> None:
    client = Client()
    assert client.take(run(0, 1)) == 2
    assert client.take(run(3, 5)) == 2
    assert client.missing == {2, 4}
    assert client.take(run(4, 5)) == 1
    assert (client.missing, client.duplicates, client.received, client.last_id) == ({2}, 1, 5, "1-5")


def test_client_notes_ids_that_do_not_grow_within_a_piece_or_from_one_to_the_next() -> None:
    client = Client()
    client.take(read_piece(frame(0, "9-0") + frame(1, "9-2") + frame(2, "10-0")))
    client.take(read_piece(frame(3, "11-0")))
    assert client.disorders == 0
    client.take(read_piece(frame(4, "11-0")))  # the next event under the same id
    client.take(read_piece(frame(5, "12-1") + frame(6, "12-0")))
    assert (client.disorders, client.late, client.duplicates) == (2, 0, 0)


def test_percentiles_are_exact_to_ten_microseconds() -> None:
    latencies = Latencies()
    for microseconds in range(1, 1001):
        latencies.add(microseconds * 1000)
    assert latencies.percentile_ms(50) == pytest.approx(0.5, abs=0.0101)
    assert latencies.percentile_ms(99) == pytest.approx(0.99, abs=0.0101)


def test_cost_of_a_process_is_what_it_says_itself() -> None:
    counted = cpu_s(os.getpid())
    assert counted == pytest.approx(time.process_time(), abs=0.1)
    assert next(process_tree(os.getpid())) == os.getpid()
    assert rss_mb(os.getpid()) > 10


def test_rig_of_any_size_is_a_rig_whose_lines_have_their_instruments(tmp_path: Path) -> None:
    write_rig(tmp_path / "rig.yaml", lines=3)
    rig = load_rig(tmp_path / "rig.yaml")
    assert [line.id for line in rig.flow_lines] == ["bench-0", "bench-1", "bench-2"]


def test_table_shows_median_and_spread_and_marks_a_missed_target() -> None:
    runs: Repetitions[float] = Repetitions()
    runs.all += [2.0, 1.0, 4.0]
    section = Section("Title", "note", ("figure", "ratio", "ratio"))
    section.add(runs.spread(float), against(1.3, most=1.25), against(0.9, least=0.8))
    assert section.rows == [(runs.spread(float), "**1.30** (≤ 1.25)", "0.90 (≥ 0.8)")]
    assert "| 2.00 (1.00 … 4.00) |" in section.markdown()
