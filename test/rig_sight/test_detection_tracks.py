"""One detection for as long as something is there."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from plainview_ros.rig_sight.detections import Detection, Observation, Region, Tracks, TrackSettings

SETTINGS = TrackSettings(confirm_frames=3, hold_s=5.0, update_period_s=1.0)
SPOT = Observation("hot_spot", Region(100, 100, 20, 20), 0.8, "hot", temperature_c=100.0)
ELSEWHERE = replace(SPOT, region=Region(300, 300, 20, 20))


def feed(tracks: Tracks, frames: list[list[Observation]], start_s: float = 0.0) -> list[Detection]:
    """Frames a quarter of a second apart."""
    found = []
    for number, observations in enumerate(frames):
        t_s = start_s + 0.25 * number
        found += tracks.update(observations, 1000 + t_s, t_s)
    return found


def test_a_spot_seen_in_three_frames_starts_and_keeps_its_id_until_it_ends() -> None:
    tracks = Tracks("cam-1", SETTINGS)
    assert feed(tracks, [[SPOT], [SPOT]]) == []
    (started,) = feed(tracks, [[SPOT]], 0.5)
    assert (started.phase, started.camera_id, started.stamp_s) == ("started", "cam-1", 1000.5)
    assert tracks.open == [started]
    assert feed(tracks, [[]] * 20, 0.75) == []
    (ended,) = feed(tracks, [[]], 5.75)
    assert (ended.phase, ended.detection_id) == ("ended", started.detection_id)
    assert ended.event_id != started.event_id
    assert tracks.open == []


def test_a_flicker_starts_nothing() -> None:
    assert feed(Tracks("cam-1", SETTINGS), [[SPOT], [SPOT], [], [SPOT], [SPOT], []]) == []


def test_a_gap_shorter_than_the_hold_time_is_the_same_detection() -> None:
    found = feed(Tracks("cam-1", SETTINGS), [[SPOT]] * 4 + [[]] * 15 + [[SPOT]] * 4)
    assert [detection.phase for detection in found] == ["started"]


def test_weak_evidence_keeps_a_detection_going_but_starts_none() -> None:
    weak = replace(SPOT, suffices=False)
    assert feed(Tracks("cam-1", SETTINGS), [[weak]] * 20) == []
    found = feed(Tracks("cam-1", SETTINGS), [[SPOT]] * 3 + [[weak]] * 40)
    assert [detection.phase for detection in found] == ["started"]


def test_two_spots_are_two_detections() -> None:
    tracks = Tracks("cam-1", SETTINGS)
    first, second = feed(tracks, [[SPOT, ELSEWHERE]] * 3)
    assert first.detection_id != second.detection_id
    (ended,) = feed(tracks, [[ELSEWHERE]] * 30, 0.75)
    assert ended.detection_id == first.detection_id


def test_growth_is_told_once_a_second_at_most() -> None:
    tracks = Tracks("cam-1", SETTINGS)
    growing = [[replace(SPOT, region=Region(100, 100, 20 + 8 * n, 20 + 8 * n))] for n in range(12)]
    found = feed(tracks, growing)
    assert [detection.phase for detection in found] == ["started", "updated", "updated"]
    assert found[-1].seen.region.width == 20 + 8 * 10


def test_without_frames_nothing_ends() -> None:
    tracks = Tracks("cam-1", SETTINGS)
    (started,) = feed(tracks, [[SPOT]] * 3)
    assert feed(tracks, [[SPOT]] * 3, start_s=3600.0) == []
    assert [detection.detection_id for detection in tracks.open] == [started.detection_id]


boxes = st.builds(Region, st.integers(0, 90), st.integers(0, 90), st.integers(1, 30), st.integers(1, 30))
spots = st.builds(lambda box: replace(SPOT, region=box), boxes)


@given(st.lists(st.lists(spots, max_size=3), max_size=60))
def test_every_start_has_at_most_one_end_and_open_ones_none(frames: list[list[Observation]]) -> None:
    tracks = Tracks("cam-1", replace(SETTINGS, hold_s=1.0))
    found = feed(tracks, frames)
    phases: dict[object, list[str]] = {}
    for detection in found:
        phases.setdefault(detection.detection_id, []).append(detection.phase)
    still_open = {detection.detection_id for detection in tracks.open}
    for identity, told in phases.items():
        assert told[0] == "started"
        assert "started" not in told[1:]
        assert told.count("ended") == (identity not in still_open)
        assert "ended" not in told[:-1]
    assert still_open <= phases.keys()


@given(boxes, boxes)
def test_likeness_and_overlap_are_symmetric_shares(a: Region, b: Region) -> None:
    assert a.likeness(b) == b.likeness(a)
    assert 0 <= a.likeness(b) <= a.overlap(b) <= 1
    assert a.likeness(a) == 1
