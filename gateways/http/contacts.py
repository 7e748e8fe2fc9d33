"""The address book, and the correspondents that a client offers while somebody types."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from domain.decisions import ChangeContact
from domain.refusals import ContactUnknownError
from gateways.http.operations import Answer, Call, Operation, PagedRead, Reached, as_json
from gateways.http.shapes import Made
from gateways.http.short_lists import page_of
from projections.contacts import MAX_SUGGESTIONS

Name = Annotated[str, msgspec.Meta(max_length=500)]
Addresses = Annotated[tuple[Annotated[str, msgspec.Meta(max_length=320)], ...], msgspec.Meta(max_length=100)]
Note = Annotated[str, msgspec.Meta(max_length=10_000)]


class ContactsQuery(PagedRead, frozen=True, kw_only=True):
    """With `q`: up to 50 correspondents whose name or address has a word that begins so; without: the address book."""

    q: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the address book."""

    name: Name = ""
    addresses: Addresses = ()
    note: Note = ""


class ContactChange(msgspec.Struct, frozen=True, kw_only=True):
    """What of an entry changes."""

    name: Name | UnsetType = UNSET
    addresses: Addresses | UnsetType = UNSET
    note: Note | UnsetType = UNSET


class ContactShown(msgspec.Struct, kw_only=True):
    """An entry of the address book, or (`id` null) somebody only written to or heard from."""

    id: str | None
    name: str
    addresses: list[str]
    note: str


class ContactList(msgspec.Struct):
    """Contacts."""

    contacts: list[ContactShown]
    cursor: str | None


def list_contacts(call: Call[ContactsQuery, None]) -> Answer:
    """The address book by id, or suggestions."""
    if call.query.q is not None:
        return as_json(ContactList(_suggested(call, call.query.q), None))
    page, cursor = page_of(_book(call), call.query, list_name="contacts", order=lambda one: (0, one.id or ""))
    return as_json(ContactList(page, cursor))


def create(call: Call[None, Contact]) -> Answer:
    """One more entry."""
    return call.written(_command(call, None, call.body), "id", status=201)


def change(call: Call[None, ContactChange]) -> Answer:
    """What is not given stays."""
    contact_id = call.path["contact_id"]
    given = {name: value for name, value in msgspec.structs.asdict(call.body).items() if value is not UNSET}
    return call.written(_command(call, contact_id, msgspec.structs.replace(_standing(call, contact_id), **given)))


def remove(call: Call[None, None]) -> Answer:
    """The entry goes."""
    command = ChangeContact(
        mailbox_id=call.mailbox_id,
        command_id=call.command_id,
        who=call.who,
        contact_id=call.path["contact_id"],
        removed=True,
    )
    return call.written(command)


def _command(call: Call[Any, Any], contact_id: str | None, wanted: Contact) -> ChangeContact:
    return ChangeContact(
        mailbox_id=call.mailbox_id,
        command_id=call.command_id,
        who=call.who,
        contact_id=contact_id,
        name=wanted.name,
        addresses=wanted.addresses,
        note=wanted.note,
    )


def _standing(call: Call[Any, Any], contact_id: str) -> Contact:
    for one, body in call.parts.facts.documents(call.mailbox_id, "contact"):
        if one == contact_id:
            return msgspec.json.decode(body, type=Contact)
    raise ContactUnknownError("no such contact")


def _book(call: Call[Any, Any]) -> list[ContactShown]:
    found = []
    for contact_id, body in call.parts.facts.documents(call.mailbox_id, "contact"):
        one = msgspec.json.decode(body, type=Contact)
        found.append(ContactShown(id=contact_id, name=one.name, addresses=list(one.addresses), note=one.note))
    return found


def _suggested(call: Call[Any, Any], q: str) -> list[ContactShown]:
    """Whom the owner corresponds with, most recent and frequent first, then the rest of the address book."""
    typed = q.strip().casefold()
    book = _book(call)
    by_address = {address.lower(): one for one in book for address in one.addresses}
    found: list[ContactShown] = []
    for one in call.parts.suggestions.find(call.mailbox_id, q):
        stranger = ContactShown(id=None, name=one.name, addresses=[one.address], note="")
        _add(found, by_address.get(one.address, stranger))
    for entry in book:
        if _begins(entry, typed):
            _add(found, entry)
    return found[:MAX_SUGGESTIONS]


def _add(found: list[ContactShown], one: ContactShown) -> None:
    if not any(one is other for other in found):
        found.append(one)


def _begins(one: ContactShown, typed: str) -> bool:
    words = [*one.name.casefold().split(), one.name.casefold(), *map(str.casefold, one.addresses)]
    return any(word.startswith(typed) for word in words)


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/contacts",
        summary="The address book, or suggestions",
        run=list_contacts,
        query=ContactsQuery,
        answers={200: ContactList},
        errors=("cursor_invalid",),
        tag="contacts",
    ),
    Operation(
        method="POST",
        path="/v1/contacts",
        summary="Add to the address book",
        run=create,
        body=Contact,
        answers={201: Made},
        errors=("contact_invalid",),
        tag="contacts",
    ),
    Operation(
        method="PATCH",
        path="/v1/contacts/{contact_id}",
        summary="Change an entry",
        run=change,
        body=ContactChange,
        answers={200: Reached},
        errors=("contact_unknown", "contact_invalid"),
        unknown="contact_unknown",
        tag="contacts",
    ),
    Operation(
        method="DELETE",
        path="/v1/contacts/{contact_id}",
        summary="Take an entry away",
        run=remove,
        answers={200: Reached},
        errors=("contact_unknown",),
        unknown="contact_unknown",
        tag="contacts",
    ),
)
