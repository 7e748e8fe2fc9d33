"""Address fields read as people and machines write them (RFC 5322 section 3.4, groups and obsolete forms included)."""

import re

from gateways.mime.encoded_words import words_decoded
from gateways.mime.structure import MAX_ADDRESSES, MAX_SHOWN_CHARS, Address

_SIMPLE = re.compile(r"""\s*(?:"([^"\\<>=]*)"|([^"\\<>,;:()@=\[\]]*?))\s*<([^<>\s@,"()]+@[^<>\s@,"()]+)>\s*""")
_BARE = re.compile(r"[^\s<>@,;:\"()\\=\[\]]+@[^\s<>@,;:\"()\\=\[\]]+")
_TOKEN = re.compile(
    r"""(?P<encoded>=\?[^?\s]{1,80}\?[bBqQ]\?[^?\s]*\?=)|(?P<quoted>"(?:[^"\\]|\\.)*"?)|(?P<angle><[^<>]*>?)|(?P<mark>[,;:()])|(?P<space>\s+)|(?P<word>[^"<,;:()\s]+)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_QUOTED_LOCALPART = re.compile(r'"(?:[^"\\]|\\.)*"@\S+')
_COMMENT = re.compile(r"\([^()]*\)")
_ROUTE = re.compile(r"^@[^:]*:")
_SPACES = re.compile(r"\s+")


def addresses(text: str) -> tuple[Address, ...]:
    """The mailboxes of an unfolded address field, names decoded, at most 500; a group gives its members."""
    simple = _SIMPLE.fullmatch(text)
    if simple is not None:
        return (Address(_name(simple[1] if simple[1] is not None else simple[2]), simple[3]),)
    if _BARE.fullmatch(text):
        return (Address("", text),)
    return _Reader().read(text)


def _name(phrase: str) -> str:
    return words_decoded(phrase)[:MAX_SHOWN_CHARS]


class _Reader:
    """Collects the words of one mailbox until a comma ends it."""

    def __init__(self) -> None:
        self.found: list[Address] = []
        self.reset()

    def reset(self) -> None:
        self.phrase: list[str] = []
        self.written: list[str] = []
        self.comment: list[str] = []
        self.angle: str | None = None
        self.depth = 0

    def read(self, text: str) -> tuple[Address, ...]:
        for token in _TOKEN.finditer(text):
            if len(self.found) >= MAX_ADDRESSES:
                break
            if self.depth or token[0] == "(":
                self.in_comment(token[0])
            elif token["mark"]:
                self.mark(token[0])
            elif token["angle"]:
                self.angle = token[0].strip("<>")
            else:
                self.written.append(token[0])
                self.phrase.append(_unquoted(token[0]) if token["quoted"] else token[0])
        self.close()
        return tuple(self.found[:MAX_ADDRESSES])

    def in_comment(self, piece: str) -> None:
        outermost = self.depth == (piece == ")")
        self.depth += (piece == "(") - (piece == ")")
        self.comment.append(" " if outermost and piece in "()" else piece)

    def mark(self, mark: str) -> None:
        if mark == ":":
            self.phrase.clear()  # the name of a group
            self.written.clear()
        elif mark in ",;":
            self.close()

    def close(self) -> None:
        phrase = "".join(self.phrase).strip()
        written = "".join(self.written).strip()
        comment = "".join(self.comment).strip()
        if self.angle is not None:
            address = _ROUTE.sub("", _COMMENT.sub("", self.angle.strip()))
            self.add(phrase or comment, address if '"' in address else _SPACES.sub("", address))
        elif _QUOTED_LOCALPART.fullmatch(written):
            self.add(comment, written)
        elif "@" in phrase or (phrase and " " not in phrase):
            self.add(comment, *_last_word(phrase))
        elif phrase:
            self.add(phrase, "")
        self.reset()

    def add(self, name: str, address: str, before: str = "") -> None:
        shown = _name(f"{before} {name}" if before else name)
        if shown or address:
            self.found.append(Address("" if shown == address else shown, address[:MAX_SHOWN_CHARS]))


def _last_word(phrase: str) -> tuple[str, str]:
    """Of "Some Name user@host" the address and what stands before it; "user @ host" is one address."""
    joined = re.sub(r"\s*@\s*", "@", phrase) if phrase.count("@") == 1 else phrase
    before, _, last = joined.rpartition(" ")
    return (last, before) if "@" in last else (joined.replace(" ", ""), "")


def _unquoted(token: str) -> str:
    return _ESCAPE.sub(r"\1", token[1:-1] if len(token) > 1 and token.endswith('"') else token[1:])
