from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.incidents.finding import Asset, Finding
from plainview_ros.incidents.incident import MAX_ENTRIES, TRANSITIONS, Incident, Status, TransitionError, Update

VALVE = Asset("valve", "v-101")


def make_finding(number: int = 0, severity: str = "warning", **changes: object) -> Finding:
    values: dict[str, object] = {
        "kind": "alert",
        "id": f"alert-{number}",
        "event_id": f"event-{number}",
        "asset": VALVE,
        "module": "valve-ops",
        "severity": severity,
        "title": "Too hot",
        "description": "72 degC is above 60",
        "stamp_s": 100.0 + number,
    }
    return Finding(**(values | changes))  # type: ignore[arg-type]


def make_incident() -> Incident:
    finding = make_finding()
    return Incident("i-1", finding.title, finding.severity, finding.stamp_s, VALVE).with_finding(finding)


def test_resolution_resolves_and_is_told() -> None:
    incident = make_incident().updated(Update(resolution="Packing replaced"), 500.0)
    assert (incident.status, incident.resolved_s, incident.resolution) == ("resolved", 500.0, "Packing replaced")
    assert incident.timeline[-1].description == "Packing replaced"
    assert not incident.is_open


def test_status_resolved_without_words_resolves_too() -> None:
    incident = make_incident().updated(Update(status="resolved"), 500.0)
    assert (incident.resolved_s, incident.resolution) == (500.0, None)


def test_resolution_wins_over_the_status_given_with_it() -> None:
    assert make_incident().updated(Update(status="mitigated", resolution="done"), 1.0).status == "resolved"


def test_root_cause_changes_no_status() -> None:
    incident = make_incident().updated(Update(root_cause="Worn packing"), 1.0)
    assert (incident.status, incident.root_cause, incident.timeline[-1].type) == ("active", "Worn packing", "update")


def test_root_cause_can_be_found_after_the_end() -> None:
    resolved = make_incident().updated(Update(status="resolved"), 500.0)
    later = resolved.updated(Update(root_cause="Worn packing", resolution="Packing replaced"), 900.0)
    assert (later.resolved_s, later.resolution, later.root_cause) == (500.0, "Packing replaced", "Worn packing")


def test_present_status_is_no_transition() -> None:
    incident = make_incident()
    assert incident.updated(Update(status="active"), 1.0) == incident


@given(st.lists(st.sampled_from(sorted(TRANSITIONS)), max_size=8))
def test_life_cycle_is_as_drawn(wishes: list[Status]) -> None:
    incident = make_incident()
    for wish in wishes:
        before = incident
        if wish == before.status or wish in TRANSITIONS[before.status]:
            incident = incident.updated(Update(status=wish), 200.0)
            assert incident.status == wish
            assert (incident.resolved_s is not None) == (wish == "resolved")
            assert len(incident.timeline) == len(before.timeline) + (wish != before.status)
        else:
            with pytest.raises(TransitionError, match=f"is {before.status} and cannot become {wish}"):
                incident.updated(Update(status=wish), 200.0)


def test_known_alert_comes_again_as_an_update() -> None:
    incident = make_incident().with_finding(make_finding(ended=True))
    assert [entry.type for entry in incident.timeline] == ["alert", "update"]
    assert incident.alert_ids == ("alert-0",)


def test_severity_escalates_and_never_falls() -> None:
    incident = make_incident().with_finding(make_finding(1, "critical")).with_finding(make_finding(2, "warning"))
    assert incident.severity == "critical"


def test_long_timeline_keeps_its_beginning_and_the_newest() -> None:
    incident = make_incident()
    for number in range(1, MAX_ENTRIES + 10):
        incident = incident.with_finding(make_finding(number))
    assert len(incident.timeline) == len(incident.alert_ids) == MAX_ENTRIES
    assert incident.timeline[0].stamp_s == 100.0
    assert incident.timeline[-1].stamp_s == 100.0 + MAX_ENTRIES + 9
