"""What was not used, counted, and how often it is worth a line in the log."""

from __future__ import annotations

from threading import Lock

LOG_EVERY_S = 10.0
"""The same subject is complained about once in this time; every complaint is counted."""


class Refusals:
    """Counts refused input and decides which refusals are worth a line in the log. Any thread."""

    MAX_SUBJECTS = 1000

    def __init__(self) -> None:
        self.count = 0
        self.last = ""
        self._last_at = -float("inf")
        self._logged_at: dict[str, float] = {}
        self._lock = Lock()

    def add(self, subject: str, reason: str, monotonic_s: float) -> bool:
        """Record one refusal; True when it should be logged."""
        with self._lock:
            self.count += 1
            self.last = reason
            self._last_at = monotonic_s
            if monotonic_s - self._logged_at.get(subject, -float("inf")) < LOG_EVERY_S:
                return False
            if len(self._logged_at) >= self.MAX_SUBJECTS:
                self._logged_at.clear()
            self._logged_at[subject] = monotonic_s
            return True

    def recent(self, monotonic_s: float) -> bool:
        return monotonic_s - self._last_at < LOG_EVERY_S
