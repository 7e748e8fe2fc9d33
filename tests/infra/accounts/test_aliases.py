"""Further addresses of accounts, and who gets their mail."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from domain.addresses import EmailAddress
from gateways.accounts import AddressTakenError
from infra.accounts.aliases import AliasError, Aliases
from infra.command_line import COMMANDS, run
from tests.infra.accounts.given_accounts import PASSWORD, GivenAccounts


def aliases(accounts: GivenAccounts) -> Aliases:
    return Aliases(accounts.connect, domains=frozenset(accounts.settings.domains))


def found(accounts: GivenAccounts, address: str) -> str | None:
    entry = accounts.directory.find(EmailAddress.parse(address).canonical)
    return None if entry is None else entry.mailbox_id


def test_an_alias_leads_to_its_account_with_any_tag_and_case_until_it_is_removed(accounts: GivenAccounts) -> None:
    ada = accounts.given("ada@example.test")
    assert aliases(accounts).add("Info@Example.test", ada) == "info@example.test"
    assert aliases(accounts).add("info@example.test", ada) == "info@example.test"
    assert found(accounts, "INFO+x@example.test") == ada.mailbox_id
    aliases(accounts).remove("info@example.test")
    assert found(accounts, "info@example.test") is None
    with pytest.raises(AliasError):
        aliases(accounts).remove("info@example.test")


def test_who_takes_all_that_is_left_gets_no_mail_of_accounts_aliases_roles_or_closed_ones(
    accounts: GivenAccounts,
) -> None:
    rest, bob = accounts.given("rest@example.test"), accounts.given("bob@example.test")
    gone = accounts.given("gone@example.test")
    aliases(accounts).add("@example.test", rest)
    aliases(accounts).add("bobs@example.test", bob)
    accounts.administration.close(gone)
    assert found(accounts, "whoever@example.test") == rest.mailbox_id
    assert found(accounts, "bob@example.test") == found(accounts, "bobs@example.test") == bob.mailbox_id
    assert found(accounts, "gone@example.test") is None
    assert found(accounts, "abuse@example.test") not in (None, rest.mailbox_id)
    aliases(accounts).remove("@example.test")


def test_an_address_is_one_accounts_or_one_alias_however_many_race(accounts: GivenAccounts) -> None:
    eve, zoe = accounts.given("eve@example.test"), accounts.given("zoe@example.test")
    with pytest.raises(AliasError, match="taken"):
        aliases(accounts).add("zoe@example.test", eve)
    aliases(accounts).add("zoes@example.test", zoe)
    with pytest.raises(AliasError, match="taken"):
        aliases(accounts).add("zoes@example.test", eve)
    with pytest.raises(AddressTakenError):
        accounts.registration.create("zoes@example.test", PASSWORD)

    def register() -> Any:
        return accounts.registration.create("race@example.test", PASSWORD)

    def alias() -> Any:
        return aliases(accounts).add("race@example.test", eve)

    with ThreadPoolExecutor(2) as pool:
        outcomes = [pool.submit(register), pool.submit(alias)]
    assert sum(outcome.exception() is None for outcome in outcomes) == 1


@pytest.mark.parametrize("name", ["nobody", "a@elsewhere.test", "@elsewhere.test", "a+tag@example.test", "@"])
def test_what_is_no_address_of_ours_is_no_alias(accounts: GivenAccounts, name: str) -> None:
    with pytest.raises(AliasError):
        aliases(accounts).add(name, accounts.accounts.at("postmaster@example.test"))


def test_an_operator_adds_lists_and_removes(
    accounts: GivenAccounts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts.given("cli@example.test")
    monkeypatch.setenv("LEDGERMAIL_DATABASE_URL", str(accounts.settings.database_url))
    monkeypatch.setenv("LEDGERMAIL_DATA", str(accounts.settings.data))

    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as exited:
            run(["alias", *arguments], commands=COMMANDS)
        sys.stdout.flush()
        printed = capsys.readouterr()
        return int(exited.value.code or 0), printed.out + printed.err

    assert call("add", "@example.test", "cli@example.test") == (0, "@example.test leads to cli@example.test\n")
    assert "@example.test -> cli@example.test\n" in call("list")[1]
    assert call("remove", "@example.test") == (0, "@example.test leads to nobody\n")
    assert call("add", "x@example.test", "nobody@example.test")[0] == 1
