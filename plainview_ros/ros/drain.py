"""Subscriptions emptied whenever they are ready, by a thread of their own from a wait set that is kept.

The one place that goes under rclpy's executor. That builds a wait set of everything a node has for every turn and turns
twice for every message: a node like the bridge then spends most of its time on what has nothing to do with the message.
Only calls that the executors of rclpy make themselves are used, the same from Humble on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from threading import Thread
from time import monotonic, perf_counter
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.context import Context
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation

MAX_PER_TURN = 100
"""Messages taken of one subscription before the others have their turn."""

TURN_NS = 500_000_000
"""A turn without a message [ns]: the thread shows that it is alive, and looks whether ROS still is."""


def take_all(
    subscription: Any,
    callback: Callable[[Any], object],
    took: Callable[[float], object] = lambda _seconds: None,
) -> None:
    """Call ``callback`` with every message that waits, ``MAX_PER_TURN`` at the most.

    Args:
        took: told how long taking and ``callback`` took for each message [s].
    """
    with subscription.handle:
        began_s = perf_counter()
        for _ in range(MAX_PER_TURN):
            taken = subscription.handle.take_message(subscription.msg_type, False)
            if taken is None:
                return
            callback(taken[0])
            ended_s = perf_counter()
            took(ended_s - began_s)
            began_s = ended_s


class _TakenElsewhere(CallbackGroup):  # type: ignore[misc]
    """Keeps its subscriptions out of the executor.

    They must have no event handlers, which would stay in it: a wait set with an event of a subscription also wakes at
    each of its messages (seen with Fast DDS).
    """

    def can_execute(self, entity: Any) -> bool:  # noqa: ARG002  # rclpy's signature
        return False

    def beginning_execution(self, entity: Any) -> bool:  # noqa: ARG002
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


class Drain:
    """Takes the messages of some of a node's subscriptions on a thread of its own, between start and stop.

    What comes while it is stopped waits in the subscriptions, as much as their QoS keeps. All methods are called on one
    thread at a time: the executor's, or the one that builds and destroys the node.

    Args:
        context: of the node.
        guard: keeps a callback that fails from ending the thread (``ModuleNode``).
        timer: for a topic, what is told how long each of its messages took [s].
    """

    def __init__(
        self,
        context: Context,
        guard: Callable[[str, Callable[[], object]], Callable[[], None]],
        timer: Callable[[str], Callable[[float], object]],
    ) -> None:
        self.group = _TakenElsewhere()
        self._context = context
        self._guard = guard
        self._timer = timer
        self._subscriptions: list[tuple[Any, Callable[[], None]]] = []
        self._thread: Thread | None = None
        self._ending = False
        self._turned_s = 0.0

    def add(self, topic: str, subscription: Any, callback: Callable[[Any], object]) -> None:
        """Take the messages of a subscription that was created with :attr:`group`, from the next start on."""
        take = self._guard(topic, partial(take_all, subscription, callback, self._timer(topic)))
        self._subscriptions.append((subscription, take))

    def start(self) -> None:
        """Begin to take messages."""
        self._ending = False
        self._turned_s = monotonic()
        self._wake = GuardCondition(callback=None, callback_group=None, context=self._context)
        self._thread = Thread(target=self._run, name="drain")
        self._thread.start()

    def stop(self) -> None:
        """Take no more messages; returns when the callback that runs has ended. Does nothing when it is stopped."""
        if self._thread is not None:
            self._ending = True
            self._wake.trigger()
            self._thread.join()
            self._thread = None
            self._wake.destroy()

    def close(self) -> None:
        """Stop, and forget the subscriptions; to be called before they are destroyed."""
        self.stop()
        self._subscriptions.clear()

    def silent_s(self) -> float:
        """Seconds since the thread last turned, which it does twice a second; 0 while it is stopped. Any thread."""
        return 0.0 if self._thread is None else monotonic() - self._turned_s

    def _run(self) -> None:
        """On the thread."""
        handles = [subscription.handle for subscription, _ in self._subscriptions]
        with ExitStack() as in_use:  # nothing is destroyed from under the wait set
            for handle in (self._context.handle, self._wake.handle, *handles):
                in_use.enter_context(handle)
            wait_set = rclpy_implementation.WaitSet(len(handles), 1, 0, 0, 0, 0, self._context.handle)
            take = {subscription.handle.pointer: take for subscription, take in self._subscriptions}
            while not self._ending and self._context.ok():
                wait_set.clear_entities()  # waiting removes what is not ready
                for handle in handles:
                    wait_set.add_subscription(handle)
                wait_set.add_guard_condition(self._wake.handle)
                wait_set.wait(TURN_NS)
                self._turned_s = monotonic()
                for pointer in wait_set.get_ready_entities("subscription"):
                    take[pointer]()
