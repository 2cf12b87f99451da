"""The pipeline_guard node: watches the pipeline's sections for leaks."""

from __future__ import annotations

import sys
from dataclasses import fields
from time import monotonic
from typing import Any

from plainview_ros.msg import Alert as AlertMsg
from plainview_ros.msg import Leak as LeakMsg
from plainview_ros.msg import PipelineState, PressurePoint, SectionState
from plainview_ros.pipeline_guard.leaks import AlreadyRepairedError, Leak, SeverityLimits, UnknownLeakError
from plainview_ros.pipeline_guard.pipeline import Outcome, PipelineGuard, PressureNow, SectionNow
from plainview_ros.pipeline_guard.watch import Sensitivity
from plainview_ros.ros import qos, topics
from plainview_ros.ros.conversions import alert_message, constant, date_stamp, from_uuid_msg, to_stamp, to_uuid_msg
from plainview_ros.ros.instruments import InstrumentFeed
from plainview_ros.ros.node import Health, ModuleNode
from plainview_ros.ros.process import run
from plainview_ros.ros.settings import Setting
from plainview_ros.samples import Refusal, Sample
from plainview_ros.srv import ResolveLeak

STATE_PERIOD_S = 1.0


class PipelineGuardNode(ModuleNode):
    SETTINGS = (
        Setting("step_s", Sensitivity.step_s, "Wanted time step of the line model [s]", 0.02, 10.0),
        Setting("cadence_s", Sensitivity.cadence_s, "Wanted time between two judgements of a section [s]", 0.1, 60.0),
        Setting("window_s", Sensitivity.window_s, "A leak may have begun so long ago [s]", 60.0, 86_400.0),
        Setting(
            "smallest_leak",
            Sensitivity.smallest_leak,
            "Leak to be found, as a share of the flow: less than half of it is none [1]",
            0.0001,
            0.5,
        ),
        Setting(
            "false_alarm_interval_d",
            Sensitivity.false_alarm_interval_d,
            "Mean time between two false alarms of one section caused by noise [d]",
            0.1,
            36_500.0,
        ),
        Setting("learning_s", Sensitivity.learning_s, "Steady flow seen before the watch begins [s]", 5.0, 86_400.0),
        Setting(
            "memory_s",
            Sensitivity.memory_s,
            "The constant error of the meters is learned over this time [s]",
            1.0,
            604_800.0,
        ),
        Setting(
            "meter_wander",
            Sensitivity.meter_wander,
            "Wandering of a healthy instrument's error as a share of the standard deviation of its readings [1]",
            0.0,
            10.0,
        ),
        Setting("wave_speed_doubt", Sensitivity.wave_speed_doubt, "Wave speed may be off by this share [1]", 0.0, 0.5),
        Setting(
            "impedance_doubt",
            Sensitivity.impedance_doubt,
            "Density times wave speed over area may be off by this share [1]",
            0.0,
            0.5,
        ),
        Setting(
            "friction_doubt",
            Sensitivity.friction_doubt,
            "The friction may be off by this share when the flow has changed [1]",
            0.0,
            1.0,
        ),
        Setting(
            "meter_gain_doubt",
            Sensitivity.meter_gain_doubt,
            "A meter may be off by this share of a change of flow [1]",
            0.0,
            0.5,
        ),
        Setting("clock_skew_s", Sensitivity.clock_skew_s, "Two stamps may disagree so far [s]", 0.0, 10.0),
        Setting("major", SeverityLimits.major, "A leak of this share of the flow is major [1]", 0.0, 1.0),
        Setting("critical", SeverityLimits.critical, "A leak of this share of the flow is critical [1]", 0.0, 1.0),
        Setting(
            "deadband",
            SeverityLimits.deadband,
            "A severity is left downwards at this share below its limit [1]",
            0.0,
            0.9,
        ),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__("pipeline_guard", **options)

    def build(self) -> None:
        sensitivity = Sensitivity(**{field.name: self.setting(field.name) for field in fields(Sensitivity)})
        limits = SeverityLimits(**{field.name: self.setting(field.name) for field in fields(SeverityLimits)})
        self._guard = PipelineGuard(self.rig, sensitivity, limits)
        self._publish_states = self.publisher(PipelineState, topics.PIPELINE_STATE, qos.STATE)
        self._publish_leak = self.publisher(LeakMsg, topics.PIPELINE_LEAKS, qos.EVENT)
        self._publish_alert = self.publisher(AlertMsg, topics.ALERTS, qos.EVENT)
        InstrumentFeed(self, self._guard.tags, self._on_sample, self._on_refused)
        self.serve(ResolveLeak, topics.RESOLVE_LEAK, self._resolve)
        # On the wall clock, so that values still turn stale when a simulation's clock stands.
        self.every(STATE_PERIOD_S, self._look, wall=True)

    def health(self) -> list[Health]:
        sections = self._guard.now(monotonic()).sections
        impaired = [f"{section.id} {section.condition.guard}" for section in sections if section.condition.reason]
        values: dict[str, object] = {section.id: section.condition.reason or "watching" for section in sections}
        impeded = any(section.condition.guard in ("blind", "degraded") for section in sections)
        return [Health("sections", "warn" if impeded else "ok", ", ".join(impaired) or "all watched", values)]

    def _on_sample(self, sample: Sample) -> None:
        self._tell(self._guard.add(sample, self.now_s(), monotonic()))

    def _on_refused(self, refusal: Refusal) -> None:
        self._guard.refuse(refusal, self.now_s())

    def _look(self) -> None:
        """Which transmitters can be judged by, and how everything stands."""
        self._tell(self._guard.tick(self.now_s()))
        self._publish_state()

    def _resolve(self, request: ResolveLeak.Request, response: ResolveLeak.Response) -> ResolveLeak.Response:
        try:
            outcome = self._guard.resolve(
                from_uuid_msg(request.leak_id), request.resolved_by, request.note, self.now_s()
            )
        except UnknownLeakError as error:
            response.error_code, response.error_msg = ResolveLeak.Response.UNKNOWN_LEAK, str(error)
        except AlreadyRepairedError as error:
            response.error_code, response.error_msg = ResolveLeak.Response.ALREADY_REPAIRED, str(error)
            response.leak = leak_message(error.leak)
        else:
            response.leak = leak_message(outcome.leaks[0])
            self._tell(outcome)
        return response

    def _tell(self, outcome: Outcome) -> None:
        for leak in outcome.leaks:
            self.get_logger().warning(f"{leak.section}: {leak.severity} leak {leak.status}, {leak.evidence}")
            self._publish_leak(leak_message(leak))
        for alert in outcome.alerts:
            self._publish_alert(alert_message(alert))
        if outcome.leaks:
            self._publish_state()

    def _publish_state(self) -> None:
        now = self._guard.now(monotonic())
        state = PipelineState(
            integrity_score=now.integrity_score,
            sections=[section_message(section) for section in now.sections],
            profile=[pressure_message(pressure) for pressure in now.profile],
            open_leaks=[leak_message(leak) for leak in now.open_leaks],
            suspected_leaks=[leak_message(leak) for leak in now.suspected_leaks],
            recent_leaks=[leak_message(leak) for leak in now.recent_leaks],
            volume_lost_m3=now.volume_lost_m3,
            last_inspection=date_stamp(self.rig.pipeline.last_inspection),
            maintenance_due=date_stamp(self.rig.pipeline.maintenance_due),
        )
        state.header.stamp = self.get_clock().now().to_msg()
        self._publish_states(state)


def section_message(section: SectionNow) -> SectionState:
    condition = section.condition
    return SectionState(
        id=section.id,
        risk=constant(SectionState, "risk", section.risk),
        guard=constant(SectionState, "guard", condition.guard),
        guard_reason=condition.reason,
        flow_in_m3s=section.flow_in_m3s,
        flow_out_m3s=section.flow_out_m3s,
        imbalance_m3s=condition.imbalance_m3s,
        threshold_m3s=condition.threshold_m3s,
        window_s=condition.window_s,
        active_leaks=section.active_leaks,
    )


def pressure_message(pressure: PressureNow) -> PressurePoint:
    return PressurePoint(
        tag=pressure.tapping.tag,
        location=pressure.tapping.location,
        position_m=pressure.tapping.position_m,
        pressure_pa=pressure.pressure_pa,
        stale=pressure.stale,
    )


def leak_message(leak: Leak) -> LeakMsg:
    message = LeakMsg(
        event_id=to_uuid_msg(leak.event_id),
        leak_id=to_uuid_msg(leak.leak_id),
        section=leak.section,
        severity=constant(LeakMsg, "severity", leak.severity),
        status=constant(LeakMsg, "status", leak.status),
        rate_m3s=leak.rate_m3s,
        rate_std_m3s=leak.rate_std_m3s,
        volume_m3=leak.volume_m3,
        volume_std_m3=leak.volume_std_m3,
        position_m=leak.position_m,
        position_std_m=leak.position_std_m,
        latitude=leak.latitude,
        longitude=leak.longitude,
        detected_at=to_stamp(leak.detected_at_s),
        began_at=to_stamp(leak.onset_s),
        statistic=leak.statistic,
        threshold=leak.threshold,
        window_s=leak.window_s,
        evidence=leak.evidence,
    )
    message.header.stamp = to_stamp(leak.stamp_s)
    return message


def main() -> int:
    return run(PipelineGuardNode)


if __name__ == "__main__":
    sys.exit(main())
