"""Mail and commands that go on while something happens to the installation, and what must hold of it all afterwards."""

import itertools
from collections.abc import Iterable
from contextlib import ExitStack

from infra.contacts_rebuild import verify_contacts
from infra.search_rebuild import verify_search
from tests.system.http_crowd import Commander, Person
from tests.system.service import Service, until
from tests.system.service_checks import (
    assert_each_command_is_there_once,
    assert_each_mail_is_there_once,
    assert_mailbox_holds,
    assert_search_finds,
    wait_until_settled,
)
from tests.system.smtp_crowd import Sender

RECOVERED_S = 240.0
_numbers = itertools.count()


class Ingest:
    """Two people; two senders who write to both, and a client of the first who writes to the second."""

    def __init__(self, service: Service) -> None:
        name = f"n{next(_numbers)}"
        self._service = service
        self.people = [Person(service.url, f"{name}{who}@example.test") for who in ("ann", "bob")]
        addresses = [person.address for person in self.people]
        self.senders = [Sender(service.smtp, f"{name}-s{n}", addresses).start() for n in range(2)]
        self.commander = Commander(self.people[0], addresses[1], f"{name}-c").start()

    def taken(self) -> int:
        """How many mails and commands were answered for.

        Raises: what ended one of them.
        """
        for one in (*self.senders, self.commander):
            if one.failure is not None:
                raise one.failure
        return sum(len(sender.acknowledged) for sender in self.senders) + len(self.commander.done)

    def goes_on(self, *, count: int = 20) -> None:
        """Until so many more are."""
        before = self.taken()
        until(lambda: self.taken() >= before + count, within_s=RECOVERED_S, what="mail is taken")

    def assert_nothing_is_lost_or_doubled(self) -> None:
        """All that was answered for is there once, once; chains, views, contacts and the search index agree with it."""
        for one in (*self.senders, self.commander):
            one.finish(RECOVERED_S)
        wait_until_settled(self._service, within_s=RECOVERED_S)
        mails = sum(assert_each_mail_is_there_once(one, self.senders) for one in self.people)
        assert mails == sum(len(sender.acknowledged) for sender in self.senders)
        assert_each_command_is_there_once(self.commander, self.people[1])
        assert_logs_and_views_agree(self._service, self.people)

    def assert_search_finds_the_last_mails(self) -> None:
        """Asked as a client asks."""
        for person in self.people:
            for sender in self.senders:
                mine = [name for name in sender.acknowledged if sender.begun[name] == person.address]
                assert_search_finds(person, mine[-1:])


def assert_logs_and_views_agree(service: Service, people: Iterable[Person]) -> None:
    """Chains are intact, rows in step are the fold, and what follows has come to the head and says the same."""
    with service.parts() as parts, parts.connect() as connection, ExitStack() as closing:
        index = parts.search.live(closing)
        for person in people:
            entry = parts.directory.find(person.address)
            assert entry is not None
            one = entry.mailbox_id
            assert_mailbox_holds(parts, connection, one)
            (head,) = connection.execute("SELECT head FROM mailboxes WHERE mailbox_id = %s", (one,)).fetchone() or (0,)
            until(lambda: index.cursors([one])[one] >= head, within_s=RECOVERED_S, what="all is indexed")  # noqa: B023
            assert verify_search(connection, index, one) == []
            assert verify_contacts(connection, parts.reader, one) == []
