"""A thread for calls that block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class OwnThread:
    """Makes calls one after the other.

    It is a daemon, which the threads of ``concurrent.futures`` are not: a call that never returns must not keep the
    process from ending.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, work: Callable[[], T]) -> T:
        """Asyncio side: what the call returns or raises; when nobody waits for it any more it is not begun."""
        answer: Future[T] = Future()
        self._calls.put(partial(_make, work, answer))
        return await asyncio.wrap_future(answer)

    def end(self) -> None:
        """End after the calls that are waiting; any side, does not wait."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _make(work: Callable[[], T], answer: Future[T]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001  # whatever it is, it belongs to who asked
        answer.set_exception(error)
    else:
        answer.set_result(result)
