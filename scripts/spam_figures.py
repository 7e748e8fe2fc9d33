"""How well the embedded filter tells spam from ham: trained on one half of a labelled corpus, tried on the other.

    python -m scripts.spam_figures ../shared/corpus/spamassassin

Nothing is fitted but the counts of tokens, and those on the training half alone.
"""

import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gateways.spam.bayes import Learnt, learnt
from gateways.spam.scoring import REFUSED_ABOVE, SPAM_FROM, Content, content_of, score
from gateways.spam.token_ids import TokenIds


class Mail(NamedTuple):
    """A labelled message, read."""

    is_spam: bool
    content: Content
    tokens: tuple[int, ...]


class Figures(NamedTuple):
    """What became of the half that was not trained on."""

    hams: int
    spams: int
    hams_in_spam: int
    spams_caught: int
    hams_refused: int
    spams_refused: int

    def __str__(self) -> str:
        return (
            f"{self.hams} hams, {self.spams} spams; at {SPAM_FROM}: {self.hams_in_spam} false positives"
            f" ({self.hams_in_spam / self.hams:.2%}), {self.spams_caught / self.spams:.2%} caught;"
            f" at {REFUSED_ABOVE}: {self.hams_refused} false positives, {self.spams_refused / self.spams:.2%} refused"
        )


def halves(corpus: Path, ids: TokenIds) -> tuple[list[Mail], list[Mail]]:
    """Every second message of each group, in the order of their names, and the others."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for line in sorted((corpus / "labels.tsv").read_text().splitlines()):
        name, label, group = line.split("\t")[:3]
        if (corpus / name).is_file():
            groups.setdefault(group, []).append((name, label))
    both: tuple[list[Mail], list[Mail]] = ([], [])
    for members in groups.values():
        for place, (name, label) in enumerate(members):
            content = content_of(as_sent((corpus / name).read_bytes()))
            both[place % 2].append(Mail(label == "spam", content, content.tokens(ids)))
    return both


def as_sent(raw: bytes) -> bytes:
    """As it comes over the wire: without the line of a mailbox file, lines ended by CRLF."""
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    return re.sub(rb"\r?\n", b"\r\n", raw)


def trained(mails: Sequence[Mail]) -> Learnt:
    """A filter that was taught these."""
    spams, hams = Counter[int](), Counter[int]()
    for mail in mails:
        (spams if mail.is_spam else hams).update(mail.tokens)
    counts = ((token, spams[token], hams[token]) for token in spams.keys() | hams.keys())
    total = sum(mail.is_spam for mail in mails)
    return learnt(counts, spams=total, hams=len(mails) - total)


def tried(mails: Sequence[Mail], filter_: Learnt, ids: TokenIds) -> Figures:
    """What the filter says of these."""
    scores = [(mail.is_spam, score(mail.content, filter_, ids).value) for mail in mails]
    hams = [value for is_spam, value in scores if not is_spam]
    spams = [value for is_spam, value in scores if is_spam]
    return Figures(
        len(hams),
        len(spams),
        sum(value >= SPAM_FROM for value in hams),
        sum(value >= SPAM_FROM for value in spams),
        sum(value > REFUSED_ABOVE for value in hams),
        sum(value > REFUSED_ABOVE for value in spams),
    )


def main() -> None:
    """Print the figures."""
    began = time.process_time()
    ids = TokenIds(b"figures of a corpus")
    one, other = halves(Path(sys.argv[1]), ids)
    reading_ms = (time.process_time() - began) * 1000 / (len(one) + len(other))
    sys.stdout.write(f"reading, rules, tokens: {reading_ms:.2f} ms CPU a mail\n")
    for name, mails, filter_ in (
        ("untrained", one + other, Learnt()),
        ("first half -> second", other, trained(one)),
        ("second half -> first", one, trained(other)),
    ):
        sys.stdout.write(f"{name}: {tried(mails, filter_, ids)}\n")


if __name__ == "__main__":
    main()
