"""The guard over a whole pipeline: samples in, leaks and alerts out, and at any time how things stand."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from plainview_ros.alerts import Alert, AlertBook
from plainview_ros.alerts import Severity as AlertSeverity
from plainview_ros.assets import Rig, Section
from plainview_ros.pipeline_guard.detector import READING_GAIN, Judgement
from plainview_ros.pipeline_guard.integrity import Risk, Tapping, integrity_score, risk, tappings
from plainview_ros.pipeline_guard.leaks import Leak, LeakBook, Severity, SeverityLimits
from plainview_ros.pipeline_guard.transmitters import Transmitters
from plainview_ros.pipeline_guard.watch import Condition, SectionWatch, Sensitivity
from plainview_ros.samples import Readings, Refusal, Sample

ALERT_SEVERITY: dict[Severity, AlertSeverity] = {"minor": "warning", "major": "warning", "critical": "critical"}
"""How much an operator should care about an active leak; a contained one is information until it is repaired."""


ACCUSED = 12.0
"""Log-likelihood by which a wrong reading has to be a better explanation than a leak, and than none."""
UNDECIDED_S = 180.0
"""For which a slow leak beside a meter may be as good an explanation as a drift of that meter, before it is taken for a
drift."""
AGREED = 0.4
"""Share of it that must speak for it in the other section that uses the transmitter."""


@dataclass(slots=True)
class Outcome:
    """What changed."""

    leaks: list[Leak] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SectionNow:
    id: str
    risk: Risk
    condition: Condition
    flow_in_m3s: float
    """NaN: not measured now."""
    flow_out_m3s: float
    active_leaks: int


@dataclass(frozen=True, slots=True)
class PressureNow:
    tapping: Tapping
    pressure_pa: float
    """NaN: never measured."""
    stale: bool


@dataclass(frozen=True, slots=True)
class PipelineNow:
    integrity_score: float
    sections: list[SectionNow]
    profile: list[PressureNow]
    open_leaks: list[Leak]
    suspected_leaks: list[Leak]
    recent_leaks: list[Leak]
    volume_lost_m3: float


class PipelineGuard:
    """Watches all sections of a rig's pipeline.

    Args:
        rig: the rig.
        sensitivity: what is asked of the test.
        limits: of the severities.
    """

    def __init__(self, rig: Rig, sensitivity: Sensitivity, limits: SeverityLimits) -> None:
        self._sections = rig.pipeline.sections
        self._watches = {section.id: SectionWatch(rig, section, sensitivity) for section in self._sections}
        self._leaks = LeakBook(rig.pipeline, limits)
        self._alerts = AlertBook("pipeline-guard")
        self._tappings = tuple(tappings(rig.pipeline))
        self._readings = Readings(rig)
        self._users: dict[str, list[str]] = {}
        self._gains: dict[str, dict[str, float]] = {section.id: {} for section in self._sections}
        self._unlike_leak: dict[str, dict[str, float]] = {section.id: {} for section in self._sections}
        self._faults: dict[str, str] = {}
        for section_id, watch in self._watches.items():
            for tag in watch.tags:
                self._users.setdefault(tag, []).append(section_id)
        self._transmitters = Transmitters(rig, self._users)

    @property
    def tags(self) -> frozenset[str]:
        """Instruments it needs samples of."""
        return self._transmitters.tags

    @property
    def has_open_leaks(self) -> bool:
        return bool(self._leaks.open_leaks)

    def add(self, sample: Sample, now_s: float, monotonic_s: float) -> Outcome:
        """Take a sample of one of ``tags``, received now (on the node's clock and on the monotonic one)."""
        self._readings.update(sample, now_s, monotonic_s)
        believed = self._transmitters.accept(sample, now_s)
        outcome = Outcome()
        if believed is None:
            return outcome
        for section_id in self._users.get(sample.tag, ()):
            for judgement in self._watches[section_id].add(believed):
                self._judge(section_id, judgement, outcome)
        outcome.alerts += self._alerts_of(outcome.leaks)
        return outcome

    def refuse(self, refusal: Refusal, now_s: float) -> None:
        """Take a reading of one of ``tags`` that was refused."""
        self._transmitters.refuse(refusal, now_s)

    def tick(self, now_s: float) -> Outcome:
        """Look once a second which transmitters can be judged by."""
        self._transmitters.tick(now_s)
        outcome = Outcome()
        faults = {tag: fault for tag in self._users if (fault := self._transmitters.fault(tag, now_s))}
        for tag in faults.keys() - self._faults.keys():
            users = " and ".join(self._users[tag])
            message = f"{faults[tag]}. It is not judged by: {users} without it"
            outcome.alerts += self._alerts.raise_("instrument", tag, "transmitter", "warning", message, now_s)
        for tag in self._faults.keys() - faults.keys():
            outcome.alerts += self._alerts.clear(tag, "transmitter", now_s)
        self._faults = faults
        misleading = frozenset(tag for tag in faults if self._transmitters.has_misled(tag))
        for section_id, watch in self._watches.items():
            for judgement in watch.go_without(frozenset(faults), misleading):
                self._judge(section_id, judgement, outcome)
        outcome.alerts += self._alerts_of(outcome.leaks)
        return outcome

    def _judge(self, section_id: str, judgement: Judgement, outcome: Outcome) -> None:
        outcome.leaks += [leak for leak in self._leaks.judge(section_id, judgement) if leak.is_certain]
        watch = self._watches[section_id]
        gains = self._gains[section_id] = dict(zip(watch.tags, judgement.reading_gains, strict=True))
        self._unlike_leak[section_id] = {tag: max(0.0, gain - judgement.leak_gain) for tag, gain in gains.items()}
        watch.hear_of({tag: sum(self._elsewhere(self._unlike_leak, section_id, tag)) for tag in watch.tags})
        # A transmitter that two sections use and that is wrong is wrong in both.
        agreed = [
            tag
            for tag, gain in gains.items()
            if all(there >= AGREED * gain for there in self._elsewhere(self._gains, section_id, tag))
        ]
        worst = max(agreed, key=gains.__getitem__, default="")
        if not worst or gains[worst] < max(gains.values()) - READING_GAIN or not self._leaks.is_sound(section_id):
            return
        advantage = gains[worst] - judgement.leak_gain
        if advantage > ACCUSED:
            self._transmitters.accuse(worst, judgement.stamp_s)
        elif advantage > -READING_GAIN and judgement.statistic > judgement.threshold and not judgement.found:
            self._transmitters.accuse(worst, judgement.stamp_s, UNDECIDED_S)

    def _elsewhere(self, gains: Mapping[str, Mapping[str, float]], section_id: str, tag: str) -> Iterator[float]:
        """What the other sections that use a tag, and can judge it, have of it."""
        others = (user for user in self._users[tag] if user != section_id)
        return (gains[user][tag] for user in others if tag in gains[user])

    def resolve(self, leak_id: uuid.UUID, resolved_by: str, note: str, stamp_s: float) -> Outcome:
        """Somebody says that a leak is repaired.

        Raises:
            UnknownLeakError, AlreadyRepairedError: see :meth:`LeakBook.resolve`.
        """
        leak = self._leaks.resolve(leak_id, resolved_by, note, stamp_s)
        if self._leaks.is_sound(leak.section):
            self._watches[leak.section].start_over()
        return Outcome([leak], self._alerts_of([leak]))

    def now(self, monotonic_s: float) -> PipelineNow:
        """How everything stands."""

        def is_stale(tag: str) -> bool:
            return self._readings.is_stale(tag, monotonic_s)

        open_leaks = self._leaks.open_leaks
        return PipelineNow(
            integrity_score=integrity_score(open_leaks),
            sections=[self._section_now(section, open_leaks, is_stale) for section in self._sections],
            profile=[
                PressureNow(tapping, self._value(tapping.tag), is_stale(tapping.tag)) for tapping in self._tappings
            ],
            open_leaks=open_leaks,
            suspected_leaks=self._leaks.suspects,
            recent_leaks=self._leaks.recent(),
            volume_lost_m3=self._leaks.volume_lost_m3,
        )

    def _section_now(self, section: Section, leaks: list[Leak], is_stale: Callable[[str], bool]) -> SectionNow:
        of_section = [leak for leak in leaks if leak.section == section.id]
        active = sum(leak.status == "active" for leak in of_section)
        flow_in, flow_out = (
            math.nan if is_stale(tag) else self._value(tag)
            for tag in (section.inlet.flow_rate, section.outlet.flow_rate)
        )
        condition = self._watches[section.id].condition(is_stale)
        return SectionNow(section.id, risk(of_section), condition, flow_in, flow_out, active)

    def _value(self, tag: str) -> float:
        sample = self._readings.newest(tag)
        return math.nan if sample is None else sample.value

    def _alerts_of(self, leaks: Iterable[Leak]) -> list[Alert]:
        alerts: list[Alert] = []
        for leak in leaks:
            if leak.status == "repaired":
                alerts += self._alerts.clear(leak.section, "leak", leak.stamp_s)
                continue
            severity = ALERT_SEVERITY[leak.severity] if leak.status == "active" else "info"
            message = f"{leak.section}: {leak.severity} leak {leak.status}, {leak.evidence}"
            alerts += self._alerts.raise_("section", leak.section, "leak", severity, message, leak.stamp_s)
        return alerts
