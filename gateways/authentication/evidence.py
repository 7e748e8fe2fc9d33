"""What the checks need of a message, taken down while it streams by: its header, the hashes of its body, its beginning.

So a message of any size costs a check no more memory than that, and is not read a second time.
"""

import hashlib

from gateways.authentication.canonical import RELAXED, RelaxedBody, SimpleBody
from gateways.authentication.header_block import HeaderBlock
from gateways.authentication.signature import (
    DKIM,
    MESSAGE,
    BodyForm,
    Signature,
    SignatureInvalidError,
    read_signature,
)

MAX_HEADER_BYTES = 2**20
"""As much as anything else reads of a header."""
SAMPLE_BYTES = 128 * 1024
"""Of the beginning of a message, for those who look at its words: more than almost every text is long."""
MAX_SIGNATURES = 10
"""DKIM signatures of one message that are looked at, the topmost first."""
MAX_BODY_FORMS = 4
"""Ways of hashing the body of one message: all that honest signatures use, not as many as a stranger can think of."""


class Evidence:
    """Of one message. `add` its octets as they come, with CRLF line ends, `finish`, then read."""

    def __init__(self) -> None:
        self.header = HeaderBlock(b"")
        self.signatures: list[Signature | SignatureInvalidError] = []
        """Of its DKIM-Signature fields, each as it was read or why it cannot be."""
        self.sample = bytearray()
        """The message's beginning, `SAMPLE_BYTES` at most."""
        self._raw = bytearray()
        self._bodies: dict[BodyForm, _HashedBody] = {}
        self._is_in_body = False

    def add(self, data: bytes) -> None:
        """Take the next piece of the message."""
        if (room := SAMPLE_BYTES - len(self.sample)) > 0:
            self.sample += data[:room]
        if self._is_in_body:
            self._hash(data)
            return
        before = max(len(self._raw) - 3, 0)
        self._raw += data
        end = 0 if self._raw.startswith(b"\r\n") else self._raw.find(b"\r\n\r\n", before) + 2
        if end >= 2 or self._raw.startswith(b"\r\n"):
            self._begin_body(bytes(self._raw[:end]), rest=bytes(self._raw[end + 2 :]))
        elif len(self._raw) > MAX_HEADER_BYTES:
            self._give_up()

    def finish(self) -> None:
        """The message is over."""
        if not self._is_in_body:
            self._begin_body(bytes(self._raw), rest=b"")
        for body in self._bodies.values():
            body.finish()

    def body_hash(self, form: BodyForm) -> bytes | None:
        """The hash of the body in this form; None where fewer octets than it counts are there."""
        body = self._bodies.get(form)
        return None if body is None else body.digest

    def covers_body(self, form: BodyForm) -> bool:
        """Whether nothing of the body is left out by it."""
        body = self._bodies.get(form)
        return body is not None and body.is_whole

    def _give_up(self) -> None:
        """The header is longer than anybody reads: its beginning is kept for who it says it is from."""
        whole = bytes(self._raw[:MAX_HEADER_BYTES])
        self.header = HeaderBlock(whole, is_whole=False)
        self._raw.clear()
        self._is_in_body = True

    def _begin_body(self, raw: bytes, *, rest: bytes) -> None:
        self.header = HeaderBlock(raw)
        self._raw.clear()
        self._is_in_body = True
        for at in self.header.places.get(DKIM, [])[:MAX_SIGNATURES]:
            self.signatures.append(self._read(at, DKIM))
        for at in self.header.places.get(MESSAGE, [])[:MAX_SIGNATURES]:
            self._read(at, MESSAGE)
        self._hash(rest)

    def _read(self, at: int, kind: bytes) -> Signature | SignatureInvalidError:
        try:
            signature = read_signature(self.header, at, kind)
        except SignatureInvalidError as error:
            return error
        if signature.body is not None and signature.body not in self._bodies:
            if len(self._bodies) >= MAX_BODY_FORMS:
                return SignatureInvalidError("the body would have to be hashed in too many ways")
            self._bodies[signature.body] = _HashedBody(signature.body)
        return signature

    def _hash(self, data: bytes) -> None:
        for body in self._bodies.values():
            body.add(data)


class _HashedBody:
    """A body in one canonical form, hashed as far as it counts."""

    def __init__(self, form: BodyForm) -> None:
        self._left = form.length
        self._hash = hashlib.new(form.hash_name)
        self._form = RelaxedBody(self) if form.form == RELAXED else SimpleBody(self)
        self.is_whole = True

    def add(self, data: bytes) -> None:
        self._form.add(data)

    def finish(self) -> None:
        self._form.finish()

    @property
    def digest(self) -> bytes | None:
        return None if self._left else self._hash.digest()

    def update(self, data: bytes) -> None:
        """What the canonical form gives out."""
        if self._left is not None:
            self.is_whole = self.is_whole and len(data) <= self._left
            data = data[: self._left]
            self._left -= len(data)
        self._hash.update(data)
