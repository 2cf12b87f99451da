"""The life of a leak: found, growing or shrinking, contained, repaired."""

from __future__ import annotations

import math
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal

from plainview_ros.assets import Pipeline
from plainview_ros.pipeline_guard.detector import Judgement
from plainview_ros.pipeline_guard.location import Fit

Severity = Literal["minor", "major", "critical"]
Status = Literal["suspected", "active", "contained", "repaired", "dismissed"]

SEVERITIES: tuple[Severity, ...] = ("minor", "major", "critical")


@dataclass(frozen=True)
class SeverityLimits:
    """Rate of a leak as a share of the flow. A severity is left downwards ``deadband`` of its limit below it.

    On the default rig the rate of a steady leak, a mean over 30 s, wanders with a standard deviation of 0.03 to 0.1 %
    of the flow (measured, 15 leaks of 1.8 to 5 %). The deadband is 0.4 % of the flow at the lower limit and 1 % at the
    upper one: more than six times that.
    """

    major: float = 0.02
    critical: float = 0.05
    deadband: float = 0.2

    def __post_init__(self) -> None:
        if not self.major < self.critical:
            raise ValueError(f"severity limits: major ({self.major:g}) must be below critical ({self.critical:g})")

    def severity(self, share: float, before: Severity = "minor") -> Severity:
        """Severity of a share, given the severity until now."""
        keep = 1 - self.deadband
        if share >= self.critical * (keep if before == "critical" else 1):
            return "critical"
        if share >= self.major * (1 if before == "minor" else keep):
            return "major"
        return "minor"


@dataclass(frozen=True, slots=True)
class Leak:
    """One leak at one moment."""

    section: str
    severity: Severity
    worst: Severity
    """The gravest since it began."""
    status: Status
    stamp_s: float
    """Of the judgement that this is the state after."""
    detected_at_s: float
    onset_s: float
    """When it began, as far as can be told."""
    rate_m3s: float
    rate_std_m3s: float
    volume_m3: float
    """Lost since it began, as far as it was measured: not while the section's instruments were silent."""
    volume_std_m3: float
    position_m: float
    """From the inlet of the pipeline; NaN: only the section is known."""
    position_std_m: float
    latitude: float
    longitude: float
    statistic: float
    """Size by its standard deviation when it was found [1]."""
    threshold: float
    """What that had to reach [1]."""
    window_s: float
    """Over which it was found."""
    evidence: str
    leak_id: uuid.UUID = field(default_factory=uuid.uuid4)
    event_id: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def is_certain(self) -> bool:
        """Whether it is, or was, more than a suspicion."""
        return self.status not in ("suspected", "dismissed")

    @property
    def is_located(self) -> bool:
        return not math.isnan(self.position_m)


class UnknownLeakError(ValueError):
    """No leak with this id is remembered."""


class AlreadyRepairedError(ValueError):
    """The leak was resolved before."""

    def __init__(self, leak: Leak) -> None:
        super().__init__(f"leak {leak.leak_id} of {leak.section} is already repaired")
        self.leak = leak


class LeakBook:
    """The leaks of one pipeline.

    A leak is suspected when the evidence is nearly complete, and dismissed when it dwindles; active when it is
    complete, contained when nothing is missing any more and active again when it is, and ends when somebody says that
    it is repaired. What is found later in a section with open leaks is another leak when it is at another place, and
    otherwise the same one grown. The balance of a section sees the sum of its leaks only: what changes is put down to
    the newest.
    """

    REMEMBERED = 1000
    """Ended leaks whose ids are still known."""
    SUSPECTED, DISMISSED = 0.85, 0.5
    """Share of the threshold at which a leak is suspected, and below which the suspicion is dropped."""
    SETTLING_S = 10.0
    """For which nothing is missing before a leak is contained, and something before it is active again."""
    LOCATED_STD = 0.02
    """Share of the section's length: a place as certain as that is told."""
    LOCATED_S = 30.0
    """After this time the place is told anyway, if it is known better than :attr:`VAGUE_STD`."""
    VAGUE_STD = 0.25
    SAME_PLACE = 0.05
    """Share of the section's length within which two leaks are the same, and no less than three standard deviations."""
    YOUNG_S = 120.0
    """For which the rate of a leak is that of its fit: the balance's mean still knows the time before."""

    def __init__(self, pipeline: Pipeline, limits: SeverityLimits) -> None:
        self._pipeline = pipeline
        self._limits = limits
        self._open: dict[str, list[Leak]] = {}
        self._suspects: dict[str, Leak] = {}
        self._changing_s: dict[str, float] = {}
        self._ended: deque[Leak] = deque(maxlen=self.REMEMBERED)
        self._ended_volume_m3 = 0.0

    @property
    def open_leaks(self) -> list[Leak]:
        """Active and contained, oldest first."""
        return sorted((leak for leaks in self._open.values() for leak in leaks), key=lambda leak: leak.detected_at_s)

    @property
    def suspects(self) -> list[Leak]:
        return list(self._suspects.values())

    @property
    def volume_lost_m3(self) -> float:
        """By all leaks since the start."""
        return self._ended_volume_m3 + sum(leak.volume_m3 for leak in self.open_leaks)

    def recent(self, count: int = 10) -> list[Leak]:
        """The last that were repaired, newest first."""
        return list(islice((leak for leak in self._ended if leak.status == "repaired"), count))

    def is_sound(self, section_id: str) -> bool:
        """Whether no leak of the section is open."""
        return not self._open.get(section_id)

    def judge(self, section_id: str, judgement: Judgement) -> list[Leak]:
        """Follow one judgement of a section; the transitions it causes, if any."""
        if judgement.found and judgement.fit is not None and not self._is_known(section_id, judgement.fit):
            return [self._found(section_id, judgement)]
        if self.is_sound(section_id):
            return self._doubted(section_id, judgement)
        return self._followed(section_id, judgement)

    def resolve(self, leak_id: uuid.UUID, resolved_by: str, note: str, stamp_s: float) -> Leak:
        """End a leak that somebody says is repaired.

        Raises:
            UnknownLeakError: no leak has this id.
            AlreadyRepairedError: it had ended before.
        """
        for ended in self._ended:
            if ended.leak_id == leak_id:
                raise AlreadyRepairedError(ended)
        leak = next((leak for leak in self.open_leaks if leak.leak_id == leak_id), None)
        if leak is None:
            raise UnknownLeakError(f"no leak has the id {leak_id}")
        evidence = f"resolved by {resolved_by or 'somebody unnamed'}{': ' if note else ''}{note}"
        repaired = _changed(leak, status="repaired", rate_m3s=0.0, rate_std_m3s=0.0, stamp_s=stamp_s, evidence=evidence)
        self._open[leak.section].remove(leak)
        self._ended.appendleft(repaired)
        self._ended_volume_m3 += repaired.volume_m3
        return repaired

    # -- beginning -----------------------------------------------------------------------------------------------------

    def _doubted(self, section_id: str, judgement: Judgement) -> list[Leak]:
        """Suspect a leak, or drop the suspicion."""
        share, suspect = judgement.statistic / judgement.threshold, self._suspects.get(section_id)
        if suspect is None and share >= self.SUSPECTED:
            self._suspects[section_id] = self._begin(section_id, judgement, "suspected", f"perhaps {_size(judgement)}")
            return [self._suspects[section_id]]
        if suspect is not None and share < self.DISMISSED:
            del self._suspects[section_id]
            dismissed = _changed(
                suspect, status="dismissed", stamp_s=judgement.stamp_s, rate_m3s=0.0, evidence="it was nothing"
            )
            self._ended.appendleft(dismissed)
            return [dismissed]
        return []

    def _found(self, section_id: str, judgement: Judgement) -> Leak:
        suspect = self._suspects.pop(section_id, None)
        certainty = f"{judgement.statistic:.1f} times its uncertainty"
        evidence = f"{_size(judgement)}, {certainty}, within {judgement.age_s:.0f} s"
        leak = self._begin(section_id, judgement, "active", evidence)
        if suspect is not None:
            leak = replace(leak, leak_id=suspect.leak_id)
        leak = self._located(leak, judgement)
        self._open.setdefault(section_id, []).append(leak)
        self._changing_s[section_id] = 0.0
        return leak

    def _begin(self, section_id: str, judgement: Judgement, status: Status, evidence: str) -> Leak:
        section = next(section for section in self._pipeline.sections if section.id == section_id)
        middle = self._pipeline.place_at(self._pipeline.start_of(section_id) + section.length_m / 2)
        severity = self._limits.severity(_share(judgement.size_m3s, judgement))
        volume_s = judgement.age_s
        return Leak(
            section=section_id,
            severity=severity,
            worst=severity,
            status=status,
            stamp_s=judgement.stamp_s,
            detected_at_s=judgement.stamp_s,
            onset_s=judgement.stamp_s - judgement.age_s,
            rate_m3s=judgement.size_m3s,
            rate_std_m3s=judgement.size_std_m3s,
            volume_m3=judgement.size_m3s * volume_s,
            volume_std_m3=judgement.size_std_m3s * volume_s,
            position_m=math.nan,
            position_std_m=math.nan,
            latitude=middle.latitude,
            longitude=middle.longitude,
            statistic=judgement.statistic,
            threshold=judgement.threshold,
            window_s=judgement.age_s,
            evidence=evidence,
        )

    def _is_known(self, section_id: str, fit: Fit) -> bool:
        """Whether what was found is a leak that is open: it is at its place, or that was contained and is back."""
        section = next(section for section in self._pipeline.sections if section.id == section_id)
        position_m = self._pipeline.start_of(section_id) + fit.place * section.length_m
        for leak in self._open.get(section_id, ()):
            apart = abs(position_m - leak.position_m)
            std_m = math.hypot(fit.place_std * section.length_m, leak.position_std_m)
            if (
                not leak.is_located
                or leak.status == "contained"
                or apart <= max(self.SAME_PLACE * section.length_m, 3 * std_m)
            ):
                return True
        return False

    # -- following -----------------------------------------------------------------------------------------------------

    def _followed(self, section_id: str, judgement: Judgement) -> list[Leak]:
        leaks = self._open[section_id]
        newest = leaks[-1]
        others_m3s = sum(leak.rate_m3s for leak in leaks[:-1])
        missing_m3s = judgement.imbalance_m3s - others_m3s
        if judgement.is_fresh and judgement.stamp_s - newest.detected_at_s < self.YOUNG_S:
            growing_m3s = judgement.fit.now_m3s if judgement.fit is not None else None
            missing_m3s = newest.rate_m3s if growing_m3s is None else judgement.accounted_m3s + growing_m3s - others_m3s
        status = self._status(section_id, newest, missing_m3s, judgement)
        active = status == "active"
        rate_m3s = max(0.0, missing_m3s) if active else 0.0
        severity = newest.severity
        if active and not self._changing_s[section_id]:
            severity = self._limits.severity(_share(rate_m3s, judgement), severity)
        after = replace(
            newest,
            stamp_s=judgement.stamp_s,
            status=status,
            severity=severity,
            worst=max(newest.worst, severity, key=SEVERITIES.index),
            rate_m3s=rate_m3s,
            rate_std_m3s=judgement.imbalance_std_m3s,
            volume_m3=newest.volume_m3 + rate_m3s * judgement.step_s,
            volume_std_m3=newest.volume_std_m3 + judgement.imbalance_std_m3s * judgement.step_s * active,
        )
        after = self._located(after, judgement)
        change = _change(newest, after, judgement)
        if change:
            after = _changed(after, evidence=change)
        leaks[-1] = after
        for n, leak in enumerate(leaks[:-1]):
            leaks[n] = replace(
                leak, stamp_s=judgement.stamp_s, volume_m3=leak.volume_m3 + leak.rate_m3s * judgement.step_s
            )
        return [after] if change else []

    def _status(self, section_id: str, leak: Leak, missing_m3s: float, judgement: Judgement) -> Status:
        """Contained when nothing has been missing for a while, active again when something has."""
        least_m3s = min(judgement.detectable_m3s, 0.5 * leak.rate_m3s) if leak.rate_m3s else judgement.detectable_m3s
        otherwise = missing_m3s < least_m3s / 2 if leak.status == "active" else missing_m3s > least_m3s
        is_young = judgement.stamp_s - leak.detected_at_s < self.YOUNG_S and judgement.is_fresh
        if is_young or not otherwise:
            self._changing_s[section_id] = 0.0
            return leak.status
        self._changing_s[section_id] += judgement.step_s
        if self._changing_s[section_id] < self.SETTLING_S:
            return leak.status
        self._changing_s[section_id] = 0.0
        return "contained" if leak.status == "active" else "active"

    def _located(self, leak: Leak, judgement: Judgement) -> Leak:
        """The leak with its place, when that is certain enough to be told, or better known than before."""
        fit = judgement.fit
        since_s = judgement.stamp_s - leak.detected_at_s
        if fit is None:
            return leak
        certain = fit.place_std <= self.LOCATED_STD or (since_s >= self.LOCATED_S and fit.place_std <= self.VAGUE_STD)
        if not certain and not leak.is_located:
            return leak
        section = next(section for section in self._pipeline.sections if section.id == leak.section)
        position_m = self._pipeline.start_of(section.id) + fit.place * section.length_m
        place = self._pipeline.place_at(position_m)
        return replace(
            leak,
            position_m=position_m,
            position_std_m=fit.place_std * section.length_m,
            latitude=place.latitude,
            longitude=place.longitude,
            onset_s=judgement.stamp_s - fit.age_s,
        )


def _changed(leak: Leak, **fields: Any) -> Leak:
    """A transition of a leak."""
    return replace(leak, event_id=uuid.uuid4(), **fields)


def _share(rate_m3s: float, judgement: Judgement) -> float:
    """Rate as a share of what the section carries or usually carries: closing it in makes a leak no worse."""
    flow_m3s = max(judgement.flow_m3s, judgement.usual_flow_m3s)
    return rate_m3s / flow_m3s if flow_m3s > 0 else math.inf


def _size(judgement: Judgement, rate_m3s: float | None = None) -> str:
    rate_m3s = judgement.size_m3s if rate_m3s is None else rate_m3s
    return f"{rate_m3s:.3g} m3/s, {_share(rate_m3s, judgement):.1%} of the flow"


def _change(before: Leak, after: Leak, judgement: Judgement) -> str:
    """What a transition is about, as a sentence for the operator; empty when there is none."""
    if after.status != before.status:
        if after.status == "contained":
            return f"nothing is missing any more, {after.volume_m3:.3g} m3 are lost"
        return f"volume is missing again, {_size(judgement, after.rate_m3s)}"
    if after.severity != before.severity:
        return f"was {before.severity}, is {after.severity}: {_size(judgement, after.rate_m3s)}"
    if after.is_located and not before.is_located:
        return (
            f"located at {after.position_m:.0f} m +- {after.position_std_m:.0f} m: {_size(judgement, after.rate_m3s)}"
        )
    return ""
