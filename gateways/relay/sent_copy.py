"""What a transaction hands to a host, told so that the very bytes can be shown again: the archive of what was sent."""

import msgspec


class SentCopy(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction with a host. The bytes are `fields`, then the message less Bcc; `sha256` is of them together."""

    host: str
    return_path: str
    fields: bytes
    """What was put before the message: its signatures."""
    in_seven_bits: bool
    """Whether its 8-bit parts were encoded anew for this host."""
    size_bytes: int
    sha256: str
