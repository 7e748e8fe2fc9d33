"""Passwords and app passwords: who changes them, what ends then, what the owner's log says of it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.events import AppPasswordAdded, PasswordChanged, SignedIn, Who
from gateways.accounts import (
    AccountUnknownError,
    AppPasswordInvalidError,
    AppPasswordUnknownError,
    CredentialsInvalidError,
    PasswordWeakError,
    Principal,
)
from infra.accounts.app_passwords import MAX_APP_PASSWORDS
from infra.accounts.passwords import PostgresPasswords
from tests.infra.accounts.given_accounts import PASSWORD, GivenAccounts, InterruptedHereError

NEW = "nine grey geese"
WHO = Who(actor="owner", address="192.0.2.30", protocol="http")


def test_changing_the_password_ends_other_sessions_at_once_and_is_recorded(accounts: GivenAccounts) -> None:
    account = accounts.given("pw@example.test")
    this, that = accounts.sign_in("pw@example.test"), accounts.sign_in("pw@example.test")
    assert accounts.sessions.authenticate(that.token) is not None
    accounts.passwords.change(account.account_id, old=PASSWORD, new=NEW, keep_session=this.session_id, who=WHO)
    assert accounts.sessions.authenticate(that.token) is None
    assert accounts.sessions.authenticate(this.token) is not None
    assert accounts.events(account.mailbox_id)[-1].event == PasswordChanged(by="owner")
    with pytest.raises(CredentialsInvalidError):
        accounts.sign_in("pw@example.test")
    assert accounts.sign_in("pw@example.test", NEW).token


def test_a_wrong_old_password_or_a_weak_new_one_changes_nothing(accounts: GivenAccounts) -> None:
    account = accounts.given("kept@example.test")
    session = accounts.sign_in("kept@example.test")
    with pytest.raises(CredentialsInvalidError):
        accounts.passwords.change(account.account_id, old="not this", new=NEW, keep_session="", who=WHO)
    with pytest.raises(PasswordWeakError):
        accounts.passwords.change(account.account_id, old=PASSWORD, new="password1", keep_session="", who=WHO)
    assert accounts.sessions.authenticate(session.token) is not None
    assert accounts.topics(account.mailbox_id) == ["MailboxOpened", "SignedIn"]
    with pytest.raises(AccountUnknownError):
        accounts.passwords.change("u0", old=PASSWORD, new=NEW, keep_session="", who=WHO)


def test_of_changes_that_race_one_wins(accounts: GivenAccounts) -> None:
    account = accounts.given("racing@example.test")

    def change(number: int) -> str | None:
        new = f"{NEW} {number}"
        try:
            accounts.passwords.change(account.account_id, old=PASSWORD, new=new, keep_session="", who=WHO)
        except CredentialsInvalidError:
            return None
        return new

    with ThreadPoolExecutor(4) as pool:
        won = [new for new in pool.map(change, range(4)) if new]
    assert len(won) == 1
    assert accounts.sign_in("racing@example.test", won[0]).token
    assert accounts.topics(account.mailbox_id).count("PasswordChanged") == 1


def test_a_sign_in_that_a_password_change_overtakes_gives_no_session(accounts: GivenAccounts) -> None:
    account = accounts.given("overtaken@example.test")
    known = accounts.credentials.require("overtaken@example.test", PASSWORD, network_address="")
    accounts.passwords.set_by_operator(account.account_id, NEW)
    with pytest.raises(CredentialsInvalidError):
        accounts.sessions._begin(known, "lm_late", "nlate", client="", network_address="")
    assert accounts.sessions.list_sessions(account.account_id) == []


def test_a_change_whose_record_a_crash_prevented_is_recorded_by_the_next_sign_in(accounts: GivenAccounts) -> None:
    account = accounts.given("crash@example.test")
    accounts.interrupt_before = "record"
    cut = PostgresPasswords(
        accounts.connect,
        accounts.accounts,
        accounts.credentials,
        accounts.hashing,
        accounts.interrupted(),
        accounts.sessions,
    )
    with pytest.raises(InterruptedHereError):
        cut.set_by_operator(account.account_id, NEW)
    assert accounts.topics(account.mailbox_id) == ["MailboxOpened"]
    accounts.sign_in("crash@example.test", NEW)
    accounts.sign_in("crash@example.test", NEW)
    assert accounts.topics(account.mailbox_id) == ["MailboxOpened", "PasswordChanged", "SignedIn", "SignedIn"]
    assert accounts.events(account.mailbox_id)[1].event == PasswordChanged(by="operator")


def test_the_same_password_in_another_unicode_form_is_the_same(accounts: GivenAccounts) -> None:
    accounts.given("unicode@example.test", "sieben grüne Reiher".replace("ü", "u\u0308"))
    assert accounts.sign_in("unicode@example.test", "sieben gr\u00fcne Reiher").token


def verify(accounts: GivenAccounts, address: str, secret: str, *, network: str = "192.0.2.40") -> Principal:
    return accounts.app_passwords.verify(address, secret, client="a phone", network_address=network, protocol="imap")


def test_an_app_password_opens_the_mailbox_to_a_native_client_and_nothing_else(accounts: GivenAccounts) -> None:
    account = accounts.given("app@example.test")
    made = accounts.app_passwords.add(account.account_id, "phone", who=WHO)
    principal = verify(accounts, "APP@example.test", made.secret)
    assert principal == Principal(
        account.account_id, account.mailbox_id, "app@example.test", made.app_password.app_password_id, "user"
    )
    assert verify(accounts, "app@example.test", made.secret.replace("-", " ").upper()) == principal
    with pytest.raises(CredentialsInvalidError):
        accounts.sign_in("app@example.test", made.secret)
    with pytest.raises(CredentialsInvalidError):
        verify(accounts, "app@example.test", PASSWORD)


def test_an_app_passwords_secret_is_kept_nowhere(accounts: GivenAccounts) -> None:
    account = accounts.given("shown@example.test")
    made = accounts.app_passwords.add(account.account_id, "phone")
    [row] = accounts.rows("SELECT p.*::text FROM app_passwords p WHERE account_id = %s", account.account_id)
    assert made.secret not in row[0]
    [listed] = accounts.app_passwords.list_all(account.account_id)
    assert listed == made.app_password
    added = accounts.events(account.mailbox_id)[-1].event
    assert added == AppPasswordAdded(app_password_id=listed.app_password_id, name="phone")


def test_log_ins_of_a_native_client_are_recorded_once_a_day_from_each_place(accounts: GivenAccounts) -> None:
    account = accounts.given("daily@example.test")
    secret = accounts.app_passwords.add(account.account_id, "phone").secret
    for network in ("192.0.2.41", "192.0.2.41", "192.0.2.42", "192.0.2.41"):
        verify(accounts, "daily@example.test", secret, network=network)
    seen = [one.event.address for one in accounts.events(account.mailbox_id) if isinstance(one.event, SignedIn)]
    assert seen == ["192.0.2.41", "192.0.2.42"]
    [listed] = accounts.app_passwords.list_all(account.account_id)
    assert listed.last_used_at is not None


def test_a_removed_app_password_opens_nothing_and_is_listed_no_more(accounts: GivenAccounts) -> None:
    account = accounts.given("removed@example.test")
    made = accounts.app_passwords.add(account.account_id, "phone")
    accounts.app_passwords.remove(account.account_id, made.app_password.app_password_id, who=WHO)
    with pytest.raises(CredentialsInvalidError):
        verify(accounts, "removed@example.test", made.secret)
    assert accounts.app_passwords.list_all(account.account_id) == []
    assert accounts.topics(account.mailbox_id)[1:] == ["AppPasswordAdded", "AppPasswordRemoved"]


def test_a_removal_that_a_crash_interrupted_is_finished_by_its_repeat(accounts: GivenAccounts) -> None:
    account = accounts.given("halfway@example.test")
    made = accounts.app_passwords.add(account.account_id, "phone")
    accounts.rows("UPDATE app_passwords SET removed = true WHERE account_id = %s RETURNING 1", account.account_id)
    with pytest.raises(CredentialsInvalidError):
        verify(accounts, "halfway@example.test", made.secret)
    accounts.app_passwords.remove(account.account_id, made.app_password.app_password_id)
    assert accounts.topics(account.mailbox_id)[-1] == "AppPasswordRemoved"


@pytest.mark.parametrize("app_password_id", ["p0", "", "\0", "x" * 900])
def test_an_app_password_of_nobody_cannot_be_removed(accounts: GivenAccounts, app_password_id: str) -> None:
    with pytest.raises(AppPasswordUnknownError):
        accounts.app_passwords.remove("u0", app_password_id)


def test_nobody_removes_the_app_password_of_another_account(accounts: GivenAccounts) -> None:
    account, other = accounts.given("own@example.test"), accounts.given("foreign@example.test")
    made = accounts.app_passwords.add(account.account_id, "phone")
    with pytest.raises(AppPasswordUnknownError):
        accounts.app_passwords.remove(other.account_id, made.app_password.app_password_id)
    assert verify(accounts, "own@example.test", made.secret)


@pytest.mark.parametrize("name", ["", "  ", "\0", "x" * 101])
def test_an_app_password_has_a_name(accounts: GivenAccounts, name: str) -> None:
    account = accounts.accounts.at("postmaster@example.test")
    with pytest.raises(AppPasswordInvalidError):
        accounts.app_passwords.add(account.account_id, name)


def test_app_passwords_are_bounded(accounts: GivenAccounts) -> None:
    account = accounts.given("hoarder@example.test")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: accounts.app_passwords.add(account.account_id, f"phone {n}"), range(MAX_APP_PASSWORDS)))
    with pytest.raises(AppPasswordInvalidError):
        accounts.app_passwords.add(account.account_id, "one more")


def test_an_app_password_for_nobody_is_refused(accounts: GivenAccounts) -> None:
    with pytest.raises(AccountUnknownError):
        accounts.app_passwords.add("u0", "phone")


@pytest.mark.parametrize("address", ["nobody@example.test", "no address", "app\0@example.test"])
def test_an_unknown_address_with_an_app_password_is_refused(accounts: GivenAccounts, address: str) -> None:
    with pytest.raises(CredentialsInvalidError):
        verify(accounts, address, "abcd-abcd-abcd-abcd-abcd")
