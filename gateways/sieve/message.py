"""What a script sees of one delivery: header, envelope, body and size of the message, and the mailbox it goes to."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from domain.ids import LabelId
from gateways.mime.addresses import addresses
from gateways.mime.encoded_words import unfolded, words_decoded
from gateways.mime.header_fields import body_offset, fields_in_order
from gateways.mime.html_text import MAX_HTML_CHARS, html_to_text
from gateways.mime.reading import part_text
from gateways.mime.structure import ParsedMessage, Part, walk

MAX_VALUES = 200
"""Fields of one name, and addresses, that a test looks at."""
MAX_BODY_CHARS = 1 << 20
"""Of the body that a test looks at, all its parts together."""


class Mailbox(msgspec.Struct, frozen=True):
    """Where the message goes: its owner's addresses, lower case, and the labels by their path, as `path_key` says."""

    addresses: tuple[str, ...] = ()
    labels: Mapping[str, LabelId] = {}


class MailEnvelope(msgspec.Struct, frozen=True):
    """The reverse-path (empty for the null one), and the forward-paths that lead to this mailbox."""

    sender: str = ""
    recipients: tuple[str, ...] = ()


class Message:
    """One message. What a script adds and deletes of its header, later tests see."""

    def __init__(
        self, raw: bytes, parsed: ParsedMessage, *, envelope: MailEnvelope, mailbox: Mailbox, size_bytes: int
    ) -> None:
        self._raw = raw
        self.parsed = parsed
        self.envelope = envelope
        self.mailbox = mailbox
        self.size_bytes = size_bytes
        self._fields: list[tuple[str, bytes | str]] | None = None
        self._texts: dict[str, str] = {}
        self._decoded: dict[bytes, str] = {}
        self._addresses: dict[bytes | str, list[str]] = {}

    @property
    def fields(self) -> list[tuple[str, bytes | str]]:
        """Lower-case names and values, as they arrived (octets) or as a script added them."""
        if self._fields is None:
            end = body_offset(self._raw, 0, len(self._raw))
            self._fields = [(n.decode().lower(), value) for n, value in fields_in_order(self._raw, 0, end)]
        return self._fields

    def values(self, name: str) -> list[str]:
        """The decoded values of all fields of that name, without white space around them."""
        return [self.text_of(value) for value in self._raw_values(name.lower())]

    def has(self, name: str) -> bool:
        """Whether there is such a field."""
        lower = name.lower()
        return any(field == lower for field, _ in self.fields)

    def addresses(self, name: str) -> list[str]:
        """The addresses in all fields of that name."""
        found: list[str] = []
        for value in self._raw_values(name.lower()):
            found += self._addresses_once(value)
        return found[:MAX_VALUES]

    def change(self, fields: list[tuple[str, bytes | str]]) -> None:
        """The header is this from now on."""
        self._fields = fields

    def text_of(self, value: bytes | str) -> str:
        """The text of a field's value, read once, whatever a script does to the header between its tests."""
        if isinstance(value, str):
            return value
        if value not in self._decoded:
            self._decoded[value] = words_decoded(unfolded(value)).strip()
        return self._decoded[value]

    def _addresses_once(self, value: bytes | str) -> list[str]:
        if value not in self._addresses:
            text = value if isinstance(value, str) else unfolded(value)
            self._addresses[value] = [one.address for one in addresses(text) if one.address][:MAX_VALUES]
        return self._addresses[value]

    def _raw_values(self, lower: str) -> list[bytes | str]:
        return [value for field, value in self.fields if field == lower][:MAX_VALUES]

    def body(self, transform: str, types: Sequence[str]) -> list[str]:
        """The body as RFC 5173 section 5 transforms it: raw as one text, text as one, content as one a part."""
        if transform == "raw":
            return [self._once("raw", self._raw_body)]
        if transform == "text":
            return [self._once("text", self._text_body)]
        wanted = [kind.lower() for kind in types]
        parts = [part for part in walk(self.parsed.structure) if not part.parts and _is_of(part, wanted)]
        found, left = [], MAX_BODY_CHARS
        for part in parts[:MAX_VALUES]:
            found.append(self._once(part.path, partial(part_text, self._raw, part))[:left])
            left -= len(found[-1])
            if not left:
                break
        return found

    def _raw_body(self) -> str:
        start = body_offset(self._raw, 0, len(self._raw))
        return self._raw[start : start + MAX_BODY_CHARS].decode("utf-8", "replace")

    def _text_body(self) -> str:
        """All text that a person could read: plain text, and HTML less its markup (section 5.3)."""
        texts = []
        left = MAX_BODY_CHARS
        for part in walk(self.parsed.structure):
            if left > 0 and not part.parts and part.content_type.startswith("text/"):
                text = part_text(self._raw, part)[:left]
                texts.append(html_to_text(text[:MAX_HTML_CHARS]) if part.content_type == "text/html" else text)
                left -= len(texts[-1])
        return "\n".join(texts)

    def _once(self, key: str, make: Callable[[], str]) -> str:
        if key not in self._texts:
            self._texts[key] = make()[:MAX_BODY_CHARS]
        return self._texts[key]


def _is_of(part: Part, wanted: Sequence[str]) -> bool:
    """Whether the part is of one of these types; one without a slash is all subtypes, an empty one is all."""
    kind = part.content_type
    return any(not one or one == kind or ("/" not in one and kind.startswith(f"{one}/")) for one in wanted)
