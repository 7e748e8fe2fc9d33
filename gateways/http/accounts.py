"""The account: opened, looked at, its profile and its password."""

from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

import msgspec
from msgspec import UNSET, UnsetType

from domain.decisions import ChangeSettings
from domain.quota import state
from domain.refusals import MailboxUnknownError, SettingsInvalidError
from gateways.http.operations import Answer, Call, Operation, Reached, Read, as_json
from gateways.http.sessions import Address, Password

Name = Annotated[str, msgspec.Meta(max_length=500)]


class NewAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The address wanted, a password, a name to be shown."""

    address: Address
    password: Password
    display_name: Name = ""


class AccountMade(msgspec.Struct):
    """The account just opened."""

    account_id: str
    address: str


class Quota(msgspec.Struct):
    """How much is used; `state` is ok, warn80, warn90, warn95 or read_only."""

    used_bytes: int
    limit_bytes: int
    state: str


class AccountShown(msgspec.Struct, kw_only=True):
    """The caller's account; `totp`: whether it has a second factor."""

    account_id: str
    address: str
    display_name: str
    signature: str
    time_zone: str
    head_seq: int
    quota: Quota
    totp: bool


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The profile document."""

    display_name: str = ""
    signature: str = ""
    time_zone: str = "UTC"


class ProfileChange(msgspec.Struct, frozen=True, kw_only=True):
    """What of the profile changes."""

    display_name: Name | UnsetType = UNSET
    signature: Annotated[str, msgspec.Meta(max_length=10_000)] | UnsetType = UNSET
    time_zone: Annotated[str, msgspec.Meta(max_length=130)] | UnsetType = UNSET


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True):
    """The password as it is and as it shall be."""

    old_password: Password
    new_password: Password


def register(call: Call[None, NewAccount]) -> Answer:
    """Where two race for an address, the first commit wins."""
    asked = call.body
    made = call.parts.registration.register(
        asked.address, asked.password, display_name=asked.display_name, who=call.who
    )
    return as_json(AccountMade(made.account_id, made.address), status=201)


def show(call: Call[Read, None]) -> Answer:
    """With its quota and the head of its stream."""
    head = call.parts.facts.head(call.mailbox_id)
    if head is None:
        raise MailboxUnknownError("no such mailbox")
    about = profile(call)
    shown = AccountShown(
        account_id=call.principal.account_id,
        address=call.principal.address,
        display_name=about.display_name,
        signature=about.signature,
        time_zone=about.time_zone,
        head_seq=head.seq,
        quota=Quota(head.used_bytes, head.quota_bytes, state(head.used_bytes, head.quota_bytes)),
        totp=call.parts.second_factors.is_on(call.principal.account_id),
    )
    return as_json(shown)


def change_profile(call: Call[None, ProfileChange]) -> Answer:
    """What is not given stays."""
    given = {name: value for name, value in msgspec.structs.asdict(call.body).items() if value is not UNSET}
    if "time_zone" in given:
        _require_time_zone(given["time_zone"])
    wanted = msgspec.structs.replace(profile(call), **given)
    command = ChangeSettings(
        mailbox_id=call.mailbox_id,
        command_id=call.command_id,
        who=call.who,
        display_name=wanted.display_name,
        signature=wanted.signature,
        time_zone=wanted.time_zone,
    )
    return call.written(command)


def change_password(call: Call[None, PasswordChange]) -> Answer:
    """Ends all other sessions."""
    call.parts.passwords.change(
        call.principal.account_id,
        old=call.body.old_password,
        new=call.body.new_password,
        keep_session=call.principal.session_id,
        who=call.who,
    )
    return reached(call)


def profile(call: Call[Any, Any]) -> Profile:
    """The profile as it stands."""
    for _, body in call.parts.facts.documents(call.mailbox_id, "profile"):
        return msgspec.json.decode(body, type=Profile)
    return Profile()


def _require_time_zone(name: str) -> None:
    """The IANA time zone database has it. Raises: SettingsInvalidError."""
    if name not in _time_zones():
        raise SettingsInvalidError("the time zone is none of the IANA time zone database")


@cache
def _time_zones() -> frozenset[str]:
    """The machine's and those of the package `tzdata`, less what means no zone in particular."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def reached(call: Call[Any, Any], *, status: int = 200) -> Answer:
    """The head, after a change that another port appended."""
    head = call.parts.facts.head(call.mailbox_id)
    return as_json(Reached(0 if head is None else head.seq), status=status)


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/accounts",
        summary="Open an account",
        run=register,
        body=NewAccount,
        answers={201: AccountMade},
        errors=(
            "address_taken",
            "address_invalid",
            "password_weak",
            "domain_not_served",
            "display_name_invalid",
            "registration_closed",
        ),
        open_to_strangers=True,
        tag="accounts",
    ),
    Operation(
        method="GET",
        path="/v1/account",
        summary="The caller's account",
        run=show,
        answers={200: AccountShown},
        errors=("mailbox_unknown",),
        tag="accounts",
    ),
    Operation(
        method="PATCH",
        path="/v1/account",
        summary="Change the profile",
        run=change_profile,
        body=ProfileChange,
        answers={200: Reached},
        errors=("settings_invalid",),
        tag="accounts",
    ),
    Operation(
        method="POST",
        path="/v1/account/password",
        summary="Change the password",
        run=change_password,
        body=PasswordChange,
        answers={200: Reached},
        errors=("credentials_invalid", "password_weak", "account_unknown"),
        tag="accounts",
    ),
)
