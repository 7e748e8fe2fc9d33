"""Histories of one mailbox, a rich one by hand and valid ones at random, and the public JSON pages of any."""

import random
from typing import Any

import msgspec

from domain import events as e
from domain.public_form import public_event
from domain.stored_form import encode
from tests.domain.history import SECOND_MS, START_MS, History

__all__ = ["SECOND_MS", "START_MS", "History", "public_page", "random_history", "rich_history"]


def public_page(history: History, since: int = 0, limit: int = 1000) -> dict[str, Any]:
    """What `/sync?since=` answers."""
    page = [_public(recorded) for recorded in history.events[since : since + limit]]
    reached = since + len(page)
    return {"since": since, "next": reached, "head": history.head, "more": reached < history.head, "events": page}


def _public(recorded: e.RecordedEvent) -> dict[str, Any]:
    sections = None if recorded.event is None else encode(recorded.event, recorded.who)
    return msgspec.json.decode(
        public_event(
            recorded.seq,
            recorded.topic,
            recorded.recorded_at,
            structure=sections and sections.structure,
            personal=sections.personal if sections else b"",
            redacted=recorded.redacted,
        )
    )


def rich_history() -> History:
    """Every kind of event that leaves a trace, and every rule of the fold, at least once."""
    history = History()
    history.open(quota_bytes=20_000)
    history.label("l1", "Projects")
    history.label("l2", "engine", parent="l1")
    _conversations(history)
    _snoozes(history)
    _sending(history)
    _belongings(history)
    history.rename("l1", "Work")
    history.label("l3", "Brief")
    history.add(e.LabelDeleted(label_id="l3"))
    history.add(e.MailboxRestored(uid_validity={"INBOX": 900, "l1": 901}))
    return history


def _conversations(history: History) -> None:
    one = history.deliver("a1", thread="ta", refs=("r1",), subject_ref="s1")
    two = history.deliver("a2", thread="ta", labels=("INBOX", "l1"), refs=("r2", "r1"))
    other = history.deliver("b1", thread="tb", labels=("INBOX", "l2"), refs=("r1", "r3"), subject_ref="s1", size=7000)
    history.deliver("b2", thread="tb", labels=("l1",), keywords=("$seen",), refs=("r4",))
    spare = history.deliver("c1", thread="tc", size=9000)
    history.deliver("c2", thread="tc", redacted=True)
    history.add(e.QuotaWarned(level=95, used_bytes=20_000, limit_bytes=20_000))
    history.keywords(one, two, added=("$seen", "work"))
    history.keywords(one, added=("$flagged",), removed=("work",))
    history.relabel(one, other, added=("l1",), removed=("INBOX",))
    history.mark("l1", one, other)
    history.unmark("l1", one)
    history.add(
        e.MessageReparsed(message_id=two, parser=2, has_attachment=True, personal=e.MessagePersonal(subject="Better"))
    )
    history.add(e.SpamReported(message_ids=(spare,)))
    history.relabel(spare, added=("TRASH",), removed=("INBOX",))
    history.delete(spare)
    history.join(into="ta", from_="tb")
    history.deliver("a3", thread="ta", refs=("r5", "r3"), subject_ref="s1")


def _snoozes(history: History) -> None:
    history.snooze("a3")
    history.wake("a3")
    history.deliver("e1")
    history.snooze("e1")
    history.add(e.SnoozeEnded(message_ids=("e1",), listed_at=None))
    history.relabel("e1", added=("TRASH",), removed=("ARCHIVE",))
    history.deliver("e2")
    history.snooze("e2")


def _sending(history: History) -> None:
    first = history.deliver("w1", thread="tw", labels=("DRAFTS",), keywords=("$draft",))
    history.draft("d1", first)
    second = history.deliver("w2", thread="tw", labels=("DRAFTS",), keywords=("$draft",))
    history.draft("d1", second, revision=2, replaces=first)
    history.delete(first)
    history.relabel(second, added=("SENT",), removed=("DRAFTS",))
    history.keywords(second, added=("$seen",), removed=("$draft",))
    history.add(e.DraftDiscarded(draft_id="d1", sent=True))
    history.submit("u1", second, "bob@example.net", "eve@example.com")
    history.report("u1", 1, "bounced", message_id=second, reply="550 5.1.1 nobody")
    history.report("u1", 0, "relayed", message_id=second)
    history.submit("u2", second, "bob@example.net")
    history.add(e.SubmissionUndone(submission_id="u2", draft_id="d1"))
    history.draft("d1", second, revision=3)
    history.submit("u3", second, "bob@example.net", "eve@example.com")
    history.add(e.SubmissionRejected(submission_id="u3", reason="it looks like spam", check="spam"))
    history.submit("u4", second, "bob@example.net", redacted=True)
    history.join(into="ta", from_="tw")


def _belongings(history: History) -> None:
    history.add(e.IdentityChanged(identity_id="i1", name="Countess", address="ada@example.org"))
    history.add(e.IdentityChanged(identity_id="i2", name="Gone", address="gone@example.org"))
    history.add(e.IdentityChanged(identity_id="i2", removed=True))
    history.add(e.ContactChanged(contact_id="k1", name="bob", addresses=("bob@example.net",)))
    history.add(e.ContactChanged(contact_id="k1", name="Bob", addresses=("bob@example.net",), note="builder"))
    history.add(e.RulesReplaced(rules=msgspec.Raw(b'[{"if": {"from": "x"}}]')))
    history.add(e.VacationSet(vacation=msgspec.Raw(b'{"enabled":true}')))
    history.add(e.SettingsChanged(display_name="Ada L.", signature="--", time_zone="Europe/London"))
    history.add(e.SignedIn(session_id="z1", address="192.0.2.1", client="web", protocol="http"))
    history.add(e.SendingRestricted(why="bounces", blocked=False))
    history.add(e.SendingAllowed())
    history.add(e.SendingRestricted(why="pattern", blocked=True))
    history.add(e.SenderFlagged(why="complaints: 2 of 1000 recipients in 7 days"))
    history.add(e.SignInDemanded(why="100 messages in a day, ten times what is usual"))
    history.add(e.AddressSuppressed(address="bob@example.net", why="hard"))
    history.add(e.AddressSuppressed(address="eve@example.com", why="complaint"))
    history.add(e.SuppressionLifted(address="bob@example.net"))
    history.add(e.AddressSuppressed(address="bob@example.net", why="complaint"))
    history.add(e.RecipientUnsubscribed(address="bob@example.net"))
    history.add(e.SecondFactorAdded(session_id="z1"))
    history.add(e.RecoveryCodeUsed(left=9))
    history.add(e.SecondFactorRemoved(by="owner", session_id="z1"))
    history.add(e.QuotaSet(limit_bytes=50_000))


def random_history(seed: int, length: int = 120) -> History:
    """A valid history of about this many events about messages and labels; the same for the same seed."""
    chance = random.Random(seed)
    history = History()
    history.open()
    history.label("l1", "Alpha")
    history.label("l2", "beta", parent="l1")
    while history.head < length:
        chance.choice(_STEPS)(history, chance)
    return history


def _some(history: History, chance: random.Random) -> list[str]:
    live = list(history.labels_of)
    return chance.sample(live, min(len(live), chance.randint(1, 4)))


def _deliver(history: History, chance: random.Random) -> None:
    labels = chance.choice((("INBOX",), ("INBOX", "l1"), ("SPAM",), ("l2", "ARCHIVE")))
    thread = chance.choice(("", *history.thread_of.values()))
    keywords = chance.choice(((), (), ("$seen",), ("$flagged", "zeal")))
    redacted = chance.random() < 0.1
    history.deliver(thread=thread, labels=labels, keywords=keywords, size=chance.randint(1, 9999), redacted=redacted)


def _keywords(history: History, chance: random.Random) -> None:
    chosen = _some(history, chance)
    if chosen:
        one, other = chance.sample(("$seen", "$flagged", "$answered", "zeal"), 2)
        history.keywords(*chosen, added=(one,), removed=(other,))


def _relabel(history: History, chance: random.Random) -> None:
    added, removed = chance.sample((*e.SYSTEM_LABELS, "l1", "l2"), 2)
    for message_id in _some(history, chance):
        now = history.labels_of[message_id]
        into = () if added in now else (added,)
        out = (removed,) if removed in now and (into or len(now) > 1) else ()
        if into or out:
            history.relabel(message_id, added=into, removed=out)


def _mark(history: History, chance: random.Random) -> None:
    for message_id in _some(history, chance)[:1]:
        chance.choice((history.mark, history.unmark))(min(history.labels_of[message_id]), message_id)


def _snooze(history: History, chance: random.Random) -> None:
    for message_id in _some(history, chance)[:1]:
        if history.labels_of[message_id] == {"INBOX"}:
            history.snooze(message_id)
            history.wake(message_id)


def _delete(history: History, chance: random.Random) -> None:
    chosen = _some(history, chance)[:2]
    if chosen and chance.random() < 0.5:
        history.delete(*chosen)


def _join(history: History, chance: random.Random) -> None:
    threads = sorted(set(history.thread_of.values()))
    if len(threads) > 1:
        into, from_ = chance.sample(threads, 2)
        history.join(into=into, from_=from_)


def _label(history: History, chance: random.Random) -> None:
    label_id = f"l{history.number() + 100}"
    history.label(label_id, f"name {label_id}", parent=chance.choice((None, "l1", "INBOX")))
    chance.choice(
        (lambda: history.rename(label_id, "Renamed"), lambda: history.add(e.LabelDeleted(label_id=label_id)))
    )()


def _reparse(history: History, chance: random.Random) -> None:
    for message_id in _some(history, chance)[:1]:
        redacted = chance.random() < 0.3
        summary = msgspec.UNSET if redacted else e.MessagePersonal(subject="Again", snippet="anew")
        event = e.MessageReparsed(message_id=message_id, parser=2, has_attachment=True, personal=summary)
        history.add(event, redacted=redacted)


_STEPS = (_deliver, _deliver, _deliver, _keywords, _relabel, _relabel, _mark, _snooze, _delete, _join, _label, _reparse)
