"""Addresses that a mailbox does not write to: they take no mail, or their owners complained or want none to many."""

KIND = "suppression"
"""The kind of document that an entry is; its id is the address as `suppressed_form` has it."""

UNSUBSCRIBED = "unsubscribed"
"""The same, of an address that wants no bulk mail alone."""

MAX_CHARS = 320
"""Longer than any address that mail can be sent to (RFC 5321 section 4.5.3.1)."""


def suppressed_form(address: str) -> str:
    """The spelling under which an address stands on the list: nobody's mailbox differs from another's by case alone."""
    return address.strip().lower().replace("\0", "\ufffd")[:MAX_CHARS]
