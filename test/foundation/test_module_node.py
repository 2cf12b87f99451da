"""What every node does whatever it is about: one node on a real graph whose callbacks fail on demand."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.parameter import Parameter
from rclpy.task import Future
from std_msgs.msg import String

from plainview_ros.action import ActuateValve
from plainview_ros.ros import qos, topics
from plainview_ros.ros.node import Health, ModuleNode
from plainview_ros.ros.process import Spinner
from plainview_ros.ros.settings import Setting
from plainview_ros.srv import ClearFault
from ros_graph import DEADLINE_S, Graph, Inbox

DEFECT = ActuateValve.Result.DEFECT


class Clumsy(ModuleNode):
    """Does what its input says, also when that is to fail."""

    SETTINGS = (
        Setting("limit", 1.0, "A bounded number [1]", low=0.0, high=2.0),
        Setting("lower", 1.0, "Below the upper one [1]", low=0.0, high=10.0, live=True),
        Setting("upper", 2.0, "Above the lower one [1]", low=0.0, high=10.0, live=True),
    )

    def __init__(self, **options: Any) -> None:
        super().__init__("clumsy", **options)
        self.is_ill = False
        self.was_asked_while_ill = threading.Event()
        self.told: list[dict[str, Any]] = []

    def build(self) -> None:
        self._ended = Future()
        self._echo = self.publisher(String, "echo", qos.EVENT)
        self.subscribe(String, "input", self._on_input, qos.COMMAND)
        self.serve(ClearFault, "clear", self._clear)
        self.serve_action(ActuateValve, "act", self._act, self._cancel, lambda: ActuateValve.Result(error_code=DEFECT))

    def health(self) -> list[Health]:
        if self.is_ill:
            self.was_asked_while_ill.set()
            raise RuntimeError("no health")
        return [Health("self", "ok", "well")]

    def on_settings(self, changed: Mapping[str, Any]) -> None:
        lower, upper = (changed.get(name, self.setting(name)) for name in ("lower", "upper"))
        if upper == 7.0:
            raise RuntimeError("a bug")
        if lower > upper:
            raise ValueError(f"lower must not be above upper, found {lower:g} and {upper:g}")
        self.told.append(dict(changed))

    def stand_down(self) -> None:
        self._echo(String(data="standing down"))

    def _on_input(self, message: String) -> None:
        if message.data == "bad":
            raise ValueError("bad is not good")
        if message.data == "defect":
            raise RuntimeError("a bug")
        self.is_ill = message.data == "ill"
        self._echo(message)

    def _clear(self, request: ClearFault.Request, response: ClearFault.Response) -> ClearFault.Response:
        response.cleared = int(request.fault_id)
        return response

    async def _act(self, goal: Any) -> ActuateValve.Result:
        if goal.request.valve_id == "defect":
            raise RuntimeError("a bug in the action")
        goal.publish_feedback(ActuateValve.Feedback())
        await self._ended
        goal.canceled()
        return ActuateValve.Result(error_code=ActuateValve.Result.CANCELED)

    def _cancel(self, goal: Any) -> None:
        if goal.request.reason == "defect":
            raise RuntimeError("a bug in the cancellation")
        self._ended.set_result(None)


class Bench:
    """The clumsy node and the two ends of what it is connected to."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.input = graph.publisher(String, "input", qos.COMMAND)
        self.echo = graph.collect(String, "echo", qos.EVENT)
        self.diagnostics = graph.collect(DiagnosticArray, topics.DIAGNOSTICS, qos.COMMAND)
        self.client = graph.action_client(ActuateValve, "act")

    def input_status(self, level: bytes) -> DiagnosticStatus:
        message = self.diagnostics.wait_for_next(lambda m: m.status[0].level == level, f"diagnostics {level!r}")
        return message.status[0]

    def is_alive(self) -> None:
        self.input.publish(String(data="alive"))
        self.echo.wait_for_next(lambda m: m.data == "alive")

    def send(self, valve_id: str, reason: str = "") -> tuple[Any, Inbox]:
        assert self.client.wait_for_server(DEADLINE_S)
        feedback = Inbox("feedback")
        goal = ActuateValve.Goal(valve_id=valve_id, reason=reason)
        return self.graph.result(self.client.send_goal_async(goal, feedback_callback=feedback.put)), feedback


@pytest.fixture
def node(graph: Graph) -> Iterator[Clumsy]:
    spinner = Spinner(node := Clumsy(context=graph.context))
    assert spinner.start()
    yield node
    spinner.stop()


@pytest.fixture
def bench(graph: Graph, node: Clumsy) -> Bench:
    return Bench(graph)


def test_refused_input_is_counted_and_shown_in_diagnostics(bench: Bench) -> None:
    bench.input.publish(String(data="bad"))
    status = bench.input_status(DiagnosticStatus.WARN)
    assert status.name == "clumsy: input"
    assert status.message == "refused: input: bad is not good"
    assert {pair.key: pair.value for pair in status.values}["refused"] == "1"
    bench.is_alive()


def test_defect_in_a_callback_is_shown_as_an_error_and_the_node_goes_on(bench: Bench) -> None:
    bench.input.publish(String(data="defect"))
    assert "1 callbacks failed" in bench.input_status(DiagnosticStatus.ERROR).message
    bench.is_alive()


def test_defect_in_the_diagnostics_themselves_does_not_end_the_node(
    bench: Bench, node: Clumsy, deadline_s: float
) -> None:
    bench.input.publish(String(data="ill"))
    assert node.was_asked_while_ill.wait(deadline_s)
    bench.is_alive()  # and well again
    assert "callbacks failed" in bench.input_status(DiagnosticStatus.ERROR).message


def test_defect_in_a_service_is_answered_as_one(bench: Bench) -> None:
    good = bench.graph.call(ClearFault, "clear", ClearFault.Request(fault_id="3"))
    assert (good.error_code, good.cleared) == (0, 3)
    bad = bench.graph.call(ClearFault, "clear", ClearFault.Request(fault_id="three"))
    assert (bad.error_code, bad.error_msg) == (ClearFault.Response.DEFECT, "clear failed, see the node's log")
    bench.is_alive()


def test_defect_in_an_action_aborts_the_goal(bench: Bench) -> None:
    handle, _ = bench.send("defect")
    answer = bench.graph.result(handle.get_result_async())
    assert (answer.status, answer.result.error_code) == (GoalStatus.STATUS_ABORTED, DEFECT)
    bench.is_alive()


def test_goal_waits_for_a_callback_and_can_be_canceled_by_its_client(bench: Bench) -> None:
    handle, feedback = bench.send("v-101")
    feedback.wait_for()
    bench.is_alive()  # while the goal waits
    assert bench.graph.result(handle.cancel_goal_async()).goals_canceling
    answer = bench.graph.result(handle.get_result_async())
    assert (answer.status, answer.result.error_code) == (GoalStatus.STATUS_CANCELED, ActuateValve.Result.CANCELED)


def test_defect_in_a_cancellation_refuses_it(bench: Bench) -> None:
    handle, feedback = bench.send("v-101", reason="defect")
    feedback.wait_for()
    assert not bench.graph.result(handle.cancel_goal_async()).goals_canceling
    bench.is_alive()


def test_publisher_that_cannot_be_heard_is_named_until_it_leaves(bench: Bench) -> None:
    bench.is_alive()
    silent = PublisherEventCallbacks(use_default_callbacks=False)  # rclpy's own warn with a deprecated function
    stranger = bench.graph.node.create_publisher(String, "input", qos.SENSOR, event_callbacks=silent)
    bench.diagnostics.wait_for(
        lambda m: m.status[0].message == "input: a publisher has an incompatible QoS", "the mismatch"
    )
    bench.graph.node.destroy_publisher(stranger)
    bench.diagnostics.wait_for_next(lambda m: m.status[0].message.startswith("refused: "), "report without it")
    bench.is_alive()


def test_destroyed_node_has_left_the_graph(graph: Graph) -> None:
    spinner = Spinner(Clumsy(context=graph.context))
    assert spinner.start()
    assert "clumsy" in graph.node.get_node_names()
    spinner.stop()
    assert "clumsy" not in graph.node.get_node_names()


def test_node_stands_down_once_while_it_can_still_publish(bench: Bench) -> None:
    bench.is_alive()
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_INACTIVE_SHUTDOWN):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert bench.graph.call(ChangeState, "clumsy/change_state", request).success
        bench.echo.wait_for(lambda m: m.data == "standing down")
    assert [m.data for m in bench.echo.messages].count("standing down") == 1


@pytest.mark.parametrize(
    ("value", "reason"), [(3.0, "out of"), ("much", "type"), (1.5, "limit: can be changed only after")]
)
def test_setting_is_bounded_typed_and_fixed_while_configured(bench: Bench, value: Any, reason: str) -> None:
    request = SetParameters.Request(parameters=[Parameter("limit", value=value).to_parameter_msg()])
    [result] = bench.graph.call(SetParameters, "clumsy/set_parameters", request).results
    assert not result.successful
    assert reason in result.reason.lower()


def set_together(bench: Bench, **values: Any) -> Any:
    parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    request = SetParametersAtomically.Request(parameters=parameters)
    return bench.graph.call(SetParametersAtomically, "clumsy/set_parameters_atomically", request).result


def test_live_settings_are_used_at_once_and_shown(bench: Bench, node: Clumsy) -> None:
    status = bench.diagnostics.wait_for(lambda m: m.status[1].name == "clumsy: settings", "settings").status[1]
    assert status.message == "as at the start"
    assert set_together(bench, lower=4.0, upper=5.0).successful
    assert set_together(bench, lower=4.0).successful
    assert node.told == [{"lower": 4.0, "upper": 5.0}], "what stays as it is, is not told"
    shown = bench.diagnostics.wait_for(lambda m: m.status[1].message != "as at the start", "changed settings").status[1]
    assert shown.message == "lower 4.0, was 1.0; upper 5.0, was 2.0"
    assert {pair.key: pair.value for pair in shown.values} == {"lower": "4.0", "upper": "5.0"}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"lower": 3.0}, "lower must not be above upper, found 3 and 2"),
        ({"upper": 5.0, "lower": 6.0}, "lower must not be above upper, found 6 and 5"),
        ({"upper": 5.0, "limit": 1.5}, "limit: can be changed only after the lifecycle transition cleanup"),
        ({"upper": 5.0, "lower": 11.0}, "out of"),
        ({"lower": math.nan}, "out of"),
        ({"upper": 7.0, "lower": 0.5}, "lower, upper: setting it failed, see the node's log"),
    ],
)
def test_what_cannot_be_set_together_is_not_set_at_all(
    bench: Bench, node: Clumsy, values: dict[str, float], reason: str
) -> None:
    result = set_together(bench, **values)
    assert not result.successful
    assert reason in result.reason
    assert [node.setting(name) for name in ("limit", "lower", "upper")] == [1.0, 1.0, 2.0]
    assert node.told == []
    bench.is_alive()
