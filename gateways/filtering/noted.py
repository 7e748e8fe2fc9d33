"""What is recorded of an owner's rules with a delivery, and shown to him with the message."""

import msgspec


class Noted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the rules came to: the message was thrown away (it lies in TRASH), is rejected with this text, goes on to
    these addresses (its submissions tell what became of that); it was to go on but has been here before (`loop`); or
    why they could not be run."""

    discarded: bool = False
    rejected: str = ""
    forwarded: tuple[str, ...] = ()
    loop: bool = False
    error: str = ""
