"""Processes that a benchmark starts: each is ended by whom it was started."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any

from plainview_ros.share import share_file

REPOSITORY = Path(__file__).parents[1]
PARAMETERS = share_file("config/plainview.yaml")
PATIENCE_S = 60.0


class ChildError(RuntimeError):
    """A process did not do its part; the message has the end of what it printed."""


class Child:
    """A Python module in a process of its own; it prints into a file, and its answers to us as lines of JSON.

    Args:
        module: what is run.
        arguments: its command line.
        environment: all of it.
        log: the file for what it prints (for one that is asked: what it prints to stderr).
        asked: whether :meth:`tell` and :meth:`answer` are used.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path, *, asked: bool = False
    ) -> None:
        self._module = module
        self._log = log
        with log.open("wb") as out:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE if asked else subprocess.DEVNULL,
                stdout=subprocess.PIPE if asked else out,
                stderr=out,
                cwd=REPOSITORY,
                env=dict(environment),
            )

    @property
    def _stdin(self) -> IO[bytes]:
        if self._popen.stdin is None:
            raise RuntimeError(f"{self._module} was not started to be asked")
        return self._popen.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        if self._popen.stdout is None:
            raise RuntimeError(f"{self._module} was not started to be asked")
        return self._popen.stdout

    @property
    def pid(self) -> int:
        return self._popen.pid

    def tell(self, line: str) -> None:
        """Send a line to its standard input."""
        self._stdin.write(f"{line}\n".encode())
        self._stdin.flush()

    def answer(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next line it prints, which must be JSON. Raises :class:`ChildError`."""
        line = self._stdout.readline() if select.select([self._stdout], [], [], timeout_s)[0] else b""
        if not line:
            raise self.failure("gave no answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def wait_for_log(self, text: str) -> None:
        """Wait until it has printed this. Raises :class:`ChildError`."""
        end_s = monotonic() + PATIENCE_S
        while text not in self._log.read_text(errors="replace"):
            if monotonic() > end_s or self._popen.poll() is not None:
                raise self.failure(f"has not printed {text!r}")
            sleep(0.02)

    def check(self) -> None:
        """Raises :class:`ChildError` when it has ended."""
        if self._popen.poll() is not None:
            raise self.failure(f"ended with {self._popen.returncode}")

    def stop(self, patience_s: float = 10.0) -> float:
        """Ctrl-C; how long it took to end [s]. What has not ended in time is killed."""
        began_s = monotonic()
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGINT)
        return self._reap(began_s, patience_s)

    def hang_up(self, patience_s: float = 5.0) -> float:
        """Close its standard input and let it end; how long it took [s]. What has not ended in time is killed.

        A process that is killed leaves its shared memory behind, and what Fast DDS finds there can mislead the next.
        """
        began_s = monotonic()
        self._stdin.close()
        return self._reap(began_s, patience_s)

    def kill(self) -> None:
        """As a crash would: no chance to say goodbye."""
        self._popen.kill()
        self._reap(monotonic(), PATIENCE_S)

    def _reap(self, began_s: float, patience_s: float) -> float:
        try:
            self._popen.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()
        return monotonic() - began_s

    def failure(self, what: str) -> ChildError:
        """What to raise when it did not do its part: with the end of what it printed."""
        tail = self._log.read_text(errors="replace")[-2000:]
        return ChildError(f"{self._module} {what}; it printed:\n{tail}")
