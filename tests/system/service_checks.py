"""What must hold of a whole installation after whatever happened to it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from psycopg import Connection

from domain.ids import MailboxId
from infra.chain_check import check_chain, mailboxes_with_chains
from infra.composition import Parts
from infra.followers import lags
from infra.rebuild import verify_mailbox
from tests.system.http_crowd import Commander, Person
from tests.system.service import Service, until
from tests.system.smtp_crowd import Sender

Json = dict[str, Any]


def wait_until_settled(service: Service, *, within_s: float = 60) -> None:
    """Nothing waits in queue and outbox, and the views that follow are at every head."""
    with service.parts() as parts, parts.connect() as connection:

        def waiting() -> int:
            count = " + ".join(f"(SELECT count(*) FROM {table})" for table in ("queue_records", "outbox", "sending"))
            (records,) = connection.execute(f"SELECT {count}").fetchone() or (0,)
            here = int(records) + sum(behind for behind, _parked in lags(connection).values())
            return here or (0 if parts.kafka is None else parts.kafka.backlog.records())

        until(lambda: not waiting(), within_s=within_s, what="queue, outbox and followers are settled")
        letters = connection.execute("SELECT address, error FROM dead_letters").fetchall()
        assert letters == [], letters
        assert {parked for _behind, parked in lags(connection).values()} <= {0}


def assert_logs_hold(service: Service) -> int:
    """Every chain is intact, and every row in step is what the fold of its log says. Answers the events in all."""
    with service.parts() as parts, parts.connect() as connection:
        return sum(assert_mailbox_holds(parts, connection, one) for one in mailboxes_with_chains(connection))


def assert_mailbox_holds(parts: Parts, connection: Connection[Any], mailbox_id: MailboxId) -> int:
    """The same of one mailbox."""
    checked = check_chain(connection, parts.recorder, parts.keys, mailbox_id=mailbox_id)
    assert checked.broken is None
    assert verify_mailbox(parts.conninfo, parts.reader, mailbox_id) == []
    return checked.events


def assert_each_mail_is_there_once(person: Person, senders: Iterable[Sender]) -> int:
    """What was acknowledged lies in the mailbox once, and what was never acknowledged at most once."""
    found = Counter(one["subject"].removeprefix("Mail ") for one in person.messages("INBOX"))
    acknowledged: set[str] = set()
    begun: set[str] = set()
    for sender in senders:
        acknowledged |= {name for name in sender.acknowledged if sender.begun[name] == person.address}
        begun |= {name for name, to in sender.begun.items() if to == person.address}
    mails = {name: count for name, count in found.items() if name in begun}
    assert {name: count for name, count in mails.items() if count != 1} == {}
    assert acknowledged <= mails.keys(), sorted(acknowledged - mails.keys())[:10]
    return len(mails)


def assert_each_command_is_there_once(commander: Commander, friend: Person) -> int:
    """Labels, drafts, letters (in SENT, and with the friend) and keywords, each of them once."""
    person, events = commander.person, commander.person.events()
    of_type = {kind: [e["data"] for e in events if e["type"] == kind] for kind in {e["type"] for e in events}}
    labels = Counter(data["name"] for data in of_type["LabelCreated"])
    _assert_once(commander.named("label"), labels)
    drafts = Counter(f"{one['subject'].removeprefix('Draft ')}-d" for one in person.messages("DRAFTS"))
    _assert_once(commander.named("draft"), drafts)
    letters = commander.named("sent")
    for found in (person.messages("SENT"), friend.messages("INBOX")):
        _assert_once(letters, Counter(f"{one['subject'].removeprefix('Letter ')}-s" for one in found))
    assert {answer["message_id"] for answer in letters.values()} <= {one["id"] for one in person.messages("SENT")}
    keywords = Counter(f"{word.removeprefix('k')}-k" for data in of_type["KeywordsChanged"] for word in data["added"])
    _assert_once(commander.named("keyword"), keywords)
    return len(commander.done)


def _assert_once(answered: Iterable[str], found: Counter[str]) -> None:
    astray = {name: found[name] for name in answered if found[name] != 1}
    assert not astray


def assert_search_finds(person: Person, names: Iterable[str]) -> None:
    """Each of these mails by the word that only it has."""
    for name in names:
        found = person.get("/v1/search", q=f"word{name.replace('-', '')}")
        assert [one["subject"] for one in found["messages"]] == [f"Mail {name}"]
