"""The door between the threads: nothing lost, in order, one wake-up for a batch."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from plainview_ros.bridge.mailbox import Mailbox


def test_work_of_another_thread_is_done_in_order_with_few_wake_ups() -> None:
    async def scenario() -> tuple[list[int], int]:
        loop = asyncio.get_running_loop()
        done: list[int] = []
        finished = asyncio.Event()
        wakes = 0

        def wake() -> None:
            nonlocal wakes
            wakes += 1
            loop.call_soon_threadsafe(mailbox.drain)

        def note(n: int) -> None:
            done.append(n)
            if n == 9999:
                finished.set()

        def put_all() -> None:
            for n in range(10_000):
                mailbox.put(lambda n=n: note(n))

        mailbox = Mailbox(wake)
        thread = threading.Thread(target=put_all)
        thread.start()
        await asyncio.wait_for(finished.wait(), 30)
        thread.join()
        return done, wakes

    done, wakes = asyncio.run(scenario())
    assert done == list(range(10_000))
    assert 1 <= wakes <= 10_000


def test_one_wake_up_until_the_batch_is_drained() -> None:
    wakes: list[None] = []
    mailbox = Mailbox(lambda: wakes.append(None))
    done: list[int] = []
    for n in range(3):
        mailbox.put(lambda n=n: done.append(n))
    assert len(wakes) == 1
    mailbox.drain()
    mailbox.put(lambda: done.append(3))
    assert len(wakes) == 2
    mailbox.drain()
    assert done == [0, 1, 2, 3]


def test_a_side_that_hangs_costs_the_oldest_and_they_are_counted() -> None:
    mailbox = Mailbox(lambda: None, limit=3)
    done: list[int] = []
    for n in range(5):
        mailbox.put(lambda n=n: done.append(n))
    mailbox.drain()
    assert done == [2, 3, 4]
    assert mailbox.lost == 2


def test_a_defect_in_one_piece_is_logged_and_the_rest_is_done(caplog: pytest.LogCaptureFixture) -> None:
    mailbox = Mailbox(lambda: None)
    done: list[str] = []

    def broken() -> None:
        raise RuntimeError("broken piece")

    mailbox.put(broken)
    mailbox.put(lambda: done.append("rest"))
    with caplog.at_level(logging.ERROR):
        mailbox.drain()
    assert done == ["rest"]
    assert "broken piece" in caplog.text
