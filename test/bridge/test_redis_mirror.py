"""Several bridges on one Redis: the same events under the same ids, and nothing lost, whatever becomes of Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest

from plainview_ros.bridge.event_log import Entry, EventId, EventLog
from plainview_ros.bridge.follower import Follower, Wish
from plainview_ros.bridge.lone_ids import is_lone
from plainview_ros.bridge.redis_mirror import RedisMirror
from plainview_ros.bridge.schemas.events import Event, TelemetryTick
from redis_server import RedisServer, redis_server
from ros_graph import DEADLINE_S

RIG = "rig 7"


class Told(Event):
    """An event that every bridge makes."""

    IDENTITY = ("n",)

    type: Literal["told"] = "told"
    n: int


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 2 * DEADLINE_S))


async def present_state() -> bytes:
    return b"{}"


class OneBridge:
    """The log of one bridge and what keeps it in step."""

    def __init__(
        self, url: str, ring_entries: int = 1000, earlier: tuple[EventId, list[Entry]] | None = None, rig: str = RIG
    ) -> None:
        self.log = EventLog(ring_entries, 10_000_000)
        if earlier is not None:
            self.log.restore(*earlier)
        self.mirror = RedisMirror.of(url, rig, ring_entries, self.log, restored=earlier is not None)

    async def __aenter__(self) -> OneBridge:
        await self.mirror.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.log.close()
        await self.mirror.close()

    def say(self, *numbers: int) -> None:
        for n in numbers:
            self.log.publish(Told(n=n))

    @property
    def entries(self) -> list[Entry]:
        return self.log.remembered()[1]

    def numbers(self) -> list[int]:
        return [entry.data["n"] for entry in self.entries]

    async def has(self, numbers: Iterable[int]) -> None:
        """Wait until all of them are in the log."""
        wanted = set(numbers)
        while True:
            end = self.log.end.lossless
            wanted -= set(self.numbers())
            if not wanted:
                return
            await self.log.wait_lossless(end)

    async def until(self, done: Callable[[RedisMirror], bool]) -> None:
        while not done(self.mirror):  # noqa: ASYNC110  # what it is like has no event of its own
            await asyncio.sleep(0.01)


def together(mirror: RedisMirror) -> bool:
    return not mirror.trouble


def alone(mirror: RedisMirror) -> bool:
    return bool(mirror.trouble)


class Client:
    """Follows bridges, and remembers what it was told.

    Args:
        seed: of how long its visits last.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)
        self.numbers: list[int] = []
        self.ids: list[str] = []
        self.gaps = 0
        self.after: EventId | None = None

    async def follow(self, bridge: OneBridge, enough: Callable[[], bool] = lambda: False) -> None:
        """Go on at a bridge, until enough has come."""
        wish = Wish(after=self.after)
        async for portion in Follower(bridge.log, wish, None, present_state):
            for entry in portion.entries:
                self.after = entry.id
                if entry.type == "stream.gap":
                    self.gaps += 1
                if entry.type == "told":
                    self.numbers.append(entry.data["n"])
                    self.ids.append(str(entry.id))
                if enough():
                    return

    async def visit(self, bridge: OneBridge) -> None:
        """Be connected to a bridge for a few events, or for a moment."""
        count = len(self.numbers) + self._random.choice((0, 1, 20, 500))
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.follow(bridge, lambda: len(self.numbers) >= count), 0.05)


class Following:
    """A client that stays with one bridge."""

    def __init__(self, bridge: OneBridge) -> None:
        self.client = Client()
        self._task = asyncio.create_task(self.client.follow(bridge))

    async def end(self) -> Client:
        """When its bridge has ended."""
        await self._task
        return self.client


def test_bridges_that_hear_in_different_order_tell_the_same_in_the_same_order(redis: RedisServer) -> None:
    random = Random(0)

    async def scenario() -> None:
        async with OneBridge(redis.url) as one, OneBridge(redis.url) as other:
            assert together(one.mirror)
            assert together(other.mirror)
            for begin in range(0, 300, 30):
                numbers = list(range(begin, begin + 30))
                one.say(*numbers)
                other.say(*random.sample(numbers, 30))
                await asyncio.sleep(0)
            await one.has(range(300))
            await other.has(range(300))
            assert [entry.frame for entry in one.entries] == [entry.frame for entry in other.entries]
            assert len(one.entries) == 300
            assert one.mirror.waiting == other.mirror.waiting == 0
            assert one.log.newest_id == other.log.newest_id

    run(scenario)


def test_client_that_changes_the_bridge_gets_every_event_once_and_in_order(redis: RedisServer) -> None:
    random = Random(0)

    async def scenario() -> None:
        async with OneBridge(redis.url) as one, OneBridge(redis.url) as other:
            clients = [Client(seed) for seed in range(10)]

            async def wander(client: Client) -> None:
                client.after = one.log.newest_id
                while len(client.numbers) < 500:
                    await client.visit(random.choice((one, other)))

            wandering = asyncio.gather(*map(wander, clients))
            for begin in range(0, 500, 10):
                numbers = list(range(begin, begin + 10))
                one.say(*numbers)
                await asyncio.sleep(random.choice((0, 0.001, 0.005)))
                other.say(*random.sample(numbers, 10))
            await wandering
            for client in clients:
                assert client.ids == [str(entry.id) for entry in one.entries]
                assert sorted(client.numbers) == list(range(500))
                assert client.gaps == 0

    run(scenario)


WAYS_BACK = ("empty", "with what it had", "with what it had some time before", "from being frozen")


@pytest.mark.parametrize("way", WAYS_BACK)
def test_redis_goes_away_and_comes_back(redis: RedisServer, way: str) -> None:
    """Clients that stay lose and repeat nothing; clients that change the bridge lose nothing; then all is as before."""
    random = Random(0)

    async def scenario() -> None:
        async with OneBridge(redis.url) as one, OneBridge(redis.url) as other:
            staying = Following(one), Following(other)
            wanderer = Client()
            wanderer.after = one.log.newest_id
            ended = asyncio.Event()

            async def wander() -> None:
                while not ended.is_set():
                    await wanderer.visit(random.choice((one, other)))
                await wanderer.follow(one, lambda: wanderer.numbers[-1] == last)

            wandering = asyncio.create_task(wander())
            total = 0

            async def speak(rounds: int) -> None:
                nonlocal total
                for _ in range(rounds):
                    common = [total, total + 1, total + 2]
                    one.say(*common, total + 3)
                    await asyncio.sleep(random.choice((0, 0.002)))
                    other.say(*reversed(common), total + 4)  # the last is known to this one only
                    total += 5

            await speak(20)
            if way == "with what it had some time before":
                redis.save()
                await speak(20)
            if way == "with what it had":
                await one.has(range(total))
                redis.save()
            if way == "from being frozen":
                with redis.frozen():
                    await speak(20)
                    await asyncio.gather(one.until(alone), other.until(alone))
                    await speak(20)
            else:
                redis.kill()
                await speak(20)
                await asyncio.gather(one.until(alone), other.until(alone))
                await speak(20)
                redis.start()
            await speak(10)
            await asyncio.gather(one.until(together), other.until(together))
            await asyncio.gather(one.has(range(total)), other.has(range(total)))
            began = total
            await speak(20)
            await asyncio.gather(one.has(range(total)), other.has(range(total)))
            common = [[entry.frame for entry in bridge.entries if entry.data["n"] >= began] for bridge in (one, other)]
            assert common[0] == common[1]
            assert len(common[0]) == total - began
            assert not any(is_lone(entry.id) for entry in one.entries if entry.data["n"] >= began)
            last = one.entries[-1].data["n"]
            ended.set()
            await wandering
        for client in [await following.end() for following in staying]:
            assert len(client.numbers) == len(set(client.numbers))
            assert set(client.numbers) == set(range(total))
            assert client.ids == sorted(client.ids, key=EventId.parse)
            assert client.gaps == 0
        assert set(wanderer.numbers) == set(range(total))
        assert wanderer.gaps == 0

    run(scenario)


def test_new_bridge_begins_with_what_the_others_told(redis: RedisServer) -> None:
    async def scenario() -> None:
        async with OneBridge(redis.url) as one:
            one.say(*range(20))
            await one.has(range(20))
            async with OneBridge(redis.url) as other:
                assert [entry.frame for entry in other.entries] == [entry.frame for entry in one.entries[1:]]
                gone, _ = other.log.remembered()
                assert gone == one.entries[0].id

    run(scenario)


def test_bridge_that_was_down_catches_up_under_the_same_ids(redis: RedisServer) -> None:
    async def scenario() -> None:
        async with OneBridge(redis.url) as one:
            async with OneBridge(redis.url) as other:
                one.say(*range(10))
                await other.has(range(10))
                client = Client()
                client.after = other.entries[4].id
                left = other.log.remembered()
            one.say(*range(10, 20))
            async with OneBridge(redis.url, earlier=left) as again:
                again.say(*range(5, 25))  # ROS hands over some of it again
                one.say(*range(20, 25))
                await client.follow(again, lambda: len(client.numbers) == 20)
                await one.has(range(25))
                assert [entry.frame for entry in again.entries] == [entry.frame for entry in one.entries]
            assert client.numbers == list(range(5, 25))
            assert client.gaps == 0

    run(scenario)


def test_what_a_bridge_told_alone_before_it_ended_reaches_the_others(redis: RedisServer) -> None:
    async def scenario() -> None:
        async with OneBridge(redis.url) as one:
            one.say(0)
            await one.has((0,))
            redis.save()
            redis.kill()
            await one.until(alone)
            one.say(1, 2, 3)
            assert one.numbers() == [0, 1, 2, 3]
            client = Client()
            client.after = one.entries[1].id
            left = one.log.remembered()
        redis.start()
        async with OneBridge(redis.url) as other:
            other.say(3, 4)
            await other.has((3, 4))
            async with OneBridge(redis.url, earlier=left) as again:
                await other.has((1, 2, 3, 4))
                await client.follow(again, lambda: len(client.numbers) == 3)
                assert sorted(other.numbers()) == [1, 2, 3, 4]
                other.say(5)
                await again.has((5,))
                assert again.entries[-1].frame == other.entries[-1].frame
        assert client.numbers == [2, 3, 4]
        assert client.gaps == 0

    run(scenario)


def test_bridge_that_was_down_for_longer_than_the_stream_is_long_tells_of_the_gap(redis: RedisServer) -> None:
    async def scenario() -> None:
        async with OneBridge(redis.url) as one:
            async with OneBridge(redis.url, 100) as other:
                one.say(*range(10))
                await other.has(range(10))
                left = other.log.remembered()
            one.say(*range(10, 500))
            await one.has(range(500))
            redis.client.xtrim(f"plainview:{{{RIG}}}:events", maxlen=100, approximate=False)
            kept: list[EventId] = []
            again = OneBridge(redis.url, 100, left)
            again.log.keep_begin = kept.append
            async with again:
                gone, entries = again.log.remembered()
                assert [entry.frame for entry in entries] == [entry.frame for entry in one.entries[-len(entries) :]]
                assert len(entries) >= 98  # the mark of the bridge, and the entry that it begins after
                assert kept == [gone]
                client = Client()
                client.after = left[1][-1].id
                await client.follow(again, lambda: bool(client.numbers) and client.numbers[-1] == 499)
                assert client.gaps == 1
                assert len(client.numbers) == len(entries)

    run(scenario)


def test_bridge_with_a_short_memory_does_not_shorten_the_stream_of_the_others(redis: RedisServer) -> None:
    async def scenario() -> None:
        async with OneBridge(redis.url) as one, OneBridge(redis.url, 10) as forgetful:
            one.say(*range(500))
            await one.has(range(500))
            forgetful.say(*range(500, 505))
            await one.has(range(500, 505))
            assert redis.client.xlen(f"plainview:{{{RIG}}}:events") >= 505

    run(scenario)


def test_bridge_cut_off_while_the_stream_moved_on_cuts_its_clients_off_with_a_gap(redis: RedisServer) -> None:
    async def scenario() -> None:
        async with OneBridge(redis.url, 100) as one:
            client = Following(one)
            one.say(1)
            await one.has((1,))
            redis.save()
            redis.kill()
            await one.until(alone)
            one.say(2)
            one.log.publish(TelemetryTick.now())
            redis.start()
            stream = f"plainview:{{{RIG}}}:events"
            for n in range(300):  # of bridges that were quicker
                redis.client.xadd(stream, {"type": "told", "asset": "", "source": f"told {n}", "body": f'{{"n":{n}}}'})
            redis.client.xtrim(stream, maxlen=100, approximate=False)
            await one.until(together)
            assert (await client.end()).gaps == 1
            await one.has(range(210, 300))
            redis.save()
            redis.kill()
            await one.until(alone)
            redis.start()
            await one.until(together)  # also with a log that begins at an id of its own
            one.say(300)
            await one.has((300,))
            assert not is_lone(one.entries[-1].id)
            assert len(one.numbers()) == len(set(one.numbers()))

    run(scenario)


def test_events_keep_their_order_and_are_not_held_up_while_redis_freezes(redis: RedisServer) -> None:
    async def scenario() -> None:
        async with OneBridge(redis.url) as one:
            with redis.frozen():
                one.say(*range(10))
                assert one.mirror.waiting == 10
                began_s = time.monotonic()
                await one.has(range(10))
                assert time.monotonic() - began_s < DEADLINE_S / 6
                assert one.mirror.waiting == 0
                assert one.mirror.departures == 1
                assert f"127.0.0.1:{redis.port}" in one.mirror.trouble
                one.say(10)
                assert one.numbers() == list(range(11))
                assert all(is_lone(entry.id) for entry in one.entries)
            await one.until(together)
            assert one.numbers() == list(range(11))  # Redis has told the first ten too

    run(scenario)


def test_bridge_ends_soon_though_redis_hangs_and_loses_nothing(redis: RedisServer) -> None:
    async def scenario() -> None:
        bridge = OneBridge(redis.url)
        async with bridge:
            with redis.frozen():
                bridge.say(1, 2)
                began_s = time.monotonic()
                await bridge.mirror.close()
                assert time.monotonic() - began_s < DEADLINE_S / 6
                assert bridge.numbers() == [1, 2]

    run(scenario)


def test_redis_that_cannot_be_used_is_named_without_its_password() -> None:
    async def scenario() -> None:
        for url in ("redis://:sesame@127.0.0.1:1/0?password=sesame", "http://:sesame@127.0.0.1/"):
            async with OneBridge(url) as bridge:
                bridge.say(1)
                assert bridge.numbers() == [1]
                assert "127.0.0.1" in bridge.mirror.trouble
                assert "sesame" not in bridge.mirror.trouble

    run(scenario)


def test_entry_that_no_bridge_wrote_is_passed_over(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with OneBridge(redis.url) as one:
            redis.client.xadd(f"plainview:{{{RIG}}}:events", {"hello": "world"})
            one.say(1)
            await one.has((1,))
        assert "which no bridge wrote" in caplog.text

    run(scenario)


def test_events_of_two_rigs_do_not_mix(redis: RedisServer) -> None:
    async def scenario() -> None:
        async with OneBridge(redis.url) as one, OneBridge(redis.url, rig="rig 8") as other:
            one.say(1)
            other.say(1, 2)
            await one.has((1,))
            await other.has((1, 2))
            assert one.numbers() == [1]

    run(scenario)
