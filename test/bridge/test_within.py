"""Work gets its time, and a cancellation always arrives."""

from __future__ import annotations

import asyncio

import pytest

from plainview_ros.bridge.within import within
from ros_graph import DEADLINE_S


def test_returns_what_the_work_returns_and_raises_what_it_raises() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> None:
        raise KeyError("x")

    assert asyncio.run(within(DEADLINE_S, answer())) == 42
    with pytest.raises(KeyError, match="x"):
        asyncio.run(within(DEADLINE_S, fail()))


def test_work_that_takes_too_long_is_cancelled() -> None:
    async def scenario() -> None:
        ended = asyncio.Event()

        async def hang() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        with pytest.raises(asyncio.TimeoutError):
            await within(0.01, hang())
        await asyncio.wait_for(ended.wait(), DEADLINE_S)

    asyncio.run(scenario())


def test_cancellation_arrives_also_when_the_work_ends_in_the_same_moment() -> None:
    async def scenario() -> None:
        come = asyncio.Event()
        waiting = asyncio.create_task(within(DEADLINE_S, come.wait()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        come.set()
        await asyncio.sleep(0)  # the work has ended, who waits for it does not know yet
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(scenario())
