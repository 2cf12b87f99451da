"""The life of a leak, step by step."""

from __future__ import annotations

import math
import uuid
from dataclasses import replace
from typing import Any

import pytest

from plainview_ros.assets import Rig
from plainview_ros.pipeline_guard.detector import Judgement
from plainview_ros.pipeline_guard.integrity import integrity_score, risk, tappings
from plainview_ros.pipeline_guard.leaks import AlreadyRepairedError, Leak, LeakBook, SeverityLimits, UnknownLeakError
from plainview_ros.pipeline_guard.location import Fit

FLOW = 0.04
STEP_S = 1.0


FIT = Fit(place=0.4, place_std=0.01, size_m3s=0.03 * FLOW, size_std_m3s=1e-4, growth_s=0.0, age_s=5.0)


def judged(share: float, **fields: Any) -> Judgement:
    """A judgement by which a share of the usual flow is missing, and long has been."""
    known = {
        "stamp_s": 100.0,
        "step_s": STEP_S,
        "flow_m3s": FLOW,
        "usual_flow_m3s": FLOW,
        "imbalance_m3s": share * FLOW,
        "imbalance_std_m3s": 0.001 * FLOW,
        "accounted_m3s": 0.0,
        "size_m3s": share * FLOW,
        "size_std_m3s": 0.001 * FLOW,
        "statistic": share / 0.001,
        "threshold": 5.0,
        "age_s": 5.0,
        "detectable_m3s": 0.005 * FLOW,
        "undisturbed_m3s": 0.005 * FLOW,
        "doubt": "",
        "leak_gain": 10.0,
        "reading_gains": (0.0, 0.0, 0.0, 0.0),
        "found": False,
        "is_fresh": False,
        "fit": None,
    }
    return Judgement(**(known | fields))


def found(share: float, place: float = 0.4, place_std: float = 0.1, **fields: Any) -> Judgement:
    """The judgement at which a leak is found."""
    fit = replace(FIT, place=place, place_std=place_std, size_m3s=share * FLOW)
    return judged(share, found=True, is_fresh=True, fit=fit, **fields)


def settle(book: LeakBook, judgement: Judgement, times: int = 11) -> list[Leak]:
    """The same judgement until it is believed; what came of it."""
    return [leak for _ in range(times) for leak in book.judge("C-South", judgement)]


@pytest.fixture
def book(rig: Rig) -> LeakBook:
    return LeakBook(rig.pipeline, SeverityLimits())


def test_a_leak_is_suspected_before_the_evidence_is_complete_and_then_dismissed_or_found(book: LeakBook) -> None:
    (suspected,) = book.judge("C-South", judged(0.0045))
    assert (suspected.status, book.open_leaks, book.is_sound("C-South")) == ("suspected", [], True)
    assert book.judge("C-South", judged(0.004)) == []
    (dismissed,) = book.judge("C-South", judged(0.002))
    assert (dismissed.status, dismissed.leak_id) == ("dismissed", suspected.leak_id)
    (again,) = book.judge("C-South", judged(0.0045))
    assert again.leak_id != suspected.leak_id
    (leak,) = book.judge("C-South", found(0.006))
    assert (leak.status, leak.leak_id) == ("active", again.leak_id)
    assert book.recent() == []


def test_a_leak_opens_once_with_its_evidence(book: LeakBook, rig: Rig) -> None:
    (leak,) = book.judge("C-South", found(0.03))
    assert (leak.section, leak.status, leak.severity) == ("C-South", "active", "major")
    assert (leak.statistic, leak.threshold, leak.window_s) == (pytest.approx(30.0), 5.0, 5.0)
    assert (leak.detected_at_s, leak.onset_s) == (100.0, 95.0)
    assert leak.volume_m3 == pytest.approx(5 * 0.03 * FLOW)
    assert math.isnan(leak.position_m)
    start, end = rig.section["C-South"].start, rig.section["C-South"].end
    assert leak.latitude == pytest.approx((start.latitude + end.latitude) / 2)
    assert leak.longitude == pytest.approx((start.longitude + end.longitude) / 2)
    assert "3.0% of the flow" in leak.evidence
    assert book.judge("C-South", judged(0.03, stamp_s=101.0)) == []
    assert [open_.leak_id for open_ in book.open_leaks] == [leak.leak_id]


@pytest.mark.parametrize(
    ("share", "severity"), [(0.01, "minor"), (0.02, "major"), (0.049, "major"), (0.05, "critical")]
)
def test_severity_is_by_share_of_the_flow(book: LeakBook, share: float, severity: str) -> None:
    assert book.judge("C-South", found(share))[0].severity == severity


def test_a_growing_leak_keeps_its_id_and_says_so(book: LeakBook) -> None:
    (minor,) = book.judge("C-South", found(0.01))
    (major,) = book.judge("C-South", judged(0.03))
    assert major.leak_id == minor.leak_id
    assert major.event_id != minor.event_id
    assert (minor.severity, major.severity) == ("minor", "major")
    assert major.evidence.startswith("was minor, is major")


def test_a_leak_at_a_limit_does_not_flap(book: LeakBook) -> None:
    book.judge("C-South", found(0.051))
    wavering = [event for n in range(50) for event in book.judge("C-South", judged(0.049 + 0.002 * (n % 2)))]
    assert wavering == []
    (smaller,) = book.judge("C-South", judged(0.039))
    assert smaller.severity == "major"


def test_a_section_closed_in_does_not_make_its_leak_worse(book: LeakBook) -> None:
    book.judge("C-South", found(0.03))
    assert book.judge("C-South", judged(0.03, flow_m3s=0.0)) == []


def test_lost_volume_adds_up_while_active(book: LeakBook) -> None:
    book.judge("C-South", found(0.03))
    for n in range(20):
        book.judge("C-South", judged(0.03, stamp_s=101.0 + n * STEP_S))
    assert book.open_leaks[0].volume_m3 == pytest.approx((5 + 20) * 0.03 * FLOW)
    assert book.open_leaks[0].volume_std_m3 == pytest.approx((5 + 20) * 0.001 * FLOW)
    assert book.volume_lost_m3 == book.open_leaks[0].volume_m3


def test_contained_when_nothing_is_missing_for_a_while_and_active_again_when_it_is(book: LeakBook) -> None:
    (leak,) = book.judge("C-South", found(0.03))
    assert settle(book, judged(0.0), times=9) == []
    assert settle(book, judged(0.03), times=1) == []
    (contained,) = settle(book, judged(0.0))
    assert (contained.status, contained.rate_m3s) == ("contained", 0.0)
    lost_m3 = contained.volume_m3
    assert settle(book, judged(0.001)) == []
    assert book.open_leaks[0].volume_m3 == lost_m3
    (again,) = settle(book, judged(0.03), times=10)
    assert (again.status, again.leak_id) == ("active", leak.leak_id)


@pytest.mark.parametrize("share", [0.03, 0.0])
def test_active_and_contained_leaks_can_be_resolved(book: LeakBook, share: float) -> None:
    (leak,) = book.judge("C-South", found(0.03))
    settle(book, judged(share))
    repaired = book.resolve(leak.leak_id, "Kari", "clamp fitted", 200.0)
    assert (repaired.status, repaired.stamp_s) == ("repaired", 200.0)
    assert repaired.evidence == "resolved by Kari: clamp fitted"
    assert book.is_sound("C-South")
    assert book.recent() == [repaired]
    assert book.volume_lost_m3 == repaired.volume_m3


def test_the_place_is_told_once_when_it_is_certain_enough(book: LeakBook, rig: Rig) -> None:
    (leak,) = book.judge("C-South", found(0.03))
    vague = replace(FIT, place_std=0.05)
    assert book.judge("C-South", judged(0.03, is_fresh=True, fit=vague)) == []
    (located,) = book.judge("C-South", judged(0.03, stamp_s=105.0, is_fresh=True, fit=FIT))
    assert located.leak_id == leak.leak_id
    assert (located.position_m, located.position_std_m) == (4000 + 0.4 * 2000, 0.01 * 2000)
    assert located.latitude == pytest.approx(rig.pipeline.place_at(4800).latitude)
    assert located.evidence.startswith("located at 4800 m +- 20 m")
    better = replace(FIT, place=0.41)
    assert book.judge("C-South", judged(0.03, stamp_s=110.0, is_fresh=True, fit=better)) == []
    assert book.open_leaks[0].position_m == pytest.approx(4820)


def test_a_vague_place_is_told_in_the_end_and_a_guess_never(book: LeakBook) -> None:
    book.judge("C-South", found(0.03))
    guess, vague = replace(FIT, place_std=0.26), replace(FIT, place_std=0.2)
    assert book.judge("C-South", judged(0.03, stamp_s=135.0, is_fresh=True, fit=guess)) == []
    (located,) = book.judge("C-South", judged(0.03, stamp_s=145.0, is_fresh=True, fit=vague))
    assert located.position_std_m == pytest.approx(400)


def test_two_places_are_two_leaks_and_one_place_is_one(book: LeakBook) -> None:
    (first,) = book.judge("C-South", found(0.03, place=0.2, place_std=0.01))
    assert book.judge("C-South", found(0.01, place=0.22, place_std=0.01, accounted_m3s=0.03 * FLOW)) == []
    assert book.open_leaks[0].rate_m3s == pytest.approx(0.04 * FLOW)
    (second,) = book.judge("C-South", found(0.02, place=0.8, place_std=0.01, accounted_m3s=0.04 * FLOW))
    assert second.leak_id != first.leak_id
    assert [leak.leak_id for leak in book.open_leaks] == [first.leak_id, second.leak_id]
    book.judge("C-South", judged(0.05))
    assert [leak.rate_m3s / FLOW for leak in book.open_leaks] == [pytest.approx(0.04), pytest.approx(0.01)]


def test_a_leak_that_goes_on_after_repair_is_a_new_one(book: LeakBook) -> None:
    (leak,) = book.judge("C-South", found(0.03))
    book.resolve(leak.leak_id, "Kari", "", 200.0)
    (another,) = book.judge("C-South", found(0.03))
    assert another.leak_id != leak.leak_id


def test_a_leak_cannot_be_resolved_twice_or_unknown(book: LeakBook) -> None:
    (leak,) = book.judge("C-South", found(0.03))
    book.resolve(leak.leak_id, "Kari", "", 200.0)
    with pytest.raises(AlreadyRepairedError, match=str(leak.leak_id)):
        book.resolve(leak.leak_id, "Kari", "", 201.0)
    stranger = uuid.uuid4()
    with pytest.raises(UnknownLeakError, match=str(stranger)):
        book.resolve(stranger, "Kari", "", 202.0)


def test_recent_leaks_are_the_last_ten_newest_first(book: LeakBook) -> None:
    for n in range(12):
        (leak,) = book.judge("C-South", found(0.03))
        book.resolve(leak.leak_id, "Kari", "", float(n))
    assert [leak.stamp_s for leak in book.recent()] == [float(n) for n in range(11, 1, -1)]


def test_severity_limits_must_be_in_order() -> None:
    with pytest.raises(ValueError, match="major"):
        SeverityLimits(major=0.05, critical=0.02)


def test_integrity_counts_active_leaks_by_severity(book: LeakBook) -> None:
    assert integrity_score([]) == 100
    for section, share in (("A-North", 0.01), ("B-Central", 0.03), ("C-South", 0.06)):
        book.judge(section, found(share))
    assert integrity_score(book.open_leaks) == 100 - 5 - 15 - 40
    settle(book, judged(0.0))
    assert integrity_score(book.open_leaks) == 100 - 5 - 15
    assert integrity_score(15 * book.open_leaks) == 0


@pytest.mark.parametrize(("active", "expected"), [(0, "low"), (2, "low"), (3, "medium"), (5, "medium"), (6, "high")])
def test_risk_is_by_number_of_active_leaks(book: LeakBook, active: int, expected: str) -> None:
    book.judge("C-South", found(0.01))
    assert risk(active * book.open_leaks) == expected


@pytest.mark.parametrize(
    ("share", "active", "lower"), [(0.01, "low", "low"), (0.03, "medium", "low"), (0.06, "high", "medium")]
)
def test_risk_is_by_severity_and_one_step_lower_when_dwindled_or_contained(
    book: LeakBook, share: float, active: str, lower: str
) -> None:
    book.judge("C-South", found(share))
    assert risk(book.open_leaks) == active
    book.judge("C-South", judged(0.004))
    assert risk(book.open_leaks) == lower
    settle(book, judged(0.0))
    assert risk(book.open_leaks) == lower


def test_profile_names_each_transmitter_once_from_the_inlet_on(rig: Rig) -> None:
    points = list(tappings(rig.pipeline))
    assert [point.tag for point in points] == [
        "PT-102", "PT-201", "PT-202", "PT-301", "PT-302", "PT-401", "PT-501", "PT-601",
    ]  # fmt: skip
    assert [point.position_m for point in points] == sorted(point.position_m for point in points)
    assert points[5].location == "D-East inlet"
    assert points[-1].location == "E-West outlet"
