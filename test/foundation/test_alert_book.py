"""An alert is raised once and cleared once, under one id."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.alerts import Alert, AlertBook, Severity


def raise_(book: AlertBook, severity: Severity = "warning", asset: str = "v-101", stamp_s: float = 1.0) -> list[Alert]:
    return book.raise_("valve", asset, "valve_status", severity, "It is hot.", stamp_s)


def test_raised_alert_tells_all_about_itself() -> None:
    [alert] = raise_(AlertBook("valve-ops"))
    assert (alert.module, alert.asset_kind, alert.asset_id, alert.code) == (
        "valve-ops",
        "valve",
        "v-101",
        "valve_status",
    )
    assert (alert.phase, alert.severity, alert.message, alert.stamp_s) == ("raised", "warning", "It is hot.", 1.0)


def test_saying_it_twice_is_no_transition() -> None:
    book = AlertBook("valve-ops")
    raise_(book)
    assert raise_(book) == []


def test_clearing_keeps_the_alert_and_is_a_transition_of_its_own() -> None:
    book = AlertBook("valve-ops")
    [raised] = raise_(book)
    [cleared] = book.clear("v-101", "valve_status", 9.0)
    assert cleared.alert_id == raised.alert_id
    assert cleared.event_id != raised.event_id
    assert (cleared.phase, cleared.stamp_s, cleared.message) == ("cleared", 9.0, raised.message)
    assert book.clear("v-101", "valve_status", 10.0) == []


def test_other_severity_replaces_the_alert() -> None:
    book = AlertBook("valve-ops")
    [first] = raise_(book)
    cleared, second = raise_(book, "critical")
    assert (cleared.phase, cleared.alert_id) == ("cleared", first.alert_id)
    assert (second.phase, second.severity) == ("raised", "critical")
    assert second.alert_id != first.alert_id


def test_assets_and_codes_are_separate_alerts() -> None:
    book = AlertBook("valve-ops")
    assert len(raise_(book, asset="v-101")) == len(raise_(book, asset="v-102")) == 1
    assert len(book.raise_("valve", "v-101", "torque", "info", "It is stiff.", 1.0)) == 1


severities: st.SearchStrategy[Severity] = st.sampled_from(["info", "warning", "critical"])
steps = st.tuples(st.sampled_from(["v-101", "v-102"]), st.one_of(st.none(), severities))


@given(st.lists(steps, max_size=40))
def test_every_alert_is_raised_once_and_cleared_at_most_once_afterwards(
    history: list[tuple[str, Severity | None]],
) -> None:
    book = AlertBook("valve-ops")
    standing: dict[str, uuid.UUID] = {}
    seen: set[uuid.UUID] = set()
    for asset, severity in history:
        alerts = book.clear(asset, "valve_status", 1.0) if severity is None else raise_(book, severity, asset)
        for alert in alerts:
            assert alert.event_id not in seen
            seen.add(alert.event_id)
            if alert.phase == "raised":
                assert asset not in standing
                standing[asset] = alert.alert_id
            else:
                assert standing.pop(asset) == alert.alert_id
        assert (asset in standing) == (severity is not None)
