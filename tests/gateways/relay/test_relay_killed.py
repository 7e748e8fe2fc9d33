"""The relay killed between its steps: nothing is lost, and only what is counted comes twice."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.contracts.queue import Clock
from tests.relay_world import RelayWorld
from tests.smtp_sink import Sink

STEPS = (
    *("before read", "before mark", "behind mark", "before settle", "behind settle", "before submit", "behind submit"),
    *("before put", "behind put", "before forget", "behind forget"),
)
"""What is read, marked, settled and forgotten; what the sender's log is told; the notification that is queued."""


def relay_until(world: RelayWorld, folder: Path, step: str) -> int:
    """A relay in a process of its own, killed where it stands still; whom those before it left in doubt."""
    office, clock = world.office, world.clock
    arguments = [office.url, str(folder), str(world.dns), str(world.port), str(clock()), step]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.relay_process", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    doubts = 0
    for line in process.stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "doubts":
            doubts += int(rest)
        elif line.strip() in (step, "end"):
            break
    process.kill()
    process.wait()
    process.stdout.close()
    return doubts


@pytest.mark.timeout(900)
def test_a_relay_killed_between_any_two_steps_loses_nothing_and_doubles_only_what_is_counted(
    world: RelayWorld, sink: Sink, clock: Clock, data_folder: Path
) -> None:
    doubts = 0
    there = []
    for number, step in enumerate(STEPS):
        world.submit(f"a{number}@far.test", f"reject-{number}@far.test")
        there.append(f"a{number}@far.test")
        doubts += relay_until(world, data_folder, step)
        clock.advance(61)
    for _ in range(3):
        doubts += relay_until(world, data_folder, "none")
        clock.advance(61)
    copies = Counter(address for one in sink.taken for address in one.to)
    assert set(copies) == set(there)
    assert sum(copies.values()) - len(there) <= doubts
    assert 0 < doubts <= 3 * len(STEPS)
    notices = world.notices()
    for number in range(len(STEPS)):
        assert sum(b"<reject-%d@far.test>" % number in one for one in notices) == 1
    assert world.is_clean()
