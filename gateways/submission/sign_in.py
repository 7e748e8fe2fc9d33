"""One AUTH command's exchange (RFC 4954 section 4): a mechanism's challenges and responses in lines of Base64."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable

from gateways.sasl import Claim, Mechanism, ResponseInvalidError

CANCEL = "*"
MAX_LINE_OCTETS = 12_288  # RFC 4954 section 4.5
_EMPTY = "="


class Dialogue:
    """Answers with the next challenge, encoded, or with what the client claims once it has said all."""

    def __init__(self, mechanism: Callable[[bytes | None], Mechanism]) -> None:
        self._mechanism = mechanism
        self._steps: Mechanism

    def begin(self, initial: str | None) -> str | Claim:
        """With the initial response, where the client gave one. Raises: ResponseInvalidError."""
        self._steps = self._mechanism(None if initial is None else _decoded("" if initial == _EMPTY else initial))
        return self._said(lambda: next(self._steps))

    def answer(self, response: str) -> str | Claim:
        """Raises: ResponseInvalidError."""
        octets = _decoded(response)
        return self._said(lambda: self._steps.send(octets))

    @staticmethod
    def _said(step: Callable[[], bytes]) -> str | Claim:
        try:
            return encoded(step())
        except StopIteration as end:
            claim: Claim = end.value
            return claim


def encoded(octets: bytes) -> str:
    """In Base64."""
    return b64encode(octets).decode()


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ResponseInvalidError("Base64") from None
