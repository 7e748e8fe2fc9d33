"""Tokens as numbers that tell nobody what a message said: a keyed hash, with a key of the installation."""

from collections.abc import Iterable
from hashlib import blake2b

ID_BYTES = 8
REMEMBERED = 50_000
"""Tokens whose numbers are kept at hand: most words of a message stood in those before it."""


class TokenIds:
    """From tokens to signed 64-bit numbers. Without the key no word can be looked for among them."""

    def __init__(self, key: bytes) -> None:
        """`key` has 16 to 64 octets."""
        self._keyed = blake2b(key=key, digest_size=ID_BYTES)
        self._remembered: dict[str, int] = {}

    def of(self, tokens: Iterable[str]) -> list[int]:
        """Their numbers, in their order."""
        remembered = self._remembered
        found = []
        for token in tokens:
            number = remembered.get(token)
            found.append(self._made(token) if number is None else number)
        return found

    def _made(self, token: str) -> int:
        keyed = self._keyed.copy()
        keyed.update(token.encode("utf-8", "surrogatepass"))
        number = int.from_bytes(keyed.digest(), "big", signed=True)
        if len(self._remembered) >= REMEMBERED:
            self._remembered = {}
        self._remembered[token] = number
        return number
