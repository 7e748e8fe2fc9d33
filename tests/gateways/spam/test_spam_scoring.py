"""The embedded filter: what it reads of a message, what it was taught, and the one score of both."""

import base64
from pathlib import Path

import pytest

from gateways.spam.bayes import LEAST_LEARNT, Learnt, combined, learnt, probability
from gateways.spam.letter import read_letter
from gateways.spam.rules import matched
from gateways.spam.scoring import REFUSED_ABOVE, SPAM_FROM, content_of, score, tokens_of, with_reports
from gateways.spam.token_ids import TokenIds
from gateways.spam.tokens import MAX_TOKENS, tokens
from scripts.spam_figures import halves, trained, tried

IDS = TokenIds(b"a key of tests")
PLAIN = (
    b"From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: lunch\r\n"
    b"Date: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\n"
)
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"


def names(raw: bytes) -> set[str]:
    return {rule.name for rule in matched(read_letter(raw))}


def html(body: str) -> bytes:
    return PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Type: text/html\r\n\r\n") + body.encode()


def taught(spam: str, ham: str, *, times: int = LEAST_LEARNT) -> Learnt:
    """A filter that saw these two messages again and again."""
    spams = tokens_of(PLAIN + spam.encode(), IDS)
    hams = tokens_of(PLAIN + ham.encode(), IDS)
    counts = [(token, times * (token in set(spams)), times * (token in set(hams))) for token in {*spams, *hams}]
    return learnt(counts, spams=times, hams=times)


def test_an_honest_mail_matches_no_rule() -> None:
    assert names(PLAIN + b"Shall we meet at noon?\r\n") == set()


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"Subject: x\r\n\r\nhi\r\n", "no_sender"),
        (PLAIN.replace(b"Subject: lunch", b"Subject: FREE MONEY NOW"), "shouting_subject"),
        (PLAIN.replace(b"Ann <", b'"ann@bank.test" <'), "address_as_name"),
        (PLAIN.replace(b"\r\n\r\n", b"\r\nDate: again\r\n\r\n"), "two_senders"),
        (html("via<!-- x -->gra ci<!-- y -->alis xa<!-- z -->nax"), "split_words"),
        (html("<p>hi</p><div style='display:none'>innocent words</div>"), "hidden_text"),
        (html("<a href='http://evil.test/x'>http://www.bank.test/</a>"), "disguised_link"),
        (PLAIN + b"see http://203.0.113.9/login\r\n", "numeric_link"),
        (PLAIN + b"see http://www.bank.test@evil.test/\r\n", "odd_link"),
        (PLAIN + "p\u0430yp\u0430l \u0430ccount".encode(), "mixed_scripts"),
    ],
)
def test_what_honest_mail_seldom_does_has_its_rule(raw: bytes, rule: str) -> None:
    assert rule in names(raw)


def test_a_program_that_bears_the_name_of_a_document_is_found() -> None:
    part = b"Content-Type: application/x-a\r\nContent-Disposition: attachment; filename=bill.pdf.exe\r\n\r\nMZ\r\n"
    mixed = PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")
    assert {"program", "disguised_program"} <= names(mixed + b"--b\r\n" + part + b"--b--\r\n")


def test_plain_text_in_base64_is_read_and_told_of() -> None:
    encoded = PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
    raw = encoded + base64.encodebytes(b"cheap watches for everybody")
    assert "hidden_encoding" in names(raw)
    assert "watches" in tokens(read_letter(raw))


def test_rules_alone_never_refuse() -> None:
    worst = (
        b"Subject: $$$ FREE MONEY!!! \r\nContent-Type: text/html\r\n\r\n<script><font color=red><form>"
        + b"remove me " * 50
    )
    found = score(content_of(worst), Learnt(), IDS)
    assert SPAM_FROM <= found.value < REFUSED_ABOVE
    assert found.reasons


def test_the_test_message_of_spam_filters_is_refused() -> None:
    assert score(content_of(PLAIN + GTUBE), Learnt(), IDS).value == 1.0


def test_a_filter_that_was_taught_too_little_says_nothing() -> None:
    few = taught("buy pills", "see you at lunch", times=LEAST_LEARNT - 1)
    assert "bayes" not in score(content_of(PLAIN + b"buy pills"), few, IDS).layers


def test_a_taught_filter_knows_spam_from_ham() -> None:
    filter_ = taught("cheap pills for your pleasure today", "minutes of the garden club are attached")
    spam = score(content_of(PLAIN + b"cheap pills for your pleasure today"), filter_, IDS)
    ham = score(content_of(PLAIN + b"minutes of the garden club are attached"), filter_, IDS)
    assert spam.value > SPAM_FROM > ham.value
    assert ham.reasons == ()


def test_words_of_both_kinds_leave_a_message_undecided() -> None:
    opinion = combined([0.99] * 30 + [0.01] * 30)
    assert opinion.leaning == pytest.approx(0)
    assert opinion.indicator == pytest.approx(0.5)


def test_what_was_seen_once_tells_less_than_what_was_seen_often() -> None:
    assert probability(1, 0, spams=100, hams=100) < probability(50, 0, spams=100, hams=100) < 1
    assert probability(0, 0, spams=100, hams=100) == 0.5


def test_reports_by_several_raise_a_score_and_alone_never_refuse() -> None:
    harmless = score(content_of(PLAIN), Learnt(), IDS)
    assert with_reports(harmless, 2) == harmless
    assert with_reports(harmless, 3).value > harmless.value
    assert SPAM_FROM < with_reports(harmless, 10_000).value < REFUSED_ABOVE


def test_tokens_of_another_key_are_other_numbers() -> None:
    assert set(TokenIds(b"one").of(["word", "other"])).isdisjoint(TokenIds(b"two").of(["word", "other"]))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"\x00" * 200_000,
        b"From:" + b"<" * 200_000,
        b"Subject: " + b"a" * 200_000,
        b"Content-Type: text/html\r\n\r\n" + b"<a href=http://" * 20_000,
        b"Content-Type: text/html\r\n\r\n" + b"<font " * 40_000,
        b"Content-Type: text/html\r\n\r\n" + b"a<b></b>" * 20_000,
        b"Content-Type: text/html\r\n\r\n<a href='http://x.test'" + b" " * 100_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 10_000,
        b"\r\n\r\n" + bytes(range(256)) * 1_000,
        b"To: " + b"a@example.test, " * 10_000,
    ],
)
def test_hostile_bytes_are_read_within_bounds(raw: bytes) -> None:
    content = content_of(raw)
    assert len(content.tokens(IDS)) <= MAX_TOKENS


@pytest.mark.corpus
def test_every_nasty_message_of_the_corpus_is_read(corpus: Path) -> None:
    for path in sorted(path for path in (corpus / "mime").rglob("*") if path.is_file()):
        assert len(tokens_of(path.read_bytes(), IDS)) <= MAX_TOKENS


@pytest.mark.corpus
def test_the_corpus_is_told_apart_in_both_directions(corpus: Path) -> None:
    """What mail-flow promises: at 0.3 at most 0.5 % false positives and 95 % caught, at 0.7 no ham refused."""
    one, other = halves(corpus / "spamassassin", IDS)
    for learnt_of, tried_on in ((one, other), (other, one)):
        figures = tried(tried_on, trained(learnt_of), IDS)
        assert figures.hams_in_spam <= 0.005 * figures.hams, figures
        assert figures.spams_caught >= 0.95 * figures.spams, figures
        assert figures.hams_refused == 0, figures
