"""The door between the threads: nothing lost in silence, in order, one wake-up for a batch."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from plainview_ros.bridge import mailbox as mailbox_module
from plainview_ros.bridge.mailbox import MAX_PER_TURN, Mailbox
from ros_graph import DEADLINE_S


def nobody() -> None:
    """A working side that hangs: it is woken and does nothing."""


def test_values_of_two_threads_are_delivered_each_in_order() -> None:
    async def scenario() -> list[tuple[int, int]]:
        loop = asyncio.get_running_loop()
        delivered: list[tuple[int, int]] = []
        finished = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(mailbox.drain)

        def deliver(value: tuple[int, int]) -> None:
            delivered.append(value)
            if len(delivered) == 20_000:
                finished.set()

        def put_all(thread: int) -> None:
            for n in range(10_000):
                lane.put((thread, n))
                mailbox.ring()

        mailbox = Mailbox(wake)
        lane = mailbox.lane("events", deliver, 100_000)
        threads = [threading.Thread(target=put_all, args=(thread,)) for thread in range(2)]
        for thread in threads:
            thread.start()
        await asyncio.wait_for(finished.wait(), DEADLINE_S)
        for thread in threads:
            thread.join()
        return delivered

    delivered = asyncio.run(scenario())
    for thread in range(2):
        assert [n for who, n in delivered if who == thread] == list(range(10_000))


def test_threads_that_ring_while_the_other_side_is_busy_wake_it_once_each_at_the_most() -> None:
    wakes: list[None] = []
    mailbox = Mailbox(lambda: wakes.append(None))
    delivered: list[int] = []
    lane = mailbox.lane("events", delivered.append, MAX_PER_TURN)

    def put_all() -> None:
        for n in range(MAX_PER_TURN // 2):
            lane.put(n)
            mailbox.ring()

    threads = [threading.Thread(target=put_all) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wakes) in {1, 2}, "both may find it asleep at the same moment"
    mailbox.drain()
    assert len(delivered) == MAX_PER_TURN


def test_a_batch_wakes_once_and_lanes_keep_the_order_among_them() -> None:
    wakes: list[None] = []
    mailbox = Mailbox(lambda: wakes.append(None))
    done: list[str] = []
    events = mailbox.lane("events", done.append, 10)
    states = mailbox.lane("states", done.append, 1)
    events.put("e1")
    states.put("s1")
    mailbox.put(lambda: done.append("answer"))
    events.put("e2")
    mailbox.ring()
    assert len(wakes) == 1
    mailbox.drain()
    assert done == ["e1", "s1", "answer", "e2"]
    mailbox.ring()
    assert len(wakes) == 1, "nothing waits"


def test_while_the_other_side_hangs_a_snapshot_is_replaced_by_a_newer_one_and_that_is_no_loss() -> None:
    mailbox = Mailbox(nobody)
    done: list[int] = []
    lane = mailbox.lane("valves/state", done.append, 1)
    for n in range(5):
        lane.put(n)
    assert mailbox.depth == 1
    mailbox.drain()
    lane.put(5)
    mailbox.drain()
    assert done == [4, 5]
    assert mailbox.lost == 0


def test_while_the_other_side_hangs_transitions_wait_and_what_is_above_the_limit_is_counted() -> None:
    mailbox = Mailbox(nobody)
    done: list[int] = []
    lane = mailbox.lane("alerts", done.append, 3)
    for n in range(5):
        lane.put(n)
    mailbox.drain()
    assert done == [2, 3, 4]
    assert (mailbox.lost, lane.lost) == (2, 2)


def test_a_flood_on_one_lane_costs_the_others_nothing_and_answers_are_never_dropped() -> None:
    mailbox = Mailbox(nobody)
    done: list[str] = []
    flood, alerts = mailbox.lane("/diagnostics", lambda _: None, 2), mailbox.lane("alerts", done.append, 2)
    alerts.put("alert")
    for n in range(1000):
        mailbox.put(lambda n=n: done.append(f"answer {n}"))
        flood.put(n)
    for _ in range(1000 // MAX_PER_TURN + 1):
        mailbox.drain()
    assert done == ["alert", *(f"answer {n}" for n in range(1000))]
    assert (flood.lost, alerts.lost) == (998, 0)


def test_after_a_hang_the_loop_has_its_turn_between_portions() -> None:
    wakes: list[None] = []
    mailbox = Mailbox(lambda: wakes.append(None))
    done: list[int] = []
    lane = mailbox.lane("events", done.append, 10_000)
    for n in range(MAX_PER_TURN + 1):
        lane.put(n)
    mailbox.ring()
    mailbox.drain()
    assert (len(done), len(wakes), mailbox.depth) == (MAX_PER_TURN, 2, 1)
    mailbox.drain()
    assert (done, len(wakes)) == (list(range(MAX_PER_TURN + 1)), 2)


def test_the_time_each_value_waited_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((1.0, 2.0, 5.0, 5.5))  # put, put, delivered, delivered
    monkeypatch.setattr(mailbox_module, "monotonic", lambda: next(clock))
    lags: list[float] = []
    mailbox = Mailbox(nobody, lags.append)
    mailbox.put(nobody)
    mailbox.put(nobody)
    mailbox.drain()
    assert lags == [4.0, 3.5]


def test_a_defect_in_one_delivery_is_logged_and_the_rest_are_made(caplog: pytest.LogCaptureFixture) -> None:
    mailbox = Mailbox(nobody)
    done: list[str] = []

    def broken() -> None:
        raise RuntimeError("broken piece")

    mailbox.put(broken)
    mailbox.put(lambda: done.append("rest"))
    with caplog.at_level(logging.ERROR):
        mailbox.drain()
    assert done == ["rest"]
    assert "broken piece" in caplog.text


def test_loss_is_told_before_what_follows_on_it() -> None:
    told: list[str] = []
    mailbox = Mailbox(lambda: None)

    def deliver(name: str) -> None:
        told.append(name)
        if name == "b":
            for late in "efg":  # put by the other thread while this is worked on
                lane.put(late)

    lane = mailbox.lane("alerts", deliver, 3, lambda count: told.append(f"{count} lost"))
    for name in "abcd":
        lane.put(name)
    mailbox.drain()
    assert told == ["1 lost", "b", "2 lost", "e", "f", "g"]
