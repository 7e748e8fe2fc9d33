"""Whether a message has been here before, and whether a machine sent it: its Received, Delivered-To and Auto-Submitted
fields, read while it streams by."""

import re

from domain.addresses import AddressInvalidError, EmailAddress

_FIELD = re.compile(
    rb"\r\n(?:(received)|(auto-submitted)|delivered-to)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", re.IGNORECASE
)
_HELD_BYTES = 4096
_MAX_DELIVERED_TO = 200


class TraceFields:
    """Counts the trace fields of a header block that comes in pieces, holding no more than one field of it.

    `is_automatic` is what RFC 3834 section 5 says of Auto-Submitted: anything but "no".

    Looks no further than `limit_bytes` into the block.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.received = 0
        self.delivered_to: set[str] = set()
        self.is_automatic = False
        self._left_bytes = limit_bytes
        self._held = b"\r\n"
        self._done = False

    def add(self, data: bytes) -> None:
        """Take the next piece of the message, with CRLF line ends."""
        if self._done:
            return
        text = self._held + data[: self._left_bytes]
        self._left_bytes -= len(data)
        end = text.find(b"\r\n\r\n")
        if end < 0 and self._left_bytes > 0:
            end = _last_field(text)
        else:
            self._done = True
        self._count(text if end < 0 else text[:end])
        self._hold(b"" if self._done else text[end:])

    def finish(self) -> None:
        """The message is over, whether or not its header block was."""
        if not self._done:
            self._done = True
            self._count(self._held)

    def _hold(self, text: bytes) -> None:
        self._held = text if len(text) <= _HELD_BYTES else text[: _HELD_BYTES - 4] + text[-4:]

    def _count(self, block: bytes) -> None:
        for field in _FIELD.finditer(block):
            if field[1]:
                self.received += 1
            elif field[2]:
                self.is_automatic = self.is_automatic or field[3].split(b";")[0].strip().lower() not in (b"", b"no")
            elif len(self.delivered_to) < _MAX_DELIVERED_TO:
                self._note_recipient(field[3])

    def _note_recipient(self, value: bytes) -> None:
        try:
            address = EmailAddress.parse(value.decode(errors="replace").strip(" \t\r\n<>"))
        except AddressInvalidError:
            return  # a field of somebody else's making names nobody here
        self.delivered_to.add(address.canonical)


def _last_field(text: bytes) -> int:
    """Where the CRLF stands behind which a field begins that may go on in the next piece."""
    end = text.rfind(b"\r\n")
    while end > 0 and text[end + 2 : end + 3] in (b"", b" ", b"\t"):
        end = text.rfind(b"\r\n", 0, end)
    return max(end, 0)
