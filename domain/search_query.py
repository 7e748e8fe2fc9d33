"""What a search asks for: the syntax tree that `search_language` makes and that every search index answers.

The tree holds folded words (`words.fold`), exact keys and numbers, never text that an index would have to parse again.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from domain.ids import LabelId

TextField: TypeAlias = Literal["any", "subject", "from", "to", "cc", "bcc", "filename"]
"""Where words are looked for; "any" is subject, text, all addresses and file names."""

SPAM: Final = LabelId("SPAM")
TRASH: Final = LabelId("TRASH")
SYSTEM_LABELS: Final[Mapping[str, LabelId]] = {
    name.lower(): LabelId(name) for name in ("INBOX", "ARCHIVE", "SENT", "DRAFTS", SPAM, TRASH)
}


class Part(msgspec.Struct, frozen=True, tag=True):
    """One node of the tree."""


class Everything(Part, frozen=True):
    """Every message."""


class Nothing(Part, frozen=True):
    """No message."""


class AllOf(Part, frozen=True):
    """The messages that every part finds."""

    parts: tuple["Node", ...]


class AnyOf(Part, frozen=True):
    """The messages that at least one part finds."""

    parts: tuple["Node", ...]


class Not(Part, frozen=True):
    """The messages that the part does not find."""

    part: "Node"


class Phrase(Part, frozen=True):
    """Folded words that follow each other in one value of the field; where it is open-ended the last one may go on."""

    field: TextField
    words: tuple[str, ...]
    open_ended: bool = False


class AddressIs(Part, frozen=True):
    """An address of the field has this key: `alice@example.com`, `alice@` (localpart) or `@example.com` (domain)."""

    field: Literal["from", "to", "cc", "bcc"]
    key: str


class Labelled(Part, frozen=True):
    """The message has this label."""

    label_id: LabelId


class LabelNamed(Part, frozen=True):
    """The message has the label of this path (`label_key`); `resolve` replaces it before any index sees it."""

    path: str


class HasKeyword(Part, frozen=True):
    """The message has this keyword, in lower case."""

    keyword: str


class IsUnread(Part, frozen=True):
    """The message has neither `$seen` nor `$draft`."""


class HasAttachment(Part, frozen=True):
    """The message has an attachment."""


class ReceivedBefore(Part, frozen=True):
    """Received before this moment (unix milliseconds)."""

    at_ms: int


class ReceivedSince(Part, frozen=True):
    """Received at this moment (unix milliseconds) or later."""

    at_ms: int


class LargerThan(Part, frozen=True):
    """More bytes than this."""

    size_bytes: int


class SmallerThan(Part, frozen=True):
    """Fewer bytes than this."""

    size_bytes: int


class MessageIdIs(Part, frozen=True):
    """The Message-ID header field is this (`message_id_key`). RFC 5322 section 3.6.4."""

    key: str


Node: TypeAlias = (
    Everything
    | Nothing
    | AllOf
    | AnyOf
    | Not
    | Phrase
    | AddressIs
    | Labelled
    | LabelNamed
    | HasKeyword
    | IsUnread
    | HasAttachment
    | ReceivedBefore
    | ReceivedSince
    | LargerThan
    | SmallerThan
    | MessageIdIs
)


class Query(msgspec.Struct, frozen=True):
    """A whole search; `anywhere` says that spam and trash were asked for as a whole."""

    root: Node
    anywhere: bool = False

    @property
    def left_out(self) -> tuple[LabelId, ...]:
        """The labels whose messages stay out: SPAM and TRASH, each unless the query names it."""
        if self.anywhere:
            return ()
        named = {node.label_id for node in nodes(self.root) if isinstance(node, Labelled)}
        return tuple(label for label in (SPAM, TRASH) if label not in named)


def nodes(root: Node) -> Iterator[Node]:
    """Every node of a tree, parents before children."""
    yield root
    if isinstance(root, AllOf | AnyOf):
        for part in root.parts:
            yield from nodes(part)
    elif isinstance(root, Not):
        yield from nodes(root.part)


def resolve(query: Query, labels: Mapping[str, LabelId]) -> Query:
    """The query with label paths replaced by ids; a path that nobody has finds nothing.

    `labels` maps each path, written as `label_key` writes it, to its id.
    """
    return Query(_resolved(query.root, labels), query.anywhere)


def label_key(path: str) -> str:
    """How label paths are compared: NFC, in lower case."""
    return unicodedata.normalize("NFC", path).lower()


def message_id_key(value: str) -> str:
    """How Message-IDs are compared: letter by letter, without white space and angle brackets around."""
    return value.strip().removeprefix("<").removesuffix(">").strip()


def _resolved(node: Node, labels: Mapping[str, LabelId]) -> Node:
    if isinstance(node, LabelNamed):
        label_id = labels.get(node.path)
        return Nothing() if label_id is None else Labelled(label_id)
    if isinstance(node, AllOf):
        return AllOf(tuple(_resolved(part, labels) for part in node.parts))
    if isinstance(node, AnyOf):
        return AnyOf(tuple(_resolved(part, labels) for part in node.parts))
    if isinstance(node, Not):
        return Not(_resolved(node.part, labels))
    return node
