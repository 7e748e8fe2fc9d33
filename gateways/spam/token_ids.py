"""Tokens as numbers that tell nobody what a message said: a keyed hash, with a key of the installation."""

from collections.abc import Iterable
from hashlib import blake2b

ID_BYTES = 8
REMEMBERED = 50_000
"""Tokens whose numbers are kept at hand, and those of one message more: most of its words stood in those before it."""


class TokenIds:
    """From tokens to signed 64-bit numbers. Without the key no word can be looked for among them."""

    def __init__(self, key: bytes) -> None:
        """`key` has 16 to 64 octets."""
        self._keyed = blake2b(key=key, digest_size=ID_BYTES)
        self._remembered = _Remembered(self._keyed)

    def of(self, tokens: Iterable[str]) -> list[int]:
        """Their numbers, in their order."""
        if len(self._remembered) >= REMEMBERED:
            self._remembered = _Remembered(self._keyed)
        remembered = self._remembered
        return [remembered[token] for token in tokens]


class _Remembered(dict[str, int]):
    """Numbers by their tokens; what is missing is made."""

    def __init__(self, keyed: blake2b) -> None:
        super().__init__()
        self._keyed = keyed

    def __missing__(self, token: str) -> int:
        keyed = self._keyed.copy()
        keyed.update(token.encode("utf-8", "surrogatepass"))
        number = self[token] = int.from_bytes(keyed.digest(), "big", signed=True)
        return number
