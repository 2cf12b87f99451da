"""What makes the log outlive the process: brought up before the first event, taken down after the last."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf

from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.event_file import EventFile
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.follower import History

logger = logging.getLogger(__name__)


@dataclass
class Keeping:
    """Where events are kept beside the log's memory. Belongs to the asyncio side."""

    file: EventFile | None = None
    history: History | None = None
    since_s: float = inf
    """Until when an earlier run has kept everything [s since the epoch]; infinite when there was none."""
    not_started: str = ""
    """Why the file is not used although a state directory is given."""

    def trouble(self) -> str:
        """What is wrong with it; empty when nothing is."""
        return self.not_started or (self.file.trouble if self.file else "")


@contextmanager
def kept(log: EventLog, environment: Environment, max_bytes: int) -> Iterator[Keeping]:
    """Restore the log from what an earlier run left, and keep what it says from now on."""
    keeping = Keeping()
    if environment.state_dir is not None:
        try:
            keeping.file = EventFile(environment.state_dir, max_bytes)
        except OSError as error:
            keeping.not_started = f"events end with this process: {error}"
            logger.error(keeping.not_started)  # its traceback says no more
    if keeping.file is None:
        yield keeping
        return
    try:
        earlier = keeping.file.read()
        if earlier is not None:
            log.restore(*earlier)
            keeping.since_s = log.newest_id.ms / 1000
        keeping.file.open(log.newest_id)
        log.keep = keeping.file.write
        yield keeping
    finally:
        keeping.file.close()
