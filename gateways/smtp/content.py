"""The content of one message as it streams in: where it ends, what it may not hold, what it hashes to."""

import hashlib

from gateways.authentication.evidence import Evidence
from gateways.smtp import replies
from gateways.smtp.limits import Limits
from gateways.smtp.trace import TraceFields

END_OF_DATA = b"\r\n.\r\n"  # RFC 5321 section 4.1.1.4
_DOT_LINE = END_OF_DATA[:3]
_PREFIXES = tuple(END_OF_DATA[:length] for length in (4, 3, 2, 1))


class DotStream:
    """Takes the dots out of DATA (RFC 5321 section 4.5.2) and finds its end: CRLF.CRLF and nothing else."""

    def __init__(self) -> None:
        self._held = b"\r\n"  # the end of the DATA command's line, so that a first dot counts
        self._skipped = 2

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """The content in `data`, and how much of `data` lies before the next command; -1 while it goes on.

        The last octets are held back while they may turn out to be the end.
        """
        text = self._held + data
        dot = text.find(_DOT_LINE)
        end = text.find(END_OF_DATA, dot) if dot >= 0 else -1
        if end >= 0:
            has_dots = dot < end
            return self._content(text[: end + 2], has_dots), end + len(END_OF_DATA) - len(self._held)
        held = next((prefix for prefix in _PREFIXES if text.endswith(prefix)), b"")
        content = self._content(text[: len(text) - len(held)], dot >= 0)
        self._held = held
        return content, -1

    def _content(self, text: bytes, has_dots: bool, /) -> bytes:
        if not text:
            return text
        skipped, self._skipped = self._skipped, 0
        content = text.replace(_DOT_LINE, b"\r\n") if has_dots else text
        return content[skipped:] if skipped else content


class Content:
    """Counts, hashes and checks the octets of one message; gathers them until they are taken to the spool.

    `fault` is the reply that refuses the message; from then on nothing is kept of it. `evidence` takes down what those
    who look at the message need.
    """

    def __init__(self, limits: Limits, evidence: Evidence | None = None) -> None:
        self.evidence = evidence
        self.size_bytes = 0
        self.fault: bytes | None = None
        self.trace = TraceFields(limits.header_bytes)
        self._limits = limits
        self._digest = hashlib.sha256()
        self._gathered = bytearray()
        self._after_cr = False

    @property
    def sha256(self) -> str:
        """Of the octets so far, in lower-case hex."""
        return self._digest.hexdigest()

    @property
    def is_due(self) -> bool:
        """Whether enough is gathered to be worth a write."""
        return len(self._gathered) >= self._limits.write_bytes

    @property
    def is_endless(self) -> bool:
        """Whether so much has come that the rest is not worth waiting for."""
        return self.size_bytes > 2 * self._limits.message_bytes

    def add(self, data: bytes) -> None:
        """Take the next octets, dots already taken out."""
        self.size_bytes += len(data)
        if self.fault is not None or not data:
            return
        if self.size_bytes > self._limits.message_bytes:
            self.refuse(replies.MESSAGE_TOO_LARGE)
        elif not self._ends_lines_with_crlf(data):
            self.refuse(replies.BARE_LINE_END)
        else:
            self._keep(data)

    def finish(self) -> None:
        """The content is complete: what only the whole of it shows."""
        self.trace.finish()
        if self.evidence is not None and self.fault is None:
            self.evidence.finish()
        if self.fault is None and self._after_cr:
            self.refuse(replies.BARE_LINE_END)
        if self.fault is None and self.trace.received > self._limits.received_fields:
            self.refuse(replies.LOOP)

    def refuse(self, reply: bytes) -> None:
        """Keep nothing from here on; `reply` says why when the content has ended."""
        self.fault = reply
        self.take()

    @property
    def gathered(self) -> bytes:
        """What `take` would give."""
        return bytes(self._gathered)

    def take(self) -> bytes:
        """What was gathered since the last time."""
        gathered, self._gathered = self._gathered, bytearray()
        return bytes(gathered)

    def _keep(self, data: bytes) -> None:
        self._digest.update(data)
        self.trace.add(data)
        if self.evidence is not None:
            self.evidence.add(data)
        self._gathered += data

    def _ends_lines_with_crlf(self, data: bytes) -> bool:
        """Whether every CR and LF so far stands in a CRLF, a CR at the very end still waiting for its LF.

        Three counts, each at the speed of memory, instead of a walk over the lines.
        """
        returns, feeds = data.count(b"\r"), data.count(b"\n")
        if self._after_cr:
            if data[0] != 0x0A:
                return False
            feeds -= 1
        self._after_cr = data[-1] == 0x0D
        returns -= self._after_cr
        return returns == feeds == data.count(b"\r\n")
