"""Registration: one winner of every race, an opening that anybody can finish, and who may have which address."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domain.events import MailboxOpened
from gateways.accounts import (
    AddressInvalidError,
    AddressTakenError,
    DisplayNameInvalidError,
    DomainNotServedError,
    PasswordWeakError,
    RegistrationClosedError,
)
from gateways.directory import DirectoryEntry
from infra.accounts.registration import PostgresRegistration
from tests.infra.accounts.given_accounts import PASSWORD, GivenAccounts, InterruptedHereError, given_accounts

ROOT = Path(__file__).parents[3]


def registration_with(accounts: GivenAccounts, step: str) -> PostgresRegistration:
    accounts.interrupt_before = step
    return PostgresRegistration(
        accounts.connect,
        accounts.hashing,
        accounts.interrupted(),
        domains=frozenset({"example.test"}),
        is_open=True,
        quota_bytes=10**6,
    )


def test_registering_opens_the_mailbox_with_name_and_quota(accounts: GivenAccounts) -> None:
    account = accounts.registration.register("Ada.L@Example.test", PASSWORD, display_name="Ada Lovelace")
    [opened] = accounts.events(account.mailbox_id)
    assert isinstance(opened.event, MailboxOpened)
    assert opened.event.address == "Ada.L@example.test"
    assert opened.event.display_name == "Ada Lovelace"
    assert opened.event.quota_bytes == accounts.settings.quota_bytes
    assert accounts.accounts.find(account.account_id) == account
    assert accounts.directory.find("ada.l@example.test") == DirectoryEntry(account.mailbox_id)


def test_what_only_the_opening_needed_is_kept_nowhere_in_the_clear(accounts: GivenAccounts) -> None:
    account = accounts.given("plain@example.test")
    kept = accounts.rows("SELECT opening_name, password_hash FROM accounts WHERE account_id = %s", account.account_id)
    [(name, password_hash)] = kept
    assert name is None
    assert password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_of_sixteen_threads_that_race_for_an_address_exactly_one_gets_it(accounts: GivenAccounts) -> None:
    def attempt(_number: int) -> str:
        try:
            return accounts.registration.register("rAcE@example.test", PASSWORD).address
        except AddressTakenError as taken:
            return taken.code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(attempt, range(16)))
    assert sorted(answers) == ["address_taken"] * 15 + ["rAcE@example.test"]
    assert accounts.rows("SELECT count(*) FROM accounts WHERE canonical = 'race@example.test'") == [(1,)]
    assert accounts.rows("SELECT count(*) FROM directory WHERE address = 'race@example.test'") == [(1,)]


PROGRAM = """
import os, sys
from gateways.accounts import AddressTakenError
from infra.composition import Parts
from infra.settings import load
with Parts(load(os.environ)) as parts:
    parts.lane
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(parts.registration.register("grace@example.test", "seven green herons").account_id)
    except AddressTakenError as taken:
        print(taken.code)
"""


def environment(accounts: GivenAccounts) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("LEDGERMAIL_")}
    url, folder = accounts.settings.database_url, str(accounts.settings.data)
    return plain | {"LEDGERMAIL_DATABASE_URL": str(url), "LEDGERMAIL_DATA": folder, "PYTHONPATH": str(ROOT)}


def program(source: str, accounts: GivenAccounts) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", source], env=environment(accounts), **pipes)


def test_of_three_processes_that_race_for_an_address_exactly_one_gets_it(accounts: GivenAccounts) -> None:
    assert accounts.lane is not None
    processes = [program(PROGRAM, accounts) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert answers[:2] == ["address_taken"] * 2
    [(winner, state)] = accounts.rows("SELECT account_id, state FROM accounts WHERE canonical = 'grace@example.test'")
    assert (answers[2], state) == (winner, "open")


@pytest.mark.parametrize("step", ["key", "append", "state"])
def test_a_delivery_finishes_an_opening_interrupted_before_any_step(accounts: GivenAccounts, step: str) -> None:
    address = f"cut-{step}@example.test"
    with pytest.raises(InterruptedHereError):
        registration_with(accounts, step).register(address, PASSWORD, display_name="Cut")
    entry = accounts.directory.find(address)
    assert entry is not None
    assert accounts.topics(entry.mailbox_id) == ["MailboxOpened"]
    assert accounts.rows("SELECT state FROM directory WHERE address = %s", address) == [("open",)]


@pytest.mark.parametrize("step", ["key", "append", "state"])
def test_a_sign_in_finishes_an_opening_interrupted_before_any_step(accounts: GivenAccounts, step: str) -> None:
    address = f"break-{step}@example.test"
    with pytest.raises(InterruptedHereError):
        registration_with(accounts, step).register(address, PASSWORD, display_name="Cut")
    signed_in = accounts.sign_in(address)
    assert signed_in.account.state == "open"
    assert accounts.topics(signed_in.account.mailbox_id) == ["MailboxOpened", "SignedIn"]


def test_an_opening_is_finished_with_the_quota_of_its_beginning(accounts: GivenAccounts) -> None:
    with pytest.raises(InterruptedHereError):
        registration_with(accounts, "state").register("quota@example.test", PASSWORD)
    entry = accounts.directory.find("quota@example.test")
    assert accounts.rows("SELECT quota_bytes FROM mailboxes WHERE mailbox_id = %s", entry.mailbox_id) == [(10**6,)]


def test_many_visitors_finish_one_opening_once(accounts: GivenAccounts) -> None:
    with pytest.raises(InterruptedHereError):
        registration_with(accounts, "key").register("crowd@example.test", PASSWORD)
    with ThreadPoolExecutor(8) as pool:
        entries = set(pool.map(accounts.directory.find, ["crowd@example.test"] * 16))
    [entry] = entries
    assert accounts.topics(entry.mailbox_id) == ["MailboxOpened"]


KILLED = """
import os, signal, sys
from infra.accounts.registration import PostgresRegistration
from infra.accounts.unfinished import Unfinished
from infra.composition import Parts
from infra.settings import load
def die(step):
    if step == {step!r}:
        os.kill(os.getpid(), signal.SIGKILL)
with Parts(load(os.environ)) as parts:
    parts.unfinished = Unfinished(parts.connect, parts.keys, parts.lane, before_step=die)
    parts.registration.register("killed-{step}@example.test", "seven green herons")
"""


@pytest.mark.parametrize("step", ["key", "append", "state"])
def test_a_registration_killed_before_any_step_is_finished_by_the_next_visit(
    accounts: GivenAccounts, step: str
) -> None:
    process = program(KILLED.format(step=step), accounts)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    signed_in = accounts.sign_in(f"killed-{step}@example.test")
    assert accounts.topics(signed_in.account.mailbox_id) == ["MailboxOpened", "SignedIn"]


@pytest.mark.parametrize("address", ["", "ada", "ada@", "@example.test", "a b@example.test", "ada+list@example.test"])
def test_what_is_no_address_of_its_own_is_refused(accounts: GivenAccounts, address: str) -> None:
    with pytest.raises(AddressInvalidError):
        accounts.given(address)


@pytest.mark.parametrize("address", ['"ada lee"@example.test', "ada\0@example.test", "\ud800@example.test"])
def test_an_address_that_needs_quotes_or_is_no_text_is_refused(accounts: GivenAccounts, address: str) -> None:
    with pytest.raises(AddressInvalidError):
        accounts.given(address)


def test_a_domain_that_is_not_served_is_refused(accounts: GivenAccounts) -> None:
    with pytest.raises(DomainNotServedError):
        accounts.given("ada@elsewhere.test")


@pytest.mark.parametrize("address", ["postmaster@example.test", "Abuse@example.test", "ADMIN@example.test"])
def test_the_operators_addresses_are_refused_to_users(accounts: GivenAccounts, address: str) -> None:
    with pytest.raises(AddressTakenError):
        accounts.given(address)


def test_an_operator_may_open_a_reserved_address(accounts: GivenAccounts) -> None:
    account = accounts.registration.create("support@example.test", PASSWORD)
    assert accounts.directory.find("support@example.test") == DirectoryEntry(account.mailbox_id)


@pytest.mark.parametrize("spelling", ["TAKEN@example.test", "taken@EXAMPLE.test"])
def test_another_spelling_of_an_address_is_the_same_address(accounts: GivenAccounts, spelling: str) -> None:
    if accounts.directory.find("taken@example.test") is None:
        accounts.given("taken@example.test")
    with pytest.raises(AddressTakenError):
        accounts.given(spelling)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "password",
        "Password1!",
        "qwertyuiop",
        "aaaaaaaaaaaa",
        "12345678",
        "weak-pw-1",
        "weak-pw@example.test",
        "x1y2" * 257,
        "seven\0herons",
        "half \ud800 pair",
    ],
)
def test_a_weak_password_is_refused_and_nothing_is_taken(accounts: GivenAccounts, password: str) -> None:
    with pytest.raises(PasswordWeakError):
        accounts.given("weak-pw@example.test", password)
    assert accounts.directory.find("weak-pw@example.test") is None


@pytest.mark.parametrize("name", ["x" * 501, "two\nlines", "\ud800"])
def test_a_display_name_is_one_line(accounts: GivenAccounts, name: str) -> None:
    with pytest.raises(DisplayNameInvalidError):
        accounts.registration.register("line@example.test", PASSWORD, display_name=name)


def test_closed_registration_refuses_everybody_but_the_operator(database_url: str, tmp_path: Path) -> None:
    with given_accounts(database_url, tmp_path, registration="closed") as closed:
        with pytest.raises(RegistrationClosedError):
            closed.given()
        assert closed.registration.create("ada@example.test", PASSWORD).state == "open"
