"""Addresses that a mailbox does not write to: they take no mail, or their owners complained."""

KIND = "suppression"
"""The kind of document that an entry is; its id is the address as `suppressed_form` has it."""


def suppressed_form(address: str) -> str:
    """The spelling under which an address stands on the list: nobody's mailbox differs from another's by case alone."""
    return address.strip().lower()
