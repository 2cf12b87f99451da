"""What every node is: a lifecycle node that reads the rig file, guards its callbacks and reports its health."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from threading import Lock
from time import monotonic
from typing import Any, Literal, NamedTuple, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.action import ActionServer, CancelResponse
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.task import Future

from plainview_ros.assets import Rig, RigError, load_rig
from plainview_ros.ros import qos as profiles
from plainview_ros.ros import topics
from plainview_ros.ros.conversions import type_name
from plainview_ros.ros.drain import Drain, take_all
from plainview_ros.ros.refusals import Refusals
from plainview_ros.ros.settings import Setting, SettingsError
from plainview_ros.share import share_file

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # until Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

MessageT = TypeVar("MessageT")


@dataclass
class Health:
    """One line of a node's ``/diagnostics``."""

    name: str
    level: Literal["ok", "warn", "error"]
    message: str
    values: dict[str, object] = field(default_factory=dict)


class Listening(NamedTuple):
    """A subscription, and what it can receive."""

    topic: str
    subscription: Any
    type_name: str
    qos: QoSProfile

    def complaint(self, publisher: Any) -> str:
        """Why the messages of a publisher (``TopicEndpointInfo``) are never received; empty when they are."""
        if publisher.topic_type != self.type_name:
            return "has another message type"
        compatibility, _reason = qos_check_compatible(publisher.qos_profile, self.qos)
        return "has an incompatible QoS" if compatibility == QoSCompatibility.ERROR else ""


# What rclpy has by default for every endpoint, two events that the executor waits for at every turn, costs more than
# all else it waits for; who is not heard is found out once a second instead, see `_find_deaf_topics`.
NO_PUBLISHER_EVENTS = PublisherEventCallbacks(use_default_callbacks=False)
NO_SUBSCRIPTION_EVENTS = SubscriptionEventCallbacks(use_default_callbacks=False)

HEARD_WITHIN_S = 0.5
"""So long a node that ends waits for its last reliable messages to arrive; who was killed never says that they have."""

LEVELS = {"ok": DiagnosticStatus.OK, "warn": DiagnosticStatus.WARN, "error": DiagnosticStatus.ERROR}


class ModuleNode(LifecycleNode):  # type: ignore[misc]
    """Base of all nodes.

    A node says what it can be set to (``SETTINGS``), and in :meth:`build` what it subscribes to, publishes and times,
    with the methods below. They keep the life cycle: nothing is called unless the node is active, and all is undone by
    ``cleanup`` in reverse order.

    A callback that raises ``ValueError`` refuses its input: that is counted, logged with the reason and shown in
    ``/diagnostics``. Any other exception is a defect: logged with its traceback, and the node goes on. Not so where
    somebody waits for an answer (:meth:`serve`, :meth:`serve_action`): the answer says what it refuses, with an error
    code and a message, and ``ValueError`` is a defect like any other.

    All methods are called on the node's executor thread, but for :meth:`refuse` that any thread may call; other threads
    hand over by :meth:`from_threads`.
    """

    SETTINGS: Sequence[Setting] = ()

    COMMON_SETTINGS = (
        Setting("rig", "", "Path of the rig file; empty: the installed config/rig.yaml"),
        Setting("autostart", True, "Configure and activate at start instead of waiting for a lifecycle manager"),
    )

    rig: Rig

    def __init__(self, name: str, **options: Any) -> None:
        """Raises :class:`SettingsError` when a parameter has another type than its setting or is out of bounds."""
        super().__init__(name, **options)
        self._active = False
        self._undo: list[Callable[[], object]] = []
        self._set_before: dict[str, Any] = {}
        self._heard_until_s = 0.0
        self._refusals = Refusals()
        self._defects = 0
        self._defects_lock = Lock()
        self._listening: list[Listening] = []
        self._deaf_topics: dict[str, str] = {}
        self.ended: Future[int] = Future()
        try:
            for setting in (*self.COMMON_SETTINGS, *self.SETTINGS):
                self.declare_parameter(setting.name, setting.default, setting.descriptor())
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise SettingsError(f"{self.get_fully_qualified_name()}: {error}") from error
        self.add_on_set_parameters_callback(self._on_set_parameters)

    # -- for subclasses ------------------------------------------------------------------------------------------------

    def build(self) -> None:
        """Create everything, for ``self.rig``. Raise ``ValueError`` when a setting cannot be used."""
        raise NotImplementedError

    def health(self) -> list[Health]:
        """What is particular to this node in ``/diagnostics``, asked once a second."""
        return []

    def on_settings(self, changed: Mapping[str, Any]) -> None:
        """Go on with new values of live settings, by name; the others are as :meth:`setting` says.

        They are within their bounds, and set together or not at all: raise ``ValueError`` before anything is changed
        when they cannot be used, with each other or with the others.
        """

    def stand_down(self) -> None:
        """Finish or hand back what is under way: called before the node turns inactive, while it can still publish."""

    def setting(self, name: str) -> Any:
        """Value of a parameter."""
        return self.get_parameter(name).value

    @property
    def is_active(self) -> bool:
        return self._active

    def now_s(self) -> float:
        """The node's clock: ROS time in seconds, simulated when ``use_sim_time`` is set."""
        return float(self.get_clock().now().nanoseconds) / 1e9

    def subscribe(
        self,
        message_type: type[MessageT],
        topic: str,
        callback: Callable[[MessageT], object],
        qos: QoSProfile,
        drain: Drain | None = None,
    ) -> None:
        """Call ``callback`` with every message while active.

        Args:
            drain: takes the messages, and calls ``callback`` on its thread, instead of the executor.
        """
        deliver = self._guarded(topic, callback)

        def take(message: MessageT) -> None:
            deliver(message)
            take_rest()  # a turn of the executor costs ten times as much as a message

        subscription = self.create_subscription(
            message_type,
            topic,
            take,
            qos,
            event_callbacks=NO_SUBSCRIPTION_EVENTS,
            callback_group=drain.group if drain else None,
        )
        take_rest = self._guarded(topic, partial(take_all, subscription, deliver))
        listening = Listening(topic, subscription, type_name(message_type), qos)
        self._listening.append(listening)

        def undo() -> None:
            self._listening.remove(listening)
            self.destroy_subscription(subscription)

        self._undo.append(undo)
        if drain:
            drain.add(topic, subscription, deliver)

    def publisher(self, message_type: type[MessageT], topic: str, qos: QoSProfile) -> Callable[[MessageT], None]:
        """A function that publishes on a topic; silent while the node is inactive."""
        publisher = self.create_lifecycle_publisher(message_type, topic, qos, event_callbacks=NO_PUBLISHER_EVENTS)

        def undo() -> None:
            # What was told last, "the stroke has failed" maybe, would end with the publisher before it has arrived.
            left_s = self._heard_until_s - monotonic()
            if left_s > 0:
                publisher.wait_for_all_acked(Duration(seconds=left_s))
            self.destroy_lifecycle_publisher(publisher)

        self._undo.append(undo)
        publish: Callable[[MessageT], None] = publisher.publish
        return publish

    def every(self, period_s: float, callback: Callable[[], object], *, wall: bool = False) -> None:
        """Call ``callback`` periodically while active, on the node's clock or, with ``wall``, in real time."""
        clock = Clock(clock_type=ClockType.STEADY_TIME) if wall else self.get_clock()
        timer = self.create_timer(period_s, self._guarded("timer", callback), clock=clock)
        self._undo.append(lambda: self.destroy_timer(timer))

    def serve(self, service_type: Any, name: str, handler: Callable[[Any, Any], Any]) -> None:
        """Answer a service. It answers while inactive too: the handler says in its response what it cannot do.

        The response has ``error_code``, ``error_msg`` and a constant ``DEFECT``, with which a handler that raised
        (whatever it raised) is answered.
        """

        def guarded(request: Any, response: Any) -> Any:
            try:
                return handler(request, response)
            except Exception:
                self._report_defect(name)
                defect = service_type.Response.DEFECT
                return service_type.Response(error_code=defect, error_msg=f"{name} failed, see the node's log")

        service = self.create_service(service_type, name, guarded)
        self._undo.append(lambda: self.destroy_service(service))

    def serve_action(
        self,
        action_type: Any,
        name: str,
        execute: Callable[[Any], Awaitable[Any]],
        on_cancel: Callable[[Any], object],
        defect: Callable[[], Any],
    ) -> None:
        """Serve an action whose goals are all accepted and may be cancelled.

        Like :meth:`serve` it answers while inactive too.

        Args:
            execute: coroutine called with each goal handle; it ends the goal (succeed, abort, canceled) and returns the
                result. It may await an rclpy ``Future`` that another callback completes.
            on_cancel: called with the goal handle when a client wants to cancel; the goal is "canceling" from the next
                callback on.
            defect: makes the result of a goal whose ``execute`` raised; it is aborted.
        """

        async def guarded(goal: Any) -> Any:
            try:
                return await execute(goal)
            except Exception:
                self._report_defect(name)
                if goal.is_active:
                    goal.abort()
                return defect()

        def cancel(goal: Any) -> CancelResponse:
            try:
                on_cancel(goal)
            except Exception:
                self._report_defect(name)
                return CancelResponse.REJECT
            return CancelResponse.ACCEPT

        server = ActionServer(self, action_type, name, guarded, cancel_callback=cancel)
        self._undo.append(server.destroy)

    def from_threads(self, callback: Callable[[MessageT], object]) -> Callable[[MessageT], None]:
        """A function that any thread may call with a value: ``callback`` gets it on the executor thread while active.

        Threads that use it must have ended before cleanup comes to it: register their end after it.
        """
        values: SimpleQueue[MessageT] = SimpleQueue()
        guarded = self._guarded("hand-over", callback)

        def drain() -> None:
            while not values.empty():
                guarded(values.get())

        condition = self.create_guard_condition(drain)
        self._undo.append(lambda: self.destroy_guard_condition(condition))

        def hand_over(value: MessageT) -> None:
            values.put(value)
            condition.trigger()

        return hand_over

    def on_cleanup_do(self, undo: Callable[[], object]) -> None:
        """Register what must be undone for something built by other means (an action server, a thread)."""
        self._undo.append(undo)

    def finish(self, exit_code: int = 0) -> None:
        """End the process that :func:`plainview_ros.ros.process.run` runs this node in: it has nothing more to do."""
        if not self.ended.done():
            self.ended.set_result(exit_code)

    def refuse(self, subject: str, reason: str) -> None:
        """Count and log input that was not used; ``subject`` groups what is logged at most every ten seconds."""
        if self._refusals.add(subject, reason, monotonic()):
            self.get_logger().warning(f"refused: {reason}")

    # -- life cycle ----------------------------------------------------------------------------------------------------

    def start(self) -> bool:
        """Configure and activate if ``autostart`` is set; False when that failed (the log says why)."""
        if not self.setting("autostart"):
            return True
        success = TransitionCallbackReturn.SUCCESS
        return bool(self.trigger_configure() == success and self.trigger_activate() == success)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self._set_before = {item.name: self.setting(item.name) for item in self.SETTINGS if item.live}
            self.rig = load_rig(self.setting("rig") or share_file("config/rig.yaml"))
            self.build()
        except (RigError, FileNotFoundError, ValueError) as error:
            self.get_logger().error(str(error))
            self._dismantle()
            return TransitionCallbackReturn.FAILURE
        diagnostics = self.create_publisher(
            DiagnosticArray, topics.DIAGNOSTICS, profiles.DIAGNOSTICS, event_callbacks=NO_PUBLISHER_EVENTS
        )
        self._undo.append(lambda: self.destroy_publisher(diagnostics))

        def report() -> None:
            try:
                diagnostics.publish(self._diagnose())
            except Exception:
                self._report_defect("diagnostics")

        timer = self.create_timer(1.0, report, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._undo.append(lambda: self.destroy_timer(timer))
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = super().on_activate(state)
        self._active = True
        self.get_logger().info("active")
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stand_down()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._dismantle()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stand_down()
        self._dismantle()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        self._dismantle()
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()  # rclpy's keeps the node on the graph until it is garbage

    # -- inside --------------------------------------------------------------------------------------------------------

    def _stand_down(self) -> None:
        if self._active:
            self._guarded("deactivation", self.stand_down)()
        self._active = False

    def _dismantle(self) -> None:
        self._active = False
        self._heard_until_s = monotonic() + HEARD_WITHIN_S
        while self._undo:
            self._undo.pop()()

    def _guarded(self, subject: str, callback: Callable[..., object]) -> Callable[..., None]:
        def guarded(*arguments: Any) -> None:
            if not self._active:
                return
            try:
                callback(*arguments)
            except ValueError as error:
                self.refuse(subject, f"{subject}: {error}")
            except Exception:
                self._report_defect(subject)

        return guarded

    def _report_defect(self, subject: str) -> None:
        with self._defects_lock:
            self._defects += 1
        self.get_logger().error(f"defect in the callback of {subject}:\n{traceback.format_exc()}")

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Called by rclpy with what is to be set at once, after types and bounds were checked."""
        ours = {setting.name: setting for setting in (*self.COMMON_SETTINGS, *self.SETTINGS)}
        wanted = {parameter.name: parameter.value for parameter in parameters if parameter.name in ours}
        changed = {name: value for name, value in wanted.items() if value != self.setting(name)}
        if not self._undo or not wanted:
            return SetParametersResult(successful=True)
        fixed = sorted(name for name in wanted if not ours[name].live)
        if fixed:
            reason = f"{', '.join(fixed)}: can be changed only after the lifecycle transition cleanup"
            return SetParametersResult(successful=False, reason=reason)
        try:
            if changed:
                self.on_settings(changed)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        except Exception:
            self._report_defect("settings")
            reason = f"{', '.join(sorted(wanted))}: setting it failed, see the node's log"
            return SetParametersResult(successful=False, reason=reason)
        for name, value in changed.items():
            self.get_logger().info(f"{name}: {value}, was {self.setting(name)}")
        return SetParametersResult(successful=True)

    def _settings_health(self) -> list[Health]:
        """What of the live settings is no longer as it was at the start; nothing for a node that has none."""
        if not self._set_before:
            return []
        now = {name: self.setting(name) for name in self._set_before}
        moved = [f"{name} {now[name]}, was {was}" for name, was in self._set_before.items() if now[name] != was]
        return [Health("settings", "ok", "; ".join(moved) or "as at the start", dict(now))]

    def _find_deaf_topics(self) -> None:
        """Somebody publishes on a topic of ours but nothing will ever arrive: say so instead of staying silent."""
        before, self._deaf_topics = self._deaf_topics, {}
        for listening in self._listening:
            publishers = self.get_publishers_info_by_topic(listening.subscription.topic_name)
            why = next(filter(None, map(listening.complaint, publishers)), "")
            if why:
                self._deaf_topics[listening.topic] = why
                if listening.topic not in before:
                    self.refuse(
                        listening.topic, f"{listening.topic}: a publisher there {why}; its messages are not received"
                    )

    def _diagnose(self) -> DiagnosticArray:
        self._find_deaf_topics()
        complaints = "; ".join(f"{topic}: a publisher {why}" for topic, why in self._deaf_topics.items())
        if self._defects:
            inputs = Health("input", "error", f"{self._defects} callbacks failed, see the log")
        elif complaints:
            inputs = Health("input", "warn", complaints)
        elif self._refusals.recent(monotonic()):
            inputs = Health("input", "warn", f"refused: {self._refusals.last}")
        else:
            inputs = Health("input", "ok", "nothing refused lately" if self._active else "inactive")
        inputs.values = {"refused": self._refusals.count, "last refusal": self._refusals.last, "defects": self._defects}
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        array.status = [
            DiagnosticStatus(
                level=LEVELS[health.level],
                name=f"{self.get_name()}: {health.name}",
                message=health.message,
                hardware_id=self.rig.name,
                values=[KeyValue(key=key, value=str(value)) for key, value in health.values.items()],
            )
            for health in (inputs, *self._settings_health(), *self.health())
        ]
        return array
