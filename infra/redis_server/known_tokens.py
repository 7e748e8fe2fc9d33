"""The port `infra.accounts.known_tokens.KnownTokens` in a Redis, in front of it the memory of this process.

An entry dies by the server's clock `BELIEVED_S` after the question that it answers began, whenever it is written: the
clock is read before the question, so a write that was halted on its way is dead when it comes. Where a token ended, a
mark stands in the way of answers from before its end. So neither a lost mark nor a flush makes an ended session be
believed longer than without a Redis. Entries are sealed: nobody can read one there, or make one.
"""

import contextlib
from collections.abc import Iterable

import msgspec

from gateways.accounts import Principal
from infra.accounts.known_tokens import BELIEVED_S, Moment, RememberedTokens
from infra.caches.names import Names
from infra.redis_server.server import RedisAwayError, RedisServer
from infra.sealing import SealBrokenError, open_sealed, seal

BELIEVED_MS = int(BELIEVED_S * 1000)
_ENDED = b""


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    principal: Principal
    until_ms: int


_decoder = msgspec.msgpack.Decoder(_Entry)


class RedisTokens:
    """What one process found all of them know. `key` seals the entries."""

    def __init__(self, server: RedisServer, names: Names, *, key: bytes, own: RememberedTokens | None = None) -> None:
        self._server = server
        self._names = names
        self._sealing_key = key
        self._own = own or RememberedTokens()

    def find(self, key: bytes) -> Principal | Moment:
        """Whom the token speaks for; see `KnownTokens.find`."""
        found = self._own.find(key)
        if isinstance(found, Principal) or self._own.has_ended(key):
            return found
        name = self._name(key)
        try:
            sealed, (seconds, microseconds) = self._server.ask_together([("GET", name), ("TIME",)])
        except RedisAwayError:
            return found
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        entry = self._opened(name, sealed)
        if entry is None or entry.until_ms <= now_ms:
            return Moment(found.own_s, now_ms)
        self._own.note(key, entry.principal, Moment(found.own_s + (entry.until_ms - now_ms) / 1000 - BELIEVED_S))
        return entry.principal

    def note(self, key: bytes, principal: Principal, asked: Moment) -> None:
        """What was found; see `KnownTokens.note`."""
        self._own.note(key, principal, asked)
        if asked.shared_ms is None:
            return
        name, until_ms = self._name(key), asked.shared_ms + BELIEVED_MS
        sealed = seal(self._sealing_key, msgspec.msgpack.encode(_Entry(principal, until_ms)), name)
        with contextlib.suppress(RedisAwayError):
            self._server.ask("SET", name, sealed, "NX", "PXAT", until_ms)

    def forget(self, keys: Iterable[bytes]) -> None:
        """Believe no longer in these; see `KnownTokens.forget`."""
        ended = list(keys)
        self._own.forget(ended)
        if ended:
            with contextlib.suppress(RedisAwayError):
                self._server.ask_together([("SET", self._name(key), _ENDED, "PX", BELIEVED_MS) for key in ended])

    def _name(self, key: bytes) -> bytes:
        return self._names.of("session", key)

    def _opened(self, name: bytes, sealed: bytes | None) -> _Entry | None:
        try:
            return _decoder.decode(open_sealed(self._sealing_key, sealed, name)) if sealed else None
        except (SealBrokenError, msgspec.DecodeError):
            return None
