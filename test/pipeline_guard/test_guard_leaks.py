"""The life of a leak, step by step."""

from __future__ import annotations

import math
import uuid

import pytest

from plainview_ros.assets import Rig
from plainview_ros.pipeline_guard.integrity import integrity_score, risk, tappings
from plainview_ros.pipeline_guard.leaks import AlreadyRepairedError, LeakBook, SeverityLimits, UnknownLeakError
from plainview_ros.pipeline_guard.watch import Judgement

FLOW = 0.04
STEP_S = 0.5


def judged(share: float, limit_share: float = 1.0, stamp_s: float = 100.0, flow: float = FLOW) -> Judgement:
    """A step in which a share of the usual flow is missing."""
    return Judgement(
        stamp_s=stamp_s,
        step_s=STEP_S,
        imbalance_m3s=share * FLOW,
        rate_m3s=share * FLOW,
        flow_m3s=flow,
        usual_flow_m3s=FLOW,
        limit_share=limit_share,
        statistic_m3=0.009 * limit_share,
        missing_m3=0.01 if limit_share else 0.0,
        suspected_s=5.0,
        limit_m3=0.008,
    )


@pytest.fixture
def book(rig: Rig) -> LeakBook:
    return LeakBook(rig.pipeline, SeverityLimits())


def test_no_leak_before_the_evidence_is_complete(book: LeakBook) -> None:
    assert book.judge("C-South", judged(0.05, limit_share=0.99)) == []
    assert book.is_sound("C-South")


def test_a_leak_opens_once_with_its_evidence(book: LeakBook, rig: Rig) -> None:
    (leak,) = book.judge("C-South", judged(0.03))
    assert (leak.section, leak.status, leak.severity) == ("C-South", "active", "major")
    assert (leak.statistic_m3, leak.threshold_m3, leak.window_s) == (0.009, 0.008, 5.0)
    assert math.isnan(leak.position_m)
    start, end = rig.section["C-South"].start, rig.section["C-South"].end
    assert leak.latitude == pytest.approx((start.latitude + end.latitude) / 2)
    assert leak.longitude == pytest.approx((start.longitude + end.longitude) / 2)
    assert "3.0% of the flow" in leak.evidence
    assert book.judge("C-South", judged(0.03, stamp_s=100.5)) == []
    assert [open_.leak_id for open_ in book.open_leaks] == [leak.leak_id]


@pytest.mark.parametrize(
    ("share", "severity"), [(0.01, "minor"), (0.02, "major"), (0.049, "major"), (0.05, "critical")]
)
def test_severity_is_by_share_of_the_flow(book: LeakBook, share: float, severity: str) -> None:
    assert book.judge("C-South", judged(share))[0].severity == severity


def test_a_growing_leak_keeps_its_id_and_says_so(book: LeakBook) -> None:
    (minor,) = book.judge("C-South", judged(0.01))
    (major,) = book.judge("C-South", judged(0.03))
    assert major.leak_id == minor.leak_id
    assert major.event_id != minor.event_id
    assert (minor.severity, major.severity) == ("minor", "major")
    assert major.evidence.startswith("was minor, is major")


def test_a_leak_at_a_limit_does_not_flap(book: LeakBook) -> None:
    book.judge("C-South", judged(0.051))
    wavering = [event for n in range(50) for event in book.judge("C-South", judged(0.049 + 0.002 * (n % 2)))]
    assert wavering == []
    (smaller,) = book.judge("C-South", judged(0.039))
    assert smaller.severity == "major"


def test_a_section_closed_in_does_not_make_its_leak_worse(book: LeakBook) -> None:
    book.judge("C-South", judged(0.03))
    assert book.judge("C-South", judged(0.03, flow=0.0)) == []


def test_lost_volume_adds_up_while_active(book: LeakBook) -> None:
    book.judge("C-South", judged(0.03))
    for n in range(20):
        book.judge("C-South", judged(0.03, stamp_s=100.5 + n * STEP_S))
    assert book.open_leaks[0].volume_m3 == pytest.approx(0.01 + 20 * 0.03 * FLOW * STEP_S)
    assert book.volume_lost_m3 == book.open_leaks[0].volume_m3


def test_contained_when_nothing_is_missing_and_active_again_when_it_is(book: LeakBook) -> None:
    (leak,) = book.judge("C-South", judged(0.03))
    assert book.judge("C-South", judged(0.03, limit_share=0.5)) == []
    (contained,) = book.judge("C-South", judged(0.0, limit_share=0.0))
    assert (contained.status, contained.rate_m3s) == ("contained", 0.0)
    lost_m3 = contained.volume_m3
    assert book.judge("C-South", judged(0.001, limit_share=0.5)) == []
    assert book.open_leaks[0].volume_m3 == lost_m3
    (again,) = book.judge("C-South", judged(0.03))
    assert (again.status, again.leak_id) == ("active", leak.leak_id)
    assert again.volume_m3 == pytest.approx(lost_m3 + 0.01)


@pytest.mark.parametrize("limit_share", [1.0, 0.0])
def test_active_and_contained_leaks_can_be_resolved(book: LeakBook, limit_share: float) -> None:
    (leak,) = book.judge("C-South", judged(0.03))
    book.judge("C-South", judged(0.0, limit_share=limit_share))
    repaired = book.resolve(leak.leak_id, "Kari", "clamp fitted", 200.0)
    assert (repaired.status, repaired.stamp_s) == ("repaired", 200.0)
    assert repaired.evidence == "resolved by Kari: clamp fitted"
    assert book.is_sound("C-South")
    assert book.recent() == [repaired]
    assert book.volume_lost_m3 == repaired.volume_m3


def test_a_leak_that_goes_on_after_repair_is_a_new_one(book: LeakBook) -> None:
    (leak,) = book.judge("C-South", judged(0.03))
    book.resolve(leak.leak_id, "Kari", "", 200.0)
    (another,) = book.judge("C-South", judged(0.03))
    assert another.leak_id != leak.leak_id


def test_a_leak_cannot_be_resolved_twice_or_unknown(book: LeakBook) -> None:
    (leak,) = book.judge("C-South", judged(0.03))
    book.resolve(leak.leak_id, "Kari", "", 200.0)
    with pytest.raises(AlreadyRepairedError, match=str(leak.leak_id)):
        book.resolve(leak.leak_id, "Kari", "", 201.0)
    stranger = uuid.uuid4()
    with pytest.raises(UnknownLeakError, match=str(stranger)):
        book.resolve(stranger, "Kari", "", 202.0)


def test_recent_leaks_are_the_last_ten_newest_first(book: LeakBook) -> None:
    for n in range(12):
        (leak,) = book.judge("C-South", judged(0.03))
        book.resolve(leak.leak_id, "Kari", "", float(n))
    assert [leak.stamp_s for leak in book.recent()] == [float(n) for n in range(11, 1, -1)]


def test_severity_limits_must_be_in_order() -> None:
    with pytest.raises(ValueError, match="major"):
        SeverityLimits(major=0.05, critical=0.02)


def test_integrity_counts_active_leaks_by_severity(book: LeakBook) -> None:
    assert integrity_score([]) == 100
    for section, share in (("A-North", 0.01), ("B-Central", 0.03), ("C-South", 0.06)):
        book.judge(section, judged(share))
    assert integrity_score(book.open_leaks) == 100 - 5 - 15 - 40
    book.judge("C-South", judged(0.0, limit_share=0.0))
    assert integrity_score(book.open_leaks) == 100 - 5 - 15
    assert integrity_score(15 * book.open_leaks) == 0


@pytest.mark.parametrize(("active", "expected"), [(0, "low"), (2, "low"), (3, "medium"), (5, "medium"), (6, "high")])
def test_risk_is_by_number_of_active_leaks(book: LeakBook, active: int, expected: str) -> None:
    book.judge("C-South", judged(0.01))
    assert risk(active * book.open_leaks) == expected


@pytest.mark.parametrize(
    ("share", "active", "lower"), [(0.01, "low", "low"), (0.03, "medium", "low"), (0.06, "high", "medium")]
)
def test_risk_is_by_severity_and_one_step_lower_when_dwindled_or_contained(
    book: LeakBook, share: float, active: str, lower: str
) -> None:
    book.judge("C-South", judged(share))
    assert risk(book.open_leaks) == active
    book.judge("C-South", judged(0.001))
    assert risk(book.open_leaks) == lower
    book.judge("C-South", judged(0.0, limit_share=0.0))
    assert risk(book.open_leaks) == lower


def test_profile_names_each_transmitter_once_from_the_inlet_on(rig: Rig) -> None:
    points = list(tappings(rig.pipeline))
    assert [point.tag for point in points] == [
        "PT-102", "PT-201", "PT-202", "PT-301", "PT-302", "PT-401", "PT-501", "PT-601",
    ]  # fmt: skip
    assert [point.position_m for point in points] == sorted(point.position_m for point in points)
    assert points[5].location == "D-East inlet"
    assert points[-1].location == "E-West outlet"
