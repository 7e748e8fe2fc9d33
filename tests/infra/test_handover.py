"""Handing over on the real store: one copy in SENT, one submission a hand-over, and what keeps a message back."""

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from domain.addresses import EmailAddress
from domain.decisions import RestrictSending, SetQuota
from domain.events import SubmissionQueued
from domain.ids import MailboxId, new_id
from domain.refusals import MailboxFullError, RateLimitedError, SendingBlockedError
from domain.times import DAY_MS
from gateways.accounts import AccountSuspendedError, Principal
from gateways.envelope import Envelope, Recipient
from gateways.mail_objects import read_mail
from gateways.submission.handover import Handover
from gateways.submission.replies import SubmissionRefusedError
from infra.blob_references import toucher
from infra.postgres_outbox import PostgresOutbox
from tests.infra.accounts.given_accounts import GivenAccounts, given_accounts
from tests.post_office import envelope_of

MAIL = (
    b"From: Ann <%s>\r\nTo: bob@example.test\r\nSubject: Hello\r\nMessage-ID: <%s@laptop>\r\n"
    b"Date: Sun, 22 Nov 2026 05:00:00 +0000\r\n\r\nHow are you?\r\n"
)


class Author:
    """An account that hands mail over."""

    def __init__(self, parts: GivenAccounts, name: str, *, per_minute: int = 100, volume_from: int = 0) -> None:
        self.parts = parts
        known = parts.credentials.find(f"{name}@example.test")
        account = known or parts.given(f"{name}@example.test")
        self.principal = Principal(account.account_id, account.mailbox_id, account.address, "p1", "user")
        self.handover = Handover(
            appender=parts.lane,
            blobs=parts.blobs,
            directory=parts.directory,
            touch=toucher(parts.connect),
            is_open=parts.accounts.is_open,
            still_speaks=lambda principal: principal.session_id == "p1" or parts.native_sign_in.still_speaks(principal),
            per_minute=per_minute,
            per_day=1000,
            volume_from=volume_from,
        )

    @property
    def mailbox_id(self) -> MailboxId:
        return self.principal.mailbox_id

    def mail(self, message_id: str = "m1", *, more: bytes = b"") -> bytes:
        return more + MAIL % (self.principal.address.encode(), message_id.encode())

    def hand_over(self, raw: bytes, *recipients: str, hold_ms: int = 0, **changes: Any) -> Envelope:
        now_ms = self.now_ms()
        plain = envelope_of(raw, *(recipients or ("bob@example.test",)), received_at=now_ms)
        own = {"reverse_path": self.principal.address, "protocol": "ESMTPSA", "acceptance_id": new_id("a")}
        envelope = msgspec.structs.replace(plain, **(own | changes))
        self.handover.submit(self.principal, envelope, raw, send_at_ms=now_ms + hold_ms)
        return envelope

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def sent(self) -> list[tuple[str, str]]:
        """Id and object of what is in SENT, in the order in which it came."""
        return self.parts.rows(
            "SELECT message_id, blob FROM messages WHERE mailbox_id = %s AND destroyed_seq IS NULL"
            " AND 'SENT' = ANY(labels) ORDER BY delivered_seq",
            self.mailbox_id,
        )

    def queued(self) -> list[SubmissionQueued]:
        events = [one.event for one in self.parts.events(self.mailbox_id)]
        return [event for event in events if isinstance(event, SubmissionQueued)]


@pytest.fixture(scope="module")
def parts(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GivenAccounts]:
    with given_accounts(module_database_url, tmp_path_factory.mktemp("handover")) as given:
        given.ensure_operator()
        yield given


def test_a_message_is_in_sent_as_it_was_written_behind_one_received_field(parts: GivenAccounts) -> None:
    author = Author(parts, "plain")
    raw = author.mail(more=b"Bcc: eve@example.test\r\n")
    envelope = author.hand_over(raw)
    [(_, blob)] = author.sent()
    received, _, rest = read_mail(parts.blobs, blob).partition(b"\r\nBcc")
    assert b"\r\nBcc" + rest == b"\r\n" + raw
    assert received.startswith(b"Received: from localhost (signed in)\r\n\tby mx.example.test with ESMTPSA id ")
    assert envelope.peer.encode() not in received
    assert envelope.helo.encode() not in received


def test_what_a_message_lacks_is_added(parts: GivenAccounts) -> None:
    author = Author(parts, "lacking")
    raw = b"From: lacking@example.test\r\n\r\nHello\r\n"
    author.hand_over(raw)
    author.hand_over(raw)
    first = read_mail(parts.blobs, author.sent()[0][1])
    assert first.endswith(raw)
    assert b"\r\nDate: " in first
    assert b"\r\nMessage-ID: <" in first
    assert len(author.queued()) == 2  # without a Message-ID of its own nothing is a repeat


def test_who_missed_the_answer_and_sends_again_sends_once(parts: GivenAccounts) -> None:
    author = Author(parts, "again")
    for _again in range(3):
        author.hand_over(author.mail(), "bob@example.test", "carol@elsewhere.example")
    author.hand_over(author.mail(), "carol@elsewhere.example", "bob@example.test")
    assert (len(author.sent()), len(author.queued())) == (1, 1)


def test_the_same_mail_to_others_is_sent_and_stands_in_sent_once(parts: GivenAccounts) -> None:
    author = Author(parts, "others")
    author.hand_over(author.mail(), "bob@example.test")
    author.hand_over(author.mail(), "carol@example.test")
    [(message_id, _)] = author.sent()
    assert [one.message_id for one in author.queued()] == [message_id] * 2
    leased = PostgresOutbox(parts.connect, parts.reader).lease(limit=10, lease_s=60)
    mine = [one for one in leased if one.mailbox_id == author.mailbox_id]
    assert sorted(one.recipients[0].address for one in mine) == ["bob@example.test", "carol@example.test"]


def test_something_else_under_the_same_message_id_is_sent_and_takes_the_place_in_sent(parts: GivenAccounts) -> None:
    author = Author(parts, "changed")
    author.hand_over(author.mail())
    [(first, _)] = author.sent()
    author.hand_over(author.mail() + b"P.S. I forgot.\r\n")
    [(second, blob)] = author.sent()
    assert second != first
    assert read_mail(parts.blobs, blob).endswith(b"P.S. I forgot.\r\n")
    assert [one.message_id for one in author.queued()] == [first, second]
    labels = "SELECT labels FROM messages WHERE mailbox_id = %s AND message_id = %s"
    assert parts.rows(labels, author.mailbox_id, first) == [(["ARCHIVE"],)]


def test_a_mail_that_waits_is_not_taken_for_one_that_leaves_now(parts: GivenAccounts) -> None:
    author = Author(parts, "held")
    author.hand_over(author.mail(), hold_ms=DAY_MS)
    author.hand_over(author.mail())
    assert (len(author.sent()), len(author.queued())) == (1, 2)


def test_the_same_mail_of_two_people_are_two(parts: GivenAccounts) -> None:
    one, other = Author(parts, "one"), Author(parts, "other")
    raw = b"From: {}\r\nMessage-ID: <same@laptop>\r\n\r\nHello\r\n"
    for author in (one, other):
        author.hand_over(raw.replace(b"{}", author.principal.address.encode()))
    assert (len(one.sent()), len(other.sent())) == (1, 1)
    assert one.sent()[0][1] != other.sent()[0][1]


def test_wishes_for_notifications_lie_with_the_submission(parts: GivenAccounts) -> None:
    author = Author(parts, "wishes")
    recipient = Recipient("bob@example.test", orcpt="rfc822;bob@old.example", notify=("DELAY",))
    author.hand_over(author.mail(), ret="HDRS", envid="e1", recipients=(recipient,))
    leased = PostgresOutbox(parts.connect, parts.reader).lease(limit=10, lease_s=60)
    [sending] = [one for one in leased if one.mailbox_id == author.mailbox_id]
    assert (sending.ret, sending.envid) == ("HDRS", "e1")
    assert (sending.recipients[0].orcpt, sending.recipients[0].notify) == ("rfc822;bob@old.example", ("DELAY",))


def test_an_address_given_twice_is_sent_to_once(parts: GivenAccounts) -> None:
    author = Author(parts, "twice")
    author.hand_over(author.mail(), "bob@example.test", "BOB@example.test")
    assert [one.address for one in author.queued()[0].personal.recipients] == ["bob@example.test"]


@pytest.mark.parametrize(
    "header",
    [
        b"From: bob@example.test\r\n",
        b"From: judged@example.test, bob@example.test\r\n",
        b"From: judged@example.test <bob@example.test>\r\n",
        b"From: judged@example.test\r\nFrom: bob@example.test\r\n",
        b"From: judged@example.test\r\nfrom : judged@example.test\r\n",
        b"From: judged@example.test\r\nSender: bob@example.test\r\n",
        b"From:\r\n",
        b"From: undisclosed:;\r\n",
        b"From: Ann\r\n",
        b"To: bob@example.test\r\n",
        b"From: " + b", ".join([b"judged@example.test"] * 11) + b"\r\n",
        b"From: judged@example.test" + b" " * 9000 + b"\r\n",
        b"X: " + b"x" * 2**20 + b"\r\nFrom: judged@example.test\r\n",
        b"From: judged@example.test\r\n" + b"X:\r\n" * 10_000 + b"From: bob@example.test\r\n",
        b"",
    ],
)
def test_a_message_is_from_who_signed_in_and_from_nobody_else(parts: GivenAccounts, header: bytes) -> None:
    author = Author(parts, "judged")
    with pytest.raises(SubmissionRefusedError):
        author.hand_over(header + b"\r\nHello\r\n")
    assert author.sent() == []


def test_a_tag_of_the_own_address_is_the_own_address(parts: GivenAccounts) -> None:
    author = Author(parts, "tagged")
    author.hand_over(b"From: Tagged+Shop@Example.test\r\nSender: tagged@example.test\r\n\r\nHello\r\n", reverse_path="")
    assert author.queued()[0].personal.mail_from == ""


def test_the_operators_mailbox_speaks_for_postmaster_and_nobody_else_does(parts: GivenAccounts) -> None:
    author = Author(parts, "nopostmaster")
    postmaster = EmailAddress.parse("postmaster@example.test")
    entry = parts.directory.find(postmaster.canonical)
    operator = Principal("o", entry.mailbox_id, "operator@example.test", "p1", "user")
    assert author.handover.owns(operator, postmaster)
    assert not author.handover.owns(author.principal, postmaster)


def test_the_rate_is_the_mailboxes_and_a_repeat_costs_nothing(parts: GivenAccounts) -> None:
    author = Author(parts, "hasty", per_minute=2)
    for number in (1, 2, 1, 2):
        author.hand_over(author.mail(f"m{number}"))
    with pytest.raises(RateLimitedError):
        author.hand_over(author.mail("m3"))
    assert (len(author.sent()), len(author.queued())) == (2, 2)


def test_who_is_suspended_meanwhile_sends_nothing_more(parts: GivenAccounts) -> None:
    author = Author(parts, "suspended")
    account = parts.accounts.find(author.principal.account_id)
    assert account is not None
    parts.administration.suspend(account)
    with pytest.raises(AccountSuspendedError):
        author.hand_over(author.mail())
    assert author.sent() == []


def test_a_connection_hands_over_nothing_more_with_an_app_password_that_was_taken_away(parts: GivenAccounts) -> None:
    author = Author(parts, "revoked")
    made = parts.app_passwords.add(author.principal.account_id, "phone")
    place = {"client": "a phone", "network_address": "192.0.2.70", "protocol": "submission"}
    author.principal = parts.native_sign_in.with_password(author.principal.address, made.secret, **place)
    author.hand_over(author.mail("before"))
    parts.app_passwords.remove(author.principal.account_id, made.app_password.app_password_id)
    with pytest.raises(SubmissionRefusedError):
        author.hand_over(author.mail("after"))
    assert len(author.sent()) == 1


def test_who_may_not_send_or_has_no_room_hears_so_and_nothing_is_kept(parts: GivenAccounts) -> None:
    author = Author(parts, "blocked")
    parts.lane.run(RestrictSending(mailbox_id=author.mailbox_id, command_id="r", why="test", blocked=True))
    with pytest.raises(SendingBlockedError):
        author.hand_over(author.mail())
    full = Author(parts, "full")
    parts.lane.run(SetQuota(mailbox_id=full.mailbox_id, command_id="q", limit_bytes=10))
    with pytest.raises(MailboxFullError):
        full.hand_over(full.mail())
    assert (author.sent(), full.sent()) == ([], [])


def test_the_content_of_two_mails_of_one_message_id_is_told_apart_by_their_digests(parts: GivenAccounts) -> None:
    author = Author(parts, "digests")
    envelope = author.hand_over(author.mail())
    assert envelope.content_sha256 == hashlib.sha256(author.mail()).hexdigest()
    assert envelope.content_sha256[:10] in author.sent()[0][1]


def test_ten_times_what_is_usual_demands_a_sign_in(parts: GivenAccounts) -> None:
    author = Author(parts, "sudden", volume_from=10)
    for number in range(10):
        author.hand_over(author.mail(f"v{number}"))
    topics = parts.rows("SELECT topic FROM stored_events WHERE originator_id = %s", author.mailbox_id)
    assert topics.count(("SignInDemanded",)) == 1
