"""Whoever makes a mailbox pass a level tells its owner, in the same append as the event and never without it."""

from typing import Any

import pytest

from domain.commands import Decided, TellOwner
from domain.decisions import DeleteMessages, Deliver, SaveDraft, SetQuota, SubmitNew
from domain.events import QuotaWarned, SubmissionRecipient
from tests.domain.decided_mailbox import NOW_MS, PERSONAL, DecidedMailbox, composed, server

ARRIVING = {"personal": PERSONAL, "server": server(own="a"), "received_at": NOW_MS}
DELIVERED = (Deliver, ARRIVING | {"size": 850, "labels": ("INBOX",), "source": "inbound"})
DRAFTED = (SaveDraft, ARRIVING | {"size": 850})
SENT = (
    SubmitNew,
    {
        "message": composed(size=850),
        "mail_from": "ann@example.org",
        "recipients": (SubmissionRecipient("bob@example.com"),),
        "send_at_ms": NOW_MS,
        "undo_until_ms": NOW_MS,
        "stream": "personal",
    },
)


def told(decided: Decided) -> list[TellOwner]:
    return [effect for effect in decided.effects if isinstance(effect, TellOwner)]


@pytest.mark.parametrize(("kind", "fields"), [DELIVERED, DRAFTED, SENT])
def test_what_passes_a_level_tells_the_owner(kind: type, fields: dict[str, Any]) -> None:
    decided = DecidedMailbox(quota_bytes=1000).run(kind, **fields)
    assert QuotaWarned(level=80, used_bytes=850, limit_bytes=1000) in decided.events
    assert told(decided) == [TellOwner("quota", 80, 850, 1000)]


@pytest.mark.parametrize(("kind", "fields"), [DELIVERED, DRAFTED, SENT])
def test_what_passes_none_tells_nobody(kind: type, fields: dict[str, Any]) -> None:
    assert told(DecidedMailbox(quota_bytes=10_000).run(kind, **fields)) == []


def test_a_quota_that_shrinks_below_a_level_tells_the_owner() -> None:
    mailbox = DecidedMailbox()
    mailbox.deliver(size=850)
    assert told(mailbox.run(SetQuota, limit_bytes=1000)) == [TellOwner("quota", 80, 850, 1000)]
    assert told(mailbox.run(SetQuota, limit_bytes=1010)) == []


def test_one_notice_a_level_and_another_after_the_use_fell_below_it() -> None:
    mailbox, levels = DecidedMailbox(quota_bytes=1000), []
    for size in (790, 10, 50, 50, 40, 10, 40, 10):
        levels += [notice.level for notice in told(mailbox.run(Deliver, **DELIVERED[1] | {"size": size}))]
    assert levels == [80, 90, 95]
    (largest,) = [row.message_id for row in mailbox.rows.messages.values() if row.size == 790]
    for _ in ("into TRASH", "for good"):
        mailbox.run(DeleteMessages, ids=(largest,))
    assert [notice.level for notice in told(mailbox.run(Deliver, **DELIVERED[1] | {"size": 700}))] == [90]
