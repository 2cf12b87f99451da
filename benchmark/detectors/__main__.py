"""Score every detector on the shared records and write benchmark/detectors/RESULTS.md; ``--print`` only prints.

What others of the same bench reach is measured in the same run, on the same records.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmark.detectors import flow, forecast, pipeline
from benchmark.results import machine

RESULTS = Path(__file__).parent / "RESULTS.md"

PARTS: Mapping[str, Callable[[], str]] = {"flow": flow.table, "forecast": forecast.table, "pipeline": pipeline.table}
"""Each gives a section in Markdown."""

PREFACE = """\
# How well Plainview detects

Written by `make bench-detectors`, on the development part of the shared records. **Bold**: the
target beside it is not reached.

{machine}
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark.detectors", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="only these, printed")
    parser.add_argument("--print", action="store_true", help="do not write RESULTS.md")
    arguments = parser.parse_args()
    chosen = arguments.parts or list(PARTS)
    text = "\n".join((PREFACE.format(machine=machine()), *(PARTS[name]() for name in chosen)))
    print(text)
    if not arguments.print and not arguments.parts:
        RESULTS.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
