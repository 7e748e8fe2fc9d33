"""The wheel: what is due is called once, about when it should be, or not at all."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gateways.http.wheel import Wheel


def run(given: Coroutine[Any, Any, None]) -> None:
    """On a loop and a thread of its own: a test with a browser leaves its loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, given).result()


class Alarm:
    """Something with a time."""

    def __init__(self) -> None:
        self.slot = 0
        self.rung = asyncio.Event()
        self.times = 0

    def due(self) -> None:
        self.times += 1
        self.rung.set()


def test_what_is_due_is_called_once_and_not_before_its_time() -> None:
    async def given() -> None:
        wheel, loop = Wheel(), asyncio.get_running_loop()
        alarms = [Alarm() for _ in range(3)]
        began = loop.time()
        for one in alarms:
            wheel.put(one, after_s=0.1)
        for one in alarms:
            await one.rung.wait()
        assert loop.time() - began >= 0.09
        assert [(one.times, one.slot) for one in alarms] == [(1, 0)] * 3

    run(given())


def test_what_is_taken_out_is_not_called() -> None:
    async def given() -> None:
        wheel = Wheel()
        taken, left = Alarm(), Alarm()
        wheel.put(taken, after_s=0.05)
        wheel.put(left, after_s=0.05)
        wheel.take(taken)
        wheel.take(taken)
        await left.rung.wait()
        assert (taken.times, taken.slot) == (0, 0)

    run(given())


def test_a_new_time_replaces_the_one_before() -> None:
    async def given() -> None:
        wheel = Wheel()
        moved, later = Alarm(), Alarm()
        wheel.put(moved, after_s=60)
        wheel.put(moved, after_s=0.01)
        await moved.rung.wait()
        wheel.put(later, after_s=0.2)
        await later.rung.wait()
        assert moved.times == 1

    run(given())


def test_what_is_called_may_take_another_out_or_ask_for_a_new_time() -> None:
    async def given() -> None:
        wheel = Wheel()
        alarms: list[Alarm] = []
        again = asyncio.Event()

        class Ends(Alarm):
            def due(self) -> None:
                super().due()
                for other in alarms:
                    wheel.take(other)
                if self.times == 2:
                    again.set()
                else:
                    wheel.put(self, after_s=0.01)

        alarms += [Ends(), Ends()]
        for one in alarms:
            wheel.put(one, after_s=0.05)
        await again.wait()
        assert sorted(one.times for one in alarms) == [0, 2]

    run(given())
