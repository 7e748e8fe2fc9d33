"""What the events about identities, contacts, rules, the vacation reply and the profile do."""

import msgspec

from domain.events import ContactChanged, IdentityChanged, RulesReplaced, SettingsChanged, VacationSet
from domain.mailbox_state.mailbox import Document, Mailbox, When


def write_document(mailbox: Mailbox, key: tuple[str, str], *, body: bytes, when: When) -> None:
    """The document of this (kind, id) is now this, whether it stood before, was removed, or is new."""
    document = mailbox.documents.setdefault(key, Document(body, when.seq, when.seq))
    document.body = body
    document.changed_seq = when.seq
    document.destroyed_seq = None


def _remove_document(mailbox: Mailbox, key: tuple[str, str], *, when: When) -> None:
    document = mailbox.documents[key]
    document.destroyed_seq = document.changed_seq = when.seq


def identity_changed(mailbox: Mailbox, event: IdentityChanged, when: When) -> None:
    """An identity made, changed or removed."""
    key = ("identity", event.identity_id)
    if event.removed:
        return _remove_document(mailbox, key, when=when)
    body = {
        "name": event.name,
        "address": event.address,
        "reply_to": event.reply_to,
        "signature": event.signature,
    }
    return write_document(mailbox, key, body=msgspec.json.encode(body), when=when)


def contact_changed(mailbox: Mailbox, event: ContactChanged, when: When) -> None:
    """An entry of the address book made, changed or removed."""
    key = ("contact", event.contact_id)
    if event.removed:
        return _remove_document(mailbox, key, when=when)
    body = {"name": event.name, "addresses": event.addresses, "note": event.note}
    return write_document(mailbox, key, body=msgspec.json.encode(body), when=when)


def rules_replaced(mailbox: Mailbox, event: RulesReplaced, when: When) -> None:
    """The rules as the API took them, and the script where it is told."""
    write_document(mailbox, ("rules", ""), body=bytes(event.rules), when=when)
    if isinstance(event.script, str):
        write_document(mailbox, ("script", ""), body=msgspec.json.encode({"script": event.script}), when=when)


def vacation_set(mailbox: Mailbox, event: VacationSet, when: When) -> None:
    """The automatic reply as the API took it."""
    write_document(mailbox, ("vacation", ""), body=bytes(event.vacation), when=when)


def settings_changed(mailbox: Mailbox, event: SettingsChanged, when: When) -> None:
    """The whole profile anew."""
    body = {"display_name": event.display_name, "signature": event.signature, "time_zone": event.time_zone}
    write_document(mailbox, ("profile", ""), body=msgspec.json.encode(body), when=when)
