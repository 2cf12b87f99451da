"""Waiting for so long and no longer, in tasks that may be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(limit_s: float | None, work: Coroutine[Any, Any, T]) -> T:
    """What the work returns or raises; ``asyncio.TimeoutError`` when it takes longer, and is cancelled.

    Without a limit it may take for ever.

    Not ``asyncio.wait_for``: before Python 3.12 that one swallows the cancellation of its caller when the work ends in
    the same moment (https://github.com/python/cpython/issues/86296), and a stream whose client is gone never ends.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit_s)
        if not done:
            raise asyncio.TimeoutError
        return task.result()
    finally:
        task.cancel()
