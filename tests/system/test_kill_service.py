"""The running service killed a hundred times under load: what it answered for is there, once, and all views agree."""

import random
import time
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.system.http_crowd import Commander, Person
from tests.system.service import Service, installation, until
from tests.system.service_checks import (
    assert_each_command_is_there_once,
    assert_each_mail_is_there_once,
    assert_logs_hold,
    assert_search_finds,
    wait_until_settled,
)
from tests.system.smtp_crowd import Sender

KILLS = 105
VICTIMS = ("smtp", "delivery", "follower", "http", "postgres", "postgres")
LEAST_TAKEN = 2
"""So much must be acknowledged in each round, or nothing would be under way."""


def kill_one_after_another(service: Service, chance: random.Random, killed: Counter[str]) -> None:
    """Each process once and Postgres twice, at random moments and in random order."""
    for victim in chance.sample(VICTIMS, len(VICTIMS)):
        time.sleep(chance.random() * 0.5)
        kill = service.kill_postgres if victim == "postgres" else lambda role=victim: service.kill_child(role)
        until(lambda: kill() or not service.lives(), within_s=30, what=f"{victim} runs, to be killed")  # noqa: B023
        killed[victim] += 1


def kill_all_round(
    service: Service, chance: random.Random, killed: Counter[str], crowd: Sequence[Sender | Commander]
) -> None:
    """To the death of the supervisor and the start of the next, which meets what the dead one left."""
    before = _taken(crowd)
    kill_one_after_another(service, chance, killed)
    until(lambda: _taken(crowd) >= before + LEAST_TAKEN or not service.lives(), within_s=60, what="mail is taken")
    assert service.lives(), "the supervisor has given up"
    time.sleep(chance.random() * 0.3)
    service.kill()
    killed["supervisor"] += 1
    if chance.random() < 0.3 and service.kill_postgres():
        killed["postgres"] += 1
    if chance.random() < 0.3:
        service.launch()
        time.sleep(chance.random())
    else:
        service.start()


def _taken(crowd: Sequence[Sender | Commander]) -> int:
    for one in crowd:
        if one.failure is not None:
            raise one.failure
    return sum(len(one.acknowledged if isinstance(one, Sender) else one.done) for one in crowd)


@pytest.mark.timeout(420)
def test_whatever_is_killed_all_that_was_answered_for_is_there_exactly_once() -> None:
    chance, killed = random.Random(20261122), Counter[str]()
    with installation() as service:
        service.start()
        ann, bob = (Person(service.url, f"{name}@example.test") for name in ("ann", "bob"))
        senders = [Sender(service.smtp, f"s{n}", [ann.address, bob.address]).start() for n in range(3)]
        commander = Commander(ann, bob.address, "c").start()
        began = time.monotonic()
        while killed.total() < KILLS:
            kill_all_round(service, chance, killed, [*senders, commander])
        killing_s = time.monotonic() - began
        service.kill()
        start_s = service.start()
        for one in (*senders, commander):
            one.finish(60)
        wait_until_settled(service, within_s=120)  # what a killed worker held is due again once the next one begins
        events = assert_logs_hold(service)
        mails = sum(assert_each_mail_is_there_once(one, senders) for one in (ann, bob))
        assert mails == sum(len(sender.acknowledged) for sender in senders)
        commands = assert_each_command_is_there_once(commander, bob)
        sample = chance.sample([name for s in senders for name in s.begun if s.begun[name] == ann.address], 5)
        assert_search_finds(ann, sample)
        repeats = sum(one.repeats for one in (*senders, commander))
        assert repeats > 0
        assert service.stop()[0] == 0
        print(f"{killed.total()} kills in {killing_s:.0f} s ({dict(killed)}); last start {start_s:.1f} s;", end=" ")
        print(f"{mails} mails, {commands} commands, {repeats} sent again after a lost answer, {events} events")
