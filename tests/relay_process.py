"""A relay in a process of its own, for tests that kill it: stops for ever before or behind one of its steps.

Called with the database's URL, the data folder, the DNS and port of the world, and the step (`before mark`, …; `none`
runs to the end). Says `doubts N` of what relays before it left, and the step when it stands there.
"""

import sys
import threading
from pathlib import Path
from typing import Any

from infra.settings_readers import listen_address
from tests.contracts.queue import Clock
from tests.post_office import post_office
from tests.relay_world import RelayWorld


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class StandsStill:
    """Something one of whose methods is never entered, or never left."""

    def __init__(self, real: Any, step: str) -> None:
        self._real = real
        self._when, _, self._method = step.partition(" ")

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name != self._method:
            return real

        def stand(*arguments: Any, **named: Any) -> Any:
            if self._when == "behind":
                result = real(*arguments, **named)
                if hasattr(result, "exception"):
                    result.exception()
            say(f"{self._when} {name}")
            threading.Event().wait()

        return stand


def main(url: str, folder: str, dns: str, port: str, now_ms: str, step: str) -> None:
    clock = Clock()
    clock.ms = int(now_ms)
    with post_office(url, Path(folder), clock_ms=clock) as office:
        world = RelayWorld(office, clock, listen_address(dns), port=int(port))
        world.on_schedule = lambda schedule: StandsStill(schedule, step)
        office.lane = StandsStill(office.lane, step)  # type: ignore[assignment]
        office.queue = StandsStill(office.queue, step)  # type: ignore[assignment]
        world.letters = StandsStill(world.letters, step)
        world.heard.in_doubt = lambda count: say(f"doubts {count}")  # type: ignore[method-assign]
        world.run()
        say("end")


if __name__ == "__main__":
    main(*sys.argv[1:])
