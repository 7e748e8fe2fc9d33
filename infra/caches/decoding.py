"""What lies in a cache may have been put there by another version of the program."""

from typing import TypeVar

import msgspec

T = TypeVar("T")


def decoded(octets: bytes | None, kind: type[T]) -> T | None:
    """The value that was encoded; None where there is none, or none of this kind."""
    try:
        return None if octets is None else msgspec.msgpack.decode(octets, type=kind)
    except msgspec.DecodeError:
        return None
