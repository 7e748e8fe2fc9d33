"""Thousands of real and nasty mails through both profiles: the same mailboxes, event for event, ids and times aside."""

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.server_profile import fresh_profile
from tests.system.corpus_mail import CorpusMail, corpus_mails, send_all
from tests.system.http_crowd import Person
from tests.system.ingest import assert_logs_and_views_agree
from tests.system.service import Service, installation
from tests.system.service_checks import wait_until_settled

pytestmark = [pytest.mark.servers, pytest.mark.corpus, pytest.mark.timeout(1800)]

MAILBOXES = 8
OWN = {"LEDGERMAIL_DOMAINS": "mailbox.test"}
EVERY = 40
"""Of so many messages one is fetched whole."""
_ID = re.compile(r"\b[a-z][0-9a-v]{20}\b")
_DATES = re.compile(r"\w{3}, \d{2} \w{3} \d{4} \d\d:\d\d:\d\d [-+]\d{4}|(?<=emails/)\d{4}/\d\d/\d\d")
_TIMES = frozenset({"recorded_at", "received_at", "listed_at", "uid_validity"})
_NAMES = frozenset({"refs", "subject_ref"})
"""Message-IDs and subjects, under the mailbox's own key."""
Told = list[Any]


class Plain:
    """Events without ids and times: each id is a number, in the order in which they first appear."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def of(self, found: Any) -> Any:
        """The same, of whatever an event holds."""
        if isinstance(found, dict):
            return {self.of(k): self._named(k, v) for k, v in found.items() if k not in _TIMES}
        if isinstance(found, list | tuple):
            return [self.of(one) for one in found]
        return self._text(found) if isinstance(found, str) else found

    def _named(self, name: str, found: Any) -> Any:
        if name not in _NAMES:
            return self.of(found)
        return [self._number(one) for one in ([found] if isinstance(found, str) else found or [])]

    def _text(self, text: str) -> str:
        return _ID.sub(lambda match: self._number(match[0]), _DATES.sub("-", text))

    def _number(self, name: str) -> str:
        return self._numbers.setdefault(name, f"<{len(self._numbers)}>")


def shares(mails: Sequence[CorpusMail]) -> list[Sequence[CorpusMail]]:
    """What each mailbox gets, in this order: neighbours stay together, and with them whole conversations."""
    size = -(-len(mails) // MAILBOXES)
    return [mails[first : first + size] for first in range(0, len(mails), size)]


def mailboxes(service: Service, mails: Sequence[CorpusMail]) -> tuple[list[Told], list[bytes]]:
    """What the mails came to: the events of each mailbox, and some of the messages whole."""
    began = time.monotonic()
    owners = [Person(service.url, f"owner{number}@mailbox.test") for number in range(MAILBOXES)]
    with ThreadPoolExecutor(MAILBOXES) as senders:
        sent = senders.map(
            lambda owner, share: list(send_all(service.smtp, owner.address, share)), owners, shares(mails)
        )
        replies = [reply for part in sent for reply in part]
    taken_s = time.monotonic() - began
    wait_until_settled(service, within_s=600)
    print(f"\n{sum(bool(one.acceptance_id) for one in replies)} of {len(replies)} mails", end=" ")
    print(f"taken in {taken_s:.1f} s, all views settled after {time.monotonic() - began:.1f} s")
    assert_logs_and_views_agree(service, owners)
    return [events_of(service, owner) for owner in owners], [raw for owner in owners for raw in some_of(owner)]


def events_of(service: Service, owner: Person) -> Told:
    """All of a mailbox's events."""
    with service.parts() as parts:
        entry = parts.directory.find(owner.address)
        assert entry is not None
        plain = Plain()
        return [
            plain.of(msgspec.json.decode(msgspec.json.encode(one))) for one in parts.reader.recorded(entry.mailbox_id)
        ]


def some_of(owner: Person) -> Iterator[bytes]:
    """Messages as they are given out, in the order of their coming."""
    for message in reversed(owner.messages("INBOX")[::-EVERY]):
        yield owner.http.get(f"/v1/messages/{message['id']}/raw").content


@pytest.fixture(scope="module")
def mails(corpus: Path) -> list[CorpusMail]:
    return corpus_mails(corpus)


def test_the_real_mail_comes_to_the_same_mailboxes_event_for_event_on_servers_and_embedded(
    mails: list[CorpusMail],
) -> None:
    """One partition, so that also on Kafka the mails of a mailbox come in the order in which they were sent."""
    with installation(settings=OWN) as service:
        service.start()
        embedded, some = mailboxes(service, mails)
        assert service.stop()[0] == 0
    with fresh_profile(partitions=1) as servers, installation(settings=OWN | servers) as service:
        service.start(within_s=120)
        on_servers, the_same = mailboxes(service, mails)
        assert service.stop()[0] == 0
    assert [len(events) for events in on_servers] == [len(events) for events in embedded]
    for ours, theirs in zip(on_servers, embedded, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one == other
    plain = [[Plain().of(raw.decode("latin-1")) for raw in raws] for raws in (some, the_same)]
    assert plain[0] == plain[1]
