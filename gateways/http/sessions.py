"""Signing in and out, and where one is signed in."""

from typing import Annotated

import msgspec

from domain.times import rfc3339
from gateways.accounts import Session
from gateways.http.operations import Answer, Call, Operation, as_json
from gateways.http.short_lists import ShortRead, page_of

Address = Annotated[str, msgspec.Meta(max_length=320)]
Password = Annotated[str, msgspec.Meta(max_length=1024)]
Code = Annotated[str, msgspec.Meta(max_length=100)]
_SIGNED_OUT = Answer(status=204)


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """Address and password; where the account has a second factor its code, or a recovery code."""

    address: Address
    password: Password
    totp: Code | None = None


class SignedIn(msgspec.Struct):
    """A new session; the token is shown this once."""

    token: str
    account_id: str
    expires_at: str


class SessionShown(msgspec.Struct):
    """Where the account is signed in."""

    id: str
    client: str
    address: str
    created_at: str
    last_seen_at: str
    expires_at: str
    current: bool


class SessionList(msgspec.Struct):
    """The account's sessions, the latest first."""

    sessions: list[SessionShown]
    cursor: str | None = None


def sign_in(call: Call[None, SignIn]) -> Answer:
    """The same answer, after the same time, for a wrong password and an unknown address."""
    begun = call.parts.sessions.sign_in(
        call.body.address,
        call.body.password,
        client=call.who.client,
        network_address=call.address,
        totp=call.body.totp,
    )
    return as_json(SignedIn(begun.token, begun.account.account_id, rfc3339(begun.expires_at)), status=201)


def sign_out(call: Call[None, None]) -> Answer:
    """The token that asks ends."""
    call.parts.sessions.end_session(call.principal.account_id, call.principal.session_id)
    return _SIGNED_OUT


def sign_out_there(call: Call[None, None]) -> Answer:
    """Another session, or this one, ends."""
    call.parts.sessions.end_session(call.principal.account_id, call.path["session_id"])
    return _SIGNED_OUT


def list_sessions(call: Call[ShortRead, None]) -> Answer:
    """With client and network address."""
    found = call.parts.sessions.list_sessions(call.principal.account_id)
    page, cursor = page_of(found, call.query, list_name="sessions", order=_order)
    return as_json(SessionList([_shown(session, call.principal.session_id) for session in page], cursor))


def _order(session: Session) -> tuple[int, str]:
    return -session.created_at, session.session_id


def _shown(session: Session, current: str) -> SessionShown:
    return SessionShown(
        id=session.session_id,
        client=session.client,
        address=session.network_address,
        created_at=rfc3339(session.created_at),
        last_seen_at=rfc3339(session.last_seen_at),
        expires_at=rfc3339(session.expires_at),
        current=session.session_id == current,
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/sessions",
        summary="Sign in",
        run=sign_in,
        body=SignIn,
        answers={201: SignedIn},
        errors=("credentials_invalid", "totp_required", "account_suspended"),
        open_to_strangers=True,
        secret=True,
        tag="accounts",
    ),
    Operation(
        method="GET",
        path="/v1/sessions",
        summary="Where the account is signed in",
        run=list_sessions,
        query=ShortRead,
        answers={200: SessionList},
        errors=("cursor_invalid",),
        tag="accounts",
    ),
    Operation(
        method="DELETE",
        path="/v1/sessions/current",
        summary="Sign out",
        run=sign_out,
        answers={204: None},
        errors=("session_unknown",),
        tag="accounts",
    ),
    Operation(
        method="DELETE",
        path="/v1/sessions/{session_id}",
        summary="Sign out there",
        run=sign_out_there,
        answers={204: None},
        errors=("session_unknown",),
        unknown="session_unknown",
        tag="accounts",
    ),
)
