"""What was learnt outlives the process, or is put aside; it is never half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plainview_ros.flow_iq import memory
from plainview_ros.flow_iq.memory import Memory, MemoryInUseError, Remembered, fingerprint
from ros_graph import REPOSITORY

NODE = "/site/flow_iq"
STATE = {"fl-1": {"level": 1.5, "rows": [1, 2, None]}}

WRITER = """
import sys
from pathlib import Path
from plainview_ros.flow_iq.memory import Memory
kept = Memory(Path(sys.argv[1]), "/site/flow_iq", "rig", print)
number = 0
while True:
    number += 1
    kept.save({"number": number, "ballast": [number] * 100_000}, float(number))
    print(number, flush=True)
"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warnings: list[str] = []

    def open(self, node: str = NODE, subject: str = "rig") -> Memory:
        return Memory(self.folder, node, subject, self.warnings.append)

    def keep(self) -> Path:
        """A file with the state in it."""
        kept = self.open()
        kept.save(STATE, 1000.0)
        kept.close()
        return kept.path

    def load(self, subject: str = "rig") -> Remembered | None:
        kept = self.open(subject=subject)
        found = kept.load()
        kept.close()
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "state" / "flow_iq")


def test_state_is_found_again_with_the_time_it_was_kept_at(bench: Bench) -> None:
    assert bench.load() is None
    bench.keep()
    assert bench.load() == Remembered(STATE, 1000.0)
    assert bench.warnings == []


@pytest.mark.parametrize("cut", [0, 1, 20, 150, -1])
def test_cut_file_is_put_aside_and_learning_starts_afresh(bench: Bench, cut: int) -> None:
    path = bench.keep()
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    assert bench.load() is None
    (warning,) = bench.warnings
    assert str(path) in warning
    assert "learning starts afresh" in warning
    assert path.with_name(path.name + ".unusable").read_bytes() == whole[:cut]
    assert bench.load() is None
    assert len(bench.warnings) == 1, "told once"
    bench.keep()
    assert bench.load() == Remembered(STATE, 1000.0)


def test_every_turned_bit_of_the_state_is_noticed(bench: Bench) -> None:
    path = bench.keep()
    whole = path.read_bytes()
    for place in (whole.index(b"1000.0"), *range(whole.index(b"\n"), len(whole))):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert bench.load() is None


def test_foreign_file_is_put_aside_saying_so(bench: Bench) -> None:
    bench.keep().write_text('{"format": "something else", "version": 1}\n{}')
    assert bench.load() is None
    assert "no memory of FlowIQ" in bench.warnings[0]


def test_file_of_another_format_is_put_aside_naming_both(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr(memory, "VERSION", 0)
        bench.keep()
    assert bench.load() is None
    assert "of format 0, this release has format 1" in bench.warnings[0]


def test_file_of_other_instruments_is_put_aside(bench: Bench) -> None:
    bench.keep()
    assert bench.load(subject="another rig") is None
    assert "of another rig, or of other instruments" in bench.warnings[0]


def test_fingerprint_differs_with_any_part() -> None:
    assert fingerprint("rig", ("PT-601", 0.0)) == fingerprint("rig", ("PT-601", 0.0))
    different = {fingerprint("rig"), fingerprint("rig", "PT"), fingerprint("rigPT"), fingerprint("rig", ("PT", 1.0))}
    assert len(different) == 4


def test_two_nodes_of_one_name_do_not_share_a_file_and_of_two_names_have_two(bench: Bench) -> None:
    first = bench.open()
    with pytest.raises(MemoryInUseError, match="another /site/flow_iq of this machine has it"):
        bench.open()
    other = bench.open("/south/flow_iq")
    first.save(STATE, 1.0)
    other.save({"number": 2}, 2.0)
    assert first.load() == Remembered(STATE, 1.0)
    first.close()
    again = bench.open()
    assert again.load() == Remembered(STATE, 1.0)
    for one in (again, other):
        one.close()


@pytest.mark.parametrize("state", [{"level": float("nan")}, {"level": object()}])
def test_state_that_json_cannot_hold_is_refused_and_the_one_before_stays(
    bench: Bench, state: dict[str, object]
) -> None:
    bench.keep()
    kept = bench.open()
    with pytest.raises((ValueError, TypeError)):
        kept.save(state, 2000.0)
    assert kept.load() == Remembered(STATE, 1000.0)
    kept.close()


def test_state_that_is_too_large_is_refused_and_the_one_before_stays(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.keep()
    monkeypatch.setattr(memory, "MAX_BYTES", 60)
    kept = bench.open()
    with pytest.raises(ValueError, match="at most 60 are kept"):
        kept.save({"ballast": "x" * 61}, 2000.0)
    assert kept.load() == Remembered(STATE, 1000.0)
    kept.close()


def test_full_disk_leaves_the_state_before(bench: Bench) -> None:
    kept = bench.open()
    kept.save(STATE, 1000.0)
    full = kept.path.with_name(kept.path.name + ".new")
    full.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        kept.save({"number": 2}, 2000.0)
    assert kept.load() == Remembered(STATE, 1000.0)
    kept.save({"number": 3}, 3000.0)
    assert kept.load() == Remembered({"number": 3}, 3000.0)
    kept.close()


def test_kill_in_the_middle_of_writing_leaves_a_whole_state(bench: Bench) -> None:
    for round_ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(bench.folder)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert writer.stdout is not None
        with writer.stdout:
            told = [int(writer.stdout.readline()) for _ in range(3 + round_)]
            writer.send_signal(signal.SIGKILL)
            told += [int(line) for line in writer.stdout if line.endswith("\n")]
        writer.wait()
        found = bench.load()
        assert found is not None
        number = found.state["number"]
        assert number in (told[-1], told[-1] + 1), "what was told as kept is kept"
        assert found == Remembered({"number": number, "ballast": [number] * 100_000}, float(number))
    assert bench.warnings == []


def test_file_is_readable_by_people(bench: Bench) -> None:
    head, body = bench.keep().read_text().splitlines()
    assert json.loads(head)["saved_at_s"] == 1000.0
    assert json.loads(body) == STATE
