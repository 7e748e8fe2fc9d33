"""Thousands of real and nasty mails through the whole service: all come back byte for byte, threaded, found, opened."""

import random
import re
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateways.mime.parse import parse
from gateways.mime.structure import ParsedMessage
from tests.system.corpus_mail import CorpusMail, Reply, corpus_mails, send_all
from tests.system.http_crowd import Person
from tests.system.service import Service, installation, until
from tests.system.service_checks import assert_logs_hold, wait_until_settled

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(600)]

CONNECTIONS, READERS = 8, 4
SAMPLE, WORDS = 200, 3
BARE_CR = "550 5.6.0 "
OWN = {"LEDGERMAIL_DOMAINS": "mailbox.test"}
_ACCEPTED_AS = re.compile(rb"\bid (a[a-z0-9_-]+)")
_WORD = re.compile(r"(?<!\S)[A-Za-z]{5,14}(?=\s)")
Json = dict[str, Any]


class Stored(msgspec.Struct):
    """One message as the service has it, beside what was sent."""

    summary: Json
    raw: bytes
    sent: CorpusMail
    parsed: ParsedMessage


class Mailbox(msgspec.Struct):
    """What the whole corpus came to."""

    service: Service
    owner: Person
    sent: list[CorpusMail]
    replies: list[Reply]
    stored: list[Stored]


def side_by_side(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(work, items))


@pytest.fixture(scope="module")
def mailbox(corpus: Path) -> Iterator[Mailbox]:
    mails = corpus_mails(corpus)
    with installation(settings=OWN) as service:
        service.start()
        owner = Person(service.url, "ann@mailbox.test")
        began = time.monotonic()
        with ThreadPoolExecutor(CONNECTIONS) as senders:
            parts = [mails[n::CONNECTIONS] for n in range(CONNECTIONS)]
            sent = senders.map(lambda part: list(send_all(service.smtp, owner.address, part)), parts)
            replies = [reply for part in sent for reply in part]
        taken_s = time.monotonic() - began
        wait_until_settled(service, within_s=180)
        settled_s = time.monotonic() - began
        size = sum(len(mail.content) for mail in mails) / 1e6
        print(
            f"\n{len(mails)} mails, {size:.1f} MB: taken in {taken_s:.1f} s, all views settled after {settled_s:.1f} s"
        )
        print(f"memory: {memory(service)}")
        yield Mailbox(service, owner, mails, replies, fetched(owner, replies))
        service.stop()


def memory(service: Service) -> str:
    """Resident MB at the highest, by process."""
    peaks = {}
    for pid, role in service.processes().items():
        status = Path(f"/proc/{pid}/status").read_text()
        peaks[role] = int(status.partition("VmHWM:")[2].split()[0]) // 1024
    return ", ".join(f"{role} {mb} MB" for role, mb in peaks.items()) + f", together {sum(peaks.values())} MB"


def fetched(owner: Person, replies: list[Reply]) -> list[Stored]:
    """Every message of INBOX with its bytes; which mail it is, its Received field says."""
    by_id = {reply.acceptance_id: reply.mail for reply in replies if reply.acceptance_id}

    def fetch(summary: Json) -> Stored:
        answer = owner.http.get(f"/v1/messages/{summary['id']}/raw")
        assert answer.status_code == 200, (summary, answer.text)
        accepted_as = _ACCEPTED_AS.search(answer.content)
        assert accepted_as is not None, answer.content[:500]
        return Stored(summary, answer.content, by_id[accepted_as[1].decode()], parse(answer.content))

    return side_by_side(fetch, owner.messages("INBOX"))


def test_every_message_file_goes_in_but_those_with_a_bare_cr(mailbox: Mailbox) -> None:
    refused = [reply for reply in mailbox.replies if not reply.acceptance_id]
    print(f"\n{len(refused)} refused for a bare CR: {', '.join(sorted(one.mail.path.name for one in refused))}")
    assert len(mailbox.replies) == len(mailbox.sent) > 4_000
    assert {reply.mail.path for reply in refused} == {mail.path for mail in mailbox.sent if mail.holds_bare_cr}
    assert refused
    assert [reply.line for reply in refused if not reply.line.startswith(BARE_CR)] == []


def test_each_comes_back_byte_for_byte_after_its_trace_block_and_once(mailbox: Mailbox) -> None:
    for stored in mailbox.stored:
        trace = stored.raw[: len(stored.raw) - len(stored.sent.content)]
        assert stored.raw == trace + stored.sent.content, stored.sent.path
        assert trace.startswith(b"Return-Path: <corpus@elsewhere.test>\r\nDelivered-To: ann@mailbox.test\r\n"), trace
        assert trace.endswith(b"\r\n")
        assert b"\r\n\r\n" not in trace
        assert stored.summary["size"] == len(stored.raw)
    found = Counter(stored.sent.content for stored in mailbox.stored)
    accepted = Counter(reply.mail.content for reply in mailbox.replies if reply.acceptance_id)
    named = {stored.sent.content for stored in mailbox.stored if stored.parsed.summary.message_id}
    assert found.keys() == accepted.keys()
    assert {count for content, count in found.items() if content in named} == {1}
    assert all(found[content] == accepted[content] for content in accepted.keys() - named)


def test_every_message_opens_with_all_its_attachments(mailbox: Mailbox) -> None:
    def opened(stored: Stored) -> int:
        path = f"/v1/messages/{stored.summary['id']}"
        answer = mailbox.owner.http.get(path)
        assert answer.status_code == 200, (stored.sent.path, answer.text)
        shown = answer.json()
        assert {"headers", "text", "html", "attachments"} <= shown.keys()
        assert "<script" not in (shown["html"] or "").lower()
        for one in shown["attachments"]:
            part = mailbox.owner.http.get(f"{path}/attachments/{one['id']}", follow_redirects=True)
            assert (part.status_code, len(part.content)) == (200, one["size"]), (stored.sent.path, one)
        return len(shown["attachments"])

    began = time.monotonic()
    attachments = sum(side_by_side(opened, mailbox.stored))
    took_s = time.monotonic() - began
    print(f"\n{len(mailbox.stored)} messages and {attachments} attachments opened in {took_s:.1f} s")


def test_replies_stand_with_their_parents_and_a_shared_subject_joins_nobody(mailbox: Mailbox) -> None:
    by_name: dict[str, set[str]] = defaultdict(set)
    for stored in mailbox.stored:
        if name := stored.parsed.summary.message_id:
            by_name[name].add(stored.summary["thread_id"])
    answered = 0
    for stored in mailbox.stored:
        for parent in stored.parsed.summary.in_reply_to[:1]:
            if parent in by_name:
                answered += 1
                assert by_name[parent] == {stored.summary["thread_id"]}, stored.sent.path
    threads: dict[str, list[Stored]] = defaultdict(list)
    for stored in mailbox.stored:
        threads[stored.summary["thread_id"]].append(stored)
    for members in threads.values():
        apart = groups_by_mention(members)
        assert sum(may_follow_subject(one) for one in members) >= apart - 1, [one.sent.path for one in members]
    largest = max(len(members) for members in threads.values())
    print(f"\n{len(threads)} conversations, the largest of {largest}; {answered} replies beside their parents")
    assert answered > 400


def groups_by_mention(members: list[Stored]) -> int:
    """In how many groups these fall by the Message-IDs that they bear and mention."""
    groups: list[set[str]] = []
    for number, one in enumerate(members):
        summary = one.parsed.summary
        names = {f"#{number}", *summary.in_reply_to, *summary.references, summary.message_id or f"#{number}"}
        touching = [group for group in groups if group & names]
        groups = [group for group in groups if not group & names] + [names.union(*touching)]
    return len(groups)


def may_follow_subject(stored: Stored) -> bool:
    summary = stored.parsed.summary
    return not summary.references and not summary.in_reply_to and "re" in summary.subject.lower()


def test_a_sample_is_found_by_its_words(mailbox: Mailbox) -> None:
    words = {one.summary["id"]: words_of(one) for one in mailbox.stored}
    known = Counter(word for found in words.values() for word in found)
    able = sorted(message_id for message_id, found in words.items() if len(found) >= WORDS)
    began = time.monotonic()
    for message_id in random.Random(5).sample(able, SAMPLE):
        rarest = sorted(words[message_id], key=lambda word: (known[word], word))[:WORDS]
        found = mailbox.owner.pages("/v1/search", "messages", q=" ".join(rarest))
        assert message_id in {one["id"] for one in found}, rarest
    print(
        f"\n{SAMPLE} messages found in {time.monotonic() - began:.1f} s; {len(able)} of {len(words)} have words enough"
    )


def words_of(stored: Stored) -> set[str]:
    """Plain words of the beginning of its text; OR and AND would be read as operators."""
    return {word.lower() for word in _WORD.findall(stored.parsed.text[:3_000])} - {"inbox"}


def test_what_holds_a_bare_cr_is_imported_and_keeps_it(mailbox: Mailbox, tmp_path: Path) -> None:
    held = [mail for mail in mailbox.sent if mail.holds_bare_cr]
    folder = tmp_path / "held"
    folder.mkdir()
    for number, mail in enumerate(held):
        shutil.copyfile(mail.path, folder / f"{number:03}.eml")
    command = ("import", mailbox.owner.address, str(folder), "--label", "Held", "--format", "eml")
    first, again = (mailbox.service.run(*command) for _ in range(2))
    assert first.returncode == 0, first.stderr + first.stdout
    label = next(one["id"] for one in mailbox.owner.get("/v1/labels")["labels"] if one["path"] == "Held")
    raws = [mailbox.owner.http.get(f"/v1/messages/{one['id']}/raw").content for one in mailbox.owner.messages(label)]
    print(f"\n{first.stdout.splitlines()[-1]}; again: {again.stdout.splitlines()[-1]}")
    assert sorted(raws) == sorted({mail.content for mail in held})
    assert again.returncode == 0


def test_all_of_it_leaves_an_intact_log_and_views_that_are_its_fold(mailbox: Mailbox) -> None:
    until(lambda: mailbox.owner.get("/v1/counts")["INBOX"]["total"] == len(mailbox.stored), within_s=10)
    assert_logs_hold(mailbox.service)
