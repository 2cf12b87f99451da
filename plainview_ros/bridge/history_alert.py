"""An alert of the bridge's own, that history does not go where it should."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from time import time

from plainview_ros.bridge import announcements
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.gateway import Plain
from plainview_ros.bridge.journal import Journal
from plainview_ros.bridge.ledger import Ledger
from plainview_ros.bridge.recorder import row_of_transition
from plainview_ros.bridge.store.event_store import Condition, EventStore
from plainview_ros.ros import topics

MODULE, CODE = "bridge", "history"
LOOK_EVERY_S = 0.5


class HistoryAlert:
    """Raised as a warning while history goes round by the spool, as critical while something is or will be lost.

    It goes to the log and to history, and makes no incident: it is about no asset. It stays raised when the bridge
    ends, since the trouble does not; the next run goes on with it, also when it finds it late. (Of several bridges
    with one database any that is well when it starts clears what another has raised.) All methods belong to the
    asyncio side.

    Args:
        log: that tells of it.
        ledger: that has it kept.
        alerts: that are known, those of an earlier run too.
        now_s: the clock [s since the epoch].
    """

    def __init__(self, log: EventLog, ledger: Ledger, alerts: Journal, now_s: Callable[[], float] = time) -> None:
        self._log = log
        self._ledger = ledger
        self._alerts = alerts
        self._now_s = now_s
        self._raised: dict[str, Plain] = {}
        """Those that are not cleared, by their id."""

    async def watch(self, store: EventStore) -> None:
        """Tell of each change."""
        while True:
            condition = store.condition
            if condition.trouble or store.writer.has_looked:
                self.tell(condition)
            await asyncio.sleep(LOOK_EVERY_S)

    def tell(self, condition: Condition) -> None:
        """This is how history is."""
        severity = "critical" if condition.losing else "warning" if condition.away else None
        for record in self._alerts.newest(module=MODULE, code=CODE, phase="raised"):
            self._raised.setdefault(record.latest["alert_id"], record.latest)
        goes_on = next((alert for alert in self._raised.values() if alert["severity"] == severity), None)
        for alert in [alert for alert in self._raised.values() if alert is not goes_on]:
            self._say({**alert, "phase": "cleared"}, since_s=alert["header"]["stamp"])
        if severity is not None and goes_on is None:
            about = {"module": MODULE, "asset_kind": "", "asset_id": "", "code": CODE, "message": condition.trouble}
            self._say({"alert_id": str(uuid.uuid4()), "phase": "raised", "severity": severity, **about})

    def _say(self, alert: Plain, since_s: float = 0.0) -> None:
        stamp_s = max(since_s, self._now_s())  # a clock that was set back does not undo what is said
        data = {**alert, "header": {"stamp": stamp_s, "frame_id": ""}, "event_id": str(uuid.uuid4())}
        if data["phase"] == "raised":
            self._raised[data["alert_id"]] = data
        else:
            del self._raised[data["alert_id"]]
        self._alerts.note(data)
        for event in announcements.of_transition(topics.ALERTS, data):
            self._log.publish(event)
        self._ledger.add(row_of_transition(topics.ALERTS, data))
