"""Which messages a search finds, decided in memory."""

from typing import Any

import msgspec
import pytest

from domain.ids import LabelId
from domain.search_language import parse, resolve
from domain.search_matching import address_keys, matches

NOW = 1_795_000_000_000  # 2026-11-18
DAY = 86_400_000
LABELS = {"work/x": LabelId("l7")}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The least that a search looks at."""

    subject: str = "Quarterly Café report"
    text: str = "The quick brown fox.\nIt jumps. 日本語の文章"
    from_: tuple[str, ...] = ("Alice Smith alice@example.com",)
    to: tuple[str, ...] = ("Bob <bob.jones@sub.example.org>", "carol@example.org")
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ("dave@example.net",)
    filenames: tuple[str, ...] = ("Budget-2026_final.xlsx",)
    labels: tuple[LabelId, ...] = (LabelId("INBOX"), LabelId("l7"))
    keywords: tuple[str, ...] = ("$flagged",)
    size: int = 10_240
    received_at: int = NOW - 3 * DAY
    has_attachment: bool = True
    message_id_header: str = " <Abc@example.com> "


def finds(q: str, **changed: Any) -> bool:
    return matches(resolve(parse(q, NOW), LABELS), Message(**changed))


@pytest.mark.parametrize(
    "q",
    [
        "", "cafe", "QUICK fox", '"quick brown fox"', '"fox it jumps"', "jum*", "日本", "本", "語の文",
        "-wolf", "wolf OR fox", "(wolf OR fox) quick", "alice", "bob", "dave", "budget", "xlsx", "final",
        "from:alice", "from:smith", "from:example", "from:alice@example.com", "from:@EXAMPLE.com",
        "from:alice@", "from:example.com", "to:bob.jones@sub.example.org", "to:carol", "to:jones",
        "to:sub.example.org", "to:bob.jones@", "bcc:dave", "subject:report", 'subject:"cafe report"',
        "subject:(wolf OR quarterly)", "filename:budget", "filename:2026_final.xlsx", "filename:bud*",
        "has:attachment", "is:unread", "is:starred", "-is:read", "label:work/X", "in:inbox", "-label:none",
        "before:2026-11-16", "after:2026-11-15", "newer_than:3d", "older_than:2d", "larger:9k", "smaller:11k",
        "rfc822msgid:<Abc@example.com>", "rfc822msgid:Abc@example.com", "in:anywhere", '"--" fox',
    ],
)  # fmt: skip
def test_it_finds_this_message(q: str) -> None:
    assert finds(q)


@pytest.mark.parametrize(
    "q",
    [
        "wolf", "qui", '"brown quick"', '"report the"', '"alice dave"', "fox*ed", "語日", "-fox", "fox -quick",
        "from:bob", "from:lice", "from:alice@example.co", "from:@xample.com", "to:@example.com", "to:dave",
        "cc:dave", "subject:fox", "filename:report", "is:read", "label:none", "in:sent", "after:2026-11-16",
        "before:2026-11-15", "older_than:3d", "newer_than:2d", "larger:10k", "smaller:10k",
        "rfc822msgid:abc@example.com", "!!!", "-in:anywhere", "work/x",
    ],
)  # fmt: skip
def test_it_does_not_find_this_message(q: str) -> None:
    assert not finds(q)


@pytest.mark.parametrize(
    ("keywords", "unread"), [((), True), (("$seen",), False), (("$draft",), False), (("$answered",), True)]
)
def test_unread_means_neither_seen_nor_draft(keywords: tuple[str, ...], unread: bool) -> None:
    assert finds("is:unread", keywords=keywords) is unread
    assert finds("is:read", keywords=keywords) is not unread


@pytest.mark.parametrize(
    ("q", "label", "found"),
    [
        ("fox", "SPAM", False),
        ("fox", "TRASH", False),
        ("fox in:spam", "SPAM", True),
        ("fox in:spam", "TRASH", False),
        ("fox in:anywhere", "TRASH", True),
        ("-in:inbox", "TRASH", False),
    ],
)
def test_spam_and_trash_stay_out_unless_named(q: str, label: str, found: bool) -> None:
    assert finds(q, labels=(LabelId(label),)) is found


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        ("Alice <Alice@Example.com>", ["alice@example.com", "alice@", "@example.com"]),
        ("a@b", ["a@b", "a@", "@b"]),
        ("Alice @ Work", []),
        ("", []),
        ("nobody", []),
        ('"a@b"@c', ['"a@b"@c', '"a@b"@', "@c"]),
    ],
)
def test_an_address_is_found_whole_by_localpart_and_by_domain(value: str, keys: list[str]) -> None:
    assert list(address_keys(value)) == keys
