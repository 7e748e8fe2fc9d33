"""Names and addresses to send as."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from domain.addresses import AddressInvalidError, EmailAddress
from domain.decisions import ChangeIdentity
from domain.refusals import IdentityInvalidError, IdentityUnknownError
from gateways.http.operations import Answer, Call, Operation, Reached, as_json
from gateways.http.shapes import Made
from gateways.http.short_lists import ShortRead, page_of

Name = Annotated[str, msgspec.Meta(max_length=500)]
Address = Annotated[str, msgspec.Meta(max_length=320)]
Signature = Annotated[str, msgspec.Meta(max_length=10_000)]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A name, an address of the account (it may bear a +tag), where answers go, a signature."""

    name: Name = ""
    address: Address = ""
    reply_to: Address = ""
    signature: Signature = ""


class IdentityChange(msgspec.Struct, frozen=True, kw_only=True):
    """What of an identity changes."""

    name: Name | UnsetType = UNSET
    address: Address | UnsetType = UNSET
    reply_to: Address | UnsetType = UNSET
    signature: Signature | UnsetType = UNSET


class IdentityShown(Identity, frozen=True, kw_only=True):
    """An identity."""

    id: str


class IdentityList(msgspec.Struct):
    """All identities; the account's own name and address are always there besides."""

    identities: list[IdentityShown]
    cursor: str | None = None


def list_identities(call: Call[ShortRead, None]) -> Answer:
    """By id."""
    found = call.parts.facts.documents(call.mailbox_id, "identity")
    page, cursor = page_of(found, call.query, list_name="identities", order=lambda one: (0, one[0]))
    shown = [
        IdentityShown(id=one, **msgspec.structs.asdict(msgspec.json.decode(body, type=Identity))) for one, body in page
    ]
    return as_json(IdentityList(shown, cursor))


def create(call: Call[None, Identity]) -> Answer:
    """One more."""
    return call.written(_command(call, None, call.body), "id", status=201)


def change(call: Call[None, IdentityChange]) -> Answer:
    """What is not given stays."""
    identity_id = call.path["identity_id"]
    given = {name: value for name, value in msgspec.structs.asdict(call.body).items() if value is not UNSET}
    wanted = msgspec.structs.replace(identity(call, identity_id), **given)
    return call.written(_command(call, identity_id, wanted))


def remove(call: Call[None, None]) -> Answer:
    """It is gone; what was sent as it stays."""
    command = ChangeIdentity(
        mailbox_id=call.mailbox_id,
        command_id=call.command_id,
        who=call.who,
        identity_id=call.path["identity_id"],
        removed=True,
    )
    return call.written(command)


def identity(call: Call[Any, Any], identity_id: str) -> Identity:
    """The identity of this id. Raises: IdentityUnknownError."""
    for one, body in call.parts.facts.documents(call.mailbox_id, "identity"):
        if one == identity_id:
            return msgspec.json.decode(body, type=Identity)
    raise IdentityUnknownError("no such identity", identity_id=identity_id)


def _command(call: Call[Any, Any], identity_id: str | None, wanted: Identity) -> ChangeIdentity:
    own = _canonical(call.principal.address)
    if _canonical(wanted.address) != own:
        raise IdentityInvalidError("its address must be the account's own, perhaps with a +tag")
    if wanted.reply_to:
        _canonical(wanted.reply_to)
    return ChangeIdentity(
        mailbox_id=call.mailbox_id,
        command_id=call.command_id,
        who=call.who,
        identity_id=identity_id,
        name=wanted.name,
        address=wanted.address,
        reply_to=wanted.reply_to,
        signature=wanted.signature,
    )


def _canonical(address: str) -> str:
    try:
        return EmailAddress.parse(address).canonical
    except AddressInvalidError as error:
        raise IdentityInvalidError(str(error)) from None


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/identities",
        summary="Names and addresses to send as",
        run=list_identities,
        query=ShortRead,
        answers={200: IdentityList},
        errors=("cursor_invalid",),
        tag="accounts",
    ),
    Operation(
        method="POST",
        path="/v1/identities",
        summary="Make an identity",
        run=create,
        body=Identity,
        answers={201: Made},
        errors=("identity_invalid",),
        tag="accounts",
    ),
    Operation(
        method="PATCH",
        path="/v1/identities/{identity_id}",
        summary="Change an identity",
        run=change,
        body=IdentityChange,
        answers={200: Reached},
        errors=("identity_unknown", "identity_invalid"),
        unknown="identity_unknown",
        tag="accounts",
    ),
    Operation(
        method="DELETE",
        path="/v1/identities/{identity_id}",
        summary="Take an identity away",
        run=remove,
        answers={200: Reached},
        errors=("identity_unknown",),
        unknown="identity_unknown",
        tag="accounts",
    ),
)
