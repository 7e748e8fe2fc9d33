"""Native clients sign in with an app password, the account's own, or a session's token; wrong ones are counted once."""

import msgspec
import pytest

from gateways.accounts import AccountSuspendedError, CredentialsInvalidError, Principal, SignInThrottledError
from gateways.http.metrics import SIGN_INS_REFUSED
from infra.trail.submission import ToldSignIn
from tests.infra.accounts.given_accounts import PASSWORD, GivenAccounts


def sign_in(accounts: GivenAccounts, address: str, secret: str, *, network: str = "192.0.2.60") -> Principal:
    return accounts.native_sign_in.with_password(
        address, secret, client="a phone", network_address=network, protocol="submission"
    )


def test_both_kinds_of_password_open_the_account_and_are_recorded_once_a_day(accounts: GivenAccounts) -> None:
    account = accounts.given("native@example.test")
    made = accounts.app_passwords.add(account.account_id, "phone")
    for secret, by in ((PASSWORD, "password"), (made.secret, made.app_password.app_password_id)):
        for _again in range(2):
            principal = sign_in(accounts, "Native@example.test", secret)
            whose = (account.account_id, account.mailbox_id, "native@example.test", by, "user")
            assert principal == Principal(*whose, password_version=1 if by == "password" else 0)
            assert accounts.native_sign_in.still_speaks(principal)
    events = [one.event for one in accounts.events(account.mailbox_id) if one.topic == "SignedIn"]
    assert [(event.session_id, event.protocol) for event in events] == [
        ("password", "submission"),
        (made.app_password.app_password_id, "submission"),
    ]


def test_the_accounts_own_password_never_counts_as_a_failure(accounts: GivenAccounts) -> None:
    accounts.given("often@example.test")
    for _again in range(15):
        assert sign_in(accounts, "often@example.test", PASSWORD).address == "often@example.test"


def test_wrong_ones_are_throttled_and_keep_nobody_from_the_webmail(accounts: GivenAccounts) -> None:
    accounts.given("guessed@example.test")
    for _again in range(10):
        with pytest.raises(CredentialsInvalidError):
            sign_in(accounts, "guessed@example.test", "wrong", network="192.0.2.61")
    with pytest.raises(SignInThrottledError):
        sign_in(accounts, "guessed@example.test", PASSWORD, network="192.0.2.62")
    assert accounts.sign_in("guessed@example.test").token


@pytest.mark.parametrize("name", ["nobody@example.test", "no address", ""])
def test_nobodys_name_is_refused_like_a_wrong_password(accounts: GivenAccounts, name: str) -> None:
    with pytest.raises(CredentialsInvalidError):
        sign_in(accounts, name, PASSWORD, network="192.0.2.63")


def test_who_is_suspended_hears_so_with_the_right_password_alone(accounts: GivenAccounts) -> None:
    account = accounts.given("halted@example.test")
    accounts.administration.suspend(account)
    with pytest.raises(CredentialsInvalidError):
        sign_in(accounts, "halted@example.test", "wrong")
    with pytest.raises(AccountSuspendedError):
        sign_in(accounts, "halted@example.test", PASSWORD)


def test_a_connection_speaks_for_nobody_once_what_it_came_in_with_is_changed_or_ended(accounts: GivenAccounts) -> None:
    account = accounts.given("outlived@example.test")
    still = accounts.native_sign_in.still_speaks
    by_password = sign_in(accounts, account.address, PASSWORD)
    signed_in = accounts.sign_in(account.address)
    by_token = accounts.native_sign_in.with_token(signed_in.token, network_address="192.0.2.66", protocol="submission")
    other = accounts.given("elsewhere@example.test")
    assert still(by_password)
    assert still(by_token)
    assert not still(msgspec.structs.replace(by_token, account_id=other.account_id))
    accounts.passwords.set_by_operator(account.account_id, "eight grey herons")
    assert not still(by_password)
    assert not still(by_token)


def test_a_sessions_token_speaks_for_its_account_until_it_ends(accounts: GivenAccounts) -> None:
    account = accounts.given("bearer@example.test")
    signed_in = accounts.sign_in("bearer@example.test")
    by_token = accounts.native_sign_in.with_token
    principal = by_token(signed_in.token, network_address="192.0.2.64", protocol="submission")
    assert (principal.mailbox_id, principal.session_id) == (account.mailbox_id, signed_in.session_id)
    accounts.sessions.end_session(account.account_id, signed_in.session_id)
    with pytest.raises(CredentialsInvalidError):
        by_token(signed_in.token, network_address="192.0.2.64", protocol="submission")


def test_what_is_refused_is_counted_and_told_without_naming_anybody(
    accounts: GivenAccounts, caplog: pytest.LogCaptureFixture
) -> None:
    told, counter = ToldSignIn(accounts.native_sign_in), SIGN_INS_REFUSED.labels("submission")
    accounts.given("counted@example.test")
    before = counter._value.get()
    place = {"network_address": "192.0.2.65", "protocol": "submission"}
    with pytest.raises(CredentialsInvalidError):
        told.with_password("counted@example.test", "wrong", client="a phone", **place)
    with pytest.raises(CredentialsInvalidError):
        told.with_token("lm_wrong", **place)
    assert counter._value.get() == before + 2
    said = [str(vars(record)) for record in caplog.records if record.getMessage() == "sign-in refused"]
    assert len(said) == 2
    assert all("192.0.2.65" in one and "counted" not in one and "wrong" not in one for one in said)
