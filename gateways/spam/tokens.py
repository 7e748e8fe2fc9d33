"""What the Bayes filter learns and judges by: the words of a message and the marks of how it is built, as short texts.

A token names where it was found (`s:` subject, `f:` sender, `u:` address of a link …); a word of the text stands for
itself. The same bytes give the same tokens, each once, at most `MAX_TOKENS`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from gateways.spam.letter import Letter
from gateways.spam.rules import Rule

MAX_TOKENS = 3_000
MAX_WORD_CHARS = 20
MAX_WORDS = 2_000
MAX_PAIRS = 600

_WORD = re.compile(r"[\w$£€¥%][\w$£€¥%'’.,-]*[\w$£€¥%!]|[!$£€]{2,}")
_HOST = re.compile(r"^(?:://)?(?:[^@/]*@)?([^/:?#]+)(?::(\d+))?([^?#]*)", re.IGNORECASE)
_PIECE = re.compile(r"[\w-]{2,}")
_DIGITS = re.compile(r"\d")
_TELLING_FIELDS = (b"x-mailer", b"user-agent", b"list-id", b"precedence", b"organization")
_TAG = re.compile(r"<([a-z][a-z0-9]{0,10})")
_ATTRIBUTE = re.compile(r"""\b(color|bgcolor|size|face|width|height)\s*=\s*["']?([#\w%+-]{1,20})""")
_SKIPPED_FIELDS = frozenset(
    b"received date message-id subject from to cc bcc reply-to sender return-path delivered-to references in-reply-to"
    b" content-type content-transfer-encoding mime-version authentication-results dkim-signature".split()
)


def tokens(letter: Letter, matched: Sequence[Rule] = ()) -> tuple[str, ...]:
    """The tokens of a message of which these rules are true, in no order that counts."""
    found = dict.fromkeys(f"m:{rule.name}" for rule in matched)
    for source in (_header, _structure, _links, _html, _text):
        found |= dict.fromkeys(source(letter))
    return tuple(found)[:MAX_TOKENS]


def _header(letter: Letter) -> Iterator[str]:
    summary = letter.summary
    subject = summary.subject
    words = _WORD.findall(subject[:500].lower())
    yield from (f"s:{word}" for word in (*_shortened(words), *_pairs(words)))
    for name, addresses in (("f", summary.from_), ("r", summary.reply_to), ("c", summary.sender)):
        for one in addresses[:3]:
            yield from _of_address(name, one.address)
            yield from (f"{name}n:{word}" for word in _words(one.name[:200]))
    yield f"to:{min(len(summary.to) + len(summary.cc), 5)}"
    for one in summary.to[:5]:
        yield f"t:{one.address.rpartition('@')[2].lower()[:60]}"
    for field in list(letter.fields)[:100]:
        if field not in _SKIPPED_FIELDS:
            yield f"h:{field[:40].decode('ascii', 'replace')}"
    for field in _TELLING_FIELDS:
        for value in letter.values(field)[:1]:
            yield from (f"{field.decode()}:{word}" for word in _words(value[:200].decode("latin-1")))


def _of_address(name: str, address: str) -> Iterator[str]:
    localpart, _, domain = address.lower().rpartition("@")
    yield f"{name}:{address.lower()[:80]}"
    labels = domain.split(".")
    for first in range(max(len(labels) - 3, 0), len(labels)):
        yield f"{name}d:{'.'.join(labels[first:])[:60]}"
    yield f"{name}l:{_DIGITS.sub('9', localpart)[:30]}"


def _structure(letter: Letter) -> Iterator[str]:
    yield f"ct:{letter.structure.content_type[:60]}"
    for part in letter.parts[:20]:
        yield f"p:{part.content_type[:60]}"
        yield f"cs:{part.charset}"
        yield f"te:{part.transfer_encoding[:30]}"
        if part.filename:
            yield f"x:{part.filename.rpartition('.')[2].lower()[:10]}"
            yield from (f"fn:{word}" for word in _words(part.filename))


def _links(letter: Letter) -> Iterator[str]:
    for url in letter.urls:
        found = _HOST.match(url)
        if found is None:
            continue
        labels = found[1].lower().rstrip(".").split(".")[-4:]
        for first in range(len(labels)):
            yield f"u:{'.'.join(labels[first:])[:80]}"
        if found[2]:
            yield f"port:{found[2]}"
        yield from (f"up:{piece.lower()[:20]}" for piece in _PIECE.findall(found[3])[:6])


def _html(letter: Letter) -> Iterator[str]:
    html = letter.small_html[:32_768]
    yield from (f"<{tag}" for tag in set(_TAG.findall(html)))
    yield from (f"{name}={value}" for name, value in set(_ATTRIBUTE.findall(html)))


def _text(letter: Letter) -> Iterable[str]:
    words = _WORD.findall(letter.excerpt)[:MAX_WORDS]
    return [*_shortened(words), *_pairs(words[:MAX_PAIRS])]


def _words(text: str) -> list[str]:
    return _shortened(_WORD.findall(text.lower()))


def _pairs(words: Sequence[str]) -> list[str]:
    return [f"{first} {second}" for first, second in pairwise(words)]


def _shortened(words: Sequence[str]) -> list[str]:
    """What is longer than a word is told by its beginning and length; where words are not parted, by two letters."""
    return [word if len(word) <= MAX_WORD_CHARS else _short(word) for word in words]


def _short(word: str) -> str:
    return f"long:{word[0]}{len(word) // 10}" if word.isascii() else word[:2]
