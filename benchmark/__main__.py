"""Measure everything and write benchmark/RESULTS.md, or measure a part and print it.

Everything takes about 30 minutes, --quick about 10, on two cores that should have nothing else to do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic

from benchmark import coldstart, graph, history, ingest, month, rest, stalled, stream
from benchmark.bench import Bench, ServerName, allow_open_files
from benchmark.children import ChildError
from benchmark.results import Section, machine

RESULTS = Path(__file__).parent / "RESULTS.md"

PREFACE = """\
# What Plainview costs

Written by `make bench`. Each figure is the median of {repetitions} runs (lowest … highest), floor and bridge in turn.
The floor is the least that Python can do for the same work (`benchmark/floor.py`); a ratio is bridge / floor, with the
target beside it, **bold** where that is not reached. Clients, publisher and server share the cores. On a shared
machine the same cell moves by 1.3 from run to run: compare within one run, not across two.

{machine}
"""


def main() -> int:
    arguments = _parse()
    allow_open_files()
    servers: list[ServerName] = [arguments.only] if arguments.only else ["floor", "bridge"]
    repetitions = arguments.repetitions or (1 if arguments.quick else 3)
    scale = 0.5 if arguments.quick else 1.0
    about, began_s = machine(), monotonic()
    with tempfile.TemporaryDirectory(prefix="plainview-bench-") as directory:
        bench = Bench(Path(directory))
        parts: Mapping[str, Callable[[], Section]] = {
            "graph": lambda: graph.run_graph(bench, 8 * scale, repetitions),
            "stream": lambda: stream.run_stream(bench, _cells(arguments, scale), servers, repetitions),
            "rest": lambda: rest.run_rest(bench, servers, 4 * scale, repetitions),
            "stalled": lambda: stalled.run_stalled(bench, 20 * scale, repetitions),
            "writing": lambda: history.run_writing(bench, _write_cells(arguments, scale), repetitions),
            "month": lambda: month.run_month(bench, repetitions),
            "ingest": lambda: ingest.run_ingest(bench, ingest.CELLS, 10 * scale, repetitions),
            "coldstart": lambda: coldstart.run_coldstart(bench, servers, 2 * repetitions - 1),
        }
        chosen = [part for name, part in parts.items() if arguments.part in (None, name)]
        sections = [section for part in chosen if (section := _measured(part))]
    preface = PREFACE.format(repetitions=repetitions, machine=about)
    text = "\n".join((preface, *(section.markdown() for section in sections)))
    if arguments.part or arguments.quick or arguments.only:
        print(f"\n{text}")
    else:
        RESULTS.write_text(text, encoding="utf-8")
        print(f"\nwritten to benchmark/{RESULTS.name}")
    print(f"took {(monotonic() - began_s) / 60:.1f} min")
    return 0 if len(sections) == len(chosen) else 1


def _measured(part: Callable[[], Section]) -> Section | None:
    """What a part has measured; one that fails, and says why, does not take the others with it."""
    try:
        return part()
    except ChildError as error:
        print(error, file=sys.stderr, flush=True)
        return None


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "part",
        nargs="?",
        choices=("graph", "stream", "rest", "stalled", "writing", "month", "ingest", "coldstart"),
        help="measure this alone and print it",
    )
    parser.add_argument("--quick", action="store_true", help="one shorter run of everything; printed, not written")
    parser.add_argument("--only", choices=("floor", "bridge"), help="without the other one; printed, not written")
    parser.add_argument("--repetitions", type=int, metavar="N", help="runs of each cell (3)")
    one = parser.add_argument_group("one cell of stream, or of writing")
    one.add_argument("--clients", type=int, metavar="N", help="of stream")
    one.add_argument("--lines", type=int, metavar="N", help="of writing: flow lines")
    one.add_argument("--given", action="store_true", help="of writing: only the rows that are given without a topic")
    one.add_argument("--rate", type=int, metavar="HZ", help="events, or snapshots of all lines, each second (100; 50)")
    one.add_argument("--seconds", type=float, metavar="S", default=8.0, help="time of publishing (8)")
    arguments = parser.parse_args()
    if arguments.clients and arguments.part != "stream":
        parser.error("--clients is for: python -m benchmark stream --clients N --rate HZ")
    if arguments.lines and arguments.part != "writing":
        parser.error("--lines is for: python -m benchmark writing --lines N --rate HZ")
    return arguments


def _cells(arguments: argparse.Namespace, scale: float) -> list[stream.StreamCell]:
    if arguments.clients:
        one = stream.StreamCell(arguments.clients, arguments.rate or 100)
        known = (cell for cell in stream.CELLS if (cell.clients, cell.rate_hz) == (one.clients, one.rate_hz))
        return [replace(next(known, one), seconds=arguments.seconds)]  # a known one has targets of its own
    return [replace(cell, seconds=cell.seconds * scale) for cell in stream.CELLS]


def _write_cells(arguments: argparse.Namespace, scale: float) -> list[history.WriteCell]:
    if arguments.lines:
        return [history.WriteCell(arguments.lines, arguments.rate or 50, seconds=arguments.seconds)]
    cells = [cell for cell in history.CELLS if cell.fed or not arguments.given]
    return [replace(cell, seconds=cell.seconds * scale) for cell in cells]


if __name__ == "__main__":
    sys.exit(main())
