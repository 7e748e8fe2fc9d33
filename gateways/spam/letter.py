"""A message as the filter reads it: its header, what it shows, and how it is built; read from its beginning alone.

A sample ends anywhere, in the middle of a part or of a letter: what is there is read. Bounded in size, parts and text.
"""

import re
from functools import cached_property

import msgspec

from gateways.authentication.evidence import SAMPLE_BYTES
from gateways.mime.header_fields import Fields
from gateways.mime.html_text import html_to_text
from gateways.mime.reading import part_text
from gateways.mime.splitter import split_message
from gateways.mime.structure import HeaderSummary, Part
from gateways.mime.summary import summary_of

MAX_TEXT_CHARS = 48 * 1024
MAX_HTML_CHARS = 96 * 1024
MAX_READ_PARTS = 8
MAX_PARTS = 50
MAX_ADDRESSES_BYTES = 2_000
MAX_URLS = 100
BEGINNING_CHARS, END_CHARS = 4_000, 1_000
"""Of a long text what is read word by word: what it is about, and how it takes its leave."""

_URL = re.compile(r"""://[^\s"'<>\\)\]}]{1,300}""")
_BARE = re.compile(r"""www\.[^\s"'<>\\)\]}]{1,300}""")
_SHORTENED = frozenset((b"from", b"to", b"cc", b"bcc", b"reply-to", b"sender", b"subject", b"references"))


class Letter(msgspec.Struct, frozen=True, dict=True):
    """One reading. `plain` and `html` are of the parts that people read, `shown` of HTML what it shows."""

    fields: Fields
    summary: HeaderSummary
    structure: Part
    parts: tuple[Part, ...]
    plain: str
    html: str
    shown: str
    is_whole: bool

    @cached_property
    def text(self) -> str:
        """All words that a reader can see, in any form of the message."""
        return f"{self.plain}\n{self.shown}"[:MAX_TEXT_CHARS]

    @cached_property
    def excerpt(self) -> str:
        """The text, or the beginning and the end of a long one, in small letters."""
        text = self.text
        if len(text) > BEGINNING_CHARS + END_CHARS:
            text = f"{text[:BEGINNING_CHARS]}\n{text[-END_CHARS:]}"
        return text.lower()

    @cached_property
    def small_html(self) -> str:
        """The HTML in small letters."""
        return self.html.lower()

    @cached_property
    def words(self) -> str:
        """The excerpt with single blanks between its words."""
        return " ".join(self.excerpt.split())

    @cached_property
    def urls(self) -> tuple[str, ...]:
        """The addresses that it links to or names, each once, in their order; of a scheme only `://` stands there."""
        found = _urls(self.plain) + _urls(self.html)
        return tuple(dict.fromkeys(found[:MAX_URLS]))

    def values(self, name: bytes) -> list[bytes]:
        """The raw values of the header fields of this lower-case name."""
        return self.fields.get(name, [])


def read_letter(message: bytes) -> Letter:
    """What the first `SAMPLE_BYTES` of a message say; never raises."""
    sample = message[:SAMPLE_BYTES]
    structure, fields = split_message(sample)
    parts = tuple(_leaves(structure))
    plain, html = _texts(sample, parts)
    return Letter(
        fields=fields,
        summary=summary_of(_shortened(fields), structure.charset),
        structure=structure,
        parts=parts,
        plain=plain,
        html=html,
        shown=html_to_text(html) if html else "",
        is_whole=len(message) <= SAMPLE_BYTES,
    )


def _urls(text: str) -> list[str]:
    return _URL.findall(text) if "://" in text else _BARE.findall(text)


def _leaves(root: Part) -> list[Part]:
    found: list[Part] = []
    waiting = [root]
    while waiting and len(found) < MAX_PARTS:
        part = waiting.pop()
        if part.parts:
            waiting.extend(reversed(part.parts))
        else:
            found.append(part)
    return found


def _texts(sample: bytes, parts: tuple[Part, ...]) -> tuple[str, str]:
    """The plain text and the HTML of the parts, all alternatives, for what one of them hides another shows."""
    found: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    for part in parts[:MAX_READ_PARTS]:
        if part.content_type in found and part.disposition != "attachment":
            found[part.content_type].append(part_text(sample, part))
    plain, html = ("\n".join(texts) for texts in found.values())
    return plain[:MAX_TEXT_CHARS], html[:MAX_HTML_CHARS]


def _shortened(fields: Fields) -> Fields:
    """Long lists of addresses take long to read and say nothing more."""
    return {
        name: [values[0][:MAX_ADDRESSES_BYTES]] if name in _SHORTENED else values for name, values in fields.items()
    }
