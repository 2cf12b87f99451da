from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.assets import Rig, load_rig
from plainview_ros.incidents import correlation
from plainview_ros.incidents.correlation import WINDOW_S, IncidentBook
from plainview_ros.incidents.finding import Asset, Finding
from plainview_ros.incidents.incident import Update
from plainview_ros.incidents.neighbourhood import Neighbourhood
from plainview_ros.share import share_file

V_101, V_102 = Asset("valve", "v-101"), Asset("valve", "v-102")
LINE, CAMERA = Asset("line", "fl-1"), Asset("camera", "cam-103")
A_NORTH, C_SOUTH, E_WEST = (Asset("section", id_) for id_ in ("A-North", "C-South", "E-West"))

NEIGHBOURHOOD = Neighbourhood(load_rig(share_file("config/rig.yaml")))

MODULES = {"valve": "valve-ops", "section": "pipeline-guard", "line": "flow-iq", "camera": "rig-sight"}
KINDS = {"valve": "alert", "section": "leak", "line": "anomaly", "camera": "detection"}


def make(asset: Asset, id_: str, stamp_s: float, severity: str = "warning", **changes: object) -> Finding:
    values: dict[str, object] = {
        "kind": KINDS[asset.kind],
        "id": id_,
        "event_id": f"{id_}@{stamp_s}",
        "asset": asset,
        "module": MODULES[asset.kind],
        "severity": "info" if asset.kind in ("line", "camera") else severity,
        "title": id_,
        "description": "",
        "stamp_s": stamp_s,
    }
    return Finding(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def book(rig: Rig) -> IncidentBook:
    return IncidentBook(NEIGHBOURHOOD)


def test_leak_with_the_anomaly_and_heat_beside_it_is_one_incident(book: IncidentBook) -> None:
    assert book.add(make(LINE, "anomaly", 100.0)) is None
    opened = book.add(make(E_WEST, "leak", 110.0, "critical"))
    joined = book.add(make(CAMERA, "heat", 150.0))
    assert opened is not None
    assert joined is not None
    assert (opened.kind, joined.kind) == ("created", "updated")
    (incident,) = book.all()
    assert incident.detection_ids == ("leak", "anomaly", "heat")
    assert incident.affected_modules == ("pipeline-guard", "flow-iq", "rig-sight")
    assert incident.severity == "critical"
    assert incident.started_s == 100.0


def test_evidence_that_goes_on_says_nothing_new_until_it_ends(book: IncidentBook) -> None:
    book.add(make(E_WEST, "leak", 110.0, "critical"))
    assert book.add(make(CAMERA, "heat", 120.0)) is not None
    assert book.add(make(CAMERA, "heat", 122.0)) is None
    assert book.add(make(CAMERA, "heat", 124.0, ended=True)) is not None


def test_ordinary_motion_is_no_evidence(book: IncidentBook) -> None:
    assert book.add(make(CAMERA, "person", 100.0, is_evidence=False)) is None
    opened = book.add(make(E_WEST, "leak", 110.0))
    assert opened is not None
    assert opened.incident.detection_ids == ("leak",)


def test_two_leaks_far_apart_are_two_incidents(book: IncidentBook) -> None:
    book.add(make(A_NORTH, "leak-1", 100.0))
    book.add(make(E_WEST, "leak-2", 101.0))
    assert len(book.all()) == 2


def test_incident_does_not_creep_along_the_pipeline(book: IncidentBook) -> None:
    book.add(make(A_NORTH, "leak-1", 100.0))
    book.add(make(V_102, "hot", 101.0))
    book.add(make(Asset("section", "B-Central"), "leak-2", 102.0))
    assert [incident.asset for incident in book.all()] == [Asset("section", "B-Central"), A_NORTH]


def test_info_alert_opens_nothing(book: IncidentBook) -> None:
    assert book.add(make(V_101, "note", 100.0, "info")) is None
    assert book.all() == []


def test_late_alert_opens_a_new_incident(book: IncidentBook) -> None:
    book.add(make(V_101, "one", 100.0))
    book.add(make(V_101, "two", 100.0 + WINDOW_S))
    book.add(make(V_101, "three", 100.1 + 2 * WINDOW_S))
    assert [incident.alert_ids for incident in book.all()] == [("three",), ("one", "two")]


def test_stream_of_motion_does_not_keep_an_incident_waiting_for_more(book: IncidentBook) -> None:
    book.add(make(E_WEST, "leak-1", 0.0))
    for minute in range(20):
        book.add(make(CAMERA, f"motion-{minute}", 60.0 * minute))
    book.add(make(E_WEST, "leak-2", 20 * 60.0))
    assert [incident.detection_ids[0] for incident in book.all()] == ["leak-2", "leak-1"]


def test_clearing_updates_the_incident_that_has_the_alert_even_a_resolved_one(book: IncidentBook) -> None:
    opened = book.add(make(V_101, "hot", 100.0))
    assert opened is not None
    book.update(opened.incident.id, Update(resolution="cooled"), 5000.0)
    change = book.add(make(V_101, "hot", 9000.0, ended=True))
    assert change is not None
    assert change.incident.id == opened.incident.id
    assert change.incident.status == "resolved"
    assert len(book.all()) == 1


def test_condition_that_grows_after_the_resolution_is_a_new_incident(book: IncidentBook) -> None:
    first = book.add(make(C_SOUTH, "leak", 100.0))
    assert first is not None
    book.update(first.incident.id, Update(status="resolved"), 200.0)
    second = book.add(make(C_SOUTH, "leak", 260.0, "critical"))
    assert second is not None
    assert (second.kind, second.incident.severity) == ("created", "critical")
    assert second.incident.id != first.incident.id


def test_leak_contained_joins_its_incident_and_opens_none_after_the_resolution(book: IncidentBook) -> None:
    first = book.add(make(C_SOUTH, "leak", 100.0, "critical"))
    assert first is not None
    joined = book.add(make(C_SOUTH, "leak", 150.0, "info"))
    assert joined is not None
    assert (joined.incident.id, joined.incident.severity) == (first.incident.id, "critical")
    book.update(first.incident.id, Update(status="resolved"), 200.0)
    assert book.add(make(C_SOUTH, "leak", 260.0, "info")) is None
    again = book.add(make(C_SOUTH, "leak", 300.0, "critical"))
    assert again is not None
    assert again.kind == "created"


def test_clearing_of_something_never_seen_opens_nothing(book: IncidentBook) -> None:
    assert book.add(make(V_101, "hot", 100.0, "critical", ended=True)) is None


def test_the_same_event_makes_the_same_id_after_a_restart() -> None:
    ids = set()
    for _run in range(2):
        change = IncidentBook(NEIGHBOURHOOD).add(make(V_101, "hot", 100.0))
        assert change is not None
        ids.add(change.incident.id)
    assert len(ids) == 1


def test_full_book_forgets_the_oldest_resolved_first(book: IncidentBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlation, "MAX_INCIDENTS", 2)
    for number in range(3):
        change = book.add(make(V_101, f"hot-{number}", number * 1000.0))
        assert change is not None
        if number == 1:
            book.update(change.incident.id, Update(status="resolved"), 1500.0)
    assert [incident.alert_ids for incident in book.all()] == [("hot-2",), ("hot-0",)]


FINDINGS = st.builds(
    make,
    asset=st.sampled_from([V_101, V_102, LINE, CAMERA, A_NORTH, C_SOUTH, E_WEST, Asset("section", "unknown")]),
    id_=st.sampled_from([f"id-{number}" for number in range(12)]),
    stamp_s=st.floats(0, 4 * WINDOW_S),
    severity=st.sampled_from(["info", "warning", "critical"]),
    ended=st.booleans(),
)


@given(st.lists(FINDINGS, max_size=40), st.sets(st.integers(0, 39)))
def test_every_event_lands_in_exactly_one_incident(findings: list[Finding], resolve_after: set[int]) -> None:
    book = IncidentBook(NEIGHBOURHOOD)
    taken = []
    for number, original in enumerate(findings):
        finding = make(
            original.asset,
            f"{original.asset.id}/{original.id}",
            original.stamp_s,
            original.severity,
            ended=original.ended,
            event_id=f"event-{number}",
        )
        if book.add(finding) is not None or (finding.is_grave and not finding.ended):
            taken.append(finding)
        if number in resolve_after:
            for incident in book.all():
                book.update(incident.id, Update(status="resolved"), finding.stamp_s)
    told = [entry.metadata["eventId"] for incident in book.all() for entry in incident.timeline if entry.metadata]
    assert len(told) == len(set(told))
    assert {finding.event_id for finding in taken} <= set(told)
    for incident in book.all():
        known = {*incident.alert_ids, *incident.detection_ids}
        assert {entry.metadata["id"] for entry in incident.timeline if entry.metadata} == known
        assert incident.started_s == min(entry.stamp_s for entry in incident.timeline if entry.metadata)
        assert incident.severity != "info"
