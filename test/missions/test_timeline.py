from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.missions.timeline import MAX_STEPS, steps_of


def test_entries_are_ordered_and_kept_as_they_are() -> None:
    late = {"at": 5, "title": "Close v-101", "data": {"note": "by hand"}}
    early = {"at": 0.5, "title": "Alarm"}
    steps = steps_of([late, early])
    assert [(step.at_s, step.title, step.content) for step in steps] == [
        (0.5, "Alarm", early),
        (5.0, "Close v-101", late),
    ]


def test_recorded_times_count_from_the_first() -> None:
    steps = steps_of(
        [
            {"timestamp": "2026-01-01T00:00:10Z", "type": "alert"},
            {"timestamp": "2026-01-01T01:00:00.500+01:00", "type": "leak", "title": "Leak"},
            {"timestamp": 1767225605000, "type": "action"},
        ]
    )
    assert [(step.at_s, step.title) for step in steps] == [(0.0, "Leak"), (4.5, "action"), (9.5, "alert")]


@pytest.mark.parametrize(
    ("timeline", "complaint"),
    [
        ([{"title": "when?"}], r"timeline\[0\]: expected timestamp"),
        ([{"at": 1, "title": "a"}, {"timestamp": 5, "title": "b"}], r"timeline\[1\]: expected at, as in the first"),
        ([{"at": -1, "title": "a"}], r"timeline\[0\]\.at: expected a number between 0 and 1e\+14, got -1"),
        ([{"at": float("nan"), "title": "a"}], r"timeline\[0\]\.at: .* got nan"),
        ([{"at": 10**400, "title": "a"}], r"timeline\[0\]\.at: .* got 1000"),
        ([{"at": True, "title": "a"}], r"timeline\[0\]\.at: .* got True"),
        ([{"at": "soon", "title": "a"}], r"timeline\[0\]\.at: .* got soon"),
        ([{"timestamp": "yesterday", "title": "a"}], r"timeline\[0\]\.timestamp: expected an ISO 8601 time"),
        ([{"timestamp": None, "title": "a"}], r"timeline\[0\]\.timestamp: .* got None"),
        ([{"at": 0}], r"timeline\[0\]\.title: expected some text, got None"),
        ([{"at": 0, "title": 7}], r"timeline\[0\]\.title: expected some text, got 7"),
        ([{"at": 1e12, "title": "a"}], r"timeline: expected at most 2\.592e\+06 s"),
        ([{"at": 0, "title": "a"}] * (MAX_STEPS + 1), "expected at most 10000 entries, got 10001"),
    ],
)
def test_bad_entry_is_named(timeline: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        steps_of(timeline)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just([]) | st.just({})
ENTRIES = st.fixed_dictionaries({}, optional=dict.fromkeys(["at", "timestamp", "title", "type"], VALUES))


@given(st.lists(ENTRIES, max_size=4))
def test_any_json_gives_ordered_steps_or_a_complaint(timeline: list[dict[str, Any]]) -> None:
    complaint = "timeline"
    times_s = []
    try:
        times_s = [step.at_s for step in steps_of(timeline)]
    except ValueError as error:
        complaint = str(error)
    assert complaint.startswith("timeline")
    assert times_s == sorted(times_s)
    assert len(times_s) in (0, len(timeline))
