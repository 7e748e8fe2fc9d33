"""The replies of another host (RFC 5321 section 4.2) as they stream in, each bounded."""

import re
from typing import NamedTuple

from gateways.relay.patience import REPLY_CHARS, REPLY_LINE_BYTES, REPLY_LINES

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?")
_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?: |$)")


class ReplyGarbledError(Exception):
    """What came is no reply, or one without end."""


class Reply(NamedTuple):
    """A code and the text of each line, without control characters."""

    code: int
    lines: tuple[str, ...] = ("",)

    @property
    def is_positive(self) -> bool:
        """2yz or 3yz."""
        return self.code < 400

    @property
    def is_permanent(self) -> bool:
        """5yz: the same again would fail again."""
        return self.code >= 500

    def __str__(self) -> str:
        """In one line of text, its enhanced status code said once (RFC 2034 section 4)."""
        said = [line.strip() for line in self.lines]
        found = _ENHANCED.match(said[0])
        if found is not None:
            said = [said[0], *(line.removeprefix(found[0]).strip() for line in said[1:])]
        return f"{self.code} {' '.join(filter(None, said))}".strip()[:REPLY_CHARS]


class ReplyReader:
    """Takes octets, gives whole replies."""

    def __init__(self) -> None:
        self._input = b""
        self._code = 0
        self._lines: list[str] = []
        self._kept_chars = 0

    @property
    def has_rest(self) -> bool:
        """Whether part of a reply has come."""
        return bool(self._input or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete now.

        Raises: ReplyGarbledError
        """
        self._input += data
        *lines, self._input = self._input.split(b"\n")
        if len(self._input) > REPLY_LINE_BYTES or any(len(line) > REPLY_LINE_BYTES for line in lines):
            raise ReplyGarbledError("a line of the reply is too long")
        return [reply for line in lines if (reply := self._take(line.removesuffix(b"\r"))) is not None]

    def _take(self, line: bytes) -> Reply | None:
        found = _LINE.fullmatch(line)
        if found is None or (self._lines and int(found[1]) != self._code):
            raise ReplyGarbledError(f"no reply: {_text(line)[:80]}")
        self._code = int(found[1])
        text = _text(found[3] or b"")[: max(0, REPLY_CHARS - self._kept_chars)]
        self._kept_chars += len(text)
        self._lines.append(text)
        if found[2] == b"-":
            if len(self._lines) > REPLY_LINES:
                raise ReplyGarbledError("the reply has too many lines")
            return None
        reply = Reply(self._code, tuple(self._lines))
        self._lines, self._kept_chars = [], 0
        return reply


def _text(line: bytes) -> str:
    """Printable, whatever a stranger wrote."""
    return "".join(c if c.isprintable() else "\ufffd" for c in line.decode(errors="replace"))
