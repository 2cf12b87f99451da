"""What a channel's detector calls an anomaly, how bad, and when it learns."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainview_ros.assets import Instrument
from plainview_ros.flow_iq.detectors import Anomaly, ChannelDetector, Limits

INSTRUMENT = Instrument(tag="PT-1", quantity="pressure", range=(-1e5, 6e6), accuracy=800.0)
LEVEL, NOISE = 2.0e6, 1000.0


def noisy(level: float, count: int, seed: int = 1, sigma: float = NOISE) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(level, sigma) for _ in range(count)]


class Channel:
    """A detector fed at 1 Hz."""

    def __init__(self, period_s: float = 1.0, instrument: Instrument = INSTRUMENT, **limits: float) -> None:
        self.detector = ChannelDetector("fl-1", instrument, Limits(**limits))  # type: ignore[arg-type]
        self.now_s = 0.0
        self.period_s = period_s

    def feed(self, samples: Iterable[float]) -> list[Anomaly]:
        transitions = []
        for value in samples:
            self.now_s += self.period_s
            transitions += self.detector.update(self.now_s, value)
        return transitions

    @property
    def width(self) -> tuple[float, float]:
        assert self.detector.band is not None
        return self.detector.band.low, self.detector.band.high


@pytest.fixture
def trained() -> Channel:
    channel = Channel()
    assert channel.feed(noisy(LEVEL, 300)) == []
    return channel


def test_nothing_is_judged_before_the_reference_is_long_enough() -> None:
    channel = Channel()
    channel.feed(noisy(LEVEL, 60))
    assert channel.detector.band is None
    channel.feed(noisy(LEVEL, 1))
    assert channel.detector.band is not None
    fast = Channel(period_s=0.1)
    fast.feed(noisy(LEVEL, 600))
    assert fast.detector.band is None


def test_band_is_the_median_and_six_sigmas(trained: Channel) -> None:
    low, high = trained.width
    assert (low + high) / 2 == pytest.approx(LEVEL, abs=NOISE / 4)
    assert high - low == pytest.approx(12 * NOISE, rel=0.2)


def test_band_is_never_narrower_than_the_instrument_is_accurate() -> None:
    channel = Channel()
    assert channel.feed([LEVEL] * 300) == []
    assert channel.width == (LEVEL - 6 * 800, LEVEL + 6 * 800)


def test_without_stated_accuracy_a_thousandth_of_the_range_is_assumed() -> None:
    channel = Channel(instrument=INSTRUMENT.model_copy(update={"accuracy": 0.0}))
    channel.feed([LEVEL] * 100)
    assert channel.width == (LEVEL - 6 * 6100, LEVEL + 6 * 6100)


def test_step_opens_grows_and_closes_once(trained: Channel) -> None:
    transitions = trained.feed(noisy(LEVEL - 9 * NOISE, 120, seed=2, sigma=300.0))
    assert [t.phase for t in transitions] == ["opened", "updated"]
    opened, updated = transitions
    assert opened.severity == "low"
    assert opened.stamp_s == opened.detected_at_s <= 300 + 8
    assert opened.type == "pressure_deviation"
    assert opened.band.low > opened.value
    assert updated.severity == "medium"
    assert updated.stamp_s - opened.stamp_s == 60
    (closed,) = trained.feed(noisy(LEVEL, 60, seed=3))
    assert closed.phase == "closed"
    assert closed.severity == "medium"
    assert closed.detected_at_s == opened.detected_at_s
    assert closed.anomaly_id == opened.anomaly_id
    assert len({t.event_id for t in (opened, updated, closed)}) == 3
    assert "Back in the expected band" in closed.evidence
    assert trained.detector.anomaly is None


def test_severity_needs_both_size_and_time_to_be_high(trained: Channel) -> None:
    transitions = trained.feed(noisy(LEVEL + 40 * NOISE, 100, seed=2))
    assert [(t.phase, t.severity) for t in transitions] == [("opened", "medium"), ("updated", "high")]
    assert transitions[-1].score == pytest.approx(40, rel=0.25)


def test_evidence_names_tag_value_and_band(trained: Channel) -> None:
    (opened,) = trained.feed([LEVEL - 0.1e6] * 5)
    assert opened.evidence.startswith("PT-1 at 1.9e+06 Pa, expected 1.99")
    assert opened.evidence.endswith("5 of the last 8 samples outside.")


def test_lone_outliers_neither_open_nor_teach(trained: Channel) -> None:
    before = trained.width
    samples = noisy(LEVEL, 600, seed=4)
    samples[::3] = [LEVEL + 1e6] * 200
    assert trained.feed(samples) == []
    assert trained.width == pytest.approx(before, rel=1e-3)


def test_band_stands_still_while_an_anomaly_is_open(trained: Channel) -> None:
    trained.feed([LEVEL + 50 * NOISE] * 5)
    before = trained.width
    trained.feed(noisy(LEVEL + 50 * NOISE, 900, seed=5))
    assert trained.width == before
    assert trained.detector.anomaly is not None


def test_steady_new_level_is_accepted_after_its_time_and_becomes_the_reference(trained: Channel) -> None:
    transitions = trained.feed(noisy(LEVEL + 50 * NOISE, 2000, seed=6))
    closed = transitions[-1]
    assert closed.phase == "closed"
    assert closed.stamp_s - closed.detected_at_s == pytest.approx(1800, abs=5)
    assert "accepted as the new normal" in closed.evidence
    low, high = trained.width
    assert (low + high) / 2 == pytest.approx(LEVEL + 50 * NOISE, abs=NOISE)
    assert [t.phase for t in trained.feed(noisy(LEVEL, 20))] == ["opened"]


def test_ramp_is_not_accepted_while_it_moves(trained: Channel) -> None:
    ramp = [LEVEL + 20 * NOISE + i * 10 for i in range(4000)]
    assert "closed" not in [t.phase for t in trained.feed(ramp)]


def test_acceptance_can_be_switched_off() -> None:
    channel = Channel(accept_after_s=0)
    channel.feed(noisy(LEVEL, 300))
    assert "closed" not in [t.phase for t in channel.feed(noisy(LEVEL + 50 * NOISE, 4000))]


def test_slow_drift_is_followed(trained: Channel) -> None:
    """Half a sigma in the reference's window: the process ages, nothing happened."""
    drift = [x + i * NOISE / 3600 for i, x in enumerate(noisy(LEVEL, 20_000, seed=7))]
    assert trained.feed(drift) == []
    assert sum(trained.width) / 2 == pytest.approx(LEVEL + 5 * NOISE, abs=NOISE)


def test_clock_set_back_closes_and_learns_afresh(trained: Channel) -> None:
    trained.feed([LEVEL + 50 * NOISE] * 10)
    trained.now_s = 0.0
    (closed,) = trained.feed([LEVEL])
    assert closed.phase == "closed"
    assert closed.evidence.startswith("The clock was set back")
    assert trained.detector.band is None


def test_sparse_and_irregular_samples_are_judged_too() -> None:
    chance = random.Random(8)
    channel = Channel()
    stamps = [chance.uniform(60, 3600) for _ in range(200)]
    for gap_s, value in zip(stamps, noisy(LEVEL, 200), strict=True):
        channel.period_s = gap_s
        assert channel.feed([value]) == []
    assert [t.phase for t in channel.feed([LEVEL + 20 * NOISE] * 8)][:1] == ["opened"]


@pytest.mark.parametrize(
    ("samples", "confidence"),
    [
        ([LEVEL + 1e5] * 5, 1.0),
        ([LEVEL + 1e5, LEVEL, LEVEL + 1e5, LEVEL, LEVEL + 1e5, LEVEL] + [LEVEL + 1e5] * 2, 5 / 8),
    ],
)
def test_confidence_is_the_share_outside_times_chebyshev(
    trained: Channel, samples: list[float], confidence: float
) -> None:
    """Of the votes so far; the reference was normal for longer than the votes reach back."""
    trained.detector._votes.clear()
    (opened,) = trained.feed(samples)
    assert opened.confidence == pytest.approx(confidence * (1 - 1 / opened.score**2))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.floats(-1e5, 6e6), st.floats(1.99e6, 2.01e6)), min_size=1, max_size=300))
def test_every_anomaly_opens_first_and_closes_last(samples: list[float]) -> None:
    channel = Channel()
    channel.feed(noisy(LEVEL, 100))
    expected: dict[str, Callable[[str], bool]] = {
        "closed": lambda phase: phase == "opened",
        "opened": lambda phase: phase in ("updated", "closed"),
        "updated": lambda phase: phase in ("updated", "closed"),
    }
    phase = "closed"
    for transition in channel.feed(samples):
        assert expected[phase](transition.phase)
        assert 0.0 <= transition.confidence <= 1.0
        phase = transition.phase
    assert (channel.detector.anomaly is None) == (phase == "closed")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"open_samples": 9, "open_of": 8}, "open_samples must not be above open_of, found 9"),
        ({"large_sigmas": 3.0}, "large_sigmas must not be below band_sigmas, found 3"),
        ({"learn_s": 4000.0}, "learn_s must not be above window_s, found 4000"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(limits: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Limits(**limits)  # type: ignore[arg-type]
