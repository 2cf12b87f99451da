"""An alert of the bridge's own, that history does not go where it should."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from time import time

from plainview_ros.bridge import announcements
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.gateway import Plain
from plainview_ros.bridge.ledger import Ledger
from plainview_ros.bridge.recorder import row_of_transition
from plainview_ros.bridge.store.event_store import Condition, EventStore
from plainview_ros.ros import topics

MODULE, CODE = "bridge", "history"
LOOK_EVERY_S = 0.5


class HistoryAlert:
    """Raised as a warning while history goes round by the spool, as critical while something is or will be lost.

    It goes to the log and to history, and makes no incident: it is about no asset. All methods belong to the asyncio
    side.
    """

    def __init__(self, log: EventLog, ledger: Ledger, now_s: Callable[[], float] = time) -> None:
        self._log = log
        self._ledger = ledger
        self._now_s = now_s
        self._raised: Plain | None = None

    async def watch(self, store: EventStore) -> None:
        """Tell of each change."""
        while True:
            self.tell(store.condition)
            await asyncio.sleep(LOOK_EVERY_S)

    def tell(self, condition: Condition) -> None:
        """This is how history is."""
        severity = "critical" if condition.losing else "warning" if condition.away else None
        if severity == (self._raised and self._raised["severity"]):
            return
        stamp_s = self._now_s()
        if self._raised is not None:
            self._say({**self._raised, "phase": "cleared"}, stamp_s)
            self._raised = None
        if severity is not None:
            self._raised = {
                "alert_id": str(uuid.uuid4()),
                "module": MODULE,
                "asset_kind": "",
                "asset_id": "",
                "code": CODE,
                "phase": "raised",
                "severity": severity,
                "message": condition.trouble,
            }
            self._say(self._raised, stamp_s)

    def _say(self, alert: Plain, stamp_s: float) -> None:
        data = {"header": {"stamp": stamp_s, "frame_id": ""}, "event_id": str(uuid.uuid4()), **alert}
        for event in announcements.of_transition(topics.ALERTS, data):
            self._log.publish(event)
        self._ledger.add(row_of_transition(topics.ALERTS, data))
