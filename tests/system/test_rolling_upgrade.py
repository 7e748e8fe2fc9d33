"""The version before and this one side by side on one installation, as in a rolling upgrade (`scripts/try-upgrade`)."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.http_crowd import Commander, Person
from tests.system.service import Service, installation
from tests.system.service_checks import (
    assert_each_command_is_there_once,
    assert_each_mail_is_there_once,
    assert_logs_hold,
    assert_search_finds,
    wait_until_settled,
)
from tests.system.smtp_crowd import Sender
from tests.system.test_side_by_side import work_goes_on

OLD_VERSION = os.environ.get("LEDGERMAIL_TEST_OLD_VERSION", "")
DOORS, WORKERS = "http,smtp", "delivery,sender,timers,follower"
ALL = f"{DOORS},{WORKERS}"
pytestmark = [
    pytest.mark.skipif(not OLD_VERSION, reason="scripts/try-upgrade runs it"),
    pytest.mark.timeout(600),
]


def _known_to_the_old(environment: Mapping[str, str]) -> dict[str, str]:
    """Without settings that it would not start with, since they came later."""
    known = (Path(OLD_VERSION) / "docs" / "settings.md").read_text()
    return {
        name: value for name, value in environment.items() if name[:11] != "LEDGERMAIL_" or f"| `{name}` |" in known
    }


def assert_all_views_hold(service: Service) -> None:
    """Those that this version knows."""
    compared = service.run("rebuild", "all", "--verify")
    lines = compared.stdout.splitlines()
    assert compared.returncode == 0, compared.stdout
    assert len(lines) >= 3
    assert all(line.endswith(" 0 differences") for line in lines), compared.stdout


class Upgrade:
    """One data folder on which services of both versions run; all mail and commands that went through any of them."""

    def __init__(self, data: Path, logs: Path) -> None:
        self._data, self._logs = data, logs
        self._services: list[Service] = []
        self.senders: list[Sender] = []
        self.commanders: list[Commander] = []

    @contextmanager
    def old(self, roles: str) -> Iterator[Service]:
        """The version before, in these roles."""
        folder = Path(OLD_VERSION)
        python = str(folder / ".venv" / "bin" / "python")
        service = Service(self._data, self._log(), arguments=("--only", roles), cwd=folder, python=python)
        service.environment = _known_to_the_old(service.environment)
        with self._running(service):
            yield service

    @contextmanager
    def new(self, roles: str) -> Iterator[Service]:
        """This version, in these roles."""
        service = Service(self._data, self._log(), arguments=("--only", roles))
        with self._running(service):
            yield service

    def _log(self) -> Path:
        return self._logs / f"{len(self._services)}.log"

    @contextmanager
    def _running(self, service: Service) -> Iterator[None]:
        self._services.append(service)
        service.start()
        yield
        assert service.lives(), service.said()[-3000:]
        assert service.stop()[0] == 0
        assert "Traceback" not in service.said(), service.said()[-3000:]

    def end(self) -> None:
        """Nothing is left."""
        for service in self._services:
            service.end()

    def goes_through(self, doors: Sequence[Service], people: Sequence[Person]) -> None:
        """Mail by SMTP, and commands and letters by HTTP, through these doors to both people."""
        addresses = [person.address for person in people]
        number = len(self.senders)
        senders = [Sender(door.smtp, f"u{number + n}", addresses).start() for n, door in enumerate(doors)]
        friend = people[1].address
        commanders = [
            Commander(Person(door.url, people[0].address, register=False), friend, f"c{number + n}").start()
            for n, door in enumerate(doors)
        ]
        self.senders += senders
        self.commanders += commanders
        work_goes_on([*senders, *commanders])
        for one in (*senders, *commanders):
            one.finish(60)


@pytest.fixture
def upgrade() -> Iterator[Upgrade]:
    with installation() as unused:
        made = Upgrade(unused.data, unused.log.parent)
        try:
            yield made
        finally:
            made.end()


def test_what_either_version_accepts_the_other_delivers_and_both_find_the_installation_whole(upgrade: Upgrade) -> None:
    with upgrade.old(ALL) as old:
        people = [Person(old.url, f"{name}@example.test") for name in ("ann", "bob")]
        upgrade.goes_through([old], people)
        with upgrade.new(ALL) as new:  # it brings the tables up to its version, beneath the old one
            upgrade.goes_through([old, new], people)
            wait_until_settled(new, within_s=120)
    with upgrade.old(DOORS) as old, upgrade.new(WORKERS) as new:
        upgrade.goes_through([old], people)
        wait_until_settled(new, within_s=120)
    with upgrade.old(WORKERS) as old, upgrade.new(DOORS) as new:
        upgrade.goes_through([new], people)
        wait_until_settled(new, within_s=120)
        assert_all_views_hold(old)
    with upgrade.new(ALL) as new:
        upgrade.goes_through([new], people)
        wait_until_settled(new, within_s=120)
        ann, bob = (Person(new.url, person.address, register=False) for person in people)
        mails = sum(assert_each_mail_is_there_once(person, upgrade.senders) for person in (ann, bob))
        assert mails == sum(len(sender.acknowledged) for sender in upgrade.senders)
        for commander in upgrade.commanders:
            commander.person = ann
            assert_each_command_is_there_once(commander, bob)
        for sender in upgrade.senders:
            assert_search_finds(ann, [name for name, to in sender.begun.items() if to == ann.address][-1:])
        assert_logs_hold(new)
        assert_all_views_hold(new)
