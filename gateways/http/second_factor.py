"""The second factor (RFC 6238): begun with the password, switched on with its first code, taken off with another."""

import msgspec

from domain.times import rfc3339
from gateways.http.accounts import reached
from gateways.http.operations import Answer, Call, Operation, Reached, as_json
from gateways.http.problems import ProblemError
from gateways.http.sessions import Code, Password


class SecondFactorStep(msgspec.Struct, frozen=True, kw_only=True):
    """`password` begins a second factor; then its first code (`totp`) switches it on."""

    password: Password | None = None
    totp: Code | None = None


class SecondFactorCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code of the second factor, or a recovery code."""

    totp: Code


class SecondFactorBegun(msgspec.Struct, kw_only=True):
    """A second factor, shown this once; it is on once its first code was told, by `expires_at`.

    `secret` is base32; `uri` says the same to an authenticator that scans it. Each recovery code is good once.
    """

    secret: str
    uri: str
    recovery_codes: list[str]
    expires_at: str


def step(call: Call[None, SecondFactorStep]) -> Answer:
    """Begin, or switch on."""
    if (call.body.password is None) == (call.body.totp is None):
        raise ProblemError("body_invalid", "either password, to begin, or totp, to switch it on")
    return _begun(call, call.body.password) if call.body.password is not None else _on(call, call.body.totp or "")


def remove(call: Call[None, SecondFactorCode]) -> Answer:
    """The password alone opens the account again."""
    principal = call.principal
    call.parts.second_factors.remove(
        principal.account_id, call.body.totp, session_id=principal.session_id, who=call.who
    )
    return reached(call)


def _begun(call: Call[None, SecondFactorStep], password: str) -> Answer:
    made = call.parts.second_factors.begin(call.principal.account_id, password=password, network_address=call.address)
    shown = SecondFactorBegun(
        secret=made.secret, uri=made.uri, recovery_codes=made.recovery_codes, expires_at=rfc3339(made.expires_at)
    )
    return as_json(shown, status=201)


def _on(call: Call[None, SecondFactorStep], code: str) -> Answer:
    principal = call.principal
    call.parts.second_factors.switch_on(principal.account_id, code, session_id=principal.session_id, who=call.who)
    return reached(call)


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/account/totp",
        summary="Begin a second factor, then switch it on",
        run=step,
        body=SecondFactorStep,
        answers={200: Reached, 201: SecondFactorBegun},
        errors=("credentials_invalid", "account_suspended", "account_unknown", "totp_on", "totp_unknown"),
        secret=True,
        tag="accounts",
    ),
    Operation(
        method="DELETE",
        path="/v1/account/totp",
        summary="Take the second factor off",
        run=remove,
        body=SecondFactorCode,
        answers={200: Reached},
        errors=("credentials_invalid", "totp_unknown"),
        tag="accounts",
    ),
)
