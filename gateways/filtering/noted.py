"""What is recorded of an owner's rules with a delivery, and shown to him with the message."""

import msgspec


class Noted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether the message was thrown away (it lies in TRASH), with what text it was rejected, to whom it was forwarded,
    whether its sender is answered, whether it was to be forwarded but has been here before (`loop`), and why the rules
    could not be run."""

    discarded: bool = False
    rejected: str = ""
    forwarded: tuple[str, ...] = ()
    answered: bool = False
    loop: bool = False
    error: str = ""
