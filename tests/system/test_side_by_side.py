"""Two of each process on one installation: each does a part of the work, and either may vanish under it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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

ROLES = ("--only", "http,smtp,delivery,follower")
OTHERS = ("--only", "http,smtp,delivery,follower,sender,timers")
STOP_S = 10.0
LEAST_TAKEN = 5


@contextmanager
def two_services() -> Iterator[tuple[Service, Service]]:
    """One data folder, one database, two supervisors on ports of their own, started at once."""
    with installation(arguments=ROLES) as one:
        two = Service(one.data, one.log.with_name("said-too.log"), arguments=OTHERS)
        try:
            for service in (one, two):
                service.launch()
            for service in (one, two):
                service.wait_ready()
            yield one, two
        finally:
            two.end()


def work_goes_on(crowd: Sequence[Sender | Commander]) -> None:
    """Each of them gets a few more answers."""
    before = {id(one): _taken(one) for one in crowd}
    until(lambda: all(_taken(one) >= before[id(one)] + LEAST_TAKEN for one in crowd), within_s=90, what="work goes on")


def _taken(one: Sender | Commander) -> int:
    if one.failure is not None:
        raise one.failure
    return len(one.acknowledged if isinstance(one, Sender) else one.done)


@pytest.mark.timeout(420)
def test_two_of_each_process_share_the_work_and_one_of_each_may_be_killed() -> None:
    with two_services() as (one, two):
        ann, bob = Person(one.url, "ann@example.test"), Person(two.url, "bob@example.test")
        senders = [
            Sender(service.smtp, f"s{number}", [ann.address, bob.address]).start()
            for number, service in enumerate((one, two, one, two))
        ]
        commanders = [Commander(ann, bob.address, "ca").start(), Commander(bob, ann.address, "cb").start()]
        work_goes_on([*senders, *commanders])
        # Both followers, one after the other: one of them wrote the search index, and the other one took over.
        for service, victim in ((one, "smtp"), (two, "delivery"), (one, "follower"), (two, "http"), (two, "follower")):
            assert service.kill_child(victim)
            work_goes_on([*senders, *commanders])
        for each in (*senders, *commanders):
            each.finish(60)
        wait_until_settled(two, within_s=120)
        assert_logs_hold(two)
        mails = sum(assert_each_mail_is_there_once(person, senders) for person in (ann, bob))
        assert mails == sum(len(sender.acknowledged) for sender in senders)
        assert_each_command_is_there_once(commanders[0], bob)
        assert_each_command_is_there_once(commanders[1], ann)
        assert_search_finds(ann, [name for name, to in senders[0].begun.items() if to == ann.address][-3:])
        compared = two.run("rebuild", "all", "--verify")
        assert (compared.returncode, compared.stdout.count(" 0 differences")) == (0, 4), compared.stdout
        assert two.lives()
        assert one.stop()[0] == 0


@pytest.mark.timeout(240)
def test_what_one_leaves_when_it_stops_the_other_one_finishes() -> None:
    with two_services() as (one, two):
        ann = Person(two.url, "ann@example.test")
        senders = [Sender(service.smtp, f"s{n}", [ann.address]).start() for n, service in enumerate((one, two))]
        work_goes_on(senders)
        senders[0].finish(30)
        code, stop_s = one.stop()
        assert code == 0
        assert stop_s < STOP_S
        assert set(two.processes().values()) == {"http", "smtp", "delivery", "follower"}
        work_goes_on(senders[1:])
        senders[1].finish(60)
        wait_until_settled(two)
        assert assert_each_mail_is_there_once(ann, senders) == sum(len(sender.acknowledged) for sender in senders)
        readiness = ann.get("/readyz")
        assert readiness == {"status": "ready", "failing": []}
        assert two.stop()[0] == 0


@pytest.mark.timeout(240)
def test_the_roles_may_start_in_any_order_on_an_installation_that_is_empty_yet() -> None:
    with installation(arguments=("--only", "follower")) as follower:
        others = [
            Service(follower.data, follower.log.with_name(f"{roles}.log"), arguments=("--only", roles))
            for roles in ("timers", "delivery", "smtp", "http")
        ]
        try:
            for service in (follower, *others):
                service.start()
            door, *_ = (service for service in others if "SMTP" in service.addresses)
            ann = Person(others[-1].url, "ann@example.test")
            sender = Sender(door.smtp, "s", [ann.address], mails=3).start()
            sender.wait(30)
            wait_until_settled(others[-1])
            assert assert_each_mail_is_there_once(ann, [sender]) == 3
            assert_search_finds(ann, sender.begun)
            assert {service.stop()[0] for service in (*others, follower)} == {0}
        finally:
            for service in others:
                service.end()


@pytest.mark.timeout(120)
def test_the_second_one_on_a_port_says_so_in_one_line_and_the_first_one_serves_on() -> None:
    with installation(arguments=("--only", "smtp")) as one:
        one.start()
        again = one.run("serve", "--only", "smtp", within_s=60)
        complaint = f"ledgermail: cannot listen on 127.0.0.1:{one.smtp} for SMTP: Address already in use"
        assert [line for line in again.stderr.splitlines() if line.startswith("ledgermail: ")] == [complaint]
        assert (again.returncode, "Traceback" in again.stderr, one.lives()) == (1, False, True)
