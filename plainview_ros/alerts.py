"""What an operator should know: raised once, cleared once, the same id for both."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

Severity = Literal["info", "warning", "critical"]
AssetKind = Literal["valve", "section", "line", "camera", "instrument"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One transition of one alert."""

    module: str
    """Key of the module as the HTTP contract has it, e.g. ``valve-ops``."""
    asset_kind: AssetKind
    asset_id: str
    code: str
    """What kind of alert, e.g. ``valve_status``; with the asset it is the alert's identity while it stands."""
    severity: Severity
    message: str
    stamp_s: float
    phase: Literal["raised", "cleared"] = "raised"
    alert_id: uuid.UUID = field(default_factory=uuid.uuid4)
    event_id: uuid.UUID = field(default_factory=uuid.uuid4)


class AlertBook:
    """The alerts of one module that stand now. Saying the same thing twice is no transition."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._standing: dict[tuple[str, str], Alert] = {}

    def raise_(
        self, asset_kind: AssetKind, asset_id: str, code: str, severity: Severity, message: str, stamp_s: float
    ) -> list[Alert]:
        """Raise an alert; a standing one of another severity is replaced by a new one."""
        key = (asset_id, code)
        standing = self._standing.get(key)
        if standing is not None and standing.severity == severity:
            return []
        cleared = self.clear(asset_id, code, stamp_s)
        alert = Alert(self._module, asset_kind, asset_id, code, severity, message, stamp_s)
        self._standing[key] = alert
        return [*cleared, alert]

    def clear(self, asset_id: str, code: str, stamp_s: float) -> list[Alert]:
        """Clear a standing alert; nothing when it does not stand."""
        standing = self._standing.pop((asset_id, code), None)
        if standing is None:
            return []
        return [replace(standing, phase="cleared", stamp_s=stamp_s, event_id=uuid.uuid4())]

    def memory(self) -> list[dict[str, Any]]:
        """What :meth:`restore` takes, as JSON can hold it."""
        return [
            asdict(alert) | {"alert_id": str(alert.alert_id), "event_id": str(alert.event_id)}
            for alert in self._standing.values()
        ]

    def restore(self, memory: Iterable[Mapping[str, Any]]) -> None:
        """Let the alerts stand that did when :meth:`memory` was taken; they are not raised again.

        Raises:
            ValueError: it is no memory of this module's alerts; those before it stand.
        """
        for kept in memory:
            try:
                ids = {name: uuid.UUID(kept[name]) for name in ("alert_id", "event_id")}
                alert = Alert(**{**kept, **ids})
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ValueError(f"alerts: what stood before is of no use: {error!r}") from error
            if alert.module != self._module:
                raise ValueError(f"alerts: they are of {alert.module}")
            self._standing[alert.asset_id, alert.code] = alert
