"""Passwords of native clients: made, shown once, taken away."""

from typing import Annotated

import msgspec

from domain.times import rfc3339
from gateways.accounts import AppPassword
from gateways.http.operations import Answer, Call, Operation, as_json
from gateways.http.short_lists import ShortRead, page_of


class NewAppPassword(msgspec.Struct, frozen=True, kw_only=True):
    """What its owner calls it."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class AppPasswordShown(msgspec.Struct, kw_only=True):
    """An app password, without its secret."""

    id: str
    name: str
    created_at: str
    last_used_at: str | None


class AppPasswordMade(AppPasswordShown, kw_only=True):
    """An app password, this once with its secret."""

    password: str
    seq: int


class AppPasswordList(msgspec.Struct):
    """The account's app passwords, the latest first."""

    app_passwords: list[AppPasswordShown]
    cursor: str | None = None


def add(call: Call[None, NewAppPassword]) -> Answer:
    """The secret is never shown again."""
    made = call.parts.app_passwords.add(call.principal.account_id, call.body.name, who=call.who)
    head = call.parts.facts.head(call.mailbox_id)
    shown = msgspec.structs.asdict(_shown(made.app_password))
    return as_json(AppPasswordMade(**shown, password=made.secret, seq=head.seq if head else 0), status=201)


def list_all(call: Call[ShortRead, None]) -> Answer:
    """Without their secrets."""
    found = call.parts.app_passwords.list_all(call.principal.account_id)
    page, cursor = page_of(found, call.query, list_name="app-passwords", order=_order)
    return as_json(AppPasswordList([_shown(one) for one in page], cursor))


def remove(call: Call[None, None]) -> Answer:
    """It opens nothing any more."""
    call.parts.app_passwords.remove(call.principal.account_id, call.path["app_password_id"], who=call.who)
    return Answer(status=204)


def _order(one: AppPassword) -> tuple[int, str]:
    return -one.created_at, one.app_password_id


def _shown(one: AppPassword) -> AppPasswordShown:
    used = None if one.last_used_at is None else rfc3339(one.last_used_at)
    return AppPasswordShown(
        id=one.app_password_id, name=one.name, created_at=rfc3339(one.created_at), last_used_at=used
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/app-passwords",
        summary="The account's app passwords",
        run=list_all,
        query=ShortRead,
        answers={200: AppPasswordList},
        errors=("cursor_invalid",),
        tag="accounts",
    ),
    Operation(
        method="POST",
        path="/v1/app-passwords",
        summary="Make a password for a native client",
        run=add,
        body=NewAppPassword,
        answers={201: AppPasswordMade},
        errors=("app_password_invalid", "account_unknown"),
        secret=True,
        tag="accounts",
    ),
    Operation(
        method="DELETE",
        path="/v1/app-passwords/{app_password_id}",
        summary="Take an app password away",
        run=remove,
        answers={204: None},
        errors=("app_password_unknown",),
        unknown="app_password_unknown",
        tag="accounts",
    ),
)
