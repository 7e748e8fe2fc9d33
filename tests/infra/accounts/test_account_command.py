"""`ledgermail account`, run as an operator runs it: its password on standard input, a line for what can be mended."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.decisions import EraseMailbox
from domain.events import MailboxErased, PasswordChanged, QuotaSet
from gateways.accounts import AccountSuspendedError, CredentialsInvalidError
from infra.accounts.administration import AccountActionError
from infra.command_line import COMMANDS, run
from tests.infra.accounts.given_accounts import PASSWORD, GivenAccounts, given_accounts

LEDGERMAIL = Path(sys.executable).with_name("ledgermail")


class Said:
    """What one call of the command printed, and how it ended."""

    def __init__(self, returncode: int, stdout: str, stderr: str) -> None:
        self.returncode, self.stdout, self.stderr = returncode, stdout, stderr


Ledgermail = Callable[..., Said]


def environment(accounts: GivenAccounts) -> dict[str, str]:
    return {
        "LEDGERMAIL_DATABASE_URL": str(accounts.settings.database_url),
        "LEDGERMAIL_DATA": str(accounts.settings.data),
        "LEDGERMAIL_REGISTRATION": "closed",
    }


@pytest.fixture
def ledgermail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ledgermail:
    """Runs `ledgermail account …` on the database and folder of the accounts given."""

    def call(accounts: GivenAccounts, *arguments: str, said: str = "") -> Said:
        for name, value in environment(accounts).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            run(["account", *arguments], commands=COMMANDS)
        printed = capsys.readouterr()
        return Said(int(exited.value.code or 0), printed.out, printed.err)

    return call


def test_a_script_creates_an_account_with_its_password_on_standard_input(accounts: GivenAccounts) -> None:
    done = subprocess.run(
        [LEDGERMAIL, "account", "create", "script@example.test", "--password-stdin"],
        input=PASSWORD,
        env=os.environ | environment(accounts),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert accounts.sign_in("script@example.test").token


def test_an_operator_creates_an_account_whose_owner_then_signs_in(
    accounts: GivenAccounts, ledgermail: Ledgermail
) -> None:
    done = ledgermail(accounts, "create", "cli@example.test", "--name", "Cli", "--password-stdin", said=PASSWORD + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    signed_in = accounts.sign_in("cli@example.test")
    assert signed_in.account.account_id in done.stdout
    listed = ledgermail(accounts, "list").stdout
    assert "cli@example.test" in listed
    assert "postmaster@example.test" in listed
    shown = ledgermail(accounts, "sessions", "cli@example.test").stdout
    assert signed_in.session_id in shown
    assert ledgermail(accounts, "sessions", "cli@example.test", "--end").stdout == "1 sessions ended\n"
    assert accounts.sessions.list_sessions(signed_in.account.account_id) == []


def test_the_operators_own_password_is_set_by_passwd(accounts: GivenAccounts, ledgermail: Ledgermail) -> None:
    done = ledgermail(accounts, "passwd", "postmaster@example.test", "--password-stdin", said=PASSWORD + "\n")
    assert done.returncode == 0
    assert PASSWORD not in done.stdout
    signed_in = accounts.sign_in("postmaster@example.test")
    assert PasswordChanged(by="operator") in [one.event for one in accounts.events(signed_in.account.mailbox_id)]


@pytest.mark.parametrize(
    ("arguments", "said", "line"),
    [
        (["passwd", "nobody@example.test", "--password-stdin"], PASSWORD, "there is no account 'nobody@example.test'"),
        (["create", "weak@example.test", "--password-stdin"], "short", "a password has at least 8 characters"),
        (["quota", "postmaster@example.test", "lots"], "", "'lots' is no size: bytes, or as in 500M or 15G"),
        (["close", "postmaster@example.test"], "", "postmaster@example.test is the operator's own"),
    ],
)
def test_what_the_operator_can_mend_is_one_line(
    accounts: GivenAccounts, ledgermail: Ledgermail, arguments: list[str], said: str, line: str
) -> None:
    done = ledgermail(accounts, *arguments, said=said)
    assert done.returncode == 1
    assert done.stderr.startswith(f"ledgermail: {line}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("typed", "limit"), [("2048", 2048), ("5k", 5120), ("3 GiB", 3 * 2**30)])
def test_a_quota_is_set_in_bytes_or_with_a_unit(
    accounts: GivenAccounts, ledgermail: Ledgermail, typed: str, limit: int
) -> None:
    account = accounts.given(f"quota{limit}@example.test")
    done = ledgermail(accounts, "quota", account.address, typed)
    assert done.stdout == f"{account.address} holds 0 of {limit} bytes\n"
    assert accounts.events(account.mailbox_id)[-1].event == QuotaSet(limit_bytes=limit)


@pytest.mark.parametrize("typed", ["999999999999999999T", "9007199254740992", "8192T"])
def test_a_quota_that_nothing_can_hold_is_refused_in_one_line(
    accounts: GivenAccounts, ledgermail: Ledgermail, typed: str
) -> None:
    account = accounts.given(f"huge{len(typed)}@example.test")
    done = ledgermail(accounts, "quota", account.address, typed)
    said = f"ledgermail: '{typed}' is more than a mailbox can be allowed, 9007199254740991 bytes\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_an_operator_sees_why_an_account_is_restricted_and_lifts_it(
    accounts: GivenAccounts, ledgermail: Ledgermail
) -> None:
    account = accounts.given("sender@example.test")
    assert "restriction" in ledgermail(accounts, "restrictions", account.address).stdout
    ledgermail(accounts, "restrict", account.address, "--why", "a known pattern")
    shown = ledgermail(accounts, "restrictions", account.address).stdout
    assert "blocked" in shown
    assert "a known pattern" in shown
    assert ledgermail(accounts, "lift", account.address).stdout == f"{account.address} sends freely\n"
    assert accounts.topics(account.mailbox_id)[-2:] == ["SendingRestricted", "SendingAllowed"]
    assert "blocked" not in ledgermail(accounts, "restrictions", account.address).stdout


def test_suspending_ends_sessions_and_resuming_lets_in_again(accounts: GivenAccounts) -> None:
    account = accounts.given("pause@example.test")
    accounts.sign_in(account.address)
    accounts.administration.suspend(account)
    with pytest.raises(AccountSuspendedError):
        accounts.sign_in(account.address)
    accounts.administration.resume(accounts.accounts.at(account.address))
    assert accounts.sign_in(account.address).token
    assert accounts.rows("SELECT count(*) FROM sessions WHERE account_id = %s", account.account_id) == [(1,)]


def test_closing_destroys_nothing_and_erasing_everything(accounts: GivenAccounts, ledgermail: Ledgermail) -> None:
    account = accounts.given("bye@example.test")
    assert ledgermail(accounts, "close", account.address).returncode == 0
    assert accounts.topics(account.mailbox_id) == ["MailboxOpened"]
    with pytest.raises(CredentialsInvalidError):
        accounts.sign_in(account.address)
    refused = ledgermail(accounts, "close", account.address, "--erase", said="something else\n")
    assert refused.returncode == 1
    assert accounts.keys.get(account.mailbox_id) is not None
    assert ledgermail(accounts, "close", account.address, "--erase", said=f"{account.address}\n").returncode == 0
    assert accounts.keys.get(account.mailbox_id) is None
    assert accounts.topics(account.mailbox_id) == ["MailboxOpened", MailboxErased.TOPIC]
    assert accounts.rows("SELECT password_hash FROM accounts WHERE account_id = %s", account.account_id) == [(None,)]
    with pytest.raises(AccountActionError, match="erased"):
        accounts.administration.resume(accounts.accounts.at(account.address))


def test_an_erasure_that_a_crash_cut_before_the_key_cannot_be_undone_and_is_finished(accounts: GivenAccounts) -> None:
    account = accounts.given("half@example.test")
    accounts.administration.close(account)
    accounts.lane.run(EraseMailbox(mailbox_id=account.mailbox_id, command_id="erase", why="asked for"))
    with pytest.raises(AccountActionError, match="erased"):
        accounts.administration.resume(accounts.accounts.at(account.address))
    accounts.administration.erase(account, why="asked for")
    assert accounts.keys.get(account.mailbox_id) is None


def test_erasing_again_finishes_and_changes_nothing_more(accounts: GivenAccounts, ledgermail: Ledgermail) -> None:
    account = accounts.given("twice@example.test")
    for _ in range(2):
        assert ledgermail(accounts, "close", account.address, "--erase", "--yes").returncode == 0
    assert accounts.topics(account.mailbox_id) == ["MailboxOpened", "MailboxErased"]
    assert accounts.directory.find(account.address) is None


def test_an_erased_address_is_nobodys_for_ever(accounts: GivenAccounts, ledgermail: Ledgermail) -> None:
    accounts.administration.erase(accounts.given("never@example.test"), why="test")
    again = ledgermail(accounts, "create", "never@example.test", "--password-stdin", said=PASSWORD)
    assert again.stderr == "ledgermail: somebody has this address\n"


def test_an_erased_account_is_listed_as_erased_a_closed_one_as_closed(
    accounts: GivenAccounts, ledgermail: Ledgermail
) -> None:
    closed, erased = accounts.given("shut@example.test"), accounts.given("gone@example.test")
    accounts.administration.close(closed)
    accounts.administration.erase(erased, why="asked for")
    lines = {line.split()[0]: line.split()[1] for line in ledgermail(accounts, "list").stdout.splitlines()}
    assert (lines["shut@example.test"], lines["gone@example.test"]) == ("closed", "erased")


def test_a_new_master_key_is_announced_once_on_standard_error(
    ledgermail: Ledgermail, database_url: str, tmp_path: Path
) -> None:
    with given_accounts(database_url, tmp_path) as accounts:
        first, second = ledgermail(accounts, "list"), ledgermail(accounts, "list")
    key = accounts.settings.master_key_file
    assert (
        first.stderr == f"ledgermail: made the master key {key}: back it up elsewhere, without it no mail can be read\n"
    )
    assert (second.returncode, second.stderr) == (0, "")


def test_a_database_that_does_not_answer_is_one_line(ledgermail: Ledgermail, tmp_path: Path) -> None:
    with given_accounts("postgresql://nobody@127.0.0.1:1/none", tmp_path) as nowhere:
        done = ledgermail(nowhere, "list")
    assert done.returncode == 1
    assert done.stderr.startswith("ledgermail: the database does not answer: ")
    assert done.stderr.count("\n") == 1
